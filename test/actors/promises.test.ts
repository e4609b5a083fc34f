import { describe, expect, it } from 'vitest'
import { actor, app } from '../../src/actors/define.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode } from './one-node.ts'

const A = 'counter/a'

describe('promise 4: everybody ends at the last state', () => {
  it('a signal goes out at once, then at most once a window, and the last change always goes out (D7)', async () => {
    const node = oneNode(counterApp)
    const follower = node.subscribe(A, 'changed')
    await node.settle()
    expect(follower.answers).toMatchObject([{ ok: true, kind: 'signal', offset: 0, changed: 0, everyMs: 200 }])
    const seen: [number, number][] = []
    for (let ms = 0; ms < 1000; ms += 50) {
      void node.send(A, 'add')
      await node.clock.run(50)
      while (follower.notes.length > 0) seen.push([ms, follower.notes.shift()?.offset ?? 0])
    }
    await node.clock.run(1000)
    seen.push(...follower.notes.map(({ offset }) => [1000, offset] as [number, number]))
    expect(seen.length).toBeLessThanOrEqual(7)
    expect(seen[0]).toEqual([0, 1])
    expect(seen.at(-1)?.[1]).toBe(20)
  })

  it('a view gives its value on subscribing and the newest after, never one that is not durable (D6, J7)', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    const follower = node.subscribe(A, 'value')
    await node.settle()
    expect(follower.answers).toMatchObject([{ ok: true, kind: 'view', json: '{"n":1}', offset: 1 }])
    for (let i = 0; i < 5; i++) void node.send(A, 'add')
    await node.clock.run(1000)
    expect(follower.notes.at(-1)).toMatchObject({ json: '{"n":6}', offset: 6 })
    expect(follower.notes.every(({ offset, json }) => json === `{"n":${offset}}`)).toBe(true)
  })

  it('a log tells every entry of its types in order, without hole or overlap', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    const follower = node.subscribe(A, 'adds')
    for (let i = 0; i < 3; i++) void node.send(A, i === 1 ? 'hear' : 'add', { what: 'x' })
    await node.clock.run(10)
    const [answer] = follower.answers
    const from = answer?.ok === true ? answer.offset : -1
    expect(follower.notes.map(({ offset }) => offset)).toEqual([2, 4].filter((offset) => offset > from))
    expect(from).toBe(1)
  })

  it('a subscriber hears when its owner is fenced', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'add'))
    const follower = one.subscribe(A, 'adds')
    await one.settle()
    const two = one.another()
    await during(two, two.send(A, 'add'))
    await during(one, one.send(A, 'add'))
    expect(follower.ended).toBe(true)
  })

  it('an actor with a subscriber stays in memory; without one it goes (D8)', async () => {
    const node = oneNode(counterApp, { idleMs: 1000 })
    const follower = node.subscribe(A, 'changed')
    await node.clock.run(10_000)
    expect(node.engine.stats().activations).toBe(1)
    follower.upstream.close()
    await node.clock.run(10_000)
    expect(node.engine.stats().activations).toBe(0)
  })
})

describe('effects (D4)', () => {
  it('a send to a type that the app does not have fails the reducer at once, and not the channel for ever', async () => {
    const node = oneNode(counterApp)
    expect(await during(node, node.send(A, 'tell', { to: 'nobody/b', what: 'x' }))).toMatchObject({ ok: false, code: 'internal' })
    expect(await node.engine.inspect(A)).toMatchObject({ effects: [] })
  })

  it('a send is delivered once, after commit, with the sender’s name', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'tell', { to: 'counter/b', what: 'hello' }))
    await node.clock.run(100)
    expect(await during(node, node.query('counter/b', 'heard'))).toMatchObject({ json: '["actor:counter/a hello"]' })
  })

  it('it is delivered by whoever finds it after a crash between commit and delivery, exactly once (D5)', async () => {
    const node = oneNode(counterApp)
    node.engine.start()
    await during(node, node.send(A, 'add'))
    await during(node, node.send('counter/b', 'add'))
    // The batch is applied and its answer lost: the node dies before it could deliver.
    node.fault = (call) => (call.op === 'commit' ? { kind: 'silent-after' } : null)
    void node.send(A, 'tell', { to: 'counter/b', what: 'once' })
    await node.settle()
    node.engine.kill()
    const next = node.another()
    next.engine.start()
    await next.clock.run(2000)
    expect(await during(next, next.query('counter/b', 'heard'))).toMatchObject({ json: '["actor:counter/a once"]' })
    await during(next, next.engine.drain())
    expect(await next.store.hints(Number.MAX_SAFE_INTEGER, 10)).toEqual([])
  })

  it('a finally refused one is done and counted; it holds up nothing', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'tell', { to: 'counter/b', what: 'x', type: 'full' }))
    await during(node, node.send(A, 'tell', { to: 'counter/b', what: 'y' }))
    await node.clock.run(100)
    expect(await during(node, node.query('counter/b', 'heard'))).toMatchObject({ json: '["actor:counter/a y"]' })
    expect(await node.engine.inspect(A)).toMatchObject({ effects: [], effectsRefused: 1 })
  })

  it('too many undelivered ones stop clients, not actors', async () => {
    const node = oneNode(counterApp, { effectsPending: 2 })
    node.fault = (call) => (call.op === 'load' && call.actor === 'lazy/b' ? { kind: 'refused' } : null)
    for (let i = 0; i < 2; i++) await during(node, node.send(A, 'tell', { to: 'lazy/b', what: 'x', type: 'add' }))
    expect(await during(node, node.send(A, 'tell', { to: 'lazy/b', what: 'x', type: 'add' }))).toMatchObject({ code: 'overloaded' })
    await during(node, node.send('counter/b', 'tell', { to: A, what: 'still heard' }))
    await node.clock.run(100)
    expect(await during(node, node.query(A, 'heard'))).toMatchObject({ json: '["actor:counter/b still heard"]' })
  })
})

