/** One owner gives an actor up, the next takes it over (H1): nothing is lost, doubled or taken back, whatever becomes of the bundle. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { actor, app, type App } from '../../src/actors/define.ts'
import { decodeBundle, encodeBundle, type Bundle } from '../../src/actors/engine.ts'
import { readHeader } from '../../src/actors/batch.ts'
import type { SendOutcome } from '../../src/actors/calls.ts'
import type { StoreCall } from '../../src/store/memory.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

const A = 'counter/a'
const DOWN = (call: StoreCall): { kind: 'unknown-before' } | null => (call.op === 'commit' ? { kind: 'unknown-before' } : null)
const SILENT = (call: StoreCall): { kind: 'silent-before' } | null => (call.op === 'commit' ? { kind: 'silent-before' } : null)

/** Over the wire: nothing is shared. */
function carried(bundle: Bundle | null): Bundle {
  if (bundle === null) throw new Error('there is no bundle')
  return decodeBundle(encodeBundle(bundle)) as Bundle
}

async function released(node: OneNode, id: string): Promise<Bundle> {
  return carried(await during(node, node.engine.release(id)))
}

async function handOver(from: OneNode, to: OneNode, id: string): Promise<void> {
  const bundle = await released(from, id)
  expect(to.engine.adopt(bundle)).toBe(true)
}

/** Whatever is asked of the store from now on. */
function watch(node: OneNode): string[] {
  const ops: string[] = []
  node.fault = (call) => {
    ops.push(call.op)
    return null
  }
  return ops
}

function told(node: OneNode, id: string, type: string, data: unknown = {}, more = {}): { outcome: SendOutcome | null } {
  const answer: { outcome: SendOutcome | null } = { outcome: null }
  void node.send(id, type, data, more).then((outcome) => (answer.outcome = outcome))
  return answer
}

const count = (node: OneNode, name: string): number => node.engine.stats().counters[name] ?? 0
const allHints = (node: OneNode) => node.store.hints(Number.MAX_SAFE_INTEGER, 100)

