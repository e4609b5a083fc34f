/** Deadlines, bounded queues, credit (R1), hops, and what is said when nobody can serve. */
import { Batch } from '../../src/routing/batch.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { describe, expect, it } from 'vitest'
import type { SendOutcome } from '../../src/actors/calls.ts'
import { NOTHING, TestCluster } from './cluster.ts'
import { framesOf } from './frames.ts'

const codes = (outcomes: readonly SendOutcome[]): string[] => outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.code))

describe('a deadline', () => {
  it('crosses as what is left of it, and `timeout` comes when it has passed, not before', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actor = cluster.actorOf('n2')
    cluster.wires.latencyMs = 40
    const left: number[] = []
    cluster.wires.fate = (message) => {
      for (const frame of framesOf(message)) if (frame.t === 'send') left.push(frame.timeoutMs)
      return 'arrives'
    }
    n2.fault = (call) => (call.op === 'commit' ? { kind: 'silent-before' } : null)
    const begun = cluster.clock.mono()
    const outcome = await cluster.during(n1.add(actor, 'x', { timeoutMs: 500 }))
    expect(outcome).toMatchObject({ ok: false, code: 'timeout' })
    expect(cluster.clock.mono() - begun).toBe(500)
    // Two latencies to open the link, one for the first credit.
    expect(left).toEqual([500 - 120])
    await cluster.settle(1000)
    expect(n1.open).toEqual(NOTHING)
    expect(n2.open).toEqual(NOTHING)
  })

  it('ends what waits for a node that does not answer, and only then', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    cluster.node('n2').crash()
    const begun = cluster.clock.mono()
    const outcome = await cluster.during(n1.add(cluster.actorOf('n2'), 'x', { timeoutMs: 3000 }))
    expect(outcome).toMatchObject({ ok: false, code: 'timeout' })
    expect(cluster.clock.mono() - begun).toBe(3000)
    // Each wait is longer than the one before: 25, 100, 400, 1000 … with jitter.
    expect(n1.router.stats().counters['repeatsLost']).toBeGreaterThanOrEqual(5)
    expect(n1.router.stats().counters['repeatsLost']).toBeLessThanOrEqual(9)
    expect(n1.refused).toContain('n2')
    const query = await cluster.during(n1.query(cluster.actorOf('n2'), 'got', null, { timeoutMs: 300 }))
    expect(query).toMatchObject({ ok: false, code: 'timeout' })
    expect(n1.open).toEqual(NOTHING)
  })

  it('a later send of the lane is not held back by one that ran out of time', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actor = cluster.actorOf('n2')
    n2.fault = (call) => (call.op === 'commit' ? { kind: 'silent-before' } : null)
    const first = n1.add(actor, 'a', { timeoutMs: 100 })
    const second = n1.add(actor, 'b', { timeoutMs: 20_000 })
    expect(await cluster.during(first)).toMatchObject({ code: 'timeout' })
    n2.crash()
    cluster.agree(['n1'])
    expect(await cluster.during(second)).toMatchObject({ ok: true })
    expect(await n1.got(actor)).toEqual(['b'])
  })
})

