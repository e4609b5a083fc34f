/** J9, H1: what was answered before it was written goes with its actor to the next owner, as long as the node that answered lives. */
import { describe, expect, it } from 'vitest'
import type { Options } from '../../src/options.ts'
import { NOTHING, TestCluster, type TestNode } from './cluster.ts'
import { framesOf } from './frames.ts'
import { lazyApp, movingTo2 } from './lazy-app.ts'

const pulls = (node: TestNode): number => node.router.stats().counters['pulls'] ?? 0

interface Moving {
  readonly cluster: TestCluster
  readonly n1: TestNode
  readonly n2: TestNode
  readonly actors: readonly string[]
}

/** n1 has these actors, which n2 is to have; of each `b` was answered and is not written. */
async function unwritten(n: number, options: Partial<Options> = {}, type: 'lazy' | 'hard' = 'lazy'): Promise<Moving> {
  const cluster = new TestCluster(['n1', 'n2'], options, undefined, lazyApp)
  const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
  const actors = movingTo2(cluster, type, n)
  await cluster.settle(100)
  for (const actor of actors) await cluster.during(n1.add(actor, 'a'))
  await cluster.settle(31_000)
  for (const actor of actors) expect(await cluster.during(n1.add(actor, 'b'))).toMatchObject({ ok: true, durable: type === 'hard' })
  return { cluster, n1, n2, actors }
}

describe('a handoff that takes long', () => {
  it.each(['is remembered for', 'there is room for'])(
    'loses nothing of what waits for its turn, though it takes longer than %s',
    async (what) => {
      const options = { handoffActors: 1, ...(what === 'is remembered for' && { earlierPlacementMs: 3000 }) }
      const { cluster, n1, n2, actors } = await unwritten(20, options)
      // The new owner’s store is slow: they go one by one.
      n2.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 1000 } : null)
      cluster.agree(['n1', 'n2'])
      if (what === 'there is room for')
        for (let i = 0; i < 12; i++) {
          await cluster.settle(100)
          cluster.agree(['n1', 'n2'], { n2: { address: `n2:${i}` } })
        }
      else await cluster.settle(4000)
      const last = actors.findLast((actor) => n1.engine.has(actor)) as string
      expect(await cluster.during(n1.add(last, 'c'))).toMatchObject({ ok: true })
      expect(await cluster.during(n2.add(last, 'd'))).toMatchObject({ ok: true, offset: 4 })
      n2.fault = () => null
      await cluster.settle(60_000)
      for (const actor of actors) expect(await n2.got(actor)).toEqual(actor === last ? ['a', 'b', 'c', 'd'] : ['a', 'b'])
      const before = pulls(n2)
      expect(await cluster.during(n2.add(cluster.actorOf('n2', 'new', 'lazy'), 'a'))).toMatchObject({ ok: true })
      expect(pulls(n2)).toBe(before)
    },
  )

  it('is asked after when it should be over, by a node that it had no link to tell of it', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { earlierPlacementMs: 3000 }, undefined, lazyApp)
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const [actor, other] = movingTo2(cluster, 'hard', 2) as [string, string]
    cluster.wires.freeze('n1')
    n2.sees(cluster.decide(['n1', 'n2']))
    // Read while n1 says nothing.
    expect(await cluster.during(n2.add(actor, 'a'))).toMatchObject({ ok: true })
    cluster.wires.cut('n1', 'n2')
    cluster.wires.thaw('n1')
    n1.sees(cluster.membership)
    await cluster.settle(4000)
    const before = pulls(n2)
    expect(await cluster.during(n2.query(actor))).toMatchObject({ json: '["a"]' })
    await cluster.settle(100)
    expect(await cluster.during(n2.add(other, 'a'))).toMatchObject({ ok: true })
    expect(pulls(n2)).toBe(before)
  })
})