describe('the next owner', () => {
  it.each([A, 'kept/a', 'head/a', 'lazy/a'])('claims %s without reading the store, and goes on where the other ended', async (id) => {
    const one = oneNode(counterApp)
    for (let i = 0; i < 3; i++) await during(one, one.send(id, 'add'))
    const bundle = await released(one, id)
    expect(one.engine.has(id)).toBe(false)
    const two = one.another()
    const ops = watch(two)
    expect(two.engine.adopt(bundle)).toBe(true)
    expect(two.engine.has(id)).toBe(true)
    expect(await during(two, two.send(id, 'add'))).toMatchObject({ ok: true, offset: 4, duplicate: false })
    expect(await during(two, two.query(id, 'value'))).toMatchObject({ ok: true, json: '4', offset: 4 })
    expect(new Set(ops)).toEqual(new Set(['commit']))
    expect([count(two, 'claimsHandoff'), count(two, 'claims'), count(two, 'adopted'), count(one, 'handedOver')]).toEqual([1, 1, 1, 1])
    two.engine.kill()
    const three = two.another()
    expect(await during(three, three.query(id, 'value'))).toMatchObject({ json: id === 'lazy/a' ? '3' : '4' })
  })

  it('appends its claim at the next place, in the same batch as what came meanwhile', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'add'))
    const bundle = await released(one, A)
    const two = one.another()
    expect(two.engine.adopt(bundle)).toBe(true)
    await during(two, two.send(A, 'add'))
    const { n } = bundle
    const batches = await two.store.history(A, 1, 1_000_000)
    expect(batches.map((batch) => [batch.n, readHeader(batch.bytes)?.epoch])).toEqual([
      [n, n],
      [n + 1, n + 1],
    ])
  })

  it('answers a repeat with the first answer, and takes only the next number (D1, D3)', async () => {
    const one = oneNode(counterApp)
    const numbered = (seq: number) => ({ source: 'session:s', seq, base: 1 })
    for (let seq = 1; seq <= 3; seq++) await during(one, one.send(A, 'add', {}, numbered(seq)))
    await during(one, one.send(A, 'full', {}, numbered(4)))
    await during(one, one.send(A, 'add', {}, { key: 'k' }))
    await during(one, one.send(A, 'hear', { what: 'x' }, { source: 'actor:counter/z', sender: 'actor:counter/z', seq: 1, base: 1 }))
    const two = one.another()
    await handOver(one, two, A)
    expect(await during(two, two.send(A, 'add', {}, numbered(2)))).toMatchObject({ ok: true, offset: 2, duplicate: true })
    expect(await during(two, two.send(A, 'full', {}, numbered(4)))).toMatchObject({ ok: false, code: 'refused', next: 5 })
    expect(await during(two, two.send(A, 'add', {}, { key: 'k' }))).toMatchObject({ ok: true, offset: 4, duplicate: true })
    expect(await during(two, two.send(A, 'add', {}, numbered(6)))).toMatchObject({ ok: false, code: 'out_of_order', next: 5 })
    const again = { source: 'actor:counter/z', sender: 'actor:counter/z', seq: 1, base: 1 }
    expect(await during(two, two.send(A, 'hear', { what: 'x' }, again))).toMatchObject({ ok: true, duplicate: true })
    // And so does whoever reads what it wrote.
    await during(two, two.engine.drain())
    const three = two.another()
    expect(await during(three, three.send(A, 'hear', { what: 'x' }, again))).toMatchObject({ ok: true, duplicate: true })
    expect(await during(three, three.query(A, 'heard'))).toMatchObject({ json: '["actor:counter/z x"]' })
  })

  it('has its timers, and the old owner has not', async () => {
    const one = oneNode(counterApp)
    one.engine.start()
    await during(one, one.send(A, 'later', { name: 'digest', inMs: 2000 }))
    const two = one.another()
    await handOver(one, two, A)
    await two.clock.run(1900)
    expect(await during(two, two.query(A, 'heard'))).toMatchObject({ json: '[]' })
    await two.clock.run(10_000)
    expect(await during(two, two.query(A, 'heard'))).toMatchObject({ json: '["timer:digest digest"]' })
    expect([count(one, 'timersFired'), count(two, 'timersFired'), count(two, 'fenced')]).toEqual([0, 1, 0])
    await during(two, two.engine.drain())
    expect(await allHints(two)).toEqual([])
  })

  it('delivers what was not delivered, once, and not again what was (D4)', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'tell', { to: 'counter/b', what: 'first' }))
    await one.clock.run(10) // delivered, and not written yet
    one.fault = (call) => (call.op === 'load' && call.actor === 'counter/c' ? { kind: 'refused' } : null)
    await during(one, one.send(A, 'tell', { to: 'counter/c', what: 'second' }))
    const two = one.another()
    await handOver(one, two, A)
    await two.clock.run(1000)
    expect(await during(two, two.query('counter/b', 'heard'))).toMatchObject({ json: '["actor:counter/a first"]' })
    expect(await during(two, two.query('counter/c', 'heard'))).toMatchObject({ json: '["actor:counter/a second"]' })
    expect(await during(two, two.engine.inspect(A))).toMatchObject({ effects: [] })
    expect(count(two, 'effectsDelivered')).toBe(1)
  })

  it('leaves the old owner’s wake-up hint until its own is durable (D5)', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'later', { name: 'far', inMs: 3_600_000 }))
    const before = await allHints(one)
    expect(before.length).toBe(1)
    const bundle = await released(one, A)
    const two = one.another()
    two.fault = SILENT
    expect(two.engine.adopt(bundle)).toBe(true)
    await two.clock.run(1000)
    expect(await allHints(one)).toEqual(before)
    two.engine.kill()
    const three = two.another()
    expect(three.engine.adopt(bundle)).toBe(true)
    await three.clock.run(1000)
    const after = await allHints(three)
    expect(after.map(({ n, due }) => [n, due])).toEqual([[bundle.n + 1, before[0]?.due]])
  })

  it('answers nothing before its claim is durable (J2, J7)', async () => {
    for (const id of [A, 'lazy/a', 'head/a']) {
      const one = oneNode(counterApp)
      await during(one, one.send(id, 'add'))
      const two = one.another()
      const bundle = await released(one, id)
      two.fault = DOWN
      expect(two.engine.adopt(bundle)).toBe(true)
      const sent = told(two, id, 'add')
      let answered: unknown = null
      void two.query(id, 'value').then((outcome) => (answered = outcome))
      await two.clock.run(2000)
      expect([id, sent.outcome, answered]).toEqual([id, null, null])
      two.fault = () => null
      await two.clock.run(3000)
      expect(sent.outcome).toMatchObject({ ok: true, offset: 2 })
      expect(answered).toMatchObject({ ok: true })
    }
  })

  it('of an actor whose answers leave early gives up a claim that the store does not take, and says so', async () => {
    const one = oneNode(counterApp, { activationTimeoutMs: 1000, storeRetryMs: 20 })
    await during(one, one.send('lazy/a', 'add'))
    const two = one.another()
    const bundle = await released(one, 'lazy/a')
    two.fault = DOWN
    expect(two.engine.adopt(bundle)).toBe(true)
    expect(await during(two, two.send('lazy/a', 'add'))).toMatchObject({ ok: false, code: 'store_unavailable' })
    two.fault = () => null
    await two.clock.run(5000)
    expect(await during(two, two.send('lazy/a', 'add'))).toMatchObject({ ok: true, offset: 2 })
  })

  it('tells who subscribes again all that the old owner’s subscribers did not hear (D7, D8)', async () => {
    const one = oneNode(counterApp)
    const follower = one.subscribe(A, 'changed')
    await one.settle()
    for (let i = 0; i < 3; i++) await during(one, one.send(A, 'add'))
    const two = one.another()
    await handOver(one, two, A)
    expect(follower.ended).toBe(true)
    const next = two.subscribe(A, 'changed')
    await two.clock.run(300)
    expect(next.answers).toMatchObject([{ ok: true, offset: 3, changed: 3 }])
    void two.send(A, 'add')
    await two.clock.run(300)
    expect(next.notes).toMatchObject([{ offset: 4 }])
    const heardBefore = follower.notes.length
    await two.clock.run(5000)
    expect(follower.notes.length).toBe(heardBefore)
  })
})

