/** D8: whatever becomes of owners and links, who follows an actor reaches its newest state, and nothing is left behind. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Note, NoteSink, TopicOutcome, Upstream } from '../../src/actors/calls.ts'
import type { Options } from '../../src/options.ts'
import type { LinkFrame } from '../../src/routing/link-frames.ts'
import { NOTHING, TestCluster, type TestNode } from './cluster.ts'
import { encoded, framesOf } from './frames.ts'

const counter = (node: TestNode, name: string): number => node.router.stats().counters[name] ?? 0

/** Follows as a gateway does: subscribes again, a moment after it heard `ended` or a failure. */
class Gateway {
  value = ''
  offset = 0
  subscribes = 0
  ended = 0
  readonly #node: TestNode
  readonly #actor: string
  readonly #cluster: TestCluster
  #upstream: Upstream | null = null
  #closed = false
  #asks = 0

  constructor(cluster: TestCluster, id: string, actor: string) {
    this.#cluster = cluster
    this.#node = cluster.node(id)
    this.#actor = actor
    this.#ask()
  }

  #ask(): void {
    if (this.#closed) return
    const ask = ++this.#asks
    this.subscribes++
    const sink: NoteSink = {
      note: (note) => void (ask === this.#asks && this.#got(note)),
      ended: () => ask === this.#asks && this.#again(),
    }
    const upstream = this.#node.router.calls.subscribe({ actor: this.#actor, topic: 'newest' }, sink, (outcome) => {
      if (ask === this.#asks) this.#answer(outcome)
    })
    if (ask === this.#asks) this.#upstream = upstream
    else upstream.close()
  }

  #answer(outcome: TopicOutcome): void {
    if (!outcome.ok) this.#again()
    else this.#got({ journal: outcome.journal, epoch: outcome.epoch, offset: outcome.offset, json: outcome.json ?? '' })
  }

  #got(note: Note): void {
    if (note.offset < this.offset) return
    this.offset = note.offset
    this.value = note.json ?? ''
  }

  #again(): void {
    this.ended++
    this.#asks++
    this.#upstream?.close()
    this.#upstream = null
    this.#cluster.clock.after(20, () => this.#ask())
  }

  close(): void {
    this.#closed = true
    this.#asks++
    this.#upstream?.close()
  }
}

const newest = (n: number, last: string): string => JSON.stringify({ n, last })

