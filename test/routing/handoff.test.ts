/** H1, H2: actors go to their new owner warm, in order, and nothing is lost whatever becomes of the bundle. */
import { describe, expect, it } from 'vitest'
import type { SendOutcome } from '../../src/actors/calls.ts'
import type { Options } from '../../src/options.ts'
import { NOTHING, TestCluster, type TestNode } from './cluster.ts'
import { framesOf, kindsOf } from './frames.ts'

const counter = (node: TestNode, name: string): number => node.router.stats().counters[name] ?? 0
const engineCount = (node: TestNode, name: string): number => node.engine.stats().counters[name] ?? 0

/** Actors that n1 has now and n2 will have; each with an event. */
async function movers(cluster: TestCluster, n: number): Promise<string[]> {
  const two = cluster.placement(cluster.decide(['n1', 'n2']), 'n1')
  const actors = Array.from({ length: 20 * n }, (_, i) => `list/m${i}`).filter((id) => two.ownerOf(id)?.id === 'n2')
  const moving = actors.slice(0, n)
  cluster.agree(['n1', 'n2'], { n2: { phase: 'joining' } })
  const n1 = cluster.node('n1')
  await cluster.during(Promise.all(moving.map((actor) => n1.add(actor, 'a'))))
  expect(moving.every((actor) => n1.engine.has(actor))).toBe(true)
  return moving
}

/** n2 has read an actor from the store, as n1 does not answer, and n1, which has not heard of that, has taken another event. */
async function readTooEarly(options: Partial<Options> = {}): Promise<{ cluster: TestCluster; n1: TestNode; n2: TestNode; actor: string }> {
  const cluster = new TestCluster(['n1', 'n2'], { pullMs: 300, ...options })
  const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
  const [actor] = (await movers(cluster, 1)) as [string]
  cluster.wires.freeze('n1')
  n2.sees(cluster.decide(['n1', 'n2']))
  expect(await cluster.during(n2.query(actor))).toMatchObject({ json: '["a"]' })
  expect(await cluster.during(n1.add(actor, 'b'))).toMatchObject({ ok: true, offset: 2 })
  return { cluster, n1, n2, actor }
}

/** The same; then n1 gave the actor up, what said so is lost, and it has nothing left to hand over. */
async function readTooEarlyAndLost(): ReturnType<typeof readTooEarly> {
  const made = await readTooEarly()
  const { cluster, n1, actor } = made
  cluster.wires.cut('n1', 'n2')
  await cluster.during(n1.engine.release(actor))
  cluster.wires.thaw('n1')
  n1.sees(cluster.membership)
  return made
}

