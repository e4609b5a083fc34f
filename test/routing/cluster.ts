/** Several nodes in one process: real engines on one memory store, real routers, wires in memory, views as a test says. Virtual time. */
import { createEngine, type Engine } from '../../src/actors/engine.ts'
import type {
  ActorCalls,
  HistoryOutcome,
  Note,
  QueryCall,
  QueryOutcome,
  SendCall,
  SendOutcome,
  TopicOutcome,
  Upstream,
} from '../../src/actors/calls.ts'
import { answersEarly, type App } from '../../src/actors/define.ts'
import { hash32, seeded } from '../../src/base/random.ts'
import type { Member } from '../../src/cluster/member.ts'
import { Placement } from '../../src/cluster/placement.ts'
import { RingCache } from '../../src/cluster/ring-cache.ts'
import type { Peer, Transport } from '../../src/cluster/transport.ts'
import type { View } from '../../src/cluster/view.ts'
import { resolveOptions, type Options } from '../../src/options.ts'
import { createRouter, type Router } from '../../src/routing/router.ts'
import { memoryStore, type Fault, type MemoryStore, type StoreCall } from '../../src/store/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { listApp } from './routing-app.ts'
import { Wires } from './wires.ts'

const rings = new RingCache({ build: () => undefined, close: () => Promise.resolve() })

/** What all nodes could agree on: the newest is what they come to agree on when they synchronise. */
interface Membership {
  readonly number: number
  readonly members: readonly Member[]
}

/** What carries the wires: those of wires.ts, or another. */
export interface Network {
  join(peer: Peer): Transport
  kill(id: string): void
}

export interface Follower {
  readonly notes: Note[]
  readonly answers: TopicOutcome[]
  ended: number
  upstream: Upstream
}

export class TestCluster {
  readonly clock: VirtualClock = new VirtualClock()
  readonly wires: Wires = new Wires(this.clock)
  readonly nodes = new Map<string, TestNode>()
  readonly app: App
  readonly options: Options
  readonly #store: MemoryStore
  #membership: Membership = { number: 0, members: [] }

  readonly network: Network

  constructor(ids: readonly string[], options: Partial<Options> = {}, network?: (clock: VirtualClock) => Network, app: App = listApp) {
    this.app = app
    this.options = resolveOptions(options)
    this.wires.messageBytesMax = this.options.wireFrameBytes
    this.network = network?.(this.clock) ?? { join: (peer) => this.wires.join(peer), kill: (id) => this.wires.down(id) }
    this.#store = memoryStore({ clock: this.clock })
    for (const id of ids) this.start(id)
    this.agree(ids)
  }

  connect(fault: (call: StoreCall) => Fault | null): MemoryStore {
    return this.#store.connect({ clock: this.clock, fault })
  }

  get membership(): Membership {
    return this.#membership
  }

  node(id: string): TestNode {
    const node = this.nodes.get(id)
    if (node === undefined) throw new Error(`no node ${id}`)
    return node
  }

  start(id: string, versions?: Readonly<Record<string, number>>): TestNode {
    const generation = (this.nodes.get(id)?.generation ?? 0) + 1
    const node = new TestNode(this, id, generation, versions ?? typesOf(this.app))
    this.nodes.set(id, node)
    return node
  }