describe('durable timers (D5)', () => {
  it('fires once, never early, also when the actor had left memory', async () => {
    const node = oneNode(counterApp, { idleMs: 1000 })
    node.engine.start()
    await during(node, node.send(A, 'later', { name: 'digest', inMs: 60_000 }))
    await node.clock.run(59_000)
    expect(node.engine.stats().activations).toBe(0)
    expect(await during(node, node.query(A, 'heard'))).toMatchObject({ json: '[]' })
    await node.clock.run(3_000)
    expect(await during(node, node.query(A, 'heard'))).toMatchObject({ json: '["timer:digest digest"]' })
    await node.clock.run(120_000)
    expect(await during(node, node.query(A, 'heard'))).toMatchObject({ json: '["timer:digest digest"]' })
    expect(await node.store.hints(Number.MAX_SAFE_INTEGER, 10)).toEqual([])
  })

  it('the same name replaces, cancel cancels, a crash forgets none', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'later', { name: 'a', inMs: 1000 }))
    await during(node, node.send(A, 'later', { name: 'a', inMs: 5000 }))
    await during(node, node.send(A, 'later', { name: 'b', inMs: 1000 }))
    await during(node, node.send(A, 'never', { name: 'b' }))
    await node.clock.run(3000)
    expect(await during(node, node.query(A, 'heard'))).toMatchObject({ json: '[]' })
    node.engine.kill()
    const next = node.another()
    next.engine.start()
    await next.clock.run(5000)
    expect(await during(next, next.query(A, 'heard'))).toMatchObject({ json: '["timer:a a"]' })
  })
})

describe('promise 6: overload is typed and bounded', () => {
  it('a full mailbox answers overloaded and keeps what it took', async () => {
    const node = oneNode(counterApp, { mailboxEvents: 10 })
    await during(node, node.send(A, 'add'))
    node.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 100 } : null)
    const outcomes = await during(node, Promise.all(Array.from({ length: 30 }, () => node.send(A, 'add'))))
    expect(outcomes.filter(({ ok }) => ok).length).toBe(10)
    expect(outcomes.filter((o) => !o.ok && o.code === 'overloaded').length).toBe(20)
    expect(await during(node, node.query(A, 'value'))).toMatchObject({ json: '11' })
  })

  it('a node takes only so many events at once', async () => {
    const node = oneNode(counterApp, { pendingEvents: 64 })
    node.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 100 } : null)
    const outcomes = await during(node, Promise.all(Array.from({ length: 100 }, (_, i) => node.send(`counter/${i}`, 'add'))))
    expect(outcomes.filter((o) => !o.ok && o.code === 'overloaded').length).toBe(36)
    expect(node.engine.stats().pendingEvents).toBe(0)
  })

  it('a silent store ends in timeout, and with time in store_unavailable; nothing grows', async () => {
    const node = oneNode(counterApp, { sendTimeoutMs: 1000 })
    await during(node, node.send(A, 'add'))
    node.fault = () => ({ kind: 'silent-before' })
    expect(await during(node, node.send(A, 'add'))).toMatchObject({ ok: false, code: 'timeout' })
    expect(node.engine.stats().pendingEvents).toBe(0)
  })

  it('an event that is too large is refused before it is taken', async () => {
    const node = oneNode(counterApp, { eventBytes: 100 })
    expect(await during(node, node.send(A, 'hear', { what: 'x'.repeat(200) }))).toMatchObject({ ok: false, code: 'too_large' })
  })
})

