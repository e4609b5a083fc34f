/** What a node tells the supervisor that started it, over the channel between the two processes: whether what its last change moved has settled. */
import type { RunningNode } from '../../node.ts'

export const ASK_STANDING = 'troupe: standing?'

export interface Standing {
  /** It owns its share: its links to the others were open before it said so. */
  readonly inService: boolean
  /** Names the placement that it routes by: equal for nodes that place every actor alike. */
  readonly placement: string
  /** Actors in its memory that are others' by that placement, and still have to be handed over. */
  readonly toHandOver: number
}

/** Answers from now on. */
export function tellStanding({ member }: Pick<RunningNode, 'member'>): void {
  process.on('message', (message) => {
    if (message !== ASK_STANDING || member === null || process.connected !== true) return
    const { placement, router } = member
    const { self, members } = member.view()
    const standing: Standing = {
      inService: members.find(({ id }) => id === self.id)?.phase === 'ready',
      placement: placement.hash,
      toHandOver: router.stats().toHandOver,
    }
    process.send?.(standing)
  })
}

export function standingIn(message: unknown): Standing | null {
  const { inService, placement, toHandOver } = (message ?? {}) as Partial<Standing>
  if (typeof inService !== 'boolean' || typeof placement !== 'string' || typeof toHandOver !== 'number') return null
  return { inService, placement, toHandOver }
}
