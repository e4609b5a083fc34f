/**
 * What makes several simulated processes one cluster: the network between them, the production ClusterNode in each, and the few things that are done to
 * lines and members. Only in seeds of the kind `cluster`.
 */
import { createEngine } from '../../src/actors/engine.ts'
import type { App } from '../../src/actors/define.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Log } from '../../src/base/log.ts'
import type { Random } from '../../src/base/random.ts'
import type { MemberMeta } from '../../src/cluster/member.ts'
import { TimedRingBuilder } from '../../src/cluster/ring-builder.ts'
import { RING_POINTS_MAX, RingCache } from '../../src/cluster/ring-cache.ts'
import type { Channel, Transport, Wire, WireEvents } from '../../src/cluster/transport.ts'
import { ClusterNode } from '../../src/node/cluster-node.ts'
import type { Options } from '../../src/options.ts'
import type { Store } from '../../src/store/store.ts'
import { MemoryNetwork } from '../../src/transport/memory.ts'
import type { ClusterSwarm } from './cluster-swarm.ts'
import { observed, type Eyes } from './observed-engine.ts'
import type { Life, SimNode } from './sim-node.ts'
import type { World } from './world.ts'

export interface MemberPorts {
  readonly app: App
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly options: Options
  readonly check: boolean
  readonly node: string
  readonly generation: number
  readonly storeId: string
}

/** What the simulator hears of a cluster. */
export interface ClusterEyes extends Eyes {
  count(what: string): void
  /** It learnt that it was declared dead, and has dropped its actors. */
  disowned(life: Life): void
  drained(life: Life, tookMs: number): void
}

/** Where a client is connected. */
export interface Entry {
  node: SimNode | null
}

/** A ring of many points takes this long to build. */
const RING_MS = 30
/** Small rings are there at once, and are what they are: all nodes of all seeds share them. Most of what so few nodes can be a ring of. */
const RINGS = new RingCache(
  {
    build: () => {
      throw new Error('a ring that takes time')
    },
    close: () => Promise.resolve(),
  },
  RING_POINTS_MAX,
  1024,
)

export class SimCluster {
  readonly network: MemoryNetwork
  readonly swarm: ClusterSwarm
  readonly #world: World
  readonly #eyes: ClusterEyes
  readonly #transports = new Map<Life, Transport>()
  readonly #nodes: SimNode[] = []
  /** Virtual µs at which each node was last frozen, cut off or slow. */
  readonly #troubled = new Map<string, number>()

  constructor(world: World, swarm: ClusterSwarm, eyes: ClusterEyes) {
    this.#world = world
    this.swarm = swarm
    this.#eyes = eyes
    // Items arrive not before their time, which may lie between two microseconds.
    const turn = (run: () => void) => (): void => {
      world.settled()
      run()
    }
    const clock: Clock = {
      now: () => world.nowMs,
      mono: () => world.nowMs,
      after: (ms, run) => {
        const event = world.after(Math.ceil(ms * 1000) / 1000, turn(run))
        return {
          cancel: () => {
            event.run = null
          },
        }
      },
      soon: (run) => world.soon(turn(run)),
    }
    const { latencyMs, idleMs, handshakeMs } = swarm
    this.network = new MemoryNetwork(clock, world.random('network'), { latencyMs, idleMs, handshakeMs })
  }

