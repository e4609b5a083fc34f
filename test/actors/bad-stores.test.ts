import { describe, expect, it } from 'vitest'
import { actor, app } from '../../src/actors/define.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode } from './one-node.ts'

const A = 'counter/a'
const large = { what: 'x'.repeat(3000) }
const isLarge = ({ bytes }: { readonly bytes: Uint8Array }): boolean => bytes.length > 2000

describe('a store that takes nothing for a while', () => {
  it('write-behind keeps what it answered, and takes no more when it is late (J9)', async () => {
    const node = oneNode(counterApp)
    for (let i = 0; i < 5; i++) await during(node, node.send('lazy/a', 'add'))
    const follower = node.subscribe('lazy/a', 'adds')
    await node.settle()
    node.fault = (call) => (call.op === 'commit' ? { kind: 'refused', reason: 'busy' } : null)
    await node.clock.run(15_000)
    expect(await during(node, node.send('lazy/a', 'add'))).toMatchObject({ ok: false, code: 'store_unavailable' })
    node.fault = () => null
    await node.clock.run(5000)
    expect(follower.ended).toBe(false)
    expect(await during(node, node.query('lazy/a', 'value'))).toMatchObject({ json: '5' })
    expect(await during(node, node.send('lazy/a', 'add'))).toMatchObject({ ok: true, offset: 6 })
    await during(node, node.engine.drain())
    const next = node.another()
    expect(await during(next, next.query('lazy/a', 'value'))).toMatchObject({ json: '6' })
  })

  it('idle actors stay: their snapshots would only pile up; they go when it is well', async () => {
    const node = oneNode(counterApp, { idleMs: 1000 })
    for (let i = 0; i < 20; i++) await during(node, node.send(`counter/${i}`, 'add'))
    node.fault = (call) => (call.op === 'commit' ? { kind: 'refused' } : null)
    await during(node, node.send('counter/0', 'add'))
    const { activations } = node.engine.stats()
    expect(activations).toBeGreaterThan(5)
    node.fault = () => null
    await node.clock.run(10_000)
    expect(node.engine.stats().activations).toBe(0)
  })
})

describe('a store that cannot take one thing', () => {
  it.each(['refused', 'unknown-before'] as const)('one batch: its neighbours of the same commit are answered well (%s)', async (kind) => {
    const node = oneNode(counterApp)
    for (const id of ['counter/p', 'counter/b', 'counter/c']) await during(node, node.send(id, 'add'))
    node.fault = (call) => (call.op === 'commit' && call.group.appends.some(isLarge) ? { kind } : null)
    const poison = node.send('counter/p', 'hear', large)
    const rest = [node.send('counter/b', 'add'), node.send('counter/c', 'add')]
    expect(await during(node, Promise.all(rest))).toMatchObject([{ ok: true }, { ok: true }])
    expect(await during(node, poison)).toMatchObject({ ok: false, code: kind === 'refused' ? 'store_unavailable' : 'timeout' })
  })

  it('one snapshot: batches are written without it (C3, J5)', async () => {
    const node = oneNode(counterApp, { snapshotEntries: 2, storePatienceMs: 2000 })
    node.fault = (call) => (call.op === 'commit' && call.group.snapshots.length > 0 ? { kind: 'refused' } : null)
    for (let i = 1; i <= 7; i++) {
      expect(await during(node, node.send(A, 'add'))).toMatchObject({ ok: true, offset: i })
      expect(await during(node, node.send('counter/b', 'add'))).toMatchObject({ ok: true, offset: i })
    }
    expect(await during(node, node.query(A, 'value', null, { strict: true }))).toMatchObject({ json: '7' })
  })
})