describe('a bundle on its way', () => {
  it('may be lost: the old owner reads the store, and so does whoever comes', async () => {
    const one = oneNode(counterApp)
    for (let i = 0; i < 3; i++) await during(one, one.send(A, 'add'))
    await released(one, A)
    const ops = watch(one)
    expect(await during(one, one.query(A, 'value'))).toMatchObject({ json: '3' })
    expect(ops[0]).toBe('load')
    expect(await during(one, one.send(A, 'add'))).toMatchObject({ ok: true, offset: 4 })
  })

  it('may come twice: one owner wins, and everything acknowledged is kept', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'add'))
    const bundle = await released(one, A)
    const two = one.another()
    const three = two.another()
    expect([two.engine.adopt(bundle), three.engine.adopt(bundle)]).toEqual([true, true])
    const sends = await during(two, Promise.all([two, three, two, three].map((node) => node.send(A, 'add', {}))))
    expect(sends.map(({ ok }) => ok)).toEqual([true, true, true, true])
    expect(new Set(sends.map((sent) => sent.ok && sent.offset)).size).toBe(4)
    expect(count(two, 'fenced') + count(three, 'fenced')).toBeGreaterThan(0)
    const four = three.another()
    expect(await during(four, four.query(A, 'value'))).toMatchObject({ json: '5' })
    expect(four.engine.adopt(bundle)).toBe(false) // it is here
  })

  it('may come late: whoever adopts it is fenced, and shows nothing of it', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'add', {}, { source: 'session:s', seq: 1 }))
    const bundle = await released(one, A)
    await during(one, one.send(A, 'add', {}, { source: 'session:s', seq: 2 }))
    const two = one.another()
    expect(two.engine.adopt(bundle)).toBe(true)
    const value = two.query(A, 'value')
    const repeat = two.send(A, 'add', {}, { source: 'session:s', seq: 2 })
    expect(await during(two, value)).toMatchObject({ ok: true, json: '2' })
    expect(await during(two, repeat)).toMatchObject({ ok: true, offset: 2, duplicate: true })
    expect(count(two, 'fenced')).toBe(1)
  })

  it('cannot be used where it does not fit, and nothing is thrown', async () => {
    const version = (v: number): App =>
      app({
        actors: {
          v: actor('v', {
            ...(v > 1 && { version: v, migrate: { 1: (old: { n: number }) => ({ n: old.n, doubled: 2 * old.n }) } }),
            state: (): { n: number } => ({ n: 0 }),
            events: { add: { reduce: (s: { n: number }) => ({ ...s, n: s.n + 1 }) } },
            queries: { all: (s: { n: number }) => s },
          }),
        },
      })
    const old = oneNode(version(1))
    await during(old, old.send('v/a', 'add'))
    const bundle = await released(old, 'v/a')
    const newer = old.another({ app: version(2) })
    expect(newer.engine.adopt(bundle)).toBe(true)
    expect(await during(newer, newer.query('v/a', 'all'))).toMatchObject({ json: '{"n":1,"doubled":2}' })
    const migrated = await released(newer, 'v/a')
    expect(old.engine.adopt(migrated)).toBe(false) // J8: older code
    const wrong: Partial<Bundle>[] = [
      { n: bundle.n + 1 },
      { n: 0 },
      { epoch: bundle.epoch + 1 },
      { epoch: -1 },
      { ref: 0.5 },
      { hash: new Uint8Array(32) },
      { hash: new Uint8Array(31) },
      { journal: 'another' },
      { mode: 'replace' },
      { version: 2 },
      { actor: 'v/' },
      { actor: 'nobody/a' },
      { snapshot: bundle.snapshot.subarray(0, 80) },
      { snapshot: new Uint8Array(2 * 1024 * 1024) },
      { hints: null as never },
      { entriesSince: NaN },
    ]
    const two = old.another({ generation: 9 })
    for (const part of wrong) expect([part, two.engine.adopt({ ...bundle, ...part })]).toEqual([part, false])
    for (const not of [null, undefined, {}, { actor: 5 }, { ...bundle, snapshot: null }, { ...bundle, hash: 'x' }])
      expect([not, adopts(two, not)]).toEqual([not, false])
    expect(two.engine.stats().activations).toBe(0)
    expect(two.engine.adopt(bundle)).toBe(true)
  })

  it('is judged byte by byte: what decodes to nonsense is refused, never thrown at', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'add', {}, { source: 'session:s', seq: 1 }))
    await during(one, one.send(A, 'later', { name: 'a', inMs: 1000 }))
    const bytes = encodeBundle((await during(one, one.engine.release(A))) as Bundle)
    const two = one.another()
    two.fault = SILENT
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }), fc.nat(20), (changes, cut) => {
        const changed = Uint8Array.from(bytes.subarray(0, bytes.length - cut))
        for (const [at, value] of changes) if (at < changed.length) changed[at] = value
        const bundle = decodeBundle(changed)
        if (bundle !== null) adopts(two, bundle)
      }),
      { numRuns: 500 },
    )
  })
})