  /** The next membership; nodes hear of it by `sees` or when they synchronise. Those not named are dead. */
  decide(ready: readonly string[], others: Partial<Record<string, Partial<Member>>> = {}): Membership {
    const members = [...this.nodes.values()]
      .map((node) => ({ ...node.member(ready.includes(node.id) ? 'alive' : 'dead'), ...others[node.id] }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    this.#membership = { number: this.#membership.number + 1, members }
    return this.#membership
  }

  /** All that are up see that these are in service, at once. */
  agree(ready: readonly string[], others: Partial<Record<string, Partial<Member>>> = {}): void {
    const membership = this.decide(ready, others)
    for (const node of this.nodes.values()) if (node.up) node.sees(membership)
  }

  /** An actor that this node owns in the newest membership. */
  actorOf(owner: string, prefix = 'a', type = 'list'): string {
    const placement = this.placement(this.#membership, owner)
    for (let i = 0; i < 10_000; i++) {
      const actor = `${type}/${prefix}${i}`
      if (placement.ownerOf(actor)?.id === owner) return actor
    }
    throw new Error(`${owner} owns nothing`)
  }

  placement({ members }: Membership, self: string): Placement {
    const me = members.find(({ id }) => id === self)
    const inService = members.filter(({ phase, liveness }) => phase === 'ready' && (liveness === 'alive' || liveness === 'suspect'))
    const text = JSON.stringify(inService.map(({ id, generation, address, meta }) => [id, generation, address, meta.types, meta.weight]))
    const hash = [1, 2].map((seed) => hash32(text, seed).toString(16).padStart(8, '0')).join('')
    return new Placement({ self: { id: self, generation: me?.generation ?? 0 }, members, hash }, rings)
  }

  async during<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let settled = false
    const done = promise.finally(() => (settled = true))
    await this.clock.until(() => settled, limitMs, 'the answer')
    return done
  }

  settle(ms = 0): Promise<void> {
    return this.clock.run(ms)
  }
}

function typesOf(app: App): Record<string, number> {
  return Object.fromEntries([...app.byType].map(([type, { version }]) => [type, version]))
}

export class TestNode {
  readonly id: string
  readonly generation: number
  readonly router: Router
  readonly store: MemoryStore
  readonly transport: Transport
  readonly synced: string[] = []
  readonly refused: string[] = []
  readonly logged: string[] = []
  readonly #cluster: TestCluster
  readonly #types: Readonly<Record<string, number>>
  engine: Engine
  up = true
  seen = 0
  fault: (call: StoreCall) => Fault | null = () => null

  constructor(cluster: TestCluster, id: string, generation: number, types: Readonly<Record<string, number>>) {
    this.#cluster = cluster
    this.id = id
    this.generation = generation
    this.#types = types
    this.transport = cluster.network.join({ id, generation, address: this.address })
    this.store = cluster.connect((call) => this.fault(call))
    this.engine = this.newEngine()
    const { clock, options } = cluster
    this.router = createRouter({
      engine: this.engine,
      transport: this.transport,
      views: { syncWith: (peer) => this.#sync(peer), reportRefused: (peer) => void this.refused.push(peer) },
      clock,
      random: seeded(`router ${id} ${generation}`),
      log: { info: (_f, m) => this.logged.push(m), warn: (_f, m) => this.logged.push(m), error: (_f, m) => this.logged.push(`! ${m}`) },
      options,
      knowsType: (type) => cluster.app.byType.has(type),
      early: (actor) => answersEarly(cluster.app, actor),
    })
    this.transport.listen((_channel, wire) => this.router.accept(wire))
  }

  get address(): string {
    return `${this.id}:7100`
  }

  newEngine(): Engine {
    const { clock, options, app } = this.#cluster
    const calls = (): ActorCalls => this.router.calls
    return createEngine({
      app,
      store: this.store,
      clock,
      random: seeded(`engine ${this.id} ${this.generation}`),
      log: { info: () => undefined, warn: () => undefined, error: (_f, m) => this.logged.push(`! ${m}`) },
      options,
      node: this.id,
      generation: this.generation,
      storeId: 'store-1',
      check: true,
      owns: (actor) => this.router.owns(actor),
      arrivals: { awaited: (actor) => this.router.awaited(actor), here: (actor) => this.router.here(actor) },
      outgoing: {
        send: (call, done) => calls().send(call, done),
        query: (call, done) => calls().query(call, done),
        topic: (call, done) => calls().topic(call, done),
        subscribe: (call, sink, done) => calls().subscribe(call, sink, done),
        history: (call, done) => calls().history(call, done),
      },
    })
  }

  member(liveness: Member['liveness']): Member {
    return {
      id: this.id,
      generation: this.generation,
      incarnation: 1,
      liveness,
      phase: 'ready',
      address: this.address,
      meta: { roles: ['actors', 'gateway'], types: this.#types, version: '1', labels: {}, weight: 1 },
    }
  }

  sees(membership: Membership): void {
    if (membership.number <= this.seen) return
    this.seen = membership.number
    const placement = this.#cluster.placement(membership, this.id)
    const view: View = placement.view
    this.router.viewChanged(view)
    this.router.placed(placement)
  }

  /** As gossip would: a moment later both have the newest. */
  #sync(peer: string): void {
    this.synced.push(peer)
    this.#cluster.clock.after(5, () => {
      const { membership } = this.#cluster
      for (const node of [this, this.#cluster.nodes.get(peer)]) if (node?.up === true && node.hears) node.sees(membership)
    })
  }

  /** Whether synchronising brings it anything. */
  hears = true

  crash(): void {
    this.up = false
    this.#cluster.network.kill(this.id)
    this.engine.kill()
    this.store.crash()
  }

  send(actor: string, type: string, data: unknown = {}, more: Partial<SendCall> = {}): Promise<SendOutcome> {
    return new Promise((resolve) => this.router.calls.send({ actor, type, data, sender: 'user:u', ...more }, resolve))
  }

  add(actor: string, v: string, more: Partial<SendCall> = {}): Promise<SendOutcome> {
    return this.send(actor, 'add', { v }, more)
  }

  query(actor: string, name = 'got', args: unknown = null, more: Partial<QueryCall> = {}): Promise<QueryOutcome> {
    return new Promise((resolve) => this.router.calls.query({ actor, name, args, ...more }, resolve))
  }

  async got(actor: string): Promise<string[]> {
    const outcome = await this.#cluster.during(this.query(actor, 'got', null, { strict: true }))
    if (!outcome.ok) throw new Error(`${outcome.code} ${outcome.message}`)
    return JSON.parse(outcome.json) as string[]
  }

  history(actor: string, from: number, limit: number): Promise<HistoryOutcome> {
    return new Promise((resolve) => this.router.calls.history({ actor, from, limit }, resolve))
  }

  topic(actor: string, topic: string): Promise<TopicOutcome> {
    return new Promise((resolve) => this.router.calls.topic({ actor, topic }, resolve))
  }

  follow(actor: string, topic: string): Follower {
    const follower: Follower = { notes: [], answers: [], ended: 0, upstream: { close: () => undefined } }
    const sink = { note: (note: Note) => void follower.notes.push(note), ended: () => void follower.ended++ }
    follower.upstream = this.router.calls.subscribe({ actor, topic }, sink, (outcome) => void follower.answers.push(outcome))
    return follower
  }

  /** What is under way; all zero when nothing is. */
  get open(): Record<string, number> {
    const { lanes, pendingSends, pendingReads, inbound, subscriptions, leases, pulling, leaving } = this.router.stats()
    return { lanes, pendingSends, pendingReads, inbound, subscriptions, leases, pulling, leaving }
  }
}

export const NOTHING: Record<string, number> = {
  lanes: 0,
  pendingSends: 0,
  pendingReads: 0,
  inbound: 0,
  subscriptions: 0,
  leases: 0,
  pulling: 0,
  leaving: 0,
}