  /** The process of `life` becomes a member, as a production node does. */
  join(node: SimNode, life: Life, ports: MemberPorts, newLife: (generation: number) => Life): void {
    if (!this.#nodes.includes(node)) this.#nodes.push(node)
    const { swarm } = this
    const address = addressOf(node.name)
    const transport = this.network.transport({ id: node.name, generation: life.generation, address })
    const { process } = life
    this.#transports.set(life, transport)
    const rings = swarm.ringsTakeTime ? new RingCache(new TimedRingBuilder(ports.clock, RING_MS)) : RINGS
    const roles: MemberMeta['roles'] = swarm.gateways.has(node.name) ? ['gateway'] : ['gateway', 'actors']
    const types = Object.fromEntries([...ports.app.byType].map(([type, { version }]) => [type, version]))
    const meta: MemberMeta = { roles, types, version: '0.0.0', labels: {}, weight: swarm.weights.get(node.name) ?? 1 }
    const random = this.#world.random(`member/${life.id}`)
    const member: ClusterNode = new ClusterNode({
      ...ports,
      transport: turning(transport, () => this.#world.settled()),
      rings,
      random,
      cluster: 'sim',
      address,
      meta,
      seeds: swarm.seeds.map(addressOf).filter((seed) => seed !== address),
      replaced: (why) => {
        if (!process.alive) return
        this.#eyes.count('replaced')
        this.#world.note('replaced', life.id, why)
        this.#world.soon(() => node.life?.process === process && node.crash())
      },
      broken: (error) =>
        this.#world.soon(() => {
          throw error
        }),
      engines: (parts) => {
        const now = parts.generation === life.generation ? life : newLife(parts.generation)
        now.engine = observed(createEngine({ ...parts, store: now.store, random: this.#world.random(`engine/${now.id}`) }), now, this.#eyes)
        if (now !== life) {
          const before = node.life
          this.#world.note('reborn', now.id)
          now.calls = life.calls
          now.member = life.member
          node.life = now
          if (before !== null) this.#eyes.disowned(before)
        }
        return now.engine
      },
    })
    life.member = member
    life.calls = member.calls
    void member.joined().then(() => {
      if (process.alive) node.deliver(process, () => member.serve())
    })
  }

  /** As a production node goes: others get its actors, then it writes what is left, then it leaves. */
  async drain(life: Life): Promise<void> {
    const { member } = life
    const begunMs = this.#world.nowMs
    if (member === null) return
    await member.handOver(() => undefined)
    await member.engine.drain()
    await member.leave()
    if (life.alive) this.#eyes.drained(life, this.#world.nowMs - begunMs)
  }

  killed(node: SimNode): void {
    this.network.kill(node.name)
  }

  frozen(node: SimNode, what: 'io' | 'whole'): void {
    this.trouble(node.name)
    if (what === 'whole') this.network.freeze(node.name)
    else for (const { name } of this.#nodes) if (name !== node.name) this.network.cut(node.name, name)
  }

  /** What others send it is read late. */
  sluggish(name: string, ms: number): void {
    this.trouble(name)
    for (const other of this.#nodes) if (other.name !== name) this.network.delay(name, other.name, ms)
  }

  thawed(node: SimNode): void {
    this.trouble(node.name)
    this.network.thaw(node.name)
    for (const { name } of this.#nodes) if (name !== node.name && !this.#isFrozen(name)) this.network.heal(node.name, name)
  }

  #isFrozen(name: string): boolean {
    return this.#nodes.find((node) => node.name === name)?.frozen === true
  }

  trouble(...names: readonly string[]): void {
    for (const name of names) this.#troubled.set(name, this.#world.nowMs)
  }

  /** Virtual ms since this node was last frozen, cut off or slow. */
  calmMs(name: string): number {
    return this.#world.nowMs - (this.#troubled.get(name) ?? -Infinity)
  }

  /** Where a client asks next: where it is connected, unless that did not answer, or it moves for no reason. */
  entry(at: Entry, random: Random, attempt: number, nodes: readonly SimNode[], wander: number): SimNode {
    const moves = random.float() < wander || (attempt > 1 && random.float() < 0.4)
    if (at.node === null || moves || !nodes.includes(at.node)) at.node = nodes[Math.floor(random.float() * nodes.length)] as SimNode
    return at.node
  }
}

function addressOf(name: string): string {
  return `${name}:1`
}

/** Tells the world of each callback from the network: whatever it does may settle promises. */
function turning(transport: Transport, settled: () => void): Transport {
  const events = (made: WireEvents): WireEvents => ({
    opened: (peer) => {
      settled()
      made.opened(peer)
    },
    message: (bytes) => {
      settled()
      made.message(bytes)
    },
    closed: (end, why) => {
      settled()
      made.closed(end, why)
    },
  })
  return {
    dial: (address, channel, given) => transport.dial(address, channel, events(given)),
    listen: (accept: (channel: Channel, wire: Wire) => WireEvents) => transport.listen((channel, wire) => events(accept(channel, wire))),
    become: (self) => transport.become(self),
    close: () => transport.close(),
  }
}