function adopts(node: OneNode, bundle: unknown): boolean {
  return node.engine.adopt(bundle as Bundle)
}

describe('giving an actor up', () => {
  it('takes nothing more, finishes what it took, and ends (J4)', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'add'))
    one.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 1000 } : null)
    const taken = told(one, A, 'add', {}, { key: 'taken' })
    await one.clock.run(10)
    const open = told(one, A, 'add', {}, { key: 'open' })
    let bundle: Bundle | null | undefined
    void one.engine.release(A).then((given) => (bundle = given))
    expect(one.engine.has(A)).toBe(false)
    const late = told(one, A, 'add', {}, { key: 'late' })
    await one.settle()
    expect(late.outcome).toMatchObject({ ok: false, code: 'moved' })
    expect([bundle, taken.outcome, open.outcome]).toEqual([undefined, null, null])
    expect(adopts(one, undefined)).toBe(false)
    await one.clock.run(3000)
    expect([taken.outcome, open.outcome]).toMatchObject([
      { ok: true, offset: 2 },
      { ok: true, offset: 3 },
    ])
    const two = one.another()
    expect(two.engine.adopt(carried(bundle ?? null))).toBe(true)
    expect(await during(two, two.query(A, 'value'))).toMatchObject({ json: '3', offset: 3 })
  })

  it.each(['unknown-before', 'unknown-after'] as const)('waits while an append’s outcome is unknown (%s)', async (kind) => {
    const one = oneNode(counterApp, { storeRetryMs: 20 })
    await during(one, one.send(A, 'add'))
    let tries = 0
    one.fault = (call) => (call.op === 'commit' && tries++ < 3 ? { kind } : null)
    const sent = told(one, A, 'add')
    const bundle = await during(one, one.engine.release(A))
    expect(tries).toBeGreaterThan(3)
    expect(sent.outcome).toMatchObject({ ok: true, offset: 2 })
    expect(one.engine.has(A)).toBe(false)
    expect(bundle).not.toBe(null)
    const two = one.another()
    expect(two.engine.adopt(carried(bundle as Bundle))).toBe(true)
    expect(await during(two, two.send(A, 'add'))).toMatchObject({ ok: true, offset: 3 })
    expect(count(two, 'fenced')).toBe(0)
  })

  it('ends as in a crash of the actor when it cannot be settled in 5 s: nothing is lost', async () => {
    const one = oneNode(counterApp, { storePatienceMs: 60_000, sendTimeoutMs: 60_000 })
    await during(one, one.send(A, 'add'))
    one.fault = (call) => (call.op === 'commit' ? { kind: 'unknown-after' } : null)
    const keyed = told(one, A, 'add', {}, { key: 'k' })
    const bare = told(one, A, 'add')
    const began = one.clock.mono()
    expect(await during(one, one.engine.release(A))).toBe(null)
    expect(one.clock.mono() - began).toBe(5000)
    // `bare` may have been applied, and has no identity that would show it.
    expect([keyed.outcome, bare.outcome]).toMatchObject([{ code: 'moved' }, { code: 'timeout' }])
    one.fault = () => null
    const two = one.another()
    expect(await during(two, two.send(A, 'add', {}, { key: 'k' }))).toMatchObject({ ok: true, duplicate: true })
    expect(count(one, 'released') - count(one, 'handedOver')).toBe(1)
  })

  it('writes what write-behind has not written yet, as a clean end: the journal id goes on (J9)', async () => {
    const one = oneNode(counterApp)
    expect(await during(one, one.send('lazy/a', 'add'))).toMatchObject({ ok: true, durable: false })
    const before = await during(one, one.history('lazy/a', 1, 10))
    const began = one.clock.mono()
    const two = one.another()
    await handOver(one, two, 'lazy/a')
    expect(one.clock.mono() - began).toBeLessThan(100) // not the period
    expect(await during(two, two.send('lazy/a', 'add'))).toMatchObject({ ok: true, offset: 2, durable: false })
    await two.clock.run(3000)
    const page = await during(two, two.history('lazy/a', 1, 10))
    expect(page).toMatchObject({ ok: true, entries: [{ offset: 1 }, { offset: 2 }] })
    expect(page.ok && before.ok && page.journal === before.journal).toBe(true)
  })

  it('ends clean though the bundle is lost, or the next owner takes nothing: no gap is reported for nothing (J9)', async () => {
    const journal = async (node: OneNode): Promise<string> => {
      const page = await during(node, node.history('lazy/a', 1, 10))
      return page.ok ? page.journal : page.code
    }
    const one = oneNode(counterApp)
    await during(one, one.send('lazy/a', 'add'))
    const before = await journal(one)
    await released(one, 'lazy/a') // lost: read and claimed again
    await during(one, one.send('lazy/a', 'add'))
    expect(await journal(one)).toBe(before)
    const two = one.another()
    await handOver(one, two, 'lazy/a')
    await during(two, two.engine.drain())
    const three = two.another()
    await during(three, three.send('lazy/a', 'add'))
    await three.clock.run(3000)
    expect(await journal(three)).toBe(before)
    expect(await during(three, three.history('lazy/a', 1, 10))).toMatchObject({ entries: [{}, {}, {}] })
  })

  it('gives nothing where there is nothing, is only read, was never written or is too large', async () => {
    const one = oneNode(counterApp, { handoffBytes: 500 })
    expect(await one.engine.release(A)).toBe(null)
    let answered: unknown = null
    one.fault = (call) => (call.op === 'load' ? { answerAfterMs: 500 } : null)
    void one.query(A, 'value').then((outcome) => (answered = outcome))
    await one.settle()
    expect(await one.engine.release(A)).toBe(null) // loading
    await one.settle()
    expect(answered).toMatchObject({ ok: false, code: 'moved' })
    one.fault = () => null
    await one.clock.run(1000)
    expect(one.engine.stats().activations).toBe(0)
    await during(one, one.query(A, 'value'))
    expect(await during(one, one.engine.release(A))).toBe(null) // never written
    await during(one, one.send(A, 'tell', { to: 'counter/b', what: 'x'.repeat(600) }))
    await during(one, one.send('counter/b', 'hear', { what: 'x'.repeat(600) }))
    expect(await during(one, one.engine.release('counter/b'))).toBe(null)
    expect(one.engine.has('counter/b')).toBe(false)
    const two = one.another()
    expect(await during(two, two.query('counter/b', 'heard'))).toMatchObject({ ok: true })
  })

  it('asked twice gives the same bundle; asked of a dead engine, none', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'add'))
    void one.send(A, 'add')
    const [first, second] = await during(one, Promise.all([one.engine.release(A), one.engine.release(A)]))
    expect(first).toBe(second)
    expect(first).not.toBe(null)
    one.engine.kill()
    expect(await one.engine.release(A)).toBe(null)
    expect(adopts(one, first)).toBe(false)
  })

  it('waits for a state that is being read anew after a reducer threw', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'add'))
    one.fault = (call) => (call.op === 'load' ? { answerAfterMs: 300 } : null)
    void one.send(A, 'throws')
    const two = one.another()
    await handOver(one, two, A)
    expect(await during(two, two.query(A, 'value'))).toMatchObject({ json: '1' })
  })

  it('also to a node that was fenced lately: it neither waits nor reads first', async () => {
    const one = oneNode(counterApp, {}, { owns: () => false })
    await during(one, one.send(A, 'add'))
    const two = one.another()
    await during(two, two.send(A, 'add'))
    expect(await during(one, one.send(A, 'add', {}, { key: 'k' }))).toMatchObject({ ok: false, code: 'moved' })
    await handOver(two, one, A)
    const ops = watch(one)
    expect(await during(one, one.send(A, 'add'))).toMatchObject({ ok: true, offset: 3 })
    expect(new Set(ops)).toEqual(new Set(['commit']))
  })
})

describe('the busiest first', () => {
  it('activations say what waits and what came lately', async () => {
    const one = oneNode(counterApp)
    for (let i = 0; i < 20; i++) await during(one, one.send('counter/busy', 'add'))
    await during(one, one.send('counter/idle', 'add'))
    const busy = (): Record<string, number> => Object.fromEntries([...one.engine.activations()].map(({ actor: id, busy: b }) => [id, b]))
    expect(busy()['counter/busy']).toBeGreaterThan(busy()['counter/idle'] ?? Infinity)
    await one.clock.run(30_000)
    expect(busy()).toEqual({ 'counter/busy': 0, 'counter/idle': 0 })
    void one.engine.release('counter/idle')
    expect(Object.keys(busy())).toEqual(['counter/busy'])
  })
})
