import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seeded } from '../../src/base/random.ts'
import { WIRE_IDLE_MS } from '../../src/cluster/transport.ts'
import { MemoryNetwork, type MemoryNetworkOptions } from '../../src/transport/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { transportContract, type ContractNet } from './contract.ts'
import { Ears } from './ear.ts'

function net(options: Partial<MemoryNetworkOptions>): Promise<ContractNet> {
  const clock = new VirtualClock()
  const network = new MemoryNetwork(clock, seeded('contract'), options)
  let count = 0
  return Promise.resolve({
    node: (id, { cluster = 'c', secret = '', generation = 1 } = {}) => {
      const address = `node-${++count}:1`
      return Promise.resolve({ address, transport: network.transport({ id, generation, address }, { cluster, secret }) })
    },
    until: async (done, what) => {
      // Without a timer of its own the clock stands still.
      const tick = clock.after(200_000, () => undefined)
      for (let ms = 1; ms <= 200_000; ms *= 2) clock.after(ms, () => undefined)
      await clock.until(done, 200_000, what)
      tick.cancel()
    },
    nowhere: 'nowhere:1',
    freeze: (id) => network.freeze(id),
    thaw: (id) => network.thaw(id),
    kill: (id) => network.kill(id),
    idleMs: WIRE_IDLE_MS,
    mono: () => clock.mono(),
    close: async () => {
      for (const id of ['a', 'b', 'c']) network.kill(id)
      network.heal()
      await clock.run(200_000)
      expect(network.size, 'wires that nobody ended').toBe(0)
    },
  })
}

transportContract('the memory network', () => net({}))
transportContract('the memory network with latency', () => net({ latencyMs: [1, 20] }))