describe('R1: a link is always read', () => {
  it('two nodes whose mailboxes are full toward each other go on answering', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { mailboxEvents: 4, linkInflight: 8 })
    const pairs = [
      [cluster.node('n1'), cluster.actorOf('n2'), cluster.actorOf('n2', 'b')],
      [cluster.node('n2'), cluster.actorOf('n1'), cluster.actorOf('n1', 'b')],
    ] as const
    let stuck = true
    for (const [node] of pairs) node.fault = (call) => (stuck && call.op === 'commit' ? { kind: 'unknown-before', reason: 'lost' } : null)
    const full = pairs.map(([node, actor]) =>
      Promise.all(Array.from({ length: 100 }, (_, i) => node.add(actor, String(i), { timeoutMs: 5000 }))),
    )
    await cluster.settle(500)
    // The full actors do not keep others of the same link from an answer.
    const others = await cluster.during(
      Promise.all(pairs.map(([node, , other]) => node.query(other, 'echo', 7, { timeoutMs: 4000 }))),
      4500,
    )
    expect(others).toMatchObject([{ json: '7' }, { json: '7' }])
    stuck = false
    for (const outcomes of await cluster.during(Promise.all(full))) {
      expect(new Set(codes(outcomes))).toEqual(new Set(['ok', 'overloaded']))
    }
    for (const [node, actor, other] of pairs) {
      expect(await cluster.during(node.add(other, 'after'))).toMatchObject({ ok: true })
      expect((await node.got(actor)).length).toBeGreaterThanOrEqual(4)
      await cluster.settle(100)
      expect(node.open).toEqual(NOTHING)
    }
  })

  it('no more is sent than credit allows, the rest waits, and beyond the queue is `overloaded`', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { linkInflight: 10, linkQueue: 20 })
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    let sent = 0
    cluster.wires.fate = (message) => {
      sent += framesOf(message).filter(({ t }) => t === 'send').length
      return 'arrives'
    }
    let stuck = true
    n2.fault = (call) => (stuck && call.op === 'commit' ? { kind: 'unknown-before', reason: 'lost' } : null)
    await cluster.during(n1.query(cluster.actorOf('n2')))
    const actors = Array.from({ length: 50 }, (_, i) => cluster.actorOf('n2', `k${i}-`))
    const outcomes = actors.map((actor) => n1.add(actor, 'x'))
    await cluster.settle(200)
    expect(sent).toBe(10)
    expect(n2.router.stats().inbound).toBe(10)
    stuck = false
    const answers = codes(await cluster.during(Promise.all(outcomes)))
    expect(answers.slice(0, 30)).toEqual(Array.from({ length: 30 }, () => 'ok'))
    expect(answers.slice(30)).toEqual(Array.from({ length: 20 }, () => 'overloaded'))
    expect(sent).toBe(30)
  })

  it('bytes count too: one large request may go beyond the credit, never stop for it', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { linkInflightBytes: 65_536, eventBytes: 200_000 })
    const n1 = cluster.node('n1')
    const large = 'x'.repeat(150_000)
    const outcomes = await cluster.during(Promise.all([1, 2, 3].map((i) => n1.add(cluster.actorOf('n2', `l${i}-`), large))))
    expect(codes(outcomes)).toEqual(['ok', 'ok', 'ok'])
  })

  it('what a node has under way to others is bounded', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { forwardedEvents: 64 })
    const n1 = cluster.node('n1')
    cluster.wires.freeze('n2')
    const outcomes = Array.from({ length: 100 }, () => n1.add(cluster.actorOf('n2'), 'x', { timeoutMs: 1000 }))
    const answers = codes(await cluster.during(Promise.all(outcomes)))
    expect(answers.filter((code) => code === 'overloaded')).toHaveLength(36)
    expect(answers.filter((code) => code === 'timeout')).toHaveLength(64)
    const reads = await cluster.during(
      Promise.all(Array.from({ length: 100 }, () => n1.query(cluster.actorOf('n2'), 'got', null, { timeoutMs: 1000 }))),
    )
    expect(reads.filter((outcome) => !outcome.ok && outcome.code === 'overloaded')).toHaveLength(36)
  })
})

describe('batches', () => {
  it('messages that would follow one another within a millisecond are one; one that comes later waits for nothing', () => {
    const clock = new VirtualClock()
    const sent: [number, number][] = []
    const wire = { bufferedBytes: 0, send: (bytes: Uint8Array) => void sent.push([clock.mono(), bytes.length]), close: () => undefined }
    const batch = new Batch(clock, wire, 65_536, () => undefined)
    const write = (): void => {
      batch.out.u8(1)
      batch.wrote()
    }
    write()
    clock.advance(0)
    for (let i = 0; i < 4; i++) {
      clock.advance(0.2)
      write()
    }
    clock.advance(5)
    write()
    clock.advance(0)
    expect(sent).toEqual([
      [0, 1],
      [1.2, 4],
      [5.8, 1],
    ])
  })

  it('the requests of one turn of the event loop are one message, and so are their answers', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    await cluster.during(n1.query(cluster.actorOf('n2')))
    const seen: string[][] = []
    cluster.wires.fate = (message) => (seen.push(framesOf(message).map(({ t }) => t)), 'arrives')
    const actors = Array.from({ length: 100 }, (_, i) => cluster.actorOf('n2', `k${i}-`))
    await cluster.during(Promise.all(actors.map((actor) => n1.add(actor, 'x'))))
    expect(seen[0]).toEqual(actors.map(() => 'send'))
    expect(
      seen
        .slice(1)
        .flat()
        .filter((t) => t === 'replied'),
    ).toHaveLength(100)
    expect(seen.length).toBeLessThanOrEqual(4)
  })
})

