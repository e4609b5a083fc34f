/** What an engine does as one of many: whose actors it wakes, where its actors' sends go, and how it ends when it is declared dead (H1–H3, J7, J8). */
import { describe, expect, it } from 'vitest'
import type { ActorCalls, SendCall, SendOutcome } from '../../src/actors/calls.ts'
import { actor, app, type App } from '../../src/actors/define.ts'
import { ERRORS, fail, wireError, type ErrorCode } from '../../src/errors.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

const A = 'counter/a'

interface Slow {
  readonly n: number
  readonly rang: number
}
const slow = (type: string, everyMs: number) =>
  actor(type, {
    state: (): Slow => ({ n: 0, rang: 0 }),
    durability: { everyMs },
    idleMs: 3_600_000,
    events: {
      add: { reduce: (s: Slow) => ({ ...s, n: s.n + 1 }) },
      later: { reduce: (s: Slow, { inMs }: { inMs: number }, ctx) => (ctx.schedule('t', { inMs }, 'ring', {}), s) },
      ring: { reduce: (s: Slow) => ({ ...s, rang: s.rang + 1 }) },
    },
    queries: { n: (s) => s.n, rang: (s) => s.rang },
  })
const slowApp = app({ actors: { slow: slow('slow', 2000), slower: slow('slower', 60_000) } })
const count = (node: OneNode, name: string): number => node.engine.stats().counters[name] ?? 0

describe('a request that meets a fence', () => {
  it('is asked again here where the ring places the actor here, and answered moved at once where it does not', async () => {
    for (const owned of [true, false]) {
      const one = oneNode(counterApp, {}, { owns: () => owned })
      await during(one, one.send(A, 'add'))
      const two = one.another()
      await during(two, two.send(A, 'add'))
      const sent = await during(one, one.send(A, 'add', {}, { key: 'k' }))
      expect(sent).toMatchObject(owned ? { ok: true, offset: 3 } : { ok: false, code: 'moved' })
      expect(one.engine.has(A)).toBe(owned)
      // Without an identity too: it was certainly not applied.
      await during(two, two.send(A, 'add', {}, { key: 'l' }))
      expect(await during(one, one.send(A, 'add'))).toMatchObject({ ok: true })
    }
  })

  it('a reader whose memory is old is sent on in the same way', async () => {
    for (const owned of [true, false]) {
      const one = oneNode(counterApp, {}, { owns: () => owned })
      await during(one, one.send(A, 'add'))
      const two = one.another()
      await during(two, two.send(A, 'add'))
      const answer = await during(one, one.query(A, 'value', null, { strict: true }))
      expect(answer).toMatchObject(owned ? { ok: true, json: '2' } : { ok: false, code: 'moved' })
    }
  })

  it('a superseded owner comes to the end of a history that the next one has emptied (J10)', async () => {
    const one = oneNode(counterApp, { snapshotEntries: 4 })
    for (let i = 0; i < 5; i++) await during(one, one.send('kept/a', 'add'))
    const two = one.another()
    for (let i = 0; i < 60; i++) await during(two, two.send('kept/a', 'add'))
    await during(two, two.engine.drain())
    expect((await two.store.history('kept/a', 1, 1_000_000))[0]?.n).toBeGreaterThan(10)
    const page = await during(one, one.history('kept/a', 3, 10))
    expect(page).toMatchObject({ ok: true, entries: [], next: 6, oldest: 6, more: false })
  })

  it('an actor that is not owned is served when it is asked for, and leaves memory when idle', async () => {
    const one = oneNode(counterApp, { idleMs: 1000 }, { owns: () => false })
    expect(await during(one, one.send(A, 'add'))).toMatchObject({ ok: true, offset: 1 })
    expect(one.engine.has(A)).toBe(true)
    await one.clock.run(10_000)
    expect(one.engine.stats().activations).toBe(0)
  })
})

