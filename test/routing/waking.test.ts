/** D5, H1: what owes something is woken at its new owner when it has come from the one before, not around it. */
import { describe, expect, it } from 'vitest'
import { TestCluster, type TestNode } from './cluster.ts'
import { lazyApp, movingTo2 } from './lazy-app.ts'

const engineCount = (node: TestNode, name: string): number => node.engine.stats().counters[name] ?? 0
const pulls = (node: TestNode): number => node.router.stats().counters['pulls'] ?? 0

describe('a new owner that finds what an actor owes', () => {
  it('does not take it from the node that still has it: what that answered early is not lost', async () => {
    const cluster = new TestCluster(['n1', 'n2'], {}, undefined, lazyApp)
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const [actor] = movingTo2(cluster, 'brisk', 1) as [string]
    n1.engine.start()
    n2.engine.start()
    await cluster.settle(100)
    await cluster.during(n1.send(actor, 'later', { inMs: 6000 }))
    await cluster.settle(5900)
    for (const v of ['b', 'c']) expect(await cluster.during(n1.add(actor, v))).toMatchObject({ ok: true, durable: false })
    await cluster.settle(200) // the timer is due; what was answered early is not written yet
    n2.sees(cluster.decide(['n1', 'n2']))
    await cluster.clock.until(() => n2.engine.has(actor), 5000, 'the actor at its new owner')
    expect([engineCount(n2, 'woken'), pulls(n2)]).toEqual([0, 1])
    n1.sees(cluster.membership)
    await cluster.settle(20_000)
    expect((await n2.got(actor)).toSorted()).toEqual(['b', 'c', 'rang'])
    expect([engineCount(n1, 'fenced'), engineCount(n2, 'fenced')]).toEqual([0, 0])
  })

  it('gets it warm, also if it sent something lately', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const moving = movingTo2(cluster, 'list', 50)
    n1.engine.start()
    await cluster.settle(100)
    for (const id of moving) await cluster.during(n1.send(id, 'tell', { to: 'list/target', v: id }))
    await cluster.settle(100)
    const loads: string[] = []
    n2.fault = (call) => (call.op === 'load' || call.op === 'claim' ? (loads.push(call.actor), null) : null)
    n2.engine.start()
    n2.sees(cluster.decide(['n1', 'n2']))
    await cluster.clock.until(() => moving.every((id) => n2.engine.has(id)), 10_000, 'all of them')
    n1.sees(cluster.membership)
    await cluster.settle(10_000)
    expect([engineCount(n2, 'woken'), engineCount(n1, 'fenced'), engineCount(n2, 'fenced')]).toEqual([0, 0, 0])
    expect(loads.filter((id) => moving.includes(id))).toEqual([])
  })

  it('asks for a bounded number at a time, and for none twice', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { wakeBatch: 4, pullMs: 4000, wakeScanMs: 100 }, undefined, lazyApp)
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const moving = movingTo2(cluster, 'hard', 20)
    for (const id of moving) await cluster.during(n1.send(id, 'later', { inMs: 1000 }))
    // The timers are rung at n1, and what they do is not written.
    n1.fault = (call) => (call.op === 'commit' ? { kind: 'refused' } : null)
    cluster.wires.freeze('n1')
    n2.sees(cluster.decide(['n1', 'n2']))
    n2.engine.start()
    await cluster.settle(3500)
    expect([pulls(n2), n2.router.stats().pulling]).toEqual([4, 4])
    expect(moving.filter((id) => n2.engine.has(id))).toEqual([])
    n1.fault = () => null
    cluster.wires.thaw('n1')
    n1.sees(cluster.membership)
    await cluster.settle(20_000)
    for (const id of moving) expect(await n2.got(id)).toEqual(['rang'])
    expect(n2.router.stats().pulling).toBe(0)
  })

  it('reads the store when the node that may have it says nothing', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { pullMs: 300 }, undefined, lazyApp)
    const [n1, n2] = [cluster.node('n1'), cluster.node('n2')]
    const [actor] = movingTo2(cluster, 'hard', 1) as [string]
    await cluster.during(n1.send(actor, 'later', { inMs: 1000 }))
    n1.engine.kill()
    cluster.wires.freeze('n1')
    n2.sees(cluster.decide(['n1', 'n2']))
    n2.engine.start()
    await cluster.clock.until(() => engineCount(n2, 'woken') === 1, 10_000, 'its waking')
    await cluster.settle(2000)
    expect(await n2.got(actor)).toEqual(['rang'])
  })
})