describe('a node that joins', () => {
  it('gets its actors in bundles, and reads none of them from the store', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actors = await movers(cluster, 200)
    const loads: string[] = []
    n2.fault = (call) => (call.op === 'load' || call.op === 'claim' ? (loads.push(call.actor), null) : null)
    cluster.agree(['n1', 'n2'])
    let most = 0
    await cluster.clock.until(
      () => {
        most = Math.max(most, n1.router.stats().leaving)
        return actors.every((actor) => n2.engine.has(actor))
      },
      5000,
      'all actors at their new owner',
    )
    expect(most).toBeLessThanOrEqual(64)
    await cluster.settle(100)
    expect([counter(n1, 'handedOver'), counter(n1, 'handedCold'), counter(n2, 'adopted')]).toEqual([200, 0, 200])
    expect(loads).toEqual([])
    expect(n1.router.stats().times.handoff.count).toBe(200)
    expect(actors.some((actor) => n1.engine.has(actor))).toBe(false)
    for (const actor of actors.slice(0, 5)) expect(await n1.got(actor)).toEqual(['a'])
    expect(n1.open).toEqual(NOTHING)
    expect(n2.open).toEqual(NOTHING)
  })

  it('is given as many at once as its store takes: each is acknowledged when its claim is durable', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { handoffActors: 8 })
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actors = await movers(cluster, 50)
    n2.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 1000 } : null)
    cluster.agree(['n1', 'n2'])
    await cluster.settle(900)
    expect(actors.filter((actor) => n2.engine.has(actor))).toHaveLength(8)
    expect(counter(n1, 'handedOver')).toBe(0)
    n2.fault = () => null
    await cluster.settle(1000)
    expect(counter(n1, 'handedOver')).toBe(50)
  })

  it('that does not say so in time is not waited for for ever, and the actors are there all the same', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { handoffActors: 8, handoffAckMs: 200 })
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actors = await movers(cluster, 16)
    n2.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 1000 } : null)
    cluster.agree(['n1', 'n2'])
    await cluster.settle(500)
    expect([counter(n1, 'handedLate'), counter(n1, 'handedCold')]).toEqual([16, 0])
    n2.fault = () => null
    for (const actor of actors) expect(await n2.got(actor)).toEqual(['a'])
    expect(n1.open).toEqual(NOTHING)
  })

  it('pulls an actor that is asked for before its turn came, in one round trip, and what waits is served in order', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { handoffActors: 1 })
    const n2 = cluster.node('n2')
    const actors = await movers(cluster, 50)
    cluster.wires.latencyMs = 5
    const loads: string[] = []
    n2.fault = (call) => (call.op === 'load' || call.op === 'claim' ? (loads.push(call.actor), null) : null)
    cluster.agree(['n1', 'n2'])
    const hot = actors.at(25) as string
    const outcomes = ['b', 'c', 'd'].map((v) => n2.add(hot, v))
    const query = n2.query(hot, 'got')
    expect(n2.router.stats().pulling).toBe(1)
    expect(await cluster.during(Promise.all(outcomes))).toMatchObject([{ offset: 2 }, { offset: 3 }, { offset: 4 }])
    expect(await cluster.during(query)).toMatchObject({ json: '["a","b","c","d"]' })
    expect([counter(n2, 'pulls'), counter(n2, 'pulled')]).toEqual([1, 1])
    expect(loads).not.toContain(hot)
    expect(n2.router.stats().times.pull.count).toBe(1)
    expect(engineCount(n2, 'claimsHandoff')).toBeGreaterThan(0)
  })

  it('answers no query from what it read while its old owner went on taking events (D11)', async () => {
    const { cluster, n2, actor } = await readTooEarly()
    expect(await cluster.during(n2.query(actor))).toMatchObject({ json: '["a","b"]' })
    expect(await cluster.during(n2.add(actor, 'c'))).toMatchObject({ ok: true, offset: 3 })
  })

  it('nor tells a subscriber of it', async () => {
    for (const where of ['n2', 'n3'] as const) {
      const { cluster, actor } = await readTooEarly()
      const node = where === 'n2' ? cluster.node('n2') : cluster.start('n3')
      node.sees(cluster.membership)
      const follower = node.follow(actor, 'newest')
      expect(await cluster.during(node.topic(actor, 'newest'))).toMatchObject({ ok: true, offset: 2 })
      expect(follower.answers).toMatchObject([{ ok: true, offset: 2 }])
    }
  })

  it('nor does the old owner from what it has still, while the new one takes events', async () => {
    const cluster = new TestCluster(['n1'], { pullMs: 300, handoffActors: 1 })
    const [n1, n2] = [cluster.node('n1'), cluster.start('n2')]
    const actors = await movers(cluster, 3)
    // The first to go is on its way, the others wait for their turn.
    n2.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 3000 } : null)
    cluster.agree(['n1', 'n2'])
    await cluster.settle(100)
    const actor = actors.find((waits) => n1.engine.has(waits)) as string
    expect(await cluster.during(n1.query(actor))).toMatchObject({ json: '["a"]' })
    // The new owner asks for it in vain, and goes on by the store.
    cluster.wires.freeze('n1')
    void n2.add(actor, 'b')
    await cluster.settle(3500)
    expect(n1.engine.has(actor)).toBe(true)
    // Its last proof is younger than 5 s.
    const answer = n1.query(actor)
    await cluster.settle(10)
    cluster.wires.thaw('n1')
    expect(await cluster.during(answer)).toMatchObject({ json: '["a","b"]' })
  })

  it('nor once the old owner has said that it holds nothing any more, if it was read before that, whatever became of the bundle', async () => {
    const { cluster, n1, n2, actor } = await readTooEarlyAndLost()
    await cluster.during(n1.query(cluster.actorOf('n2')))
    expect(await cluster.during(n2.query(actor))).toMatchObject({ json: '["a","b"]' })
  })

  it('nor does a history end before what was acknowledged at the old owner', async () => {
    const { cluster, n2, actor } = await readTooEarlyAndLost()
    expect(await cluster.during(n2.history(actor, 1, 10))).toMatchObject({ ok: true, next: 3 })
  })

  it('nor once the old owner is asked no more, because its placement is long ago or because it has gone', async () => {
    for (const how of ['long ago', 'gone'] as const) {
      const { cluster, n1, n2, actor } = await readTooEarly({ earlierPlacementMs: 3000 })
      expect(await cluster.during(n2.query(actor))).toMatchObject({ json: '["a","b"]' })
      expect(await cluster.during(n1.add(actor, 'c'))).toMatchObject({ ok: true, offset: 3 })
      if (how === 'long ago') await cluster.settle(3000)
      else n2.router.viewChanged(cluster.placement(cluster.decide(['n2']), 'n2').view)
      expect(await cluster.during(n2.query(actor))).toMatchObject({ json: '["a","b","c"]' })
    }
  })

  it('takes the bundle of an old owner that has written since the actor was read here, and nothing older (H1)', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { pullMs: 300 })
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const [actor, other] = (await movers(cluster, 2)) as [string, string]
    cluster.wires.freeze('n1')
    n2.sees(cluster.decide(['n1', 'n2']))
    for (const id of [actor, other]) expect(await cluster.during(n2.query(id))).toMatchObject({ json: '["a"]' })
    expect(await cluster.during(n1.add(actor, 'b'))).toMatchObject({ ok: true, offset: 2 })
    cluster.wires.thaw('n1')
    n1.sees(cluster.membership)
    await cluster.settle(1000)
    // Its answers to the pulls that were given up: the one is newer than what was read, the other is not.
    expect([counter(n1, 'handedOver'), counter(n2, 'pullTimeouts'), counter(n2, 'pulled')]).toEqual([2, 2, 1])
    expect(await cluster.during(n2.query(actor))).toMatchObject({ json: '["a","b"]' })
    expect(n1.open).toEqual(NOTHING)
    expect(n2.open).toEqual(NOTHING)
  })

  it('does not wait for an old owner that says nothing: it reads the store', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { pullMs: 300 })
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const [actor] = await movers(cluster, 1)
    cluster.wires.freeze('n1')
    n2.sees(cluster.decide(['n1', 'n2']))
    const begun = cluster.clock.mono()
    expect(await cluster.during(n2.add(actor as string, 'b'))).toMatchObject({ ok: true, offset: 2 })
    expect(cluster.clock.mono() - begun).toBeLessThan(400)
    expect([counter(n2, 'pullTimeouts'), counter(n2, 'pulled')]).toEqual([1, 0])
    cluster.wires.thaw('n1')
    n1.sees(cluster.membership)
    await cluster.settle(10_000)
    expect(await n1.got(actor as string)).toEqual(['a', 'b'])
  })

  it('holds a bounded number of requests for an actor that is pulled; the others come again', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { pullEvents: 5 })
    const n2 = cluster.node('n2')
    const [actor] = await movers(cluster, 1)
    cluster.wires.latencyMs = 20
    cluster.agree(['n1', 'n2'])
    const outcomes = Array.from({ length: 30 }, (_, i) => n2.query(actor as string, 'echo', i))
    const answers = await cluster.during(Promise.all(outcomes))
    expect(answers.map((answer) => answer.ok && answer.json)).toEqual(Array.from({ length: 30 }, (_, i) => String(i)))
    expect(counter(n2, 'repeatsMoved')).toBeGreaterThanOrEqual(25)
  })

  it('is asked nothing more to be pulled once the old owner has said that it holds nothing', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n2 = cluster.node('n2')
    await movers(cluster, 3)
    cluster.agree(['n1', 'n2'])
    await cluster.settle(1000)
    const cold = cluster.actorOf('n2', 'cold')
    await cluster.during(n2.add(cold, 'x'))
    expect(counter(n2, 'pulls')).toBe(0)
  })
})