describe('reads (D11)', () => {
  it('strict is never stale; an ordinary query is stale for readProofMs at most', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'add'))
    const two = one.another()
    await during(two, two.send(A, 'add'))
    expect(await during(one, one.query(A, 'value'))).toMatchObject({ json: '1' })
    expect(await during(one, one.query(A, 'value', null, { strict: true }))).toMatchObject({ json: '2' })
    await during(two, two.send(A, 'add'))
    await one.clock.run(5001)
    expect(await during(one, one.query(A, 'value'))).toMatchObject({ json: '3' })
    await during(two, two.send(A, 'add'))
    expect(await during(one, one.query(A, 'value', null, { atLeast: 4 }))).toMatchObject({ json: '4' })
  })
})

describe('reads of a write-behind actor (D11, J9)', () => {
  const slow = actor('slow', {
    state: () => ({ n: 0 }),
    durability: { everyMs: 60_000 },
    events: { add: { reduce: (s: { n: number }) => ({ n: s.n + 1 }) } },
    queries: { n: (s) => s.n },
  })

  it('wait for a proof, not for what is written much later', async () => {
    const node = oneNode(app({ actors: { slow } }))
    await during(node, node.send('slow/a', 'add'))
    await node.clock.run(10_000)
    const begun = node.clock.mono()
    for (const how of [{}, { strict: true }, { provenSince: begun }])
      expect(await during(node, node.query('slow/a', 'n', null, how))).toMatchObject({ json: '1' })
    expect(node.clock.mono() - begun).toBeLessThan(100)
    expect(node.engine.stats().counters['proofs']).toBeGreaterThanOrEqual(2)
  })
})

describe('versions and migrations (J8)', () => {
  const one = actor('m', {
    state: () => ({ n: 0 }),
    events: { add: { reduce: (s: { n: number }) => ({ n: s.n + 1 }) } },
    queries: { all: (s) => s },
  })
  const two = actor('m', {
    version: 2,
    migrate: { 1: (old: { n: number }) => ({ count: old.n }) },
    state: () => ({ count: 0 }),
    events: { add: { reduce: (s: { count: number }) => ({ count: s.count + 1 }) } },
    queries: { all: (s) => s },
  })

  it('a version without the steps to it is refused where it is defined, not at the first actor that has a snapshot', () => {
    const made = (version: number, migrate: Record<number, (old: never) => unknown>) => () =>
      actor('m', { state: () => 0, events: {}, version, migrate })
    const step = (old: never): unknown => old
    expect(made(2, {})).toThrow('version 2 needs migrate[1]')
    expect(made(4, { 1: step, 3: step })).toThrow('version 4 needs migrate[2]')
    expect(made(3, { 1: step, 2: step })).not.toThrow()
  })

  it('new code takes an old state up, once; older code then says moved and harms nothing', async () => {
    const node = oneNode(app({ actors: { one } }), { idleMs: 500 })
    for (let i = 0; i < 3; i++) await during(node, node.send('m/a', 'add'))
    await during(node, node.engine.drain())
    const newer = node.another({ app: app({ actors: { two } }) })
    expect(await during(newer, newer.query('m/a', 'all'))).toMatchObject({ json: '{"count":3}' })
    await during(newer, newer.send('m/a', 'add'))
    await during(newer, newer.engine.drain())
    const older = node.another({ generation: 9 })
    expect(await during(older, older.send('m/a', 'add'))).toMatchObject({ ok: false, code: 'moved' })
    const again = node.another({ app: app({ actors: { two } }), generation: 10 })
    expect(await during(again, again.query('m/a', 'all'))).toMatchObject({ json: '{"count":4}' })
  })

  it('a reducer that throws on folding fails the activation and says where; nothing is skipped', async () => {
    const node = oneNode(app({ actors: { one } }))
    for (let i = 0; i < 3; i++) await during(node, node.send('m/a', 'add'))
    const bad = actor('m', {
      state: () => ({ n: 0 }),
      events: {
        add: {
          reduce: (s: { n: number }) => {
            if (s.n === 1) throw new Error('planted')
            return { n: s.n + 1 }
          },
        },
      },
    })
    const next = node.another({ app: app({ actors: { bad } }) })
    const outcome = await during(next, next.send('m/a', 'add'))
    expect(outcome).toMatchObject({ ok: false, code: 'internal' })
    expect(outcome.ok ? '' : outcome.message).toContain('offset 2')
  })
})
