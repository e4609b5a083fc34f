import { describe, expect, it } from 'vitest'
import { actor, app, type ActorDefinition, type Durability, type History } from '../../src/actors/define.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

interface State {
  n: number
  notes: string[]
}

/** Reducers of a careless app: they change the state they are given, and may then decline. */
function careless(more: { durability?: Durability; history?: History } = {}): ActorDefinition {
  return actor('careless', {
    ...more,
    state: (): State => ({ n: 0, notes: [] }),
    events: {
      add: { reduce: (s: State, data: { text?: string }) => ({ n: s.n + 1, notes: [...s.notes, data.text ?? 'a'] }) },
      refuses: {
        reduce: (s: State, _data: unknown, ctx) => {
          s.n = 1000
          s.notes.push('spoilt')
          return ctx.refuse('no')
        },
      },
      throws: {
        reduce: (s: State) => {
          s.notes.push('spoilt')
          throw new RangeError('planted')
        },
      },
      /** Refuses without touching anything, the more it is to be cheap. */
      clean: { reduce: (_s: State, _data: unknown, ctx) => ctx.refuse('no') },
      /** Takes most events, by changing the state in place. */
      inPlace: {
        reduce: (s: State, data: { text: string }, ctx) => {
          s.notes.push(data.text)
          if (data.text === 'no') return ctx.refuse('no')
          s.n++
          return s
        },
      },
    },
    queries: { all: (s) => s },
  })
}

const A = 'careless/a'
const all = async (node: OneNode): Promise<unknown> => {
  const outcome = await during(node, node.query(A, 'all'))
  return outcome.ok ? JSON.parse(outcome.json) : outcome
}
const send = (node: OneNode, type: string, data: unknown = {}) => during(node, node.send(A, type, data))

/** Counts what is read from the store. */
function countReads(node: OneNode): { count: number } {
  const reads = { count: 0 }
  node.fault = (call) => {
    if (call.op === 'load') reads.count++
    return null
  }
  return reads
}

describe.each([
  ['event, all', {}],
  ['write-behind, all', { durability: { everyMs: 1000 } }],
  ['event, none', { history: 'none' }],
] as const)('a reducer that changes the state it was given and then declines (%s)', (_name, mode) => {
  it.each(['refuses', 'throws'])('leaves no trace in the state, the first time and after, and folding gives the same: %s', async (type) => {
    const node = oneNode(app({ actors: { careless: careless(mode) } }))
    const states: unknown[] = []
    for (let i = 1; i <= 3; i++) {
      expect(await send(node, 'add', { text: `t${i}` })).toMatchObject({ ok: true, offset: i })
      for (let j = 0; j < 2; j++) expect(await send(node, type)).toMatchObject({ ok: false })
      states.push(await all(node))
    }
    expect(states).toEqual([1, 2, 3].map((n) => ({ n, notes: ['t1', 't2', 't3'].slice(0, n) })))
    await during(node, node.engine.drain())
    expect(await all(node.another())).toEqual(states[2])
  })
})

describe('declining', () => {
  it('costs one reading of the store for each event of the app, a careless one two, however often and however many actors decline', async () => {
    const node = oneNode(app({ actors: { careless: careless() } }))
    const ids = Array.from({ length: 5 }, (_, i) => `careless/${i}`)
    for (const id of ids) await during(node, node.send(id, 'add', {}))
    const reads = countReads(node)
    for (let i = 0; i < 20; i++)
      for (const id of ids)
        for (const type of ['clean', 'refuses', 'throws']) expect(await during(node, node.send(id, type))).toMatchObject({ ok: false })
    expect(reads.count).toBe(5)
    for (const id of ids) expect(await during(node, node.query(id, 'all'))).toMatchObject({ json: '{"n":1,"notes":["a"]}' })
  })

  it('by a reducer that otherwise changes the state in place does not break it: it gets a copy, and the log says so once', async () => {
    const node = oneNode(app({ actors: { careless: careless() } }))
    const answers = []
    for (const text of ['x', 'no', 'y', 'no', 'z']) answers.push((await send(node, 'inPlace', { text })).ok)
    expect(answers).toEqual([true, false, true, false, true])
    expect(await all(node)).toEqual({ n: 3, notes: ['x', 'y', 'z'] })
    expect(node.logged.filter(({ message }) => message.includes('return a new state instead')).length).toBe(1)
    expect(await all(node.another())).toEqual({ n: 3, notes: ['x', 'y', 'z'] })
  })

  it('an event that nobody declines costs nothing: its states are not frozen, and nothing is read', async () => {
    const node = oneNode(app({ actors: { careless: careless() } }))
    await send(node, 'add')
    const reads = countReads(node)
    for (let i = 0; i < 10; i++) await send(node, 'add')
    const seen = (await node.engine.inspect(A)) as { readonly state: object }
    expect([Object.isFrozen(seen.state), reads.count]).toEqual([false, 0])
  })

  it('with a large state, of which too much is new to be guarded each time: a trace is found out soon, and nothing is left of it', async () => {
    const node = oneNode(app({ actors: { careless: careless() } }))
    const texts = Array.from({ length: 100 }, (_, i) => `t${i}`)
    for (const text of texts) await send(node, 'add', { text })
    const told = (): number => node.logged.filter(({ message }) => message.includes('return a new state instead')).length
    for (let i = 0; told() === 0; i++) {
      expect(i).toBeLessThan(64)
      await send(node, 'refuses')
      texts.push(`u${i}`)
      await send(node, 'add', { text: `u${i}` })
    }
    for (let i = 0; i < 100; i++) await send(node, 'refuses')
    expect(await all(node)).toEqual({ n: texts.length, notes: texts })
  })

  it('with a large state by throwing leaves no trace at all', async () => {
    const node = oneNode(app({ actors: { careless: careless() } }))
    const texts = Array.from({ length: 100 }, (_, i) => `t${i}`)
    for (const text of texts) {
      await send(node, 'add', { text })
      for (const type of ['clean', 'throws', 'clean', 'throws']) await send(node, type)
      expect(await all(node)).toMatchObject({ notes: { length: texts.indexOf(text) + 1 } })
    }
  })
})
