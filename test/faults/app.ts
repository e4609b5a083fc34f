/** The app under faults: what it holds is small and tells exactly what was applied and in which order. The checks run the same reducers over the journal. */
import { actor, app, log, signal, view } from '../../src/index.ts'

export interface Sum {
  readonly count: number
  /** Of all ids so far, in order. */
  readonly hash: number
}

export interface Added {
  readonly id: string
  /** An actor that is told of it. */
  readonly tell?: string
  /** A timer that comes back as `due`. */
  readonly inMs?: number
}

export interface Due {
  readonly id: string
  /** By the actor's clock when it was set. */
  readonly notBefore: number
}

export const EMPTY: Sum = { count: 0, hash: 0 }

/** The next state: FNV-1a over the ids, so that one that is lost, doubled or out of place shows in every later state. */
export function plus({ count, hash }: Sum, id: string): Sum {
  let next = hash ^ 0x811c9dc5
  for (let i = 0; i < id.length; i++) next = Math.imul(next ^ id.charCodeAt(i), 0x01000193)
  return { count: count + 1, hash: next >>> 0 }
}

const IDLE_MS = 300_000

const list = actor('list', {
  state: (): Sum => EMPTY,
  events: {
    add: {
      reduce: (state, { id, tell, inMs }: Added, ctx) => {
        if (tell !== undefined) ctx.send(tell, 'told', { id })
        if (inMs !== undefined) ctx.schedule(id, { inMs }, 'due', { id, notBefore: ctx.now + inMs } satisfies Due)
        ctx.notify('changed')
        return plus(state, id)
      },
    },
    due: { reduce: (state, { id }: Due) => plus(state, `due:${id}`) },
  },
  topics: { feed: log(), summary: view((state: Sum) => state, { everyMs: 100 }), changed: signal({ everyMs: 100 }) },
  queries: { sum: (state) => state },
  idleMs: IDLE_MS,
})

const tally = actor('tally', {
  state: (): Sum => EMPTY,
  events: { told: { reduce: (state, { id }: { id: string }) => plus(state, id) } },
  queries: { sum: (state) => state },
  idleMs: IDLE_MS,
})

export default app({ actors: { list, tally }, authorize: () => true })
