import { describe, expect, it } from 'vitest'
import { openBatch } from '../../src/actors/batch.ts'
import { actor, app } from '../../src/actors/define.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode } from './one-node.ts'

const A = 'counter/a'
const seq = (n: number, base = 1) => ({ source: 'session:s', seq: n, base })

describe('promise 1: acknowledged means kept', () => {
  it('an acknowledged event is in the journal, and in the state of whoever reads it next', async () => {
    const node = oneNode(counterApp)
    expect(await during(node, node.send(A, 'add', { by: 2 }))).toEqual({ ok: true, offset: 1, durable: true, duplicate: false })
    node.engine.kill()
    const next = node.another()
    expect(await during(next, next.query(A, 'value'))).toMatchObject({ ok: true, json: '2', offset: 1 })
  })

  it('many events of one turn of the event loop share one commit (J6)', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    const before = node.engine.stats().counters
    const all = [A, 'counter/b', A, 'counter/c', A].map((id) => node.send(id, 'add'))
    await during(node, Promise.all(all))
    const after = node.engine.stats().counters
    expect((after['commits'] ?? 0) - (before['commits'] ?? 0)).toBeLessThanOrEqual(2) // b and c are read first
    expect(after['events']).toBe(6)
  })

  it('a repeat of an acknowledged event gets the first answer and applies nothing, also after a crash (D1)', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add', {}, seq(1)))
    expect(await during(node, node.send(A, 'add', {}, seq(1)))).toEqual({ ok: true, offset: 1, durable: true, duplicate: true })
    node.engine.kill()
    const next = node.another()
    expect(await during(next, next.send(A, 'add', {}, seq(1)))).toMatchObject({ ok: true, offset: 1, duplicate: true })
    expect(await during(next, next.query(A, 'value'))).toMatchObject({ json: '1' })
  })

  it('a key makes a repeat harmless, and other content under it is a conflict (D1)', async () => {
    const node = oneNode(counterApp)
    const key = { key: 'u\u0000order-7' }
    await during(node, node.send(A, 'add', { by: 3 }, key))
    expect(await during(node, node.send(A, 'add', { by: 3 }, key))).toMatchObject({ ok: true, offset: 1, duplicate: true })
    expect(await during(node, node.send(A, 'add', { by: 4 }, key))).toMatchObject({ ok: false, code: 'conflict' })
  })

  it('only the next number is taken: a hole is out_of_order and names what is due (D1)', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add', {}, seq(1)))
    expect(await during(node, node.send(A, 'add', {}, seq(3)))).toMatchObject({ ok: false, code: 'out_of_order', next: 2 })
    expect(await during(node, node.send(A, 'add', {}, seq(2)))).toMatchObject({ ok: true, offset: 2 })
    expect(await during(node, node.send(A, 'add', { by: 9 }, seq(2)))).toMatchObject({ ok: false, code: 'conflict', next: 3 })
  })

  it('an unknown source begins at its base (D3)', async () => {
    const node = oneNode(counterApp)
    expect(await during(node, node.send(A, 'add', {}, seq(8, 7)))).toMatchObject({ ok: false, code: 'out_of_order', next: 7 })
    expect(await during(node, node.send(A, 'add', {}, seq(7, 7)))).toMatchObject({ ok: true })
  })
})

