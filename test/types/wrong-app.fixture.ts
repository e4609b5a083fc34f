/** Mistakes in an app module, each of which must be a compile error. An expectation without an error is itself an error. */
import { z } from 'zod'
import { actor, app, log, signal, view } from '../../src/actors/define.ts'
import { stats } from './contract-app.fixture.ts'

export const user = actor('user', {
  state: () => ({ notes: 0, last: '' }),
  events: {
    'note.added': {
      schema: z.object({ text: z.string() }),
      reduce: (state, data, ctx) => {
        // @ts-expect-error: a misspelt signal topic
        ctx.notify('event-changed')
        // @ts-expect-error: a view is not notified, it follows the state
        ctx.notify('summary')
        // @ts-expect-error: the schema's data has no such field
        data.txt.trim()
        // @ts-expect-error: the state has no such field
        state.count.toFixed()
        // @ts-expect-error: a misspelt event of a named actor type
        ctx.send(stats.at('all'), 'note.countd', { by: ctx.key })
        // @ts-expect-error: wrong data for an event of a named actor type
        ctx.send(stats.at('all'), 'note.counted', { by: 1 })
        ctx.send(stats.at('all'), 'note.counted', { by: ctx.key })
        // @ts-expect-error: a timer needs a time
        ctx.schedule('digest', {}, 'digest.due')
        // @ts-expect-error: a reason is a word
        if (data.text === '') return ctx.refuse(42)
        return { ...state, notes: state.notes + data.text.length }
      },
    },
  },
  topics: {
    'events-changed': signal(),
    summary: view((s: { notes: number }) => s.notes),
  },
  queries: {
    count: (state) => state.notes,
    // @ts-expect-error: the state has no such field
    wrong: (state) => state.nope,
  },
})

export const wrongState = actor('a', {
  state: () => ({ n: 0 }),
  events: {
    // @ts-expect-error: the next state has another shape
    bump: { reduce: (state) => ({ m: state.n }) },
  },
})

export const promised = actor('a', {
  state: () => ({ n: 0 }),
  events: {
    // @ts-expect-error: a reducer is synchronous
    bump: { reduce: async (state) => state },
  },
})

export const durability = actor('a', {
  state: () => ({}),
  events: {},
  // @ts-expect-error: not a durability
  durability: 'none',
})

export const history = actor('a', {
  state: () => ({}),
  events: {},
  // @ts-expect-error: not a history
  history: { keeep: 1 },
})

// @ts-expect-error: not an option of a topic
signal({ every: 200 })
// @ts-expect-error: types is a list
log({ types: 'note.added' })
// @ts-expect-error: an actor type is not an app
app({ actors: user })
app({
  actors: { user },
  // @ts-expect-error: an identity needs a `sub`
  authenticate: () => ({ actor: 'user/alice' }),
})