describe('a subscription', () => {
  it('crosses: the state first, then what comes, debounced at the owner', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n2')
    await cluster.during(n1.add(actor, 'a'))
    const follower = n1.follow(actor, 'newest')
    const log = n1.follow(actor, 'all')
    const signal = n1.follow(actor, 'changed')
    await cluster.settle(20)
    expect(follower.answers).toMatchObject([{ ok: true, kind: 'view', offset: 1, json: newest(1, 'a') }])
    for (const v of ['b', 'c', 'd']) await cluster.during(n1.add(actor, v))
    await cluster.settle(300)
    expect(follower.notes.map(({ json }) => json)).toEqual([newest(2, 'b'), newest(4, 'd')])
    expect(log.notes.map(({ offset, json }) => [offset, json])).toEqual(['b', 'c', 'd'].map((v, i) => [i + 2, JSON.stringify({ v })]))
    expect(signal.notes.map(({ offset, json }) => [offset, json])).toEqual([
      [2, undefined],
      [4, undefined],
    ])
    expect(n1.open).toEqual({ ...NOTHING, subscriptions: 3 })
    expect(cluster.node('n2').open).toEqual({ ...NOTHING, leases: 3 })
    for (const one of [follower, log, signal]) one.upstream.close()
    await cluster.settle(20)
    expect(cluster.node('n2').open).toEqual(NOTHING)
    expect(n1.open).toEqual(NOTHING)
  })

  it('notes of one turn to one node are one message', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actors = Array.from({ length: 30 }, (_, i) => cluster.actorOf('n2', `s${i}-`))
    for (const actor of actors) n1.follow(actor, 'all')
    await cluster.settle(50)
    const messages: number[] = []
    cluster.wires.fate = (message) => (messages.push(framesOf(message).filter(({ t }) => t === 'note').length), 'arrives')
    await cluster.during(Promise.all(actors.map((actor) => n2.add(actor, 'x'))))
    await cluster.settle(20)
    expect(messages.filter((n) => n > 0)).toEqual([30])
  })

  it('ends at once with its link, and with a change of owner', async () => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n2')
    const first = n1.follow(actor, 'newest')
    await cluster.settle(20)
    cluster.wires.cut('n1', 'n2')
    await cluster.settle(1)
    expect(first.ended).toBe(1)
    expect(cluster.node('n2').open).toEqual(NOTHING)
    const second = n1.follow(actor, 'newest')
    await cluster.settle(20)
    expect(second.answers).toMatchObject([{ ok: true }])
    n1.sees(cluster.decide(['n1', 'n2', 'n3'], { n2: { phase: 'draining' } }))
    expect(second.ended).toBe(1)
    expect(n1.open).toEqual(NOTHING)
    await cluster.settle(20)
    expect(cluster.node('n2').open).toEqual(NOTHING)
  })

  it('of an actor of this node ends when another node takes the actor over', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n1')
    const follower = n1.follow(actor, 'newest')
    await cluster.settle(20)
    expect(n1.open).toEqual({ ...NOTHING, subscriptions: 1 })
    cluster.agree(['n1', 'n2'], { n1: { phase: 'draining' } })
    await cluster.settle(200)
    expect(follower.ended).toBe(1)
    expect(n1.open).toEqual(NOTHING)
  })

  it('that is closed before it is answered leaves nothing at the owner', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    cluster.wires.latencyMs = 10
    const follower = n1.follow(cluster.actorOf('n2'), 'newest')
    await cluster.settle(35)
    follower.upstream.close()
    await cluster.settle(100)
    expect(follower.answers).toHaveLength(1)
    expect(cluster.node('n2').open).toEqual(NOTHING)
    expect(n1.open).toEqual(NOTHING)
    expect(cluster.node('n2').engine.stats().activations).toBe(1)
    // An activation with a subscriber would stay.
    await cluster.settle(120_000)
    expect(cluster.node('n2').engine.stats().activations).toBe(0)
  })

  it('that timed out leaves nothing at the owner', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actor = cluster.actorOf('n2')
    await cluster.during(n1.query(actor))
    cluster.wires.latencyMs = 60
    let outcome: TopicOutcome | null = null
    const sink = { note: () => undefined, ended: () => undefined }
    n1.router.calls.subscribe({ actor, topic: 'newest', timeoutMs: 100 }, sink, (told) => (outcome = told))
    await cluster.settle(110)
    expect(outcome).toMatchObject({ ok: false, code: 'timeout' })
    await cluster.settle(500)
    expect(n2.open).toEqual(NOTHING)
    expect(n1.open).toEqual(NOTHING)
  })
})

describe('a lease', () => {
  it('is renewed as long as somebody follows', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { leaseMs: 3000 })
    const n1 = cluster.node('n1')
    const follower = n1.follow(cluster.actorOf('n2'), 'newest')
    await cluster.settle(60_000)
    expect(follower.ended).toBe(0)
    expect(cluster.node('n2').open).toMatchObject({ leases: 1 })
  })

  it('that is not renewed runs out: the activation may go', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { leaseMs: 3000 })
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const follower = n1.follow(cluster.actorOf('n2'), 'newest')
    await cluster.settle(100)
    expect(n2.open).toMatchObject({ leases: 1 })
    cluster.wires.freeze('n1')
    await cluster.settle(3000)
    expect(n2.open).toMatchObject({ leases: 0 })
    expect(counter(n2, 'leasesExpired')).toBe(1)
    cluster.wires.thaw('n1')
    await cluster.settle(1100)
    expect(follower.ended).toBe(1)
    expect(n1.open).toEqual(NOTHING)
  })

  it('that the owner does not know is answered `ended`', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { leaseMs: 3000 })
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const follower = n1.follow(cluster.actorOf('n2'), 'newest')
    await cluster.settle(100)
    // The note that it has ended is lost: only the renewal can tell.
    cluster.wires.fate = (message) => encoded(framesOf(message).filter(({ t }) => t !== 'ended'))
    n2.engine.disown()
    n2.engine = n2.newEngine()
    n2.router.replaceEngine(n2.engine)
    await cluster.settle(10)
    expect([n2.open['leases'], follower.ended]).toEqual([0, 0])
    cluster.wires.fate = () => 'arrives'
    await cluster.settle(1100)
    expect(follower.ended).toBe(1)
  })

  it('of a subscriber that did not get what it was told ends: it subscribes again', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { leaseMs: 3000 })
    const n2 = cluster.node('n2')
    const actor = cluster.actorOf('n2')
    const gateway = new Gateway(cluster, 'n1', actor)
    await cluster.settle(100)
    cluster.wires.fate = (message) => encoded(framesOf(message).filter(({ t }) => t !== 'note'))
    await cluster.during(n2.add(actor, 'x'))
    await cluster.settle(100)
    cluster.wires.fate = () => 'arrives'
    expect(gateway.value).toBe(newest(0, ''))
    await cluster.settle(3000)
    expect(gateway.value).toBe(newest(1, 'x'))
    expect(gateway.subscribes).toBe(2)
  })
})