describe('promise 2: nothing seen is ever taken back', () => {
  it('no reply, query answer or note leaves while the commit is under way (J7)', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    const follower = node.subscribe(A, 'changed')
    await node.settle()
    node.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 500 } : null)
    let replied = false
    let asked = false
    void node.send(A, 'add').then(() => (replied = true))
    void node.query(A, 'value').then(() => (asked = true))
    await node.clock.run(499)
    expect([replied, asked, follower.notes.length]).toEqual([false, false, 0])
    await node.clock.run(2)
    expect([replied, asked]).toEqual([true, true])
    expect(follower.notes.map(({ offset }) => offset)).toEqual([2])
  })

  it('what another owner fenced never leaves: the sender is asked again there, and the entry is there once (J2, J7)', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'add', {}, seq(1)))
    const two = one.another()
    await during(two, two.send(A, 'add', { by: 10 }, { source: 'session:t', seq: 1 }))
    const outcome = await during(one, one.send(A, 'add', {}, seq(2)))
    expect(outcome).toMatchObject({ ok: true, offset: 3 })
    expect(one.engine.stats().counters['fenced']).toBe(1)
    expect(await during(one, one.query(A, 'value', null, { strict: true }))).toMatchObject({ json: '12' })
  })

  it('an append of unknown outcome is repeated byte for byte until the store answers for certain (J4)', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    const tried: string[] = []
    node.fault = (call) => {
      if (call.op !== 'commit' || call.group.appends.length === 0) return null
      tried.push(...call.group.appends.map(({ bytes }) => Buffer.from(bytes).toString('hex')))
      return tried.length < 3 ? { kind: tried.length === 1 ? 'unknown-before' : 'unknown-after' } : null
    }
    const outcome = await during(node, node.send(A, 'add', {}, seq(1)))
    expect(outcome).toMatchObject({ ok: true, offset: 2 })
    expect(tried.length).toBeGreaterThanOrEqual(3)
    expect(new Set(tried).size).toBe(1)
    expect(node.engine.stats().counters['settled']).toBe(1)
    expect(await during(node, node.query(A, 'value'))).toMatchObject({ json: '2' })
  })

  it('what a write-behind actor has answered while an append was in doubt is not forgotten when that turns out to be its own (J4, J9)', async () => {
    const node = oneNode(counterApp, { storeRetryMs: 500 })
    await during(node, node.send('lazy/a', 'add'))
    let tries = 0
    node.fault = (call) => (call.op === 'commit' && call.group.appends.length > 0 && tries++ === 0 ? { kind: 'unknown-after' } : null)
    await node.clock.until(() => tries === 1, 10_000, 'the flush')
    for (let i = 0; i < 3; i++) expect(await during(node, node.send('lazy/a', 'add'))).toMatchObject({ ok: true, durable: false })
    await node.clock.run(5000)
    expect(node.engine.stats().counters['settled']).toBe(1)
    expect(await during(node, node.query('lazy/a', 'value', null, { strict: true }))).toMatchObject({ json: '4' })
    node.engine.kill()
    const next = node.another()
    expect(await during(next, next.query('lazy/a', 'value'))).toMatchObject({ json: '4' })
  })

  it('an append in doubt that was its own, and after which another owner has written, ends the activation (J4, J2)', async () => {
    const one = oneNode(counterApp, { storeRetryMs: 500 })
    await during(one, one.send(A, 'add'))
    let tries = 0
    one.fault = (call) => (call.op === 'commit' && tries++ === 0 ? { kind: 'unknown-after' } : null)
    const sent = one.send(A, 'add', {}, seq(1))
    await one.clock.until(() => tries === 1, 10_000, 'the commit')
    const two = one.another()
    await during(two, two.send(A, 'add'))
    expect(await during(one, sent)).toMatchObject({ ok: true, offset: 2 })
    expect(await during(one, one.send(A, 'add', {}, seq(2)))).toMatchObject({ ok: true, offset: 4 })
    expect(await during(one, one.query(A, 'value', null, { strict: true }))).toMatchObject({ json: '4' })
  })

  it('a store that refuses for longer than patience: store_unavailable, nothing recorded, and well again after', async () => {
    const node = oneNode(counterApp, { storePatienceMs: 500 })
    await during(node, node.send(A, 'add'))
    node.fault = (call) => (call.op === 'commit' ? { kind: 'refused', reason: 'full' } : null)
    expect(await during(node, node.send(A, 'add', {}, seq(1)))).toMatchObject({ ok: false, code: 'store_unavailable' })
    node.fault = () => null
    await node.clock.run(5000)
    expect(await during(node, node.send(A, 'add', {}, seq(1)))).toMatchObject({ ok: true, offset: 2 })
  })
})

