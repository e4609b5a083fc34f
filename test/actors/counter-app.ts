/** A small app that uses each thing an actor can do. */
import { actor, app, log, signal, view, type App } from '../../src/actors/define.ts'

interface State {
  readonly n: number
  readonly heard: readonly string[]
}
const state = (): State => ({ n: 0, heard: [] })

export const counter = actor('counter', {
  state,
  events: {
    add: {
      reduce: (s: State, data: { by?: number }, ctx) => {
        ctx.notify('changed')
        return { ...s, n: s.n + (data.by ?? 1) }
      },
    },
    full: { reduce: (_s: State, _data: unknown, ctx) => ctx.refuse('full', 'no more') },
    throws: {
      reduce: (s: State) => {
        ;(s as { n: number }).n = 1_000_000 // what a careless reducer may do before it fails
        throw new Error('planted')
      },
    },
    promises: { reduce: (s: State) => Promise.resolve(s) as unknown as State },
    nothing: { reduce: () => undefined as unknown as State },
    tell: {
      reduce: (s: State, data: { to: string; what: string; type?: string }, ctx) => {
        ctx.send(data.to, data.type ?? 'hear', { what: data.what })
        return { ...s, n: s.n + 1 }
      },
    },
    hear: { reduce: (s: State, data: { what: string }, ctx) => ({ ...s, heard: [...s.heard, `${ctx.sender} ${data.what}`] }) },
    later: {
      reduce: (s: State, data: { name: string; inMs: number }, ctx) => {
        ctx.schedule(data.name, { inMs: data.inMs }, 'hear', { what: data.name })
        return s
      },
    },
    never: {
      reduce: (s: State, data: { name: string }, ctx) => {
        ctx.cancel(data.name)
        return s
      },
    },
  },
  topics: {
    changed: signal({ everyMs: 200 }),
    value: view((s: State) => ({ n: s.n }), { everyMs: 200 }),
    adds: log({ types: ['add'] }),
  },
  queries: { value: (s) => s.n, heard: (s) => s.heard, throws: () => JSON.parse('{') as unknown },
})

const plain = { add: { reduce: (s: State, data: { by?: number }) => ({ ...s, n: s.n + (data.by ?? 1) }) } }
const queries = { value: (s: State): number => s.n }

export const lazy = actor('lazy', { state, durability: { everyMs: 1000 }, events: plain, topics: { adds: log() }, queries })
export const kept = actor('kept', { state, history: { keep: 10 }, events: plain, queries })
export const head = actor('head', {
  state,
  history: 'none',
  events: { ...plain, full: { reduce: (_s: State, _d: unknown, ctx) => ctx.refuse('full') } },
  queries,
})

export const counterApp: App = app({ actors: { counter, lazy, kept, head } })
