/** An app for the tests of `troupe/testing`: notes, a total over all actors, a digest that comes later; and reducers that break the rules, each its own way. */
import { actor, app, log, signal, view } from '../../src/index.ts'

interface Notes {
  readonly notes: readonly string[]
  readonly digests: number
}
interface Text {
  readonly text: string
}

export const user = actor('user', {
  state: (): Notes => ({ notes: [], digests: 0 }),
  events: {
    'note.added': {
      reduce: (state, { text }: Text, ctx) => {
        if (text === '') return ctx.refuse('empty', 'a note has a text')
        ctx.notify('changed')
        ctx.send('total/all', 'counted', { by: ctx.key })
        ctx.schedule('digest', { inMs: 20_000 }, 'digest.due', null)
        return { ...state, notes: [...state.notes, text] }
      },
    },
    'digest.due': { reduce: (state) => ({ ...state, digests: state.digests + 1 }) },
  },
  topics: {
    changed: signal(),
    summary: view((state: Notes) => ({ count: state.notes.length })),
    feed: log({ types: ['note.added'] }),
  },
  queries: {
    count: (state) => state.notes.length,
    nth: (state, n: number) => state.notes[n] ?? null,
    digests: (state) => state.digests,
  },
})

export const total = actor('total', {
  state: () => ({ count: 0 }),
  events: { counted: { reduce: (state, { by }: { by: string }) => ({ count: state.count + (by === '' ? 0 : 1) }) } },
  queries: { count: (state) => state.count },
})

export const ledger = app({ actors: { user, total } })

let made = 0

/** Each event breaks one rule. */
export const sinner = actor('sinner', {
  state: () => ({ value: 0 as unknown, list: [] as number[] }),
  events: {
    honest: { reduce: (state, value: number) => ({ ...state, value }) },
    lucky: { reduce: (state) => ({ ...state, value: Math.random() }) },
    dated: { reduce: (state) => ({ ...state, value: new Date().getUTCDate() }) },
    counting: { reduce: (state) => ({ ...state, value: ++made }) },
    changing: {
      reduce: (state, value: number) => {
        state.list.push(value)
        return state
      },
    },
    mapped: { reduce: (state) => ({ ...state, value: new Map([['a', 1]]) }) },
  },
})

export const sinners = app({ actors: { sinner } })

const adds = {
  state: () => 0,
  events: { add: { reduce: (state: number, by: number) => state + by } },
  topics: { sum: view((state: number) => state), feed: log() },
}

/** The weaker modes, each with what it promises. */
export const modes = app({
  actors: {
    behind: actor('behind', { ...adds, durability: { everyMs: 500 } }),
    bare: actor('bare', { ...adds, history: 'none' }),
    short: actor('short', { ...adds, history: { keep: 5 } }),
  },
})
