/** The app module of the contract, whole, with zod: it must type-check as written. */
import { z } from 'zod'
import { actor, app, log, signal, view } from '../../src/actors/define.ts'

const NoteAdded = z.object({ text: z.string() })

export const stats = actor('stats', {
  state: () => ({ notes: 0 }),
  events: {
    'note.counted': { reduce: (state, _data: { by: string }) => ({ notes: state.notes + 1 }) },
  },
  topics: { total: view((s: { notes: number }) => s.notes) },
})

export const user = actor('user', {
  state: () => ({ notes: 0, last: '' }),
  events: {
    'note.added': {
      schema: NoteAdded,
      reduce: (state, data, ctx) => {
        if (state.notes >= 1000) return ctx.refuse('full', 'no more than 1000 notes')
        ctx.notify('events-changed')
        ctx.send('stats/all', 'note.counted', { by: ctx.key })
        ctx.schedule('digest', { inMs: 3_600_000 }, 'digest.due', {})
        return { ...state, notes: state.notes + 1, last: data.text }
      },
    },
    'digest.due': { reduce: (state) => state },
    renamed: { reduce: (state, data: { readonly name: string }, ctx) => (ctx.now > 0 ? { ...state, last: data.name } : state) },
  },
  topics: {
    'events-changed': signal({ everyMs: 200 }),
    summary: view((s) => ({ notes: s.notes }), { everyMs: 200 }),
    counted: view((s: { notes: number }) => ({ notes: s.notes })),
    feed: log({ types: ['note.added'] }),
    everything: log(),
  },
  queries: { count: (state, _args) => state.notes, longer: (state, than: number) => state.last.length > than, last: (state) => state.last },
  durability: 'event',
  history: 'all',
  version: 2,
  migrate: { 1: (old: { notes: number }) => ({ ...old, last: '' }) },
  idleMs: 60_000,
})

export default app({
  actors: { user, stats },
  authenticate: async (request) =>
    request.token === 'secret' ? { sub: 'alice', actor: 'user/alice', expiresAt: Date.now() + 60_000, claims: { admin: true } } : null,
  authorize: (who, action, target) => action !== 'history' || target.actor === who.actor,
})

// With a verifier of JSON Web Tokens, write-behind, a bounded history, and a log of everything.
export const other = app({
  actors: {
    device: actor('device', {
      state: (key) => ({ key, bytes: 0 }),
      events: { raw: { reduce: (state, data: Uint8Array) => ({ ...state, bytes: state.bytes + data.length }) } },
      topics: { all: log() },
      durability: { everyMs: 1000 },
      history: { keep: 10_000 },
    }),
  },
  authenticate: { jwt: { secret: 'a secret of 32 bytes or more …' } },
})
