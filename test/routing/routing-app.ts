/** A small app whose actors show in what order and how often events came to them. */
import { actor, app, log, signal, view, type App } from '../../src/actors/define.ts'

interface State {
  readonly got: readonly string[]
}

export const list = actor('list', {
  state: (): State => ({ got: [] }),
  events: {
    add: {
      reduce: (s: State, data: { v: string }, ctx) => {
        ctx.notify('changed')
        return { got: [...s.got, data.v] }
      },
    },
    no: { reduce: (_s: State, _data: unknown, ctx) => ctx.refuse('no', 'not this') },
    tell: {
      reduce: (s: State, data: { to: string; v: string }, ctx) => {
        ctx.send(data.to, 'add', { v: data.v })
        return s
      },
    },
    bytes: { reduce: (s: State, data: unknown) => ({ got: [...s.got, data instanceof Uint8Array ? `bytes ${data.join()}` : 'other'] }) },
  },
  topics: {
    changed: signal({ everyMs: 50 }),
    newest: view((s: State) => ({ n: s.got.length, last: s.got.at(-1) ?? '' }), { everyMs: 50 }),
    all: log(),
  },
  queries: { got: (s) => s.got, echo: (_s, args: unknown) => args },
})

export const listApp: App = app({ actors: { list } })
