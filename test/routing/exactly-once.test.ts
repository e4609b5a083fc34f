/** Whatever becomes of links, nodes and views between a sender and an owner: every event applies once, in the order sent. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SendCall, SendOutcome } from '../../src/actors/calls.ts'
import { NOTHING, TestCluster } from './cluster.ts'
import { framesOf, kindsOf } from './frames.ts'

const range = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i))

describe('an event whose link breaks', () => {
  it.each([
    ['before it arrives', 'send', 'cut'],
    ['after it arrived, before its answer', 'send', 'cut-after'],
    ['with its answer', 'replied', 'cut'],
  ] as const)('%s is applied once, and answered', async (_when, kind, fate) => {
    const cluster = new TestCluster(['n1', 'n2'])
    const actor = cluster.actorOf('n2')
    const n1 = cluster.node('n1')
    let cuts = 0
    cluster.wires.fate = (message) => (cuts < 1 && kindsOf(message).includes(kind) ? (cuts++, fate) : 'arrives')
    const outcome = await cluster.during(n1.add(actor, 'x'))
    expect(outcome).toMatchObject({ ok: true, offset: 1 })
    expect(cuts).toBe(1)
    expect(await n1.got(actor)).toEqual(['x'])
    expect(n1.router.stats().counters['repeatsLost']).toBe(1)
    expect(n1.router.stats().times.failover.count).toBe(1)
    await cluster.settle(100)
    expect(n1.open).toEqual(NOTHING)
    expect(cluster.node('n2').open).toEqual(NOTHING)
  })

  it('keeps its identity in every repeat, also when it had none', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const actor = cluster.actorOf('n2')
    const calls: SendCall[] = []
    let left = 3
    cluster.wires.fate = (message) => {
      for (const frame of framesOf(message)) if (frame.t === 'send') calls.push(frame.call)
      return kindsOf(message).includes('send') && left-- > 0 ? 'cut-after' : 'arrives'
    }
    expect(await cluster.during(cluster.node('n1').add(actor, 'x'))).toMatchObject({ ok: true, offset: 1 })
    expect(calls.length).toBe(4)
    expect(calls[0]?.key).toMatch(/./)
    expect(new Set(calls.map(({ key }) => key)).size).toBe(1)
    expect(calls.map(({ timeoutMs = 0 }) => timeoutMs)).toEqual(calls.map(({ timeoutMs = 0 }) => timeoutMs).toSorted((a, b) => b - a))
  })

  it('does not share its identity with any other', async () => {
    const cluster = new TestCluster(['n1', 'n2', 'n3'])
    const actor = cluster.actorOf('n2')
    const same = [...range(20).map(() => 'n1'), ...range(20).map(() => 'n3')]
    await cluster.during(Promise.all(same.map((id) => cluster.node(id).add(actor, 'x'))))
    expect(await cluster.node('n1').got(actor)).toHaveLength(40)
  })
})

describe('under any cuts', () => {
  it('every event is applied once, in the order sent, whatever identity it has', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(9), { maxLength: 60 }),
        fc.array(fc.record({ gapMs: fc.nat(4), identity: fc.constantFrom('none', 'key', 'seq') }), { minLength: 5, maxLength: 40 }),
        async (fates, sends) => {
          const cluster = new TestCluster(['n1', 'n2'])
          const actor = cluster.actorOf('n2')
          const n1 = cluster.node('n1')
          let at = 0
          cluster.wires.fate = () => (['cut', 'cut-after'] as const)[fates[at++] ?? 9] ?? 'arrives'
          const outcomes: Promise<SendOutcome>[] = []
          let seq = 0
          for (const [i, { gapMs, identity }] of sends.entries()) {
            const more = identity === 'key' ? { key: `u\0${i}` } : identity === 'seq' ? { source: 'session:1', seq: ++seq, base: 1 } : {}
            outcomes.push(n1.add(actor, String(i), { ...more, timeoutMs: 60_000 }))
            if (gapMs > 0) await cluster.settle(gapMs)
          }
          const answers = await cluster.during(Promise.all(outcomes))
          expect(answers.map((answer) => answer.ok && answer.offset)).toEqual(sends.map((_, i) => i + 1))
          cluster.wires.fate = () => 'arrives'
          expect(await n1.got(actor)).toEqual(range(sends.length))
          await cluster.settle(2000)
          expect(n1.open).toEqual(NOTHING)
          expect(cluster.node('n2').open).toEqual(NOTHING)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('and any moves of the actor between nodes: each answered event is there once, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(15), { maxLength: 40 }),
        fc.array(fc.record({ gapMs: fc.nat(6), turn: fc.constantFrom('send', 'send', 'send', 'view', 'lag') }), {
          minLength: 8,
          maxLength: 50,
        }),
        async (fates, turns) => {
          const cluster = new TestCluster(['n1', 'n2', 'n3'])
          const actor = cluster.actorOf('n2')
          const n1 = cluster.node('n1')
          let at = 0
          cluster.wires.fate = () => (['cut', 'cut-after'] as const)[fates[at++] ?? 9] ?? 'arrives'
          const outcomes: Promise<SendOutcome>[] = []
          let without = 'n2'
          for (const { gapMs, turn } of turns) {
            if (turn === 'send') outcomes.push(n1.add(actor, String(outcomes.length), { timeoutMs: 60_000 }))
            else {
              // In and out of service: the actor goes to another node and back. With 'lag' only one node hears of it at first.
              without = without === 'n2' ? '' : 'n2'
              const membership = cluster.decide(['n1', 'n2', 'n3'], without === '' ? {} : { n2: { phase: 'draining' } })
              if (turn === 'view') for (const node of cluster.nodes.values()) node.sees(membership)
              else cluster.node(outcomes.length % 2 === 0 ? 'n2' : 'n3').sees(membership)
            }
            if (gapMs > 0) await cluster.settle(gapMs)
          }
          const answers = await cluster.during(Promise.all(outcomes))
          expect(answers.filter(({ ok }) => !ok)).toEqual([])
          cluster.wires.fate = () => 'arrives'
          expect(await n1.got(actor)).toEqual(range(outcomes.length))
        },
      ),
      { numRuns: 80 },
    )
  })
})