describe('waking (D5)', () => {
  it('is for the owner, and for the next as soon as the ring places the actor with him', async () => {
    let ours = false
    const one = oneNode(counterApp)
    await during(one, one.send(A, 'later', { name: 'x', inMs: 1000 }))
    one.engine.kill()
    const two = one.another({ owns: () => ours })
    two.engine.start()
    await two.clock.run(3000) // seen more than once
    expect([count(two, 'woken'), two.engine.stats().activations]).toEqual([0, 0])
    ours = true
    await two.clock.run(1000)
    expect(count(two, 'woken')).toBe(1)
    expect(await during(two, two.query(A, 'heard'))).toMatchObject({ json: '["timer:x x"]' })
  })

  it('is for memory too that another owner’s batches have left behind: that owner may be gone, and nobody ask', async () => {
    const one = oneNode(counterApp)
    one.engine.start()
    await during(one, one.send(A, 'add'))
    const two = one.another()
    await during(two, two.send(A, 'later', { name: 'x', inMs: 1000 }))
    two.engine.kill()
    await one.clock.run(2000)
    expect(await during(one, one.query(A, 'heard'))).toMatchObject({ json: '["timer:x x"]' })
    expect(count(one, 'timersFired')).toBe(1)
  })

  it('memory that is behind is not woken where the ring places the actor elsewhere: its living owner is not fenced', async () => {
    const one = oneNode(slowApp, {}, { owns: () => false }) // has the actor in memory still, from a read
    const two = one.another({ owns: () => true })
    for (const { engine } of [one, two]) engine.start()
    await during(two, two.send('slow/a', 'add'))
    await one.clock.run(3000)
    await during(one, one.query('slow/a', 'n'))
    await during(two, two.send('slow/a', 'later', { inMs: 3000 }))
    await one.clock.run(3090) // written, and its timer has rung: that event is not written yet
    for (let i = 0; i < 2; i++) expect(await during(two, two.send('slow/a', 'add'))).toMatchObject({ ok: true, durable: false })
    await one.clock.run(6000)
    expect([count(two, 'fenced'), count(one, 'claims')]).toEqual([0, 0])
    expect(await during(two, two.query('slow/a', 'n', null, { strict: true }))).toMatchObject({ json: '3' })
  })

  it('write-behind memory that is behind is found out though a batch is open', async () => {
    const one = oneNode(slowApp)
    one.engine.start()
    await during(one, one.send('slower/a', 'add'))
    await one.clock.run(61_000)
    const two = one.another()
    void two.send('slower/a', 'later', { inMs: 61_000 })
    await one.clock.run(60_500) // written
    two.engine.kill()
    await during(one, one.send('slower/a', 'add')) // a client that goes on with the owner that is behind
    await one.clock.run(30_000)
    expect(await during(one, one.query('slower/a', 'rang'))).toMatchObject({ json: '1' })
  })

  it.each(['hints', 'load'] as const)('goes on when the store never answers one question (%s)', async (op) => {
    const one = oneNode(counterApp)
    for (let i = 0; i < 100; i++) await during(one, one.send(`counter/${i}`, 'later', { name: 'x', inMs: 1000 }))
    one.engine.kill()
    const two = one.another()
    let asked = 0
    two.fault = (call) => (call.op === op && asked++ === 0 ? { kind: 'silent-before' } : null)
    two.engine.start()
    await two.clock.run(60_000)
    expect(count(two, 'timersFired')).toBe(100)
  })

  it('goes on though clients have actors read all the time', async () => {
    const one = oneNode(counterApp)
    for (let i = 0; i < 100; i++) await during(one, one.send(`counter/${i}`, 'later', { name: 'x', inMs: 1000 }))
    one.engine.kill()
    const two = one.another()
    two.fault = (call) => (call.op === 'load' ? { answerAfterMs: 20 } : null)
    two.engine.start()
    for (let i = 0; i < 2000; i++) two.clock.after(10 * i, () => void two.query(`kept/${i}`, 'value'))
    await two.clock.run(15_000)
    expect(count(two, 'timersFired')).toBe(100)
  })

  it('a hint of others does not hide an own one behind it', async () => {
    const one = oneNode(counterApp)
    for (let i = 0; i < 100; i++) await during(one, one.send(`counter/${i}`, 'later', { name: 'x', inMs: 1000 }))
    one.engine.kill()
    const two = one.another({ owns: (id) => id === 'counter/99' })
    two.engine.start()
    await two.clock.run(10_000)
    expect([count(two, 'woken'), count(two, 'timersFired')]).toEqual([1, 1])
  })
})

