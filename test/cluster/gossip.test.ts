/** The shell: the machine over real wires (in memory), with timers, dials, closes and the callbacks of who composes a node. */
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../src/base/clock.ts'
import { seeded } from '../../src/base/random.ts'
import { startGossip, type Gossip, type Joined } from '../../src/cluster/gossip.ts'
import { Links } from '../../src/cluster/links.ts'
import { inService } from '../../src/cluster/member.ts'
import type { Transport, Wire } from '../../src/cluster/transport.ts'
import type { View } from '../../src/cluster/view.ts'
import { resolveOptions, type Options } from '../../src/options.ts'
import { MemoryNetwork } from '../../src/transport/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { META } from './world.ts'

interface Node {
  readonly id: string
  readonly gossip: Gossip
  readonly transport: Transport
  readonly events: string[]
  readonly views: View[]
  readonly clock: Sleepy
}

/** A process's clock: while it sleeps no timer of it fires; on waking those that are due fire first, as in Node. */
class Sleepy implements Clock {
  readonly #clock: VirtualClock
  #held: (() => void)[] | null = null

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  now = (): number => this.#clock.now()
  mono = (): number => this.#clock.mono()
  after = (ms: number, run: () => void): { cancel(): void } => this.#clock.after(ms, () => this.#run(run))
  soon = (run: () => void): void => this.#clock.soon(() => this.#run(run))

  sleep(): void {
    this.#held = []
  }

  wake(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const run of held) run()
  }

  #run(run: () => void): void {
    if (this.#held === null) run()
    else this.#held.push(run)
  }
}

class Rig {
  readonly clock = new VirtualClock()
  readonly network = new MemoryNetwork(this.clock, seeded('rig'), { latencyMs: [0.2, 1] })
  readonly #generations = new Map<string, number>()
  readonly nodes: Node[] = []
  failing = 0
  /** Where something throws that never should. */
  defect = ''

