/** The same over the network in memory that the simulator uses: cut lines hold what was sent, frozen nodes find it when they wake. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { SendOutcome } from '../../src/actors/calls.ts'
import { seeded } from '../../src/base/random.ts'
import { MemoryNetwork } from '../../src/transport/memory.ts'
import { NOTHING, TestCluster } from './cluster.ts'

it('cut lines, frozen and killed nodes: every answered event is there once, in order, and nothing is left', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.array(
        fc.record({
          what: fc.constantFrom('add', 'add', 'add', 'add', 'cut', 'heal', 'freeze', 'thaw', 'kill', 'drain', 'back'),
          gapMs: fc.nat(80),
        }),
        { minLength: 10, maxLength: 50 },
      ),
      async (seed, turns) => {
        let network: MemoryNetwork | null = null
        const cluster = new TestCluster(['n1', 'n2', 'n3'], { leaseMs: 3000 }, (clock) => {
          const made = new MemoryNetwork(clock, seeded(seed), { latencyMs: [1, 8], idleMs: 3000 })
          network = made
          return { join: (peer) => made.transport(peer), kill: (id) => made.kill(id) }
        })
        const net = network as unknown as MemoryNetwork
        const n1 = cluster.node('n1')
        const actor = cluster.actorOf('n2')
        const follower = n1.follow(actor, 'newest')
        const outcomes: Promise<SendOutcome>[] = []
        let ids = ['n1', 'n2', 'n3']
        for (const { what, gapMs } of turns) {
          if (what === 'add') outcomes.push(n1.add(actor, String(outcomes.length), { timeoutMs: 120_000 }))
          else if (what === 'cut') net.cut('n1', 'n2')
          else if (what === 'heal') net.heal()
          else if (what === 'freeze') net.freeze('n2')
          else if (what === 'thaw') net.thaw('n2')
          else if (what === 'kill' && ids.includes('n2')) {
            cluster.node('n2').crash()
            ids = ids.filter((id) => id !== 'n2')
            await cluster.settle(gapMs)
            cluster.agree(ids)
          } else if (what === 'drain') cluster.agree(ids, { n2: { phase: 'draining' } })
          else if (what === 'back') cluster.agree(ids)
          await cluster.settle(gapMs)
        }
        net.heal()
        net.thaw('n2')
        const answers = await cluster.during(Promise.all(outcomes), 200_000)
        expect(answers.filter(({ ok }) => !ok)).toEqual([])
        expect(await n1.got(actor)).toEqual(outcomes.map((_, i) => String(i)))
        follower.upstream.close()
        await cluster.settle(10_000)
        for (const id of ids) expect(cluster.node(id).open).toEqual(NOTHING)
        for (const node of cluster.nodes.values()) node.router.close()
        await cluster.settle(10_000)
        expect(net.size).toBe(0)
      },
    ),
    { numRuns: 60 },
  )
}, 120_000)