describe('refusals and failing reducers (D2)', () => {
  it('a final refusal uses up its number, is repeated the same, and survives a crash', async () => {
    const node = oneNode(counterApp)
    const first = await during(node, node.send(A, 'full', {}, seq(1)))
    expect(first).toMatchObject({ ok: false, code: 'refused', reason: 'full', next: 2 })
    expect(await during(node, node.send(A, 'add', {}, seq(2)))).toMatchObject({ ok: true, offset: 1 })
    node.engine.kill()
    const next = node.another()
    expect(await during(next, next.send(A, 'full', {}, seq(1)))).toEqual(first)
    expect(await during(next, next.send(A, 'nonsense', {}, seq(3)))).toMatchObject({ code: 'unknown_event', next: 4 })
  })

  it.each(['throws', 'promises', 'nothing'])('a reducer that %s records nothing, spoils no state and stops nobody', async (type) => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add', {}, seq(1)))
    const both = [node.send(A, 'add', {}, seq(2)), node.send(A, type, {}, seq(3)), node.send(A, 'add', {}, seq(4))]
    const outcomes = await during(node, Promise.all(both))
    expect(outcomes).toMatchObject([
      { ok: true, offset: 2 },
      { ok: false, code: 'internal', next: 4 },
      { ok: true, offset: 3 },
    ])
    expect(await during(node, node.query(A, 'value'))).toMatchObject({ json: '3', offset: 3 })
    expect(node.logged.some(({ message }) => message.startsWith('a reducer threw'))).toBe(true)
    node.engine.kill()
    const next = node.another()
    expect(await during(next, next.query(A, 'value'))).toMatchObject({ json: '3' })
  })

  it('a query that throws is internal, an unknown one is named', async () => {
    const node = oneNode(counterApp)
    expect(await during(node, node.query(A, 'throws'))).toMatchObject({ ok: false, code: 'internal' })
    expect(await during(node, node.query(A, 'nope'))).toMatchObject({ ok: false, code: 'unknown_query' })
    expect(await during(node, node.query('nobody/a', 'x'))).toMatchObject({ ok: false, code: 'not_found' })
    expect(await during(node, node.query('counter/', 'value'))).toMatchObject({ ok: false, code: 'invalid' })
  })

  it('a reducer that changes the state it was given is found out in dev (J8)', async () => {
    const node = oneNode(counterApp, {}, { check: true })
    await during(node, node.send(A, 'add'))
    expect(await during(node, node.send(A, 'throws'))).toMatchObject({ ok: false, code: 'internal' })
    expect(await during(node, node.query(A, 'value'))).toMatchObject({ json: '1' })
    let calls = 0
    const impure = actor('impure', { state: () => 0, events: { x: { reduce: (s: number) => s + ++calls } }, queries: { v: (s) => s } })
    const other = oneNode(app({ actors: { impure } }), {}, { check: true })
    await during(other, other.send('impure/a', 'x'))
    const next = other.another()
    await during(next, next.query('impure/a', 'v'))
    expect(next.logged.some(({ message }) => message.startsWith('an impure reducer'))).toBe(true)
  })
})

describe('claims (J2)', () => {
  it('an activation that only answers queries writes nothing', async () => {
    const node = oneNode(counterApp, { idleMs: 1000 })
    for (const id of ['counter/made-up', 'lazy/made-up', 'head/made-up'])
      expect(await during(node, node.query(id, 'value'))).toMatchObject({ json: '0' })
    await node.clock.run(10_000)
    expect(node.engine.stats().activations).toBe(0)
    expect(await node.store.actors(null, 10)).toEqual([])
  })

  it('the first batch names the owner, and its place is the epoch', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    const batch = await node.store.read(A, 1)
    expect(openBatch(batch?.bytes ?? new Uint8Array())).toMatchObject({ header: { epoch: 1, flags: 3 }, body: { o: 'n1@1' } })
  })

  it('two owners that both keep writing both get through, and nothing is lost', async () => {
    const one = oneNode(counterApp)
    const two = one.another()
    const sends = Array.from({ length: 20 }, (_, i) => {
      const node = i % 2 === 0 ? one : two
      return node.send(A, 'add', {}, { source: `session:${i % 2}`, seq: (i >> 1) + 1, base: 1, timeoutMs: 60_000 })
    })
    const outcomes = await during(one, Promise.all(sends), 120_000)
    const kept = outcomes.filter(({ ok }) => ok).length
    expect(outcomes.every((o) => o.ok || o.code === 'moved' || o.code === 'out_of_order')).toBe(true)
    expect(await during(one, one.query(A, 'value', null, { strict: true }))).toMatchObject({ json: String(kept) })
  })
})

