import { describe, expect, it } from 'vitest'
import type { SendCall, SendOutcome } from '../../src/actors/calls.ts'
import { Delivery, type EffectOwner } from '../../src/actors/delivery.ts'
import { Effects } from '../../src/actors/effects.ts'
import { actor, app, type Durability } from '../../src/actors/define.ts'
import { Counters } from '../../src/actors/counters.ts'
import { seeded } from '../../src/base/random.ts'
import { resolveOptions } from '../../src/options.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import type { Host } from '../../src/actors/host.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

interface Heard {
  readonly heard: readonly string[]
}
const hearing = (durability: Durability) => ({
  durability,
  state: (): Heard => ({ heard: [] }),
  events: { hear: { reduce: (s: Heard, data: { what: string }) => ({ heard: [...s.heard, data.what] }) } },
  queries: { heard: (s: Heard) => s.heard },
})
const lazy = actor('lazy', hearing({ everyMs: 3000 }))
const sure = actor('sure', hearing('event'))
const teller = actor('teller', {
  state: () => 0,
  events: {
    tell: {
      reduce: (s: number, data: { to: string; what: string }, ctx) => {
        ctx.send(data.to, 'hear', { what: data.what })
        return s + 1
      },
    },
    count: { reduce: (s: number) => s + 1 },
  },
})
const both = app({ actors: { lazy, sure, teller } })
const A = 'teller/a'
const tell = (node: OneNode, to: string, what: string) => during(node, node.send(A, 'tell', { to, what }))
const effects = async (node: OneNode): Promise<unknown> => {
  const seen = await during(node, node.engine.inspect(A))
  return seen.ok ? seen.effects.map(({ to, seq }) => `${to} ${seq}`) : seen
}
const allHints = (node: OneNode) => node.store.hints(Number.MAX_SAFE_INTEGER, 100)
const heard = (node: OneNode, id: string) => during(node, node.query(id, 'heard'))

describe('an effect to a write-behind actor', () => {
  it('is undelivered until that has written it (D4, J9)', async () => {
    const node = oneNode(both)
    await tell(node, 'lazy/b', 'x')
    await node.clock.run(2900)
    expect(await effects(node)).toEqual(['lazy/b 1'])
    expect(await heard(node, 'lazy/b')).toMatchObject({ json: '["x"]' }) // taken, and shown early
    await node.clock.run(200)
    expect(await effects(node)).toEqual([])
    expect(node.engine.stats().counters['duplicates']).toBe(0) // the answer was waited for, not asked for again and again
  })

  it('is delivered again, once, when that died between taking it and writing it', async () => {
    const node = oneNode(both)
    node.engine.start()
    await tell(node, 'lazy/b', 'x')
    await node.clock.run(1000)
    expect(await heard(node, 'lazy/b')).toMatchObject({ json: '["x"]' })
    node.engine.kill() // the target's memory with it: nothing of it was written
    const next = node.another()
    expect(await heard(next, 'lazy/b')).toMatchObject({ json: '[]' })
    next.engine.start()
    await next.clock.run(10_000)
    expect(await heard(next, 'lazy/b')).toMatchObject({ json: '["x"]' })
    expect(await effects(next)).toEqual([])
  })

  it('is not done by an answer that is not durable, whoever gives it', async () => {
    const clock = new VirtualClock()
    const table = new Effects()
    table.begin('lazy/b', 'hear', '{}')
    const calls: SendCall[] = []
    const answers: SendOutcome[] = [
      { ok: true, offset: 1, durable: false, duplicate: false },
      { ok: true, offset: 1, durable: true, duplicate: true },
    ]
    const host = { clock, counters: new Counters(), options: resolveOptions(), random: seeded('x'), dead: false } as unknown as Host
    const delivery = new Delivery(host, {
      send: (call: SendCall, done: (outcome: SendOutcome) => void) => {
        calls.push(call)
        done(answers.shift() as SendOutcome)
      },
    } as never)
    const done: number[] = []
    const owner: EffectOwner = {
      id: A,
      live: true,
      memory: { effects: table },
      writer: { effectIsDurable: () => true, effectDone: (_to, seq) => void done.push(seq) },
    }
    delivery.kick(owner, 'lazy/b')
    expect(done).toEqual([])
    await clock.run(1000)
    expect([done, calls.map(({ seq }) => seq)]).toEqual([[1], [1, 1]])
  })
})

describe('that effects were answered', () => {
  it('is written within seconds, though nothing else is: their wake-up hint goes, and the next process wakes nobody (D5)', async () => {
    const node = oneNode(both, { idleMs: 3_600_000 })
    await tell(node, 'sure/b', 'x')
    await node.clock.run(100)
    expect((await allHints(node)).length).toBe(1)
    await node.clock.run(6000)
    expect(await allHints(node)).toEqual([])
    const batches = node.engine.stats().counters['batches']
    await node.clock.run(60_000)
    expect(node.engine.stats().counters['batches']).toBe(batches)
    node.engine.kill()
    const next = node.another()
    next.engine.start()
    await next.clock.run(5000)
    expect(next.engine.stats().counters['woken']).toBe(0)
    expect(await heard(next, 'sure/b')).toMatchObject({ json: '["x"]' })
  })

  it('goes with a batch that is written anyhow, and then needs none of its own', async () => {
    const node = oneNode(both)
    await tell(node, 'sure/b', 'x')
    await node.clock.run(1000)
    await during(node, node.send(A, 'count'))
    await node.clock.run(10)
    expect(await allHints(node)).toEqual([])
    const batches = node.engine.stats().counters['batches']
    await node.clock.run(30_000)
    expect(node.engine.stats().counters['batches']).toBe(batches)
  })

  it('after a crash they are delivered again by one process, harmlessly, and it writes so', async () => {
    const node = oneNode(both)
    await tell(node, 'sure/b', 'x')
    await node.clock.run(100)
    node.engine.kill()
    const two = node.another()
    two.engine.start()
    await two.clock.run(7000)
    expect(two.engine.stats().counters['woken']).toBe(1)
    expect(await allHints(two)).toEqual([])
    const three = two.another()
    three.engine.start()
    await three.clock.run(7000)
    expect(three.engine.stats().counters['woken']).toBe(0)
    expect(await heard(three, 'sure/b')).toMatchObject({ json: '["x"]' })
  })

  it('writes nothing for an activation that is over', async () => {
    const node = oneNode(both)
    await tell(node, 'sure/b', 'x')
    await node.clock.run(100)
    const two = node.another()
    await during(two, two.send(A, 'count'))
    await during(node, node.send(A, 'count'))
    const places = await node.store.newest([A])
    two.engine.kill()
    await node.clock.run(30_000)
    expect((await node.store.newest([A]))[0]).toBeLessThanOrEqual((places[0] ?? 0) + 1)
  })
})