describe('an old owner that has not heard of the new one', () => {
  it('asks that for what it took, and does not fence it: nothing that either answered early is lost', async () => {
    const { cluster, n1, n2, actors } = await unwritten(1)
    const [actor] = actors as [string]
    n1.hears = false
    n2.sees(cluster.decide(['n1', 'n2']))
    for (const v of ['c', 'd']) expect(await cluster.during(n2.add(actor, v))).toMatchObject({ ok: true, durable: false })
    await cluster.settle(50)
    expect(await cluster.during(n1.add(actor, 'e'))).toMatchObject({ ok: true, offset: 5 })
    expect(await cluster.during(n2.add(actor, 'f'))).toMatchObject({ ok: true, offset: 6 })
    n1.sees(cluster.membership)
    await cluster.settle(60_000)
    expect(await n1.got(actor)).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
    for (const { engine } of [n1, n2]) expect(engine.stats().counters['fenced']).toBe(0)
  })

  it('hears of it when it is asked for an actor', async () => {
    const { cluster, n1, n2, actors } = await unwritten(1)
    n2.sees(cluster.decide(['n1', 'n2']))
    expect(await cluster.during(n2.add(actors[0] as string, 'c'))).toMatchObject({ ok: true })
    await cluster.settle(50)
    expect(n1.seen).toBe(n2.seen)
  })
})

describe('a new owner, asked for an actor whose answers leave early', () => {
  it.each([100, 1500, 4500])('waits while the old one writes what it answered (%i ms), which is not lost', async (storeMs) => {
    const { cluster, n1, n2, actors } = await unwritten(1)
    const [actor] = actors as [string]
    n1.fault = (call) => (call.op === 'commit' ? { applyAfterMs: storeMs } : null)
    cluster.agree(['n1', 'n2'])
    const adding = n2.add(actor, 'c')
    const got = n2.query(actor)
    expect(await cluster.during(adding)).toMatchObject({ ok: true, offset: 3 })
    expect(await cluster.during(got)).toMatchObject({ ok: true })
    await cluster.settle(60_000)
    expect(await n2.got(actor)).toEqual(['a', 'b', 'c'])
    expect(pulls(n2)).toBe(1)
  })

  it('asks once more when the link breaks meanwhile', async () => {
    const { cluster, n1, n2, actors } = await unwritten(1)
    const [actor] = actors as [string]
    n1.fault = (call) => (call.op === 'commit' ? { applyAfterMs: 1500 } : null)
    let cuts = 0
    cluster.wires.fate = (message) => (cuts === 0 && framesOf(message).some(({ t }) => t === 'pull') ? (cuts++, 'cut') : 'arrives')
    n2.sees(cluster.decide(['n1', 'n2']))
    expect(await cluster.during(n2.add(actor, 'c'))).toMatchObject({ ok: true, offset: 3 })
    n1.sees(cluster.membership)
    await cluster.settle(60_000)
    expect(await n2.got(actor)).toEqual(['a', 'b', 'c'])
    expect([cuts, pulls(n2)]).toEqual([1, 2])
  })

  it('asks no third time: it reads the store', async () => {
    const { cluster, n2, actors } = await unwritten(1)
    cluster.wires.fate = (message) => (framesOf(message).some(({ t }) => t === 'pull') ? 'cut' : 'arrives')
    n2.sees(cluster.decide(['n1', 'n2']))
    expect(await cluster.during(n2.add(actors[0] as string, 'c'))).toMatchObject({ ok: true })
    expect(pulls(n2)).toBe(2)
  })

  it('does not wait for ever for one that says nothing, and not for one that is gone in the view', async () => {
    for (const gone of [false, true]) {
      const { cluster, n2, actors } = await unwritten(1, { sendTimeoutMs: 20_000 })
      const [actor] = actors as [string]
      cluster.wires.freeze('n1')
      n2.sees(cluster.decide(['n1', 'n2']))
      let answered = false
      const adding = n2.add(actor, 'c').finally(() => (answered = true))
      await cluster.settle(2000)
      expect(answered).toBe(false)
      if (gone) n2.sees(cluster.decide(['n2']))
      await cluster.settle(gone ? 100 : 4500)
      expect(answered).toBe(true)
      expect(await adding).toMatchObject({ ok: true })
      expect(n2.open).toEqual(NOTHING)
    }
  })

  it('of any other type it reads the store after pullMs: nothing that was answered can be lost', async () => {
    const { cluster, n1, n2, actors } = await unwritten(1, {}, 'hard')
    const [actor] = actors as [string]
    cluster.wires.freeze('n1')
    n2.sees(cluster.decide(['n1', 'n2']))
    let answered = false
    const adding = n2.add(actor, 'c').finally(() => (answered = true))
    await cluster.settle(1100)
    expect(answered).toBe(true)
    expect(await adding).toMatchObject({ ok: true, offset: 3 })
    cluster.wires.thaw('n1')
    n1.sees(cluster.membership)
    await cluster.settle(1000)
    expect(await n2.got(actor)).toEqual(['a', 'b', 'c'])
  })
})