describe('a store that does not answer', () => {
  it('a read that never comes back is given up, and the next one serves (activationTimeoutMs)', async () => {
    const node = oneNode(counterApp, { activationTimeoutMs: 500 })
    let reads = 0
    node.fault = (call) => (call.op === 'load' && reads++ === 0 ? { kind: 'silent-before' } : null)
    expect(await during(node, node.send(A, 'add'), 1000)).toMatchObject({ ok: false, code: 'store_unavailable' })
    expect(await during(node, node.send(A, 'add'), 1000)).toMatchObject({ ok: true, offset: 1 })
  })

  it('a read that comes after it was given up changes nothing', async () => {
    const node = oneNode(counterApp, { activationTimeoutMs: 500 })
    let reads = 0
    node.fault = (call) => (call.op === 'load' && reads++ === 0 ? { answerAfterMs: 5000 } : null)
    await during(node, node.send(A, 'add'))
    for (let i = 1; i <= 2; i++) expect(await during(node, node.send(A, 'add'))).toMatchObject({ ok: true, offset: i })
    await node.clock.run(10_000)
    expect(await during(node, node.send(A, 'add'))).toMatchObject({ ok: true, offset: 3 })
    expect(node.engine.stats().counters['activated']).toBe(1)
  })

  it.each(['refused', 'silent-before'] as const)('a drain ends, and who waits is answered (%s)', async (kind) => {
    const node = oneNode(counterApp)
    for (let i = 0; i < 3; i++) await during(node, node.send(A, 'add'))
    await during(node, node.send('counter/b', 'add'))
    node.fault = (call) => (call.op === 'commit' ? { kind } : null)
    const waiting = node.send('counter/b', 'add', {}, { timeoutMs: 10 * 60_000 })
    const reading = node.query('counter/b', 'value', null, { timeoutMs: 10 * 60_000 })
    await node.settle()
    await during(node, node.engine.drain(), 60_000)
    expect(await during(node, Promise.all([waiting, reading]), 0)).toMatchObject([{ ok: false }, { ok: false }])
    expect(node.engine.stats().pendingEvents).toBe(0)
  })

  it('a drain that gives up tells who waits for a batch in flight that its outcome is unknown; what was not given to the store is unavailable (J4)', async () => {
    const node = oneNode(counterApp, { activationTimeoutMs: 60_000 })
    for (const actor of ['counter/a', 'counter/b']) await during(node, node.send(actor, 'add'))
    node.fault = ({ op }) => (op === 'commit' ? { kind: 'silent-after' } : op === 'load' ? { kind: 'silent-before' } : null)
    const patient = { timeoutMs: 10 * 60_000 }
    const inFlight = [
      node.send('counter/a', 'add', {}, patient),
      node.send('counter/b', 'add', {}, { ...patient, key: 'k' }),
      node.query('counter/a', 'value', null, patient),
    ]
    await node.settle()
    const open = [node.send('counter/a', 'add', {}, patient), node.send('counter/unread', 'add', {}, patient)]
    await node.settle()
    await during(node, node.engine.drain(), 60_000)
    const outcomes = await during(node, Promise.all([...inFlight, ...open]), 0)
    // Who has no identity must not repeat it as if nothing had been recorded; who has one, and who only asked, may.
    expect(outcomes.map((outcome) => !outcome.ok && outcome.code)).toEqual([
      'timeout',
      'moved',
      'unavailable',
      'unavailable',
      'unavailable',
    ])
    const next = node.another()
    expect(await during(next, next.send('counter/b', 'add', {}, { key: 'k' }))).toMatchObject({ ok: true, offset: 2, duplicate: true })
    expect(await during(next, next.query('counter/a', 'value'))).toMatchObject({ json: '2' })
  })

  it('a kill ends a drain that waits for it', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    node.fault = (call) => (call.op === 'commit' ? { kind: 'silent-before' } : null)
    const drained = node.engine.drain()
    await node.clock.run(100)
    node.engine.kill()
    await during(node, drained, 1000)
  })

  it('a send without identity that may have been applied is answered timeout, not applied again (J4, J10)', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send('head/a', 'add'))
    let commits = 0
    one.fault = (call) => (call.op === 'commit' && commits++ === 0 ? { kind: 'unknown-after' } : null)
    const doubtful = one.send('head/a', 'add')
    await one.settle()
    const two = one.another()
    expect(await during(two, two.send('head/a', 'add'))).toMatchObject({ ok: true, offset: 3 }) // takes the one record's place
    expect(await during(one, doubtful)).toMatchObject({ ok: false, code: 'timeout' })
    expect(await during(one, one.query('head/a', 'value', null, { strict: true }))).toMatchObject({ json: '3' })
  })

  it('one with an identity is asked again there, and finds its first answer (D1)', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send('head/a', 'add'))
    let commits = 0
    one.fault = (call) => (call.op === 'commit' && commits++ === 0 ? { kind: 'unknown-after' } : null)
    const doubtful = one.send('head/a', 'add', {}, { key: 'u\u0000k' })
    await one.settle()
    const two = one.another()
    await during(two, two.send('head/a', 'add'))
    expect(await during(one, doubtful)).toMatchObject({ ok: true, offset: 2, duplicate: true })
    expect(await during(one, one.query('head/a', 'value', null, { strict: true }))).toMatchObject({ json: '3' })
  })
})

describe('the size of one commit', () => {
  it('is bounded with the snapshots that ride along (C3)', async () => {
    const bulky = actor('bulky', { state: () => 'x'.repeat(20_000), events: { add: { reduce: (s: string) => s } } })
    const node = oneNode(app({ actors: { bulky } }), { commitBytes: 64 * 1024, snapshotEntries: 1 })
    const sizes: number[] = []
    node.fault = (call) => {
      if (call.op === 'commit') sizes.push(call.group.snapshots.reduce((sum, { bytes }) => sum + bytes.length, 0))
      return null
    }
    const all = Array.from({ length: 50 }, (_, i) => node.send(`bulky/${i}`, 'add'))
    expect((await during(node, Promise.all(all))).every(({ ok }) => ok)).toBe(true)
    await node.settle()
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(50 * 20_000)
    expect(Math.max(...sizes)).toBeLessThan(64 * 1024 + 25_000)
  })
})