describe('the memory network', () => {
  function three(seed: string | number, options: Partial<MemoryNetworkOptions> = { latencyMs: [1, 20] }) {
    const clock = new VirtualClock()
    const network = new MemoryNetwork(clock, seeded(seed), options)
    const ears = new Ears()
    const of = (id: string) => network.transport({ id, generation: 1, address: `${id}:1` })
    const [a, b] = [of('a'), of('b')]
    const atA = ears.listen(a)
    const atB = ears.listen(b)
    const dialled = ears.dial(a, 'b:1')
    clock.advance(100)
    const accepted = atB[0]
    if (accepted === undefined || dialled.peer === null) throw new Error('it did not open')
    return { clock, network, ears, a, b, atA, atB, dialled, accepted }
  }

  it('a cut line holds what is sent and gives all of it when it heals in time', () => {
    const { clock, network, dialled, accepted } = three(1)
    network.cut('a', 'b')
    dialled.send('one', 'two')
    accepted.send('three')
    clock.advance(WIRE_IDLE_MS / 2)
    expect([accepted.texts, dialled.texts]).toEqual([[], []])
    expect(dialled.wire?.bufferedBytes).toBeGreaterThan(0)
    network.heal('a', 'b')
    clock.advance(50)
    expect([accepted.texts, dialled.texts, dialled.end]).toEqual([['one', 'two'], ['three'], null])
  })

  it('what is under way when the line is cut waits too', () => {
    const { clock, network, dialled, accepted } = three(1, { latencyMs: 10 })
    dialled.send('one')
    clock.advance(5)
    network.cutOneWay('a', 'b')
    clock.advance(1000)
    expect(accepted.texts).toEqual([])
    network.heal()
    clock.advance(0)
    expect(accepted.texts).toEqual(['one'])
  })

  it('an end that is due is not told to a process that was killed, nor to a frozen one before it is thawed', () => {
    for (const fault of ['kill', 'freeze'] as const) {
      const { clock, network, accepted } = three(1)
      accepted.send(Buffer.alloc(5 * 1024 * 1024))
      network[fault]('b')
      clock.advance(1000)
      expect(accepted.end).toBeNull()
      network.thaw('b')
      clock.advance(1000)
      expect(accepted.end).toBe(fault === 'kill' ? null : 'overflow')
    }
  })

  it('a cut that lasts ends both ends lost between two thirds of the bound and the bound, and dials are unreachable', () => {
    const { clock, network, ears, a, dialled, accepted } = three(2)
    network.cut('a', 'b')
    const dial = ears.dial(a, 'b:1')
    clock.advance((WIRE_IDLE_MS * 2) / 3 - 1)
    expect([dialled.end, accepted.end, dial.end]).toEqual([null, null, 'unreachable'])
    clock.advance(WIRE_IDLE_MS / 3 + 1)
    expect([dialled.end, accepted.end]).toEqual(['lost', 'lost'])
    expect(network.size).toBe(0)
  })

  it('with a one-way cut the other way still works, until who hears nothing ends it and is heard', () => {
    const { clock, network, dialled, accepted } = three(3)
    network.cutOneWay('a', 'b')
    dialled.send('held')
    accepted.send('heard')
    clock.advance(1000)
    expect([accepted.texts, dialled.texts]).toEqual([[], ['heard']])
    clock.advance(WIRE_IDLE_MS)
    expect([accepted.end, dialled.end]).toEqual(['lost', 'lost'])
  })

  it('a frozen node finds what came meanwhile when it is thawed, in order', () => {
    const { clock, network, dialled, accepted } = three(4)
    network.freeze('b')
    dialled.send('one', 'two')
    dialled.close()
    clock.advance(1000)
    expect([accepted.texts, accepted.end, dialled.end]).toEqual([[], null, null])
    network.thaw('b')
    clock.advance(50)
    expect([accepted.texts, accepted.end, dialled.end]).toEqual([['one', 'two'], 'closed', 'closed'])
  })

  it('who closes does not wait for a frozen node for ever', () => {
    const { clock, network, dialled, accepted } = three(4)
    network.freeze('b')
    dialled.close()
    clock.advance(5000)
    expect([accepted.end, dialled.end]).toEqual([null, 'closed'])
    network.thaw('b')
    clock.advance(50)
    expect(accepted.end).not.toBeNull()
  })

  it('of a machine that is dead nothing is heard: lost by silence, then unreachable', () => {
    const { clock, network, ears, a, dialled } = three(5)
    network.cut('a', 'b')
    network.kill('b')
    const dial = ears.dial(a, 'b:1')
    clock.advance(6000)
    expect([dialled.end, dial.end]).toEqual([null, 'unreachable'])
    clock.advance(WIRE_IDLE_MS)
    expect(dialled.end).toBe('lost')
  })

  it('a process that was killed hears nothing any more, and its place can be taken', () => {
    const { clock, network, ears, a, b, dialled, accepted } = three(6)
    const back = ears.dial(b, 'a:1')
    network.kill('b')
    clock.advance(100)
    expect([dialled.end, accepted.end, back.peer, back.end]).toEqual(['lost', null, null, null])
    const taken = ears.listen(network.transport({ id: 'b', generation: 2, address: 'b:1' }))
    const again = ears.dial(a, 'b:1')
    clock.advance(100)
    expect([again.peer?.generation, taken.length]).toEqual([2, 1])
  })

  it('delay holds what is sent from then on, in order with what was sent before', () => {
    const { clock, network, dialled, accepted } = three(7, { latencyMs: 5 })
    network.delay('a', 'b', 500)
    dialled.send('slow')
    network.delay('a', 'b', 0)
    dialled.send('fast')
    clock.advance(504)
    expect(accepted.texts).toEqual([])
    clock.advance(1)
    expect(accepted.texts).toEqual(['slow', 'fast'])
  })

  const faults = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('send' as const), from: fc.constantFrom('a', 'b') }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(0, 1, 10, 100, 9000, 40_000) }) },
      fc.record({ kind: fc.constantFrom('cut' as const, 'oneWay' as const, 'heal' as const) }),
      fc.record({ kind: fc.constantFrom('freeze' as const, 'thaw' as const, 'close' as const), from: fc.constantFrom('a', 'b') }),
      fc.record({ kind: fc.constant('kill' as const), from: fc.constantFrom('a', 'b') }),
    ),
    { maxLength: 60 },
  )

  it('T1 T2 whatever happens to the network, each end hears a prefix of what the other sent, then one end', () => {
    fc.assert(
      fc.property(fc.integer(), faults, (seed, steps) => {
        const { clock, network, ears, dialled, accepted } = three(seed)
        const sent = { a: [] as string[], b: [] as string[] }
        for (const step of steps)
          switch (step.kind) {
            case 'send': {
              const text = `${step.from} ${sent[step.from as 'a' | 'b'].push('')}`
              sent[step.from as 'a' | 'b'][sent[step.from as 'a' | 'b'].length - 1] = text
              ;(step.from === 'a' ? dialled : accepted).send(text)
              break
            }
            case 'wait':
              clock.advance(step.ms)
              break
            case 'cut':
              network.cut('a', 'b')
              break
            case 'oneWay':
              network.cutOneWay('a', 'b')
              break
            case 'heal':
              network.heal()
              break
            case 'freeze':
              network.freeze(step.from)
              break
            case 'thaw':
              network.thaw(step.from)
              break
            case 'kill':
              network.kill(step.from)
              break
            case 'close':
              ;(step.from === 'a' ? dialled : accepted).close()
              break
          }
        network.heal()
        network.thaw('a')
        network.thaw('b')
        clock.advance(100_000)
        expect(accepted.texts).toEqual(sent.a.slice(0, accepted.messages.length))
        expect(dialled.texts).toEqual(sent.b.slice(0, dialled.messages.length))
        if (dialled.end === null && accepted.end === null && !steps.some((step) => step.kind === 'kill')) {
          expect([accepted.messages.length, dialled.messages.length], 'a living wire loses nothing').toEqual([sent.a.length, sent.b.length])
          expect([dialled.wire?.bufferedBytes, accepted.wire?.bufferedBytes]).toEqual([0, 0])
        }
        // Both ends or none: nobody is left with half a wire, but a dead process hears nothing.
        const killed = new Set(steps.filter((step) => step.kind === 'kill').map((step) => step.from))
        if (killed.size === 0) expect(dialled.end === null).toBe(accepted.end === null)
        if (!killed.has('a') && killed.has('b')) expect(dialled.end).not.toBeNull()
        ears.check()
      }),
      { numRuns: 500 },
    )
  })

  it('the same seed gives the same run', () => {
    const run = (): string => {
      const { clock, network, dialled, accepted } = three('again')
      const seen: string[] = []
      accepted.onMessage = (bytes) => seen.push(`${clock.mono()} ${Buffer.from(bytes).toString()}`)
      for (let i = 0; i < 20; i++) {
        dialled.send(String(i))
        clock.advance(3)
      }
      network.kill('a')
      clock.advance(1000)
      return JSON.stringify([seen, accepted.end, accepted.why, clock.mono()])
    }
    expect(run()).toBe(run())
  })
})