describe('that a node holds nothing any more', () => {
  /** n2 owns what n1 had; n1 has handed all over, and had no link to say so by. */
  async function unsaid(): Promise<{ cluster: TestCluster; n1: TestNode; n2: TestNode }> {
    const cluster = new TestCluster(['n1', 'n2'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    cluster.agree(['n1', 'n2'], { n2: { phase: 'joining' } })
    cluster.agree(['n1', 'n2'])
    await cluster.settle(100)
    return { cluster, n1, n2 }
  }

  it('is said to links that open later', async () => {
    const { cluster, n1, n2 } = await unsaid()
    await cluster.during(n1.query(cluster.actorOf('n2', 'first')))
    const pulls = counter(n2, 'pulls')
    await cluster.during(n2.query(cluster.actorOf('n2', 'second')))
    expect([pulls, counter(n2, 'pulls')]).toEqual([0, 0])
  })

  it('is heard from an answer that comes too late to a pull, too', async () => {
    const { cluster, n2 } = await unsaid()
    cluster.wires.freeze('n1')
    await cluster.during(n2.query(cluster.actorOf('n2', 'first')))
    expect([counter(n2, 'pulls'), counter(n2, 'pullTimeouts')]).toEqual([1, 1])
    cluster.wires.thaw('n1')
    await cluster.settle(10)
    await cluster.during(n2.query(cluster.actorOf('n2', 'second')))
    expect(counter(n2, 'pulls')).toBe(1)
  })
})

it('a node that closes its links sends what waits to be sent with the next message', async () => {
  const cluster = new TestCluster(['n1', 'n2'])
  const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
  const actor = cluster.actorOf('n2')
  const follower = n1.follow(actor, 'all')
  await cluster.settle(100)
  for (const [at, v] of [
    [1, 'a'],
    [1.3, 'b'],
  ] as const)
    cluster.clock.after(at, () => void n2.add(actor, v))
  const sent: number[] = []
  cluster.wires.fate = (message) => {
    for (const frame of framesOf(message)) if (frame.t === 'note') sent.push(frame.note.offset)
    return 'arrives'
  }
  // The first note has just gone, the second waits for its millisecond.
  cluster.clock.after(1.6, () => n2.router.close())
  await cluster.settle(100)
  expect(sent).toEqual([1, 2])
  expect(follower.ended).toBe(1)
})

describe('order and identity', () => {
  it('senders on every node see their events applied once and in order while the actor moves to and fro', async () => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const actor = cluster.actorOf('n2')
    const outcomes: Promise<SendOutcome>[] = []
    for (let round = 0; round < 30; round++) {
      for (const id of ['n1', 'n2', 'n3']) for (let i = 0; i < 3; i++) outcomes.push(cluster.node(id).add(actor, `${id} ${round * 3 + i}`))
      if (round % 5 === 2) cluster.agree(['n1', 'n2', 'n3'], { n2: { phase: 'draining' } })
      if (round % 5 === 4) cluster.agree(['n1', 'n2', 'n3'])
      await cluster.settle(round % 4)
    }
    const answers = await cluster.during(Promise.all(outcomes))
    expect(answers.filter(({ ok }) => !ok)).toEqual([])
    const got = await cluster.node('n1').got(actor)
    for (const id of ['n1', 'n2', 'n3'])
      expect(got.filter((v) => v.startsWith(id))).toEqual(Array.from({ length: 90 }, (_, i) => `${id} ${i}`))
    expect(got).toHaveLength(270)
    await cluster.settle(5000)
    for (const node of cluster.nodes.values()) expect(node.open).toEqual(NOTHING)
  })

  it('nor one that waits in the engine which gives the actor up', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    const [actor] = (await movers(cluster, 1)) as [string]
    let doubt = true
    n1.fault = (call) => (doubt && call.op === 'commit' ? { kind: 'unknown-after' } : null)
    const outcomes = [n1.add(actor, 'b')]
    await cluster.settle(20)
    outcomes.push(n1.add(actor, 'c'), n1.add(actor, 'd'))
    await cluster.settle(20)
    cluster.agree(['n1', 'n2'])
    await cluster.settle(20)
    outcomes.push(n1.add(actor, 'e'))
    await cluster.settle(200)
    outcomes.push(n1.add(actor, 'f'))
    doubt = false
    expect((await cluster.during(Promise.all(outcomes))).filter(({ ok }) => !ok)).toEqual([])
    const got = await n1.got(actor)
    expect(got.slice(-5)).toEqual(['b', 'c', 'd', 'e', 'f'])
    expect(cluster.node('n2').engine.has(actor)).toBe(true)
    expect(n1.open).toEqual(NOTHING)
  })

  it('nor does one that waited for credit when an earlier one was answered `moved`', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { linkInflight: 1 })
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actor = cluster.actorOf('n2')
    cluster.agree(['n1', 'n2'], { n2: { phase: 'draining' } })
    // n1 hears first that n2 has the actor again.
    n2.hears = false
    let moved = 0
    cluster.wires.fate = (message) => {
      if (kindsOf(message).includes('moved') && moved++ === 0) n2.sees(cluster.membership)
      return 'arrives'
    }
    n1.sees(cluster.decide(['n1', 'n2']))
    const outcomes = ['1', '2', '3', '4'].map((v) => n1.add(actor, v))
    expect((await cluster.during(Promise.all(outcomes))).filter(({ ok }) => !ok)).toEqual([])
    expect(moved).toBeGreaterThan(0)
    expect(await n1.got(actor)).toEqual(['1', '2', '3', '4'])
  })

  it('a later send never overtakes one that was answered `moved`, though the owner has changed its mind meanwhile', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actor = cluster.actorOf('n2')
    await cluster.during(n1.query(actor, 'got'))
    // n2 thinks for a moment that it does not own the actor: a message with the first send meets that, the next does not.
    const own = cluster.membership
    n1.hears = n2.hears = false
    await cluster.settle(70_000) // it has gone idle
    cluster.wires.latencyMs = 10
    const outcomes = [n1.add(actor, '1')]
    await cluster.settle(2)
    outcomes.push(n1.add(actor, '2'))
    await cluster.settle(5)
    n2.sees(cluster.decide(['n1', 'n2'], { n2: { phase: 'draining' } }))
    await cluster.settle(4)
    n2.seen = 0
    n2.sees(own)
    const answers = await cluster.during(Promise.all(outcomes))
    expect(answers).toMatchObject([{ offset: 1 }, { offset: 2 }])
    expect(counter(n2, 'movedAnswers')).toBe(2)
    expect(await n1.got(actor)).toEqual(['1', '2'])
  })

  it('an answered event stays answered: a repeat under its key through another owner finds it', async () => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n2')
    const first = await cluster.during(n1.add(actor, 'x', { key: 'u\0k' }))
    cluster.agree(['n1', 'n2', 'n3'], { n2: { phase: 'draining' } })
    expect(await cluster.during(n1.add(actor, 'x', { key: 'u\0k' }))).toEqual({ ...first, duplicate: true })
  })
})