/** An actor of n2, followed from `where`, is behind: n3 alone thought that it owned it, wrote, and died; the others hear that n3 has gone, and nothing else. */
async function leftBehind(
  where: string,
  options: Partial<Options> = {},
): Promise<{ cluster: TestCluster; n2: TestNode; gateway: Gateway }> {
  const cluster = new TestCluster(['n1', 'n2', 'n3'], options)
  const [n2, n3] = [cluster.node('n2'), cluster.node('n3')]
  const actor = cluster.actorOf('n2')
  const gateway = new Gateway(cluster, where, actor)
  await cluster.during(n2.add(actor, 'a'))
  await cluster.settle(100)
  n3.sees(cluster.decide(['n3']))
  cluster.wires.freeze('n3')
  expect(await cluster.during(n3.add(actor, 'b'))).toMatchObject({ ok: true, offset: 2 })
  n3.crash()
  cluster.agree(['n1', 'n2'])
  return { cluster, n2, gateway }
}

describe('an owner that was superseded', () => {
  it.each(['n1', 'n2'] as const)('and does not know is found out by renewals: a follower on %s reaches the newest state', async (where) => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'], { leaseMs: 6000 })
    const n3 = cluster.node('n3')
    const actor = cluster.actorOf('n2')
    const gateway = new Gateway(cluster, where, actor)
    await cluster.during(cluster.node('n2').add(actor, 'a'))
    await cluster.settle(100)
    // n3 alone thinks for a while that it owns the actor, writes, and dies: nobody else ever hears of it.
    for (const node of cluster.nodes.values()) node.hears = false
    const ours = cluster.membership
    n3.sees(cluster.decide(['n3']))
    cluster.wires.freeze('n3')
    expect(await cluster.during(n3.add(actor, 'b'))).toMatchObject({ ok: true, offset: 2 })
    n3.crash()
    expect(gateway.value).toBe(newest(1, 'a'))
    await cluster.settle(15_000)
    expect(gateway.value).toBe(newest(2, 'b'))
    expect(ours.members).toHaveLength(3)
  })

  it.each(['n1', 'n2'] as const)('is found out by the first renewal after the members change: a follower on %s', async (where) => {
    const { cluster, gateway } = await leftBehind(where, { leaseMs: 600_000 })
    await cluster.settle(201_000)
    expect(gateway.value).toBe(newest(2, 'b'))
  })

  it('is asked again with the next renewal where the store did not answer', async () => {
    const { cluster, n2, gateway } = await leftBehind('n1')
    n2.fault = (call) => (call.op === 'newest' ? { kind: 'refused' } : null)
    await cluster.settle(10_500)
    n2.fault = () => null
    expect(gateway.value).toBe(newest(1, 'a'))
    await cluster.settle(10_500)
    expect(gateway.value).toBe(newest(2, 'b'))
  })

  it.each(['n1', 'n3'] as const)('is followed by nobody who subscribed while it was found out: a follower on %s', async (where) => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actor = cluster.actorOf('n1')
    for (const n of ['n2', 'n3']) await cluster.during(cluster.node(n).query(cluster.actorOf('n1', 'x'))) // the links are there
    await cluster.during(n1.add(actor, 'a'))
    await cluster.settle(1000)
    n1.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 100 } : null)
    void n1.add(actor, 'b')
    await cluster.settle(10)
    n2.engine.send({ actor, type: 'add', data: { v: 'c' }, sender: 'user:u' }, () => undefined) // takes it for its own for a moment
    await cluster.settle(5)
    const strict = n1.query(actor, 'got', null, { strict: true })
    await cluster.settle(5)
    const gateway = new Gateway(cluster, where, actor)
    await cluster.settle(300)
    n1.fault = () => null
    n2.engine.disown()
    expect(await strict).toMatchObject({ ok: true })
    await cluster.during(n1.add(actor, 'd'))
    await cluster.settle(1000)
    expect(gateway.value).toBe(newest(4, 'd'))
  })

  it('is not believed: its older epoch is dropped, and its answer to a subscribe asked again', async () => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n2')
    await cluster.during(n1.add(actor, 'a'))
    const follower = n1.follow(actor, 'all')
    await cluster.settle(50)
    const journal = follower.answers[0]?.ok === true ? follower.answers[0].journal : ''
    const sub = 2 // the second request of this link
    const note = (epoch: number, offset: number): LinkFrame => ({
      t: 'note',
      sub,
      note: { journal, epoch, offset, type: 'add', json: '{}' },
    })
    let planted = false
    cluster.wires.fate = (message) => {
      if (planted || message.from !== 'n2') return 'arrives'
      planted = true
      return encoded([...framesOf(message), note(9, 5), note(1, 6), note(9, 7)])
    }
    await cluster.during(n1.query(actor, 'echo', 1))
    expect(follower.notes.map(({ epoch, offset }) => [epoch, offset])).toEqual([
      [9, 5],
      [9, 7],
    ])
    follower.upstream.close()
    // Epoch 9 was seen of this journal: an owner with epoch 1 has been superseded, and is asked until it knows.
    const again = n1.follow(actor, 'all')
    await cluster.settle(5000)
    expect(again.answers).toEqual([])
    await cluster.settle(6000)
    expect(again.answers).toMatchObject([{ ok: false, code: 'timeout' }])
    await cluster.settle(100)
    expect(cluster.node('n2').open).toEqual(NOTHING)
    expect(n1.open).toEqual(NOTHING)
  })
})

