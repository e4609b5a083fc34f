/** What a placement would move, before it is in force: `drain --plan`. */
import type { Clock } from '../base/clock.ts'
import type { Placement } from '../cluster/placement.ts'
import type { LocalEngine } from './ports.ts'

export interface Plan {
  /** Actors in memory here that would go, by the node that would have them. */
  readonly moves: Readonly<Record<string, number>>
  /** Those that nobody could have. */
  readonly unplaced: number
  readonly stays: number
}

const SLICE_ACTORS = 2000

export function plan(clock: Clock, engine: LocalEngine, self: string, after: Placement): Promise<Plan> {
  const moves = new Map<string, number>()
  let unplaced = 0
  let stays = 0
  const actors = engine.activations()[Symbol.iterator]()
  return new Promise((resolve) => {
    const step = (): void => {
      for (let i = 0; i < SLICE_ACTORS; i++) {
        const { value, done } = actors.next()
        if (done === true) return resolve({ moves: Object.fromEntries(moves), unplaced, stays })
        const owner = after.ownerOf(value.actor)
        if (owner === null) unplaced++
        else if (owner.id === self) stays++
        else moves.set(owner.id, (moves.get(owner.id) ?? 0) + 1)
      }
      clock.soon(step)
    }
    step()
  })
}