describe('what can go wrong with a bundle', () => {
  it.each(['bundle', 'handed'] as const)('a link that breaks with a %s loses nothing', async (kind) => {
    const cluster = new TestCluster(['n1', 'n2'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actors = await movers(cluster, 20)
    let cuts = 0
    cluster.wires.fate = (message) => (cuts === 0 && framesOf(message).some(({ t }) => t === kind) ? (cuts++, 'cut') : 'arrives')
    cluster.agree(['n1', 'n2'])
    const adding = actors.map((actor) => n1.add(actor, 'b'))
    expect(codes(await cluster.during(Promise.all(adding)))).toEqual(actors.map(() => 'ok'))
    await cluster.clock.until(() => cuts === 1, 5000, 'the cut')
    for (const actor of actors) expect(await n2.got(actor)).toEqual(['a', 'b'])
    await cluster.settle(5000)
    expect(n1.open).toEqual(NOTHING)
  })

  it('a commit of unknown outcome delays the handoff until it is known', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const [actor] = (await movers(cluster, 1)) as [string]
    let doubt = true
    n1.fault = (call) => (doubt && call.op === 'commit' ? { kind: 'unknown-after' } : null)
    const open = n1.add(actor, 'b')
    await cluster.settle(20)
    cluster.agree(['n1', 'n2'])
    const next = n2.add(actor, 'c')
    await cluster.settle(500)
    doubt = false
    expect(await cluster.during(open)).toMatchObject({ ok: true, offset: 2 })
    expect(await cluster.during(next)).toMatchObject({ ok: true, offset: 3 })
    expect(await n1.got(actor)).toEqual(['a', 'b', 'c'])
  })
})

describe('a node that drains', () => {
  it('hands over everything, says how far it is, and is done only when the others have it', async () => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const [n1, n2, n3] = [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')]
    const all = Array.from({ length: 300 }, (_, i) => `list/d${i}`)
    await cluster.during(Promise.all(all.map((actor) => n2.add(actor, 'a'))))
    const here = [...n2.engine.activations()].length
    expect(here).toBeGreaterThan(50)
    const plan = await cluster.during(n2.router.plan(cluster.placement(cluster.decide(['n1', 'n3']), 'n2')))
    expect(plan.stays + plan.unplaced).toBe(0)
    expect((plan.moves['n1'] ?? 0) + (plan.moves['n3'] ?? 0)).toBe(here)
    const before = { n1: [...n1.engine.activations()].length, n3: [...n3.engine.activations()].length }
    cluster.wires.latencyMs = 40
    const seen: { left: number; done: number }[] = []
    let drained = false
    // Before the others know of it there is nothing to hand over, and it is not done.
    cluster.agree(['n1', 'n2', 'n3'])
    await cluster.settle(100)
    const drain = n2.router.drain((progress) => void seen.push(progress)).then(() => (drained = true))
    await cluster.settle(200)
    expect(drained).toBe(false)
    seen.length = 0
    cluster.agree(['n1', 'n2', 'n3'], { n2: { phase: 'draining' } })
    await cluster.clock.until(() => drained || n2.router.stats().leaving > 0, 1000, 'a handoff under way')
    expect(drained).toBe(false)
    await cluster.during(drain)
    expect([...n2.engine.activations()]).toEqual([])
    expect([...n1.engine.activations()].length - before.n1).toBe(plan.moves['n1'])
    expect([...n3.engine.activations()].length - before.n3).toBe(plan.moves['n3'])
    expect(Math.max(...seen.map(({ left }) => left))).toBeGreaterThan(0)
    expect(seen.at(-1)).toEqual({ left: 0, done: here })
  })

  it('fails no request meanwhile, of its own clients or others', async () => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const actors = Array.from({ length: 40 }, (_, i) => `list/d${i}`)
    const outcomes: Promise<SendOutcome>[] = []
    const sendAll = (v: string): void => {
      for (const actor of actors)
        for (const id of ['n1', 'n2', 'n3']) if (cluster.node(id).up) outcomes.push(cluster.node(id).add(actor, `${id}${v}`))
    }
    sendAll('a')
    await cluster.settle(3)
    cluster.agree(['n1', 'n2', 'n3'], { n2: { phase: 'draining' } })
    sendAll('b')
    await cluster.settle(3)
    sendAll('c')
    await cluster.during(cluster.node('n2').router.drain(() => undefined))
    await cluster.during(Promise.all(outcomes))
    await cluster.during(cluster.node('n2').engine.drain())
    cluster.node('n2').router.close()
    cluster.node('n2').crash()
    sendAll('d')
    await cluster.settle(50)
    cluster.agree(['n1', 'n3'])
    expect(codes(await cluster.during(Promise.all(outcomes)))).toEqual(outcomes.map(() => 'ok'))
    for (const actor of actors.slice(0, 10)) expect(await cluster.node('n1').got(actor)).toHaveLength(11)
  })
})