describe('a link that the other node does not drain', () => {
  it('keeps only the newest value of a view, and ends a log, in bounded memory', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { linkBufferBytes: 65_536, mailboxEvents: 100_000 })
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actor = cluster.actorOf('n2')
    const gateway = new Gateway(cluster, 'n1', actor)
    const log = n1.follow(actor, 'all')
    await cluster.settle(100)
    cluster.wires.freeze('n1')
    const large = 'x'.repeat(20_000)
    for (let i = 0; i < 30; i++) {
      await cluster.during(n2.add(actor, `${large}${i}`))
      await cluster.settle(60)
    }
    expect(counter(n2, 'notesConflated')).toBeGreaterThan(10)
    expect(n2.open).toMatchObject({ leases: 1 })
    cluster.wires.thaw('n1')
    await cluster.settle(200)
    expect(JSON.parse(gateway.value)).toEqual({ n: 30, last: `${large}29` })
    expect(log.ended).toBe(1)
    expect(log.notes.length).toBeLessThan(10)
  })
})

describe('whatever happens to owners and links', () => {
  it('a follower on each node ends at the newest state, and nothing is left when all have gone', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            what: fc.constantFrom('add', 'add', 'add', 'drain n2', 'back', 'cut', 'lag', 'crash n3', 'freeze n2'),
            gapMs: fc.nat(120),
          }),
          { minLength: 5, maxLength: 40 },
        ),
        async (turns) => {
          const cluster = new TestCluster(['n1', 'n2', 'n3', 'n4'], { leaseMs: 3000 })
          const actor = cluster.actorOf('n2')
          const n1 = cluster.node('n1')
          const gateways = ['n1', 'n4'].map((id) => new Gateway(cluster, id, actor))
          let added = 0
          let alive = ['n1', 'n2', 'n3', 'n4']
          for (const { what, gapMs } of turns) {
            if (what === 'add') void n1.add(actor, String(added++), { timeoutMs: 60_000 })
            else if (what === 'drain n2') cluster.agree(alive, { n2: { phase: 'draining' } })
            else if (what === 'back') cluster.agree(alive)
            else if (what === 'cut') cluster.wires.cut('n1')
            else if (what === 'lag') cluster.node('n4').sees(cluster.decide(alive, { n2: { phase: 'draining' } }))
            else if (what === 'crash n3' && cluster.node('n3').up) {
              cluster.node('n3').crash()
              alive = alive.filter((id) => id !== 'n3')
              await cluster.settle(gapMs)
              cluster.agree(alive)
            } else if (what === 'freeze n2' && alive.includes('n2')) {
              cluster.wires.freeze('n2')
              alive = alive.filter((id) => id !== 'n2')
              const membership = cluster.decide(alive)
              for (const id of alive) cluster.node(id).sees(membership)
            }
            await cluster.settle(gapMs)
          }
          cluster.agree(alive)
          await cluster.settle(12_000)
          const got = await n1.got(actor)
          expect(got).toEqual(Array.from({ length: added }, (_, i) => String(i)))
          await cluster.settle(4000)
          for (const gateway of gateways) expect(gateway.value).toBe(newest(added, got.at(-1) ?? ''))
          for (const gateway of gateways) gateway.close()
          await cluster.settle(5000)
          for (const id of alive) expect(cluster.node(id).open).toEqual(NOTHING)
        },
      ),
      { numRuns: 60 },
    )
  }, 120_000)
})
