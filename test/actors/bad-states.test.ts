import { describe, expect, it, onTestFinished } from 'vitest'
import { actor, app, type ActorDefinition } from '../../src/actors/define.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

const A = 'counter/a'
const good = actor('good', { state: () => 0, events: { add: { reduce: (s: number) => s + 1 } }, queries: { value: (s) => s } })

function cycle(): unknown {
  const state: { self?: unknown } = {}
  state.self = state
  return state
}
function deep(): unknown {
  let state: unknown = null
  for (let i = 0; i < 100_000; i++) state = [state]
  return state
}
const unwritable: readonly [what: string, make: () => unknown][] = [
  ['a BigInt', () => 1n],
  ['a cycle', cycle],
  ['a very deep value', deep],
]
const spoilt = (history: 'all' | 'none', make: () => unknown): ActorDefinition =>
  actor('spoilt', { history, state: () => null as unknown, events: { add: { reduce: () => make() } } })

/** Whether promises were rejected that nobody listens to: with the real process that is its end. */
function watchRejections(): unknown[] {
  const rejected: unknown[] = []
  const listen = (reason: unknown): void => void rejected.push(reason)
  process.on('unhandledRejection', listen)
  onTestFinished(() => void process.off('unhandledRejection', listen))
  return rejected
}

describe('a state that JSON cannot carry', () => {
  it.each(unwritable)('fails its own actor; the others of its commit are answered (J6): %s, history none', async (_what, make) => {
    const node = oneNode(app({ actors: { good, spoilt: spoilt('none', make) } }))
    const all = ['good/a', 'spoilt/x', 'good/b'].map((id) => node.send(id, 'add'))
    expect(await during(node, Promise.all(all))).toMatchObject([{ ok: true }, { ok: false, code: 'internal' }, { ok: true }])
    // The next of each is decided anew: nothing of the failed one is left in flight.
    const again = ['good/a', 'spoilt/x', 'good/c'].map((id) => node.send(id, 'add'))
    expect(await during(node, Promise.all(again))).toMatchObject([{ ok: true, offset: 2 }, { code: 'internal' }, { ok: true }])
    expect(await node.store.load('spoilt/x')).toBeNull()
    expect(node.logged.filter(({ level, message }) => level === 'error' && message.includes('not JSON')).length).toBe(2)
  })

  it('fails its own actor when its snapshot is due (J5), and keeps what was acknowledged', async () => {
    const node = oneNode(app({ actors: { good, spoilt: spoilt('all', cycle) } }), { snapshotEntries: 2 })
    expect(await during(node, node.send('spoilt/x', 'add'))).toMatchObject({ ok: true, offset: 1 })
    const both = [node.send('good/a', 'add'), node.send('spoilt/x', 'add'), node.send('good/b', 'add')]
    expect(await during(node, Promise.all(both))).toMatchObject([{ ok: true }, { ok: false, code: 'internal' }, { ok: true }])
    expect(await node.store.load('spoilt/x')).toMatchObject({ n: 1 })
  })

  it('leaves memory all the same, and does not end the passivation of others', async () => {
    const node = oneNode(app({ actors: { good, spoilt: spoilt('all', cycle) } }), { idleMs: 1000 })
    await during(node, node.send('spoilt/x', 'add'))
    await during(node, node.send('good/a', 'add'))
    await node.clock.run(5000)
    expect(node.engine.stats().activations).toBe(0)
    expect(await node.store.load('good/a')).toMatchObject({ snapshot: { n: 1 } })
    await during(node, node.send('good/b', 'add'))
    await node.clock.run(5000)
    expect(node.engine.stats().activations).toBe(0)
  })

  it('does not keep a node from draining', async () => {
    const node = oneNode(app({ actors: { good, spoilt: spoilt('all', cycle) } }))
    for (const id of ['spoilt/x', 'good/a']) await during(node, node.send(id, 'add'))
    await during(node, node.engine.drain(), 5000)
    expect(await node.store.load('good/a')).toMatchObject({ snapshot: { n: 1 } })
  })
})

