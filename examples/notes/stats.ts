/**
 * How many notes and accounts there are, over all users: counters that every user's actor adds to with `ctx.send`, exactly once.
 *
 * One counter would be a hot actor: a thousand notes a second, all in one mailbox. So there are 16, and a user always tells the same one.
 * Nor is each note worth a message: a user tells of its 1st, 2nd, 4th and 8th event, then of 16 at a time, and of what is left when a
 * timer says so. The total lags by at most 15 a user, and ends exact. The timers are long and spread: short ones would wake every
 * user who was busy shortly before a restart, all at once, when the node has better things to do.
 */
import { z } from 'zod'
import { actor, type Refusal } from '../../src/index.ts'
import { hashOf } from './user/id-index.ts'
import type { Context, UserState } from './user/state.ts'

export const SHARDS = 16
const TELL_EVENTS = 16
const FIRST_EVENTS: ReadonlySet<number> = new Set([1, 2, 4, 8])
const TELL_MS_MIN = 10 * 60_000
const TELL_MS_SPREAD = 30 * 60_000

const Counted = z.strictObject({ notes: z.int(), events: z.int().min(0), accounts: z.int().min(0).optional() })
type Counted = z.output<typeof Counted>

export interface Totals {
  readonly notes: number
  readonly events: number
  readonly accounts: number
}

export const stats = actor('stats', {
  state: (): Totals => ({ notes: 0, events: 0, accounts: 0 }),
  events: {
    counted: {
      schema: Counted,
      reduce: (state: Totals, more: Counted): Totals => ({
        notes: state.notes + more.notes,
        events: state.events + more.events,
        accounts: state.accounts + (more.accounts ?? 0),
      }),
    },
  },
  queries: { totals: (state: Totals) => state },
  history: { keep: 1000 },
})

export const shardOf = (uid: string): string => `stats/${hashOf(uid) % SHARDS}`

/** Adds one event, and `change` notes, to what is to be told, and tells it when it is time. */
export function tell({ uid, tally, counts }: UserState, change: number, ctx: Context): UserState['tally'] {
  const next = { notes: tally.notes + change, events: tally.events + 1 }
  const all = counts.added + counts.provided + counts.edited + counts.deleted + 1
  if (next.events < TELL_EVENTS && !FIRST_EVENTS.has(all)) {
    if (next.events === 1) ctx.schedule('tell', { inMs: TELL_MS_MIN + (hashOf(uid) % TELL_MS_SPREAD) }, 'tally.due', {})
    return next
  }
  if (tally.events > 0) ctx.cancel('tell')
  ctx.send(shardOf(uid), 'counted', next)
  return { notes: 0, events: 0 }
}

export const tallyEvents = {
  /** The timer of `tell`. */
  'tally.due': {
    reduce: (state: UserState, _: unknown, ctx: Context): UserState | Refusal => {
      if (state.tally.events === 0) return state
      ctx.send(shardOf(state.uid), 'counted', state.tally)
      return { ...state, tally: { notes: 0, events: 0 } }
    },
  },
}