describe('what is larger than a message of the wire', () => {
  it('goes in parts: requests, answers and bundles', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { wireFrameBytes: 65_536, handoffBytes: 1_000_000 })
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actor = cluster.actorOf('n2')
    const large = 'ü'.repeat(100_000)
    expect(await cluster.during(n1.add(actor, large))).toMatchObject({ ok: true, offset: 1 })
    expect(await n1.got(actor)).toEqual([large])
    cluster.agree(['n1', 'n2'], { n2: { phase: 'draining' } })
    await cluster.settle(200)
    expect(n2.router.stats().counters['handedOver']).toBe(1)
    expect(n1.engine.has(actor)).toBe(true)
    expect(await n2.got(actor)).toEqual([large])
    expect(n1.router.stats().counters['linksLost']).toBe(0)
  })

  it('but no answer that a wire could not hold: that is `too_large`, and the link stays', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { answerBytes: 64 * 1024 * 1024, eventBytes: 8 * 1024 * 1024 })
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n2')
    for (const v of ['a', 'b']) await cluster.during(n1.add(actor, v.repeat(6_000_000)))
    expect(await cluster.during(n1.query(actor))).toMatchObject({ ok: false, code: 'too_large' })
    const follower = n1.follow(actor, 'newest')
    await cluster.settle(100)
    expect(follower.answers).toMatchObject([{ ok: true }])
    expect(n1.router.stats().counters['linksLost']).toBe(0)
  })
})