describe('schemas', () => {
  const standard = <T>(validate: (value: unknown) => { value: T } | Promise<never>) =>
    ({ '~standard': { version: 1, vendor: 'test', validate } }) as const

  it.each([
    ['a Date', (v: unknown) => ({ when: new Date(String((v as { when: string }).when)) })],
    ['a Map', () => ({ when: new Map([['a', 1]]) })],
    ['a Set', () => ({ when: new Set([1]) })],
    ['undefined', () => ({ when: undefined })],
  ])('that transform give the reducer what is recorded, so that folding gives the same state (J8): %s', async (_what, make) => {
    const seen = actor('seen', {
      state: () => '',
      events: {
        at: {
          schema: standard<object>((value) => ({ value: make(value) })),
          reduce: (_s: string, data: object) =>
            JSON.stringify([Object.keys(data), ...Object.values(data).map((v) => Object.prototype.toString.call(v))]),
        },
      },
      queries: { value: (s) => s },
    })
    const node = oneNode(app({ actors: { seen } }))
    expect(await during(node, node.send('seen/a', 'at', { when: '2020-01-01' }))).toMatchObject({ ok: true })
    const live = await during(node, node.query('seen/a', 'value'))
    const next = node.another()
    expect(await during(next, next.query('seen/a', 'value'))).toEqual(live)
  })

  // oxlint-disable-next-line unicorn/no-thenable -- it is what is tested
  const thenable = { then: (_good: unknown, bad?: (error: Error) => void) => bad?.(new Error('planted')) } as unknown as Promise<never>
  it.each([
    ['a promise', () => Promise.reject(new Error('planted')) as Promise<never>],
    ['a thenable', () => thenable],
  ])('that answer with %s are internal, and its rejection ends nothing', async (_what, make) => {
    const rejected = watchRejections()
    const late = actor('late', { state: () => 0, events: { a: { schema: standard<number>(make), reduce: (s: number) => s + 1 } } })
    const node = oneNode(app({ actors: { late } }))
    expect(await during(node, node.send('late/a', 'a', 1))).toMatchObject({ ok: false, code: 'internal', message: /asynchronous/ })
    await node.settle()
    expect(rejected).toEqual([])
  })
})

describe('callbacks that throw', () => {
  const planted = (): never => {
    throw new Error('planted')
  }
  const plain = async (node: OneNode): Promise<void> => {
    expect(await during(node, Promise.all([node.send(A, 'add'), node.send('counter/b', 'add')]))).toMatchObject([
      { ok: true },
      { ok: true },
    ])
  }

  it('a subscriber: the others of the actor are told, and its commit goes on', async () => {
    const node = oneNode(counterApp)
    await plain(node)
    node.engine.subscribe({ actor: A, topic: 'adds' }, { note: planted, ended: planted }, () => undefined)
    const follower = node.subscribe(A, 'adds')
    await node.settle()
    await plain(node)
    expect(follower.notes.map(({ offset }) => offset)).toEqual([2])
    // The end, too, is told to everybody.
    const other = node.another()
    await during(other, other.send(A, 'add'))
    await plain(node)
    expect(follower.ended).toBe(true)
  })

  it('an answer at the gate: those behind it in the batch, and the other actors, get theirs', async () => {
    const node = oneNode(counterApp)
    await plain(node)
    node.engine.send({ actor: A, type: 'add', data: {}, sender: 'user:u' }, planted)
    await plain(node)
    await plain(node)
    expect(node.logged.some(({ level, message }) => level === 'error' && message.includes('planted'))).toBe(true)
    expect(await during(node, node.query(A, 'value'))).toMatchObject({ json: '4' })
  })

  it('an answer at the end of an activation: those behind it are asked again', async () => {
    const one = oneNode(counterApp)
    await plain(one)
    const two = one.another()
    await during(two, two.send(A, 'add'))
    one.fault = (call) => (call.op === 'claim' || call.op === 'load' ? { kind: 'refused' } : null)
    one.engine.send({ actor: A, type: 'add', data: {}, sender: 'user:u', timeoutMs: 60_000 }, planted)
    const rest = [one.send(A, 'add'), one.query(A, 'value')]
    expect(await during(one, Promise.all(rest))).toMatchObject([{ ok: false, code: 'store_unavailable' }, { ok: false }])
  })
})

describe('a reducer that spoilt the state it was given, and threw', () => {
  it('nobody sees that state, not even who asks in the callback of the failed send (J7, J8)', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    const asked = new Promise<unknown>((resolve) => {
      node.engine.send({ actor: A, type: 'throws', data: {}, sender: 'user:u' }, () => void node.query(A, 'value').then(resolve))
    })
    expect(await during(node, asked)).toMatchObject({ ok: true, json: '1' })
  })

  it('no turn runs on it, not even one begun in that callback', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    const sent = new Promise<unknown>((resolve) => {
      node.engine.send({ actor: A, type: 'throws', data: {}, sender: 'user:u' }, () => void node.send(A, 'add').then(resolve))
    })
    expect(await during(node, sent)).toMatchObject({ ok: true, offset: 2 })
    expect(await during(node, node.query(A, 'value'))).toMatchObject({ json: '2' })
  })

  it('such events, however many, do not keep a good one from being written', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    let reads = 0
    node.fault = (call) => {
      if (call.op !== 'load') return null
      reads++
      return { answerAfterMs: 1 }
    }
    const spoil = (): void => node.engine.send({ actor: A, type: 'throws', data: {}, sender: 'user:x' }, () => undefined)
    spoil()
    let outcome: unknown = null
    void node.send(A, 'add').then((answer) => (outcome = answer))
    for (let ms = 0; ms < 1000 && outcome === null; ms++) {
      spoil()
      spoil()
      await node.clock.run(1)
    }
    expect(outcome).toMatchObject({ ok: true, offset: 2 })
    expect(reads).toBeLessThan(10)
  })
})