describe('a node that dies', () => {
  it('what was under way to it goes on elsewhere when the others see it, once', async () => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const n1 = cluster.node('n1')
    const actors = Array.from({ length: 30 }, (_, i) => cluster.actorOf('n2', `f${i}-`))
    const outcomes = actors.flatMap((actor) => ['a', 'b'].map((v) => n1.add(actor, v)))
    await cluster.settle(4)
    cluster.node('n2').crash()
    outcomes.push(...actors.map((actor) => n1.add(actor, 'c')))
    await cluster.settle(300)
    cluster.agree(['n1', 'n3'])
    expect(codes(await cluster.during(Promise.all(outcomes)))).toEqual(outcomes.map(() => 'ok'))
    for (const actor of actors) expect(await n1.got(actor)).toEqual(['a', 'b', 'c'])
    expect(n1.router.stats().times.failover.count).toBeGreaterThan(0)
    expect(n1.open).toEqual(NOTHING)
  })

  it('is not waited for when it is frozen: its links end with the view that says so', async () => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n2')
    await cluster.during(n1.add(actor, 'a'))
    cluster.wires.freeze('n2')
    const outcome = n1.add(actor, 'b')
    await cluster.settle(1000)
    n1.sees(cluster.decide(['n1', 'n3']))
    cluster.node('n3').sees(cluster.membership)
    expect(await cluster.during(outcome)).toMatchObject({ ok: true, offset: 2 })
    // It wakes, and may still think that it owns the actor: the store fences it, and nobody hears what it would say.
    cluster.wires.thaw('n2')
    await cluster.settle(1000)
    expect(await n1.got(actor)).toEqual(['a', 'b'])
  })

  it('its next generation is another node: links to the last one end', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n2')
    await cluster.during(n1.add(actor, 'a'))
    cluster.node('n2').crash()
    cluster.start('n2')
    const outcome = n1.add(actor, 'b')
    await cluster.settle(100)
    cluster.agree(['n1', 'n2'])
    expect(await cluster.during(outcome)).toMatchObject({ ok: true, offset: 2 })
    expect(cluster.node('n2').generation).toBe(2)
  })

  it('declared dead though it lives, it serves again only with another engine', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const actor = cluster.actorOf('n2')
    await cluster.during(n1.add(actor, 'a'))
    const follower = n2.follow(actor, 'newest')
    await cluster.settle(10)
    n2.router.disowned()
    n2.engine.disown()
    expect(follower.ended).toBe(1)
    const waiting = n1.add(actor, 'b')
    const local = n2.add(actor, 'c')
    await cluster.settle(500)
    expect(n2.router.stats().counters['movedAnswers']).toBeGreaterThan(0)
    n2.engine = n2.newEngine()
    n2.router.replaceEngine(n2.engine)
    expect(codes(await cluster.during(Promise.all([waiting, local])))).toEqual(['ok', 'ok'])
    expect((await n1.got(actor)).toSorted()).toEqual(['a', 'b', 'c'])
  })
})

describe('what actors send each other', () => {
  it('crosses nodes, exactly once, over broken links', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const n1 = cluster.node('n1')
    const [from, to] = [cluster.actorOf('n1'), cluster.actorOf('n2')]
    let cuts = 0
    cluster.wires.fate = (message) => (framesOf(message).some(({ t }) => t === 'replied') && cuts++ < 2 ? 'cut' : 'arrives')
    for (let i = 0; i < 5; i++) await cluster.during(n1.send(from, 'tell', { to, v: String(i) }))
    await cluster.settle(5000)
    expect(await n1.got(to)).toEqual(['0', '1', '2', '3', '4'])
    expect(cuts).toBeGreaterThanOrEqual(2)
  })
})

function codes(outcomes: readonly SendOutcome[]): string[] {
  return outcomes.map((outcome) => (outcome.ok ? 'ok' : `${outcome.code}: ${outcome.message}`))
}