describe('where an actor is', () => {
  it('a request makes at most one hop a try: who does not own the actor says who does, and asks nobody', async () => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const [n1, n2, n3] = [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')]
    const hops: string[] = []
    cluster.wires.fate = (message) => {
      if (framesOf(message).some(({ t }) => t === 'send')) hops.push(`${message.from}>${message.to}`)
      return 'arrives'
    }
    // n1 does not hear that n2 serves no more; n2 and n3 do.
    const before = cluster.placement(cluster.membership, 'n1')
    const membership = cluster.decide(['n1', 'n2', 'n3'], { n2: { phase: 'draining' } })
    const after = cluster.placement(membership, 'n1')
    const actor = Array.from({ length: 100 }, (_, i) => `list/${i}`).find(
      (id) => before.ownerOf(id)?.id === 'n2' && after.ownerOf(id)?.id === 'n3',
    ) as string
    n1.hears = false
    n2.sees(membership)
    n3.sees(membership)
    expect(await cluster.during(n1.add(actor, 'x'))).toMatchObject({ ok: true, offset: 1 })
    expect(hops).toEqual(['n1>n2', 'n1>n3'])
    expect(n2.synced).toContain('n1')
  })

  it('views that differ are brought together at the first sign, not at each of thousands', async () => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actor = cluster.actorOf('n2', 'x')
    for (const node of cluster.nodes.values()) node.hears = false
    n2.sees(cluster.decide(['n1', 'n2', 'n3'], { n2: { phase: 'draining' } }))
    const outcomes = Array.from({ length: 500 }, (_, i) => n1.add(actor, String(i), { timeoutMs: 400 }))
    await cluster.settle(90)
    expect(n2.router.stats().counters['movedAnswers']).toBeGreaterThan(500)
    expect([n1.synced, n2.synced]).toEqual([['n2'], ['n1']])
    await cluster.during(Promise.all(outcomes))
    // Without any `moved` too, a difference that lasts is found.
    n1.synced.length = 0
    await cluster.settle(2500)
    expect(n1.synced).toContain('n2')
    for (const node of cluster.nodes.values()) {
      node.hears = true
      node.sees(cluster.membership)
    }
    await cluster.settle(2000)
    n1.synced.length = 0
    await cluster.settle(5000)
    expect(n1.synced).toEqual([])
  })

  it('`unavailable` at once when no node in service offers the type, `invalid` for what is no name', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n2')
    cluster.agree([])
    expect(await cluster.during(n1.add(actor, 'x'))).toMatchObject({ ok: false, code: 'unavailable', retryAfterMs: 500 })
    expect(await cluster.during(n1.query(actor))).toMatchObject({ ok: false, code: 'unavailable' })
    expect(await cluster.during(n1.add('nothing/a', 'x'))).toMatchObject({ ok: false, code: 'not_found' })
    expect(await cluster.during(n1.query('nothing/a'))).toMatchObject({ ok: false, code: 'not_found' })
    expect(await cluster.during(n1.add('list', 'x'))).toMatchObject({ ok: false, code: 'invalid' })
    expect(await cluster.during(n1.add('list/\u0000', 'x'))).toMatchObject({ ok: false, code: 'invalid' })
    expect(n1.open).toEqual(NOTHING)
  })

  it('data that JSON cannot carry, or too much of it, is refused before it crosses', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { eventBytes: 1000 })
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n2')
    expect(await cluster.during(n1.send(actor, 'add', { v: 1n }))).toMatchObject({ ok: false, code: 'invalid' })
    expect(await cluster.during(n1.add(actor, 'x'.repeat(1000)))).toMatchObject({ ok: false, code: 'too_large' })
    expect(await cluster.during(n1.query(actor, 'echo', { v: 1n }))).toMatchObject({ ok: false, code: 'invalid' })
    expect(cluster.wires.sent).toBe(0)
  })

  it('bytes, nothing and refusals cross as they are', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n2')
    await cluster.during(n1.send(actor, 'bytes', new Uint8Array([1, 2, 255])))
    expect(await n1.got(actor)).toEqual(['bytes 1,2,255'])
    expect(await cluster.during(n1.send(actor, 'no', null, { source: 'session:1', seq: 1 }))).toEqual({
      ok: false,
      code: 'refused',
      message: 'not this',
      reason: 'no',
      next: 2,
    })
    expect(await cluster.during(n1.send(actor, 'add', { v: 'x' }, { source: 'session:1', seq: 9 }))).toMatchObject({
      code: 'out_of_order',
      next: 2,
    })
    expect(await cluster.during(n1.query(actor, 'nothing'))).toMatchObject({ code: 'unknown_query' })
    expect(await cluster.during(n1.query(actor, 'echo', [1, { a: 'ü' }]))).toMatchObject({ json: '[1,{"a":"ü"}]' })
    expect(await cluster.during(n1.history(actor, 1, 10))).toMatchObject({ ok: true, entries: [{ offset: 1, type: 'bytes' }] })
    expect(await cluster.during(n1.topic(actor, 'newest'))).toMatchObject({
      ok: true,
      kind: 'view',
      json: '{"n":1,"last":"bytes 1,2,255"}',
    })
  })

  it('a send to an actor of this node touches no link and keeps no lane', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n1')
    const outcome = n1.add(actor, 'x')
    expect(n1.open).toEqual(NOTHING)
    expect(await cluster.during(outcome)).toMatchObject({ ok: true })
    expect(cluster.wires.sent).toBe(0)
  })

  it('only a node that offers a version new enough is asked for an actor of newer code', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const actor = cluster.actorOf('n2')
    const n2 = cluster.node('n2')
    await cluster.during(n2.add(actor, 'x'))
    n2.engine.send = (_call, done) => done({ ok: false, code: 'moved', message: 'newer', minVersion: 2 })
    cluster.start('n3', { list: 2 })
    // The third node offers version 2, and is asked though n2 owns the actor among all that offer the type.
    const ids = ['n1', 'n2', 'n3']
    const membership = cluster.decide(ids)
    const kept = ['n2'].includes(cluster.placement(membership, 'n1').ownerOf(actor)?.id ?? '')
    for (const id of ids) cluster.node(id).sees(membership)
    const outcome = await cluster.during(cluster.node('n1').add(actor, 'y'))
    expect(outcome).toMatchObject({ ok: true, offset: 2 })
    if (kept) expect(cluster.node('n3').engine.has(actor)).toBe(true)
  })

  it('closing answers what waits and leaves nothing', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    cluster.wires.freeze('n2')
    const waiting = [n1.add(cluster.actorOf('n2'), 'x'), n1.query(cluster.actorOf('n2'))]
    const follower = n1.follow(cluster.actorOf('n2'), 'newest')
    await cluster.settle(10)
    n1.router.close()
    expect(await cluster.during(Promise.all(waiting))).toMatchObject([{ code: 'unavailable' }, { code: 'unavailable' }])
    expect(follower.answers).toMatchObject([{ code: 'unavailable' }])
    expect(n1.open).toEqual(NOTHING)
    expect(n1.router.stats().links).toBe(0)
    expect(await cluster.during(n1.add(cluster.actorOf('n2'), 'x'))).toMatchObject({ code: 'unavailable' })
  })
})