describe('snapshots and passivation (J5)', () => {
  it('an idle actor leaves memory, keeps its state, and is not folded from the beginning', async () => {
    const node = oneNode(counterApp, { idleMs: 1000 })
    for (let i = 0; i < 5; i++) await during(node, node.send(A, 'add', {}, seq(i + 1)))
    await node.clock.run(5000)
    expect(node.engine.stats().activations).toBe(0)
    const loaded = await node.store.load(A)
    expect(loaded).toMatchObject({ n: 5, snapshot: { n: 5 }, batches: [] })
    expect(await during(node, node.send(A, 'add', {}, seq(5)))).toMatchObject({ duplicate: true, offset: 5 })
    expect(await during(node, node.query(A, 'value'))).toMatchObject({ json: '5' })
  })

  it('a busy actor gets a snapshot every so many entries', async () => {
    const node = oneNode(counterApp, { snapshotEntries: 10 })
    for (let i = 0; i < 25; i++) await during(node, node.send(A, 'add'))
    await node.settle()
    const loaded = await node.store.load(A)
    expect(loaded?.snapshot?.n).toBe(20)
    expect(loaded?.batches.length).toBe(5)
  })

  it('history keep empties old batches but keeps the chain; none keeps only the state (J10)', async () => {
    const node = oneNode(counterApp, { snapshotEntries: 5 })
    for (let i = 0; i < 40; i++) await during(node, node.send('kept/a', 'add'))
    for (let i = 0; i < 40; i++) await during(node, node.send('head/a', 'add', {}, seq(i + 1)))
    await node.clock.run(100)
    const page = await during(node, node.history('kept/a', 1, 300))
    expect(page).toMatchObject({ ok: true, oldest: 31 })
    const walked = await node.store.walk('kept/a', 0, 100)
    expect(walked.length).toBe(40)
    expect(walked.filter(({ bytes }) => bytes === null).length).toBe(30)
    expect(await during(node, node.history('head/a', 1, 300))).toMatchObject({ ok: true, entries: [], oldest: 41 })
    node.engine.kill()
    const next = node.another()
    expect(await during(next, next.query('head/a', 'value'))).toMatchObject({ json: '40', offset: 40 })
    expect(await during(next, next.send('head/a', 'add', {}, seq(40)))).toMatchObject({ duplicate: true, offset: 40 })
    expect(await during(next, next.send('head/a', 'full', {}, seq(41)))).toMatchObject({ code: 'refused', next: 42 })
  })

  it('drain writes all and drops all', async () => {
    const node = oneNode(counterApp)
    await during(node, Promise.all([node.send(A, 'add'), node.send('lazy/a', 'add')]))
    await during(node, node.engine.drain())
    expect(node.engine.stats()).toMatchObject({ activations: 0, pendingEvents: 0 })
    expect(await during(node, node.send(A, 'add'))).toMatchObject({ code: 'unavailable' })
    const next = node.another()
    expect(await during(next, next.query('lazy/a', 'value'))).toMatchObject({ json: '1' })
  })
})

describe('write-behind (J9)', () => {
  it('answers at once, marked not durable; keeps the journal after a clean end, begins a new one after a crash', async () => {
    const node = oneNode(counterApp, { idleMs: 3000 })
    const journals: string[] = []
    const journalOf = async (of = node): Promise<string> => {
      const page = await during(of, of.history('lazy/a', 1, 10))
      return page.ok ? page.journal : page.message
    }
    expect(await during(node, node.send('lazy/a', 'add'))).toMatchObject({ ok: true, offset: 1, durable: false })
    journals.push(await journalOf())
    await node.clock.run(10_000)
    expect(node.engine.stats().activations).toBe(0)
    await during(node, node.send('lazy/a', 'add'))
    journals.push(await journalOf())
    node.engine.kill()
    const next = node.another()
    expect(await during(next, next.send('lazy/a', 'add'))).toMatchObject({ ok: true, offset: 2, durable: false })
    journals.push(await journalOf(next))
    expect(journals[1]).toBe(journals[0])
    expect(journals[2]).not.toBe(journals[1])
  })

  it('refuses when its entries could not be written for twice the period', async () => {
    const node = oneNode(counterApp, { storePatienceMs: 600_000 })
    await during(node, node.send('lazy/a', 'add'))
    await node.clock.run(1500)
    node.fault = (call) => (call.op === 'commit' ? { kind: 'silent-before' } : null)
    expect(await during(node, node.send('lazy/a', 'add'))).toMatchObject({ ok: true, durable: false })
    await node.clock.run(4000)
    expect(await during(node, node.send('lazy/a', 'add'))).toMatchObject({ ok: false, code: 'store_unavailable' })
  })
})