/** A way out that answers as it is told, and then delivers. */
function wayOut(failures: readonly ErrorCode[]): { calls: ActorCalls; sent: SendCall[]; to: { engine: ActorCalls | null } } {
  const sent: SendCall[] = []
  const left = [...failures]
  const to: { engine: ActorCalls | null } = { engine: null }
  const send = (call: SendCall, done: (outcome: SendOutcome) => void): void => {
    sent.push(call)
    const code = left.shift()
    if (code !== undefined) done(fail(code, 'not now'))
    else to.engine?.send(call, done)
  }
  return { calls: { send } as unknown as ActorCalls, sent, to }
}

describe('sends between actors (D4)', () => {
  it('go the way out, are repeated under the same number whatever it answers, and arrive once and in order', async () => {
    const out = wayOut(['moved', 'timeout', 'unavailable', 'overloaded', 'store_unavailable', 'moved', 'out_of_order'])
    const one = oneNode(counterApp, {}, { outgoing: out.calls })
    const two = one.another()
    out.to.engine = two.engine
    for (const what of ['1', '2', '3', '4']) void one.send(A, 'tell', { to: 'counter/b', what })
    await one.clock.run(120_000)
    expect(await during(two, two.query('counter/b', 'heard'))).toMatchObject({
      json: JSON.stringify(['1', '2', '3', '4'].map((what) => `actor:counter/a ${what}`)),
    })
    expect(out.sent.length).toBeGreaterThan(7)
    expect(count(one, 'activated')).toBe(1) // the sender alone
    expect(await during(one, one.engine.inspect(A))).toMatchObject({ effects: [], effectsRefused: 0 })
    expect(out.sent.slice(0, 7).every(({ seq, source }) => source === 'actor:counter/a' && (seq ?? 0) >= 1 && (seq ?? 9) <= 4)).toBe(true)
  })

  it('a final refusal ends one, whoever says it', async () => {
    const out = wayOut([])
    const one = oneNode(counterApp, {}, { outgoing: out.calls })
    const two = one.another()
    out.to.engine = two.engine
    await during(one, one.send(A, 'tell', { to: 'counter/b', what: 'x', type: 'full' }))
    await one.clock.run(1000)
    expect(await during(one, one.engine.inspect(A))).toMatchObject({ effects: [], effectsRefused: 1 })
  })
})

describe('a node that was declared dead (J7)', () => {
  it('tells everybody at once, lets nothing out that waits at a gate, and is dead for ever', async () => {
    const one = oneNode(counterApp)
    for (const id of [A, 'counter/b']) await during(one, one.send(id, 'add'))
    const follower = one.subscribe(A, 'adds')
    await one.settle()
    one.fault = (call) => (call.op === 'commit' || call.op === 'history' || call.op === 'load' ? { answerAfterMs: 500 } : null)
    const outcomes: Record<string, unknown> = {}
    const expectation = (name: string, promise: Promise<unknown>): void => void promise.then((outcome) => (outcomes[name] = outcome))
    expectation('keyed', one.send(A, 'add', {}, { key: 'k' }))
    expectation('bare', one.send(A, 'add'))
    await one.clock.run(10)
    expectation('open', one.send(A, 'add'))
    expectation('loading', one.send('counter/c', 'add'))
    expectation('query', one.query(A, 'value'))
    expectation('history', one.history('counter/b', 1, 10))
    expectation('released', one.engine.release(A))
    await one.settle()
    expect(outcomes).toEqual({})
    one.engine.disown()
    await one.settle()
    expect(outcomes).toMatchObject({
      keyed: { ok: false, code: 'moved' },
      bare: { ok: false, code: 'timeout' }, // it may have been applied, and nothing would show it
      open: { ok: false, code: 'moved' },
      loading: { ok: false, code: 'moved' },
      query: { ok: false, code: 'moved' },
      history: { ok: false, code: 'moved' },
      released: null,
    })
    expect([follower.ended, follower.notes.length]).toEqual([true, 0])
    expect([one.engine.has(A), await one.engine.release(A), one.engine.stats().pendingEvents]).toEqual([false, null, 0])
    await one.clock.run(60_000) // what was under way lands, and is heard by nobody
    expect([follower.notes.length, Object.keys(outcomes).length]).toEqual([0, 7])
    expect(await one.send(A, 'add')).toMatchObject({ ok: false, code: 'unavailable' })
    expect(await one.query(A, 'value')).toMatchObject({ ok: false, code: 'unavailable' })
    one.engine.disown()
    const next = one.another()
    expect(await during(next, next.send(A, 'add', {}, { key: 'k' }))).toMatchObject({ ok: true, offset: 2, duplicate: true })
  })

  it('a caller who throws, or who asks again at once, does not keep the others from hearing', async () => {
    const one = oneNode(counterApp)
    one.fault = (call) => (call.op === 'load' ? { answerAfterMs: 500 } : null)
    let again: SendOutcome | null = null
    const heard: string[] = []
    const call = (id: string): SendCall => ({ actor: id, type: 'add', data: {}, sender: 'user:u' })
    one.engine.send(call(A), () => {
      throw new Error('planted')
    })
    one.engine.send(call('counter/b'), () => one.engine.send(call('counter/b'), (outcome) => (again = outcome)))
    one.engine.send(call('counter/c'), (outcome) => void heard.push(outcome.ok ? 'ok' : outcome.code))
    one.engine.disown()
    expect([heard, again]).toMatchObject([['moved'], { ok: false, code: 'unavailable' }])
  })
})

