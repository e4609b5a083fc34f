import { describe, expect, it } from 'vitest'
import { actor, app, log, signal, type App, type History } from '../../src/actors/define.ts'
import { during, oneNode } from './one-node.ts'

interface State {
  readonly n: number
}
const add = { reduce: (s: State) => ({ n: s.n + 1 }) }
const value = (s: State): number => s.n
const withHistory = (history: History): App =>
  app({ actors: { v: actor('v', { history, state: (): State => ({ n: 0 }), events: { add }, queries: { value } }) } })

describe('an app that is changed under the actors it has', () => {
  it.each<[History, History]>([
    ['none', 'all'],
    ['all', 'none'],
    ['none', { keep: 10 }],
    [{ keep: 10 }, 'none'],
  ])('history %o to %o is refused before anything is written, and nothing is lost (J10)', async (from, to) => {
    for (const snapshot of [false, true]) {
      const one = oneNode(withHistory(from))
      for (let i = 0; i < 3; i++) await during(one, one.send('v/a', 'add'))
      if (snapshot) await during(one, one.engine.drain())
      else one.engine.kill()
      const before = await one.store.load('v/a')
      const two = one.another({ app: withHistory(to) })
      expect(await during(two, two.query('v/a', 'value'))).toMatchObject({ ok: false, code: 'internal', message: /written with history/ })
      await two.clock.run(2000)
      expect(await during(two, two.send('v/a', 'add'))).toMatchObject({ ok: false, code: 'internal' })
      expect(await one.store.load('v/a')).toEqual(before)
      const back = one.another({ app: withHistory(from), generation: 3 })
      expect(await during(back, back.send('v/a', 'add'))).toMatchObject({ ok: true, offset: 4 })
      expect(await during(back, back.query('v/a', 'value'))).toMatchObject({ json: '4' })
    }
  })

  it('history all to keep, and back, is allowed: they are written the same way', async () => {
    const one = oneNode(withHistory('all'))
    for (let i = 0; i < 3; i++) await during(one, one.send('v/a', 'add'))
    await during(one, one.engine.drain())
    const two = one.another({ app: withHistory({ keep: 2 }) })
    expect(await during(two, two.send('v/a', 'add'))).toMatchObject({ ok: true, offset: 4 })
    const three = one.another({ generation: 3 })
    expect(await during(three, three.send('v/a', 'add'))).toMatchObject({ ok: true, offset: 5 })
  })

  it('actor types, topics and events that are gone do not break who once mentioned them: asks are not run on folding (J8)', async () => {
    const reducers = {
      tell: {
        reduce: (s: State, _d: unknown, ctx: { send: (to: string, type: string) => void }) => (ctx.send('gone/x', 'hear'), { n: s.n + 1 }),
      },
      mark: { reduce: (s: State, _d: unknown, ctx: { notify: (topic: 'told') => void }) => (ctx.notify('told'), { n: s.n + 1 }) },
      plan: {
        reduce: (s: State, _d: unknown, ctx: { schedule: (name: string, when: { inMs: number }, type: string) => void }) => {
          ctx.schedule('t', { inMs: 3_600_000 }, 'once')
          return { n: s.n + 1 }
        },
      },
    }
    const state = (): State => ({ n: 0 })
    const gone = actor('gone', { state: () => 0, events: { hear: { reduce: (s: number) => s } } })
    const was = actor('v', { state, events: { ...reducers, once: add }, topics: { told: signal() }, queries: { value } })
    const is = actor('v', { state, events: reducers as never, queries: { value } }) as unknown as typeof was
    const one = oneNode(app({ actors: { was, gone } }))
    one.fault = (call) => (call.op === 'load' && call.actor === 'gone/x' ? { kind: 'refused' } : null)
    for (const type of ['tell', 'mark', 'plan']) expect(await during(one, one.send('v/a', type))).toMatchObject({ ok: true })
    one.engine.kill()
    const two = one.another({ app: app({ actors: { is } }) })
    expect(await during(two, two.query('v/a', 'value'))).toMatchObject({ ok: true, json: '3' })
    // What was promised is still owed, and is read from the batches.
    expect(await during(two, two.engine.inspect('v/a'))).toMatchObject({ effects: [{ to: 'gone/x', seq: 1 }], timers: [{ name: 't' }] })
    // Live, the checks are there.
    expect(await during(two, two.send('v/a', 'tell'))).toMatchObject({ ok: false, code: 'internal' })
  })

  it('a new version writes its snapshot with the first batch, however large the state (J5, J8)', async () => {
    const big = { big: 'x'.repeat(20_000), n: 0 }
    const add = { reduce: (s: typeof big) => ({ ...s, n: s.n + 1 }) }
    const was = actor('v', { state: () => big, events: { add } })
    const is = actor('v', { state: () => big, events: { add }, version: 2, migrate: { 1: (old: typeof big) => old } })
    const one = oneNode(app({ actors: { was } }), { idleMs: 500 })
    await during(one, one.send('v/a', 'add'))
    await one.clock.run(3000)
    const two = one.another({ app: app({ actors: { is } }) })
    await during(two, two.send('v/a', 'add'))
    await two.settle()
    expect(await one.store.load('v/a')).toMatchObject({ n: 2, snapshot: { n: 2 }, batches: [] })
    const older = one.another({ generation: 3 })
    expect(await during(older, older.send('v/a', 'add'))).toMatchObject({ ok: false, code: 'moved' })
  })

  it('durability from write-behind to event after a crash: (journal, offset) still names one entry for ever (J9)', async () => {
    const made = (durability: 'event' | { everyMs: number }): App =>
      app({
        actors: {
          w: actor('w', { durability, state: () => '', events: { put: { reduce: (_s: string, x: string) => x } }, topics: { all: log() } }),
        },
      })
    const one = oneNode(made({ everyMs: 1000 }))
    await during(one, one.send('w/a', 'put', 'a'))
    await one.clock.run(3000)
    const told = one.subscribe('w/a', 'all')
    await one.settle()
    await during(one, one.send('w/a', 'put', 'lost'))
    one.engine.kill()
    const two = one.another({ app: made('event') })
    const first = two.subscribe('w/a', 'all')
    await two.settle()
    await during(two, two.send('w/a', 'put', 'other'))
    const then = two.subscribe('w/a', 'all')
    await two.settle()
    await during(two, two.send('w/a', 'put', 'more'))
    expect(told.notes).toMatchObject([{ offset: 2, json: '"lost"' }])
    expect(first.notes.every(({ journal }) => journal !== told.notes[0]?.journal)).toBe(true)
    expect(then.notes).toMatchObject([{ offset: 3, json: '"more"' }])
    expect(then.notes[0]?.journal).not.toBe(told.notes[0]?.journal)
  })

  it('an actor that cannot be folded is not read and folded again for each request', async () => {
    const made = (throws: boolean): App => {
      const reduce = (s: State): State => {
        if (throws && s.n === 5) throw new Error('planted')
        return { n: s.n + 1 }
      }
      return app({ actors: { v: actor('v', { state: (): State => ({ n: 0 }), events: { add: { reduce } }, queries: { value } }) } })
    }
    const one = oneNode(made(false))
    for (let i = 0; i < 10; i++) await during(one, one.send('v/a', 'add'))
    const two = one.another({ app: made(true) })
    let reads = 0
    two.fault = ({ op }) => {
      if (op === 'load') reads++
      return null
    }
    for (let i = 0; i < 50; i++)
      expect(await during(two, two.query('v/a', 'value'))).toMatchObject({ ok: false, code: 'internal', message: /offset 6/ })
    expect([reads, two.logged.length]).toEqual([1, 1])
    await two.clock.run(5000)
    await during(two, two.query('v/a', 'value'))
    expect(reads).toBe(2)
  })
})