  start(id: string, seeds: readonly string[], more: { cluster?: string; options?: Partial<Options>; generation?: number } = {}): Node {
    const generation = more.generation ?? this.#next(id)
    const cluster = more.cluster ?? 'test'
    const clock = new Sleepy(this.clock)
    const transport = this.network.transport({ id, generation, address: `${id}:7100` }, { cluster })
    const events: string[] = []
    const line =
      (level: string) =>
      (_: unknown, message: string): void =>
        void events.push(`${level} ${message}`)
    const random = seeded(`${id} ${generation}`)
    const gossip = startGossip({
      self: { id, generation, address: `${id}:7100`, meta: META },
      cluster,
      seeds,
      transport: { ...transport, become: (self) => (events.push(`become ${self.generation}`), transport.become(self)) },
      clock,
      random: {
        ...random,
        float: () => {
          if (this.defect === id) throw new Error('a defect')
          return random.float()
        },
      },
      log: { info: line('info'), warn: line('warn'), error: line('error') },
      options: resolveOptions(more.options ?? {}),
      disown: () => {
        events.push('disown')
        if (this.defect === `${id} disowns`) throw new Error('a defect')
      },
      nextGeneration: () => {
        events.push('nextGeneration')
        if (this.failing-- > 0) return Promise.reject(new Error('the store is away'))
        return Promise.resolve(this.#next(id))
      },
      ended: (reason) => events.push(`ended ${reason}`),
      broken: (error) => events.push(`broken ${String(error)}`),
    })
    transport.listen((_channel, wire) => gossip.accept(wire))
    const node: Node = { id, gossip, transport, events, views: [], clock }
    gossip.onView((view) => node.views.push(view))
    gossip.onJoined((how: Joined) => {
      events.push(`joined ${how}`)
      gossip.setPhase('ready')
    })
    this.nodes.push(node)
    return node
  }

  serves(node: Node): string[] {
    return node.gossip
      .view()
      .members.filter(inService)
      .map(({ id, generation }) => `${id}@${generation}`)
  }

  async agree(nodes: readonly Node[], names: readonly string[], limitMs = 30_000): Promise<number> {
    const begin = this.clock.mono()
    const done = (): boolean => nodes.every((node) => this.serves(node).join() === names.join())
    // A tick keeps time moving between the nodes' own timers.
    await this.clock.until(done, limitMs, `${names.join()} at all`)
    return this.clock.mono() - begin
  }

  #next(id: string): number {
    const next = (this.#generations.get(id) ?? 0) + 1
    this.#generations.set(id, next)
    return next
  }
}

async function three(rig: Rig): Promise<[Node, Node, Node]> {
  const nodes: [Node, Node, Node] = [rig.start('a', ['b:7100', 'c:7100']), rig.start('b', ['a:7100']), rig.start('c', ['a:7100'])]
  await rig.agree(nodes, ['a@1', 'b@1', 'c@1'])
  return nodes
}

describe('gossip over wires', () => {
  it('three nodes find each other, over one wire a pair, and tell each new view', async () => {
    const rig = new Rig()
    const nodes = await three(rig)
    await rig.clock.run(10_000)
    expect(new Set(nodes.map(({ gossip }) => gossip.view().hash)).size).toBe(1)
    expect(rig.network.size, 'each of three wires has two ends').toBe(6)
    for (const { views, gossip, events } of nodes) {
      expect(views.at(-1)).toBe(gossip.view())
      expect(events).toContain('joined joined')
      expect(gossip.gauges.malformed + gossip.gauges.overRate).toBe(0)
    }
    await expect(nodes[0].gossip.joined).resolves.toBe('joined')
  })

  it('a killed process is known within 1 s, and its restart is taken in', async () => {
    const rig = new Rig()
    const [a, b, c] = await three(rig)
    await rig.clock.run(5000)
    rig.network.kill('c')
    c.gossip.stop()
    expect(await rig.agree([a, b], ['a@1', 'b@1'])).toBeLessThanOrEqual(1000)
    const again = rig.start('c', ['a:7100'])
    await rig.agree([a, b, again], ['a@1', 'b@1', 'c@2'])
  })

  it('a process that slept long is declared dead, drops everything first, and comes back with its next generation', async () => {
    const rig = new Rig()
    const [a, b, c] = await three(rig)
    await rig.clock.run(5000)
    rig.failing = 2
    c.clock.sleep()
    rig.network.freeze('c')
    await rig.agree([a, b], ['a@1', 'b@1'])
    await rig.clock.run(5000)
    c.clock.wake()
    rig.network.thaw('c')
    await rig.agree([a, b, c], ['a@1', 'b@1', 'c@2'])
    const told = c.events.filter((line) => /^(disown|nextGeneration|become|joined)/.test(line))
    expect(told).toEqual(['joined joined', 'disown', 'nextGeneration', 'nextGeneration', 'nextGeneration', 'become 2', 'joined joined'])
    expect(a.events.join()).not.toContain('b is dead')
    expect(b.gossip.view().self.generation).toBe(1)
  })

  describe('what throws where a defect is ends the membership, and says so (the node must not serve on by it)', () => {
    const ends = async (rig: Rig, [a, b, c]: readonly Node[]): Promise<void> => {
      await rig.clock.until(() => c?.events.includes('broken Error: a defect') === true)
      const seen = c?.views.length
      // It is silent from then on, and the others go on without it.
      await rig.agree([a as Node, b as Node], ['a@1', 'b@1'])
      await rig.clock.run(20_000)
      expect(c?.events.filter((line) => /^(broken|become|nextGeneration)/.test(line))).toEqual(['broken Error: a defect'])
      expect(c?.views.length).toBe(seen)
    }

    it('in the machine', async () => {
      const rig = new Rig()
      const nodes = await three(rig)
      rig.defect = 'c'
      await ends(rig, nodes)
    })

    it('in who listens to views', async () => {
      const rig = new Rig()
      const nodes = await three(rig)
      nodes[2].gossip.onView(() => {
        throw new Error('a defect')
      })
      nodes[2].gossip.setPhase('draining')
      await ends(rig, nodes)
    })

    it('in dropping the activations of a generation that was declared dead: it is not asked for the next one', async () => {
      const rig = new Rig()
      const nodes = await three(rig)
      const [a, b, c] = nodes
      await rig.clock.run(5000)
      rig.defect = 'c disowns'
      c.clock.sleep()
      rig.network.freeze('c')
      await rig.agree([a, b], ['a@1', 'b@1'])
      await rig.clock.run(5000)
      c.clock.wake()
      rig.network.thaw('c')
      await ends(rig, nodes)
    })
  })

  it('a process that slept 1.5 s condemns nobody and is not condemned', async () => {
    const rig = new Rig()
    const [a, b, c] = await three(rig)
    for (let nap = 0; nap < 5; nap++) {
      await rig.clock.run(2000)
      c.clock.sleep()
      rig.network.freeze('c')
      await rig.clock.run(1500)
      c.clock.wake()
      rig.network.thaw('c')
    }
    await rig.clock.run(5000)
    await rig.agree([a, b, c], ['a@1', 'b@1', 'c@1'])
  })

  it('leaving is told, and resolves', async () => {
    const rig = new Rig()
    const [a, b, c] = await three(rig)
    let gone = false
    c.gossip.setPhase('draining')
    void c.gossip.leave().then(() => (gone = true))
    await rig.clock.run(500)
    expect(a.gossip.member('c')?.liveness).toBe('left')
    await rig.clock.run(1000)
    expect(gone).toBe(true)
    c.gossip.stop()
    void c.transport.close()
    await rig.clock.run(10_000)
    expect(a.events.join() + b.events.join()).not.toContain('dead')
  })

  it('who slept through its own leaving, longer than ends are remembered, knows who it is when it wakes', async () => {
    const rig = new Rig()
    const options = { gossipRetentionMs: 1000, gossipSyncMs: 100 }
    const nodes = ['a', 'b'].map((id) => rig.start(id, ['a:7100', 'b:7100'], { options }))
    const [a, b] = nodes as [Node, Node]
    await rig.agree(nodes, ['a@1', 'b@1'])
    const left = b.gossip.leave()
    b.clock.sleep()
    await rig.clock.run(10_000)
    b.clock.wake()
    await rig.clock.run(2000)
    await left
    expect(b.gossip.view().self.id).toBe('b')
    expect(rig.serves(a)).toEqual(['a@1'])
  })

  it('with nobody there it serves alone after 3 s, and joins whom it finds later', async () => {
    const rig = new Rig()
    const a = rig.start('a', ['b:7100'])
    await rig.clock.run(2900)
    expect(a.events).toEqual([])
    await rig.clock.run(200)
    expect(a.events).toContain('joined alone')
    await rig.clock.run(30_000)
    const b = rig.start('b', [])
    expect(await rig.agree([a, b], ['a@1', 'b@1'])).toBeLessThanOrEqual(20_000)
  })

  it('a node of another cluster is refused, and the log says why', async () => {
    const rig = new Rig()
    const a = rig.start('a', ['x:7100'])
    const x = rig.start('x', [], { cluster: 'other' })
    await rig.clock.run(10_000)
    expect(rig.serves(a)).toEqual(['a@1'])
    expect(rig.serves(x)).toEqual(['x@1'])
    expect(a.events.find((line) => line.startsWith('warn'))).toContain('x:7100 does not take this node of cluster test in')
  })

  it('addresses that never answer hold up another for two seconds at most, though they take all dials (K2)', async () => {
    const rig = new Rig()
    const of = (id: string): Transport => rig.network.transport({ id, generation: 1, address: `${id}:7100` }, { cluster: 'test' })
    const [a, good] = [of('a'), of('good')]
    for (let i = 0; i < 8; i++) {
      of(`silent${i}`)
      rig.network.freeze(`silent${i}`)
    }
    let heardAt = Infinity
    const events = { opened: () => undefined, message: () => (heardAt = rig.clock.mono()), closed: () => undefined }
    good.listen(() => events)
    const ends: string[] = []
    const links = new Links('a', a, rig.clock, seeded('links'), {
      frame: () => undefined,
      closed: (id, _, end) => ends.push(`${id} ${end}`),
      denied: () => undefined,
    })
    for (let i = 0; i < 8; i++) links.send(`silent${i}`, `silent${i}:7100`, Uint8Array.of(1))
    links.send('good', 'good:7100', Uint8Array.of(1))
    await rig.clock.run(4000)
    expect(heardAt).toBeLessThanOrEqual(2100)
    expect(ends.sort()).toEqual(Array.from({ length: 8 }, (_, i) => `silent${i} unreachable`))
    links.stop()
  })

  it('a second process of a name ends the older one, which is told so', async () => {
    const rig = new Rig()
    const [a, b, c] = await three(rig)
    const second = rig.network.transport({ id: 'c', generation: 2, address: 'elsewhere:7100' }, { cluster: 'test' })
    const gossip = startGossip({
      self: { id: 'c', generation: 2, address: 'elsewhere:7100', meta: META },
      cluster: 'test',
      seeds: ['a:7100', 'b:7100'],
      transport: second,
      clock: rig.clock,
      random: seeded('second'),
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      options: resolveOptions(),
      disown: () => expect.unreachable('it lives'),
      nextGeneration: () => Promise.resolve(3),
      broken: () => expect.unreachable('nothing throws'),
      ended: () => expect.unreachable('the later one stays'),
    })
    second.listen((_channel, wire) => gossip.accept(wire))
    gossip.onJoined(() => gossip.setPhase('ready'))
    await rig.agree([a, b], ['a@1', 'b@1', 'c@2'])
    await rig.clock.run(3000)
    expect(c.events).toContain('ended superseded')
    expect(c.events.find((line) => line.startsWith('error'))).toContain('another --node name')
    gossip.stop()
  })

  it('floods and nonsense are dropped and counted; the cluster goes on (K4, M16)', async () => {
    const rig = new Rig()
    const [a, b, c] = await three(rig)
    const rogue = rig.network.transport({ id: 'rogue', generation: 1, address: 'rogue:7100' }, { cluster: 'test' })
    rogue.listen(() => ({ opened: () => undefined, message: () => undefined, closed: () => undefined }))
    const random = seeded('rogue')
    const wires: Wire[] = []
    for (let i = 0; i < 10; i++)
      wires.push(rogue.dial('a:7100', 'gossip', { opened: () => undefined, message: () => undefined, closed: () => undefined }))
    await rig.clock.run(100)
    // Six of the ten are closed already; what is sent on them is not read.
    for (let i = 0; i < 1000; i++) for (const wire of wires) wire.send(random.bytes(1 + (i % 200)))
    await rig.clock.run(10_000)
    expect(a.gossip.gauges.malformed).toBeGreaterThan(100)
    expect(a.gossip.gauges.overRate).toBeGreaterThan(2000)
    expect(a.gossip.gauges.wires, 'four of a peer at most').toBeLessThanOrEqual(6)
    await rig.agree([a, b, c], ['a@1', 'b@1', 'c@1'])
  })

  it('an operator removes a dead member, not a living one; a sync and a doubt are harmless', async () => {
    const rig = new Rig()
    const [a, b, c] = await three(rig)
    expect(a.gossip.remove('b')).toBe('alive')
    expect(a.gossip.remove('nobody')).toBe('unknown')
    a.gossip.syncWith('b')
    a.gossip.reportRefused('b')
    rig.network.freeze('c')
    c.clock.sleep()
    await rig.agree([a, b], ['a@1', 'b@1'])
    expect(a.gossip.remove('c')).toBe('removed')
    await rig.clock.run(1000)
    expect(b.gossip.member('c')?.liveness).toBe('left')
  })

  it('after `stop` nothing is left: no wire, no timer', async () => {
    const rig = new Rig()
    const nodes = await three(rig)
    for (const { gossip, transport } of nodes) {
      gossip.stop()
      void transport.close()
    }
    await rig.clock.run(60_000)
    expect(rig.network.size).toBe(0)
    expect(rig.clock.pending).toBe(0)
  })
})