describe('an actor of newer code (J8)', () => {
  const at = (version: number): App =>
    app({
      actors: {
        v: actor('v', {
          ...(version > 1 && { version, migrate: { 1: (old: { n: number }) => old, 2: (old: { n: number }) => old } }),
          state: (): { n: number } => ({ n: 0 }),
          events: { add: { reduce: (s: { n: number }) => ({ n: s.n + 1 }) } },
          queries: { value: (s: { n: number }) => s.n },
        }),
      },
    })

  it('is answered moved, with the version that is needed, and not read again for every request', async () => {
    const old = oneNode(at(1))
    const newer = old.another({ app: at(3) })
    await during(newer, newer.send('v/a', 'add'))
    await during(newer, newer.engine.drain())
    let loads = 0
    old.fault = (call) => {
      if (call.op === 'load') loads++
      return null
    }
    const answers = [await during(old, old.send('v/a', 'add')), await during(old, old.query('v/a', 'value'))]
    for (const answer of answers) expect(answer).toMatchObject({ ok: false, code: 'moved', minVersion: 3 })
    expect(loads).toBe(1)
    await old.clock.run(2000)
    expect(await during(old, old.query('v/a', 'value'))).toMatchObject({ code: 'moved', minVersion: 3 })
    expect(loads).toBe(2)
  })

  it('clients see an error like any other', () => {
    const failure = fail('moved', 'elsewhere', { minVersion: 3, retryAfterMs: 5 })
    expect(wireError(failure)).toEqual({ code: 'moved', message: 'elsewhere', retryable: ERRORS.moved.retryable, retryAfterMs: 5 })
  })
})

describe('claims are counted by cause (H3)', () => {
  const causes = (node: OneNode): Record<string, number> =>
    Object.fromEntries(Object.entries(node.engine.stats().counters).filter(([name, value]) => name.startsWith('claims') && value > 0))

  it.each([A, 'lazy/a'])('of %s', async (id) => {
    const one = oneNode(counterApp, { idleMs: 5000 })
    await during(one, one.send(id, 'add'))
    expect(causes(one)).toEqual({ claims: 1, claimsFirst: 1 })
    await one.clock.run(20_000)
    await during(one, one.send(id, 'add'))
    await one.clock.run(1500)
    expect(causes(one)).toEqual({ claims: 2, claimsFirst: 1, claimsReturned: 1 })
    void one.send(id, 'add')
    await one.clock.run(1100)
    one.engine.kill()
    const two = one.another()
    await during(two, two.send(id, 'add'))
    expect(causes(two)).toEqual({ claims: 1, claimsTakenOver: 1 })
    const three = two.another()
    await during(three, three.send(id, 'add'))
    await during(two, two.send(id, 'add'))
    await two.clock.run(1500) // fenced at the latest when it flushes
    await during(two, two.send(id, 'add'))
    await two.clock.run(1500)
    expect(causes(two)).toMatchObject({ claimsFenced: 1, claimsTakenOver: 1 })
    expect(count(two, 'fenced')).toBe(1)
  })
})
