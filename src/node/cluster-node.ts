/**
 * One member of a cluster: gossip, placement, router and engine put together over ports, so that the simulator runs the same.
 *
 *     gossip ──view──▶ placements ──placement──▶ router ◀──▶ engine
 *        └── declared dead ──▶ disown · next generation · a new engine ──▶ rejoin
 *
 *  C1. A node that learns that it was declared dead drops its activations before anything else (J7); it comes back under its next generation
 *      with a new engine. What was asked of it meanwhile waits in the router.
 *  C2. Until it is `ready` it owns nothing: it answers what it is asked by asking others.
 *  C3. Leaving: `draining` → others own its actors → they are handed over (H1, H2) → left. What nobody else can have is written and stays in the store.
 */
import type { ActorCalls } from '../actors/calls.ts'
import { answersEarly, type App } from '../actors/define.ts'
import { createEngine, type Engine, type EngineParts } from '../actors/engine.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { startGossip, type Gossip } from '../cluster/gossip.ts'
import type { MemberMeta } from '../cluster/member.ts'
import { Placement } from '../cluster/placement.ts'
import { Placements } from '../cluster/placements.ts'
import type { RingCache } from '../cluster/ring-cache.ts'
import type { Transport } from '../cluster/transport.ts'
import type { View } from '../cluster/view.ts'
import type { Options } from '../options.ts'
import type { HandoffProgress } from '../routing/handoff.ts'
import type { Asked } from '../routing/questions.ts'
import { createRouter, type Router } from '../routing/router.ts'
import type { Store } from '../store/store.ts'

export interface ClusterNodeParts {
  readonly app: App
  readonly store: Store
  readonly transport: Transport
  readonly rings: RingCache
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  readonly check: boolean
  /** Name of the cluster: nodes of another one are refused. */
  readonly cluster: string
  readonly node: string
  readonly generation: number
  readonly storeId: string
  /** HOST:PORT at which other nodes reach this one. */
  readonly address: string
  readonly meta: MemberMeta
  /** HOST:PORT of others, asked until somebody answers, and again for ever. */
  readonly seeds: readonly string[]
  /** Another process runs under this node's name: this one must end. */
  readonly replaced: (why: string) => void
  /** What this node knows of the cluster cannot be trusted any more: it must end, and not serve on by it. */
  readonly broken: (error: unknown) => void
  /** Answers what other nodes ask for their operators (cluster-admin.ts). */
  readonly asked?: Asked
  /** Makes the engine of each generation: the simulator looks at what goes in and out of it. */
  readonly engines?: (parts: EngineParts) => Engine
}

/** Actors are still handed over for this long when a node drains; what is left then is written and stays in the store. */
const HAND_OVER_MS = 30_000
/** After saying `draining`, until others have a view without this node. Its own follows at once. */
const WARM_MS = 1000
const WARM_STEP_MS = 20

export class ClusterNode {
  readonly gossip: Gossip
  readonly router: Router
  readonly #parts: ClusterNodeParts
  readonly #placements: Placements
  #engine: Engine
  #generation: number
  /** The router has the engine of this generation. */
  #handed = true
  /** What this node says it is ready for, also under its next generation. */
  #wanted: 'joining' | 'ready' | 'draining' = 'joining'
  #over = false

  constructor(parts: ClusterNodeParts) {
    this.#parts = parts
    this.#generation = parts.generation
    const { transport, clock, random, log, options } = parts
    transport.listen((channel, wire) => (channel === 'gossip' ? this.gossip.accept(wire) : this.router.accept(wire)))
    this.gossip = startGossip({
      self: { id: parts.node, generation: parts.generation, address: parts.address, meta: parts.meta },
      cluster: parts.cluster,
      seeds: parts.seeds,
      transport,
      clock,
      random,
      log,
      options,
      disown: () => this.#disown(),
      nextGeneration: () => this.#nextGeneration(),
      ended: (_, message) => parts.replaced(message),
      broken: (error) => parts.broken(error),
    })
    // The engine asks the router only once something is asked of it, and nothing is before the first placement.
    this.#engine = this.#newEngine()
    this.router = createRouter({
      engine: this.#engine,
      transport,
      views: this.gossip,
      clock,
      random,
      log,
      options,
      knowsType: (type) => parts.app.byType.has(type),
      early: (actor) => answersEarly(parts.app, actor),
      ...(parts.asked !== undefined && { asked: parts.asked }),
    })
    const first = this.gossip.view()
    this.#placements = new Placements(
      first,
      parts.rings,
      (_, after) => this.router.placed(after),
      () => this.#handEngine(),
    )
    this.router.viewChanged(first)
    this.router.placed(this.#placements.current)
    this.gossip.onView((view) => this.#see(view))
    this.gossip.onJoined(() => {
      if (this.#wanted === 'ready') this.#serveWarm()
    })
  }

  /** All actors of the cluster. */
  get calls(): ActorCalls {
    return this.router.calls
  }

  /** The engine of the present generation. */
  get engine(): Engine {
    return this.#engine
  }

  get generation(): number {
    return this.#generation
  }

  get phase(): 'joining' | 'ready' | 'draining' {
    return this.#wanted
  }

  get placement(): Placement {
    return this.#placements.current
  }

  view(): View {
    return this.gossip.view()
  }

  /** `alone`: nobody answered at the seeds yet. */
  joined(): Promise<'joined' | 'alone'> {
    return this.gossip.joined
  }

  /** Takes its share of the actors from now on (C2). */
  serve(): void {
    if (this.#wanted !== 'joining') return
    this.#wanted = 'ready'
    if (this.#handed) this.#engine.start()
    this.#serveWarm()
  }

  /** What a placement without `id` would have: for `drain --plan`. */
  placementWithout(id: string): Placement {
    const view = this.gossip.view()
    const members = view.members.map((member) => (member.id === id ? { ...member, phase: 'draining' as const } : member))
    return new Placement({ ...view, members, hash: `${view.hash}-${id}` }, this.#parts.rings)
  }

  /** C3, up to the hand-over; what is left is in the engine, to be written. */
  async handOver(progress: (progress: HandoffProgress) => void): Promise<void> {
    this.#wanted = 'draining'
    this.gossip.setPhase('draining')
    this.#see(this.gossip.view())
    await this.router.drain(progress, HAND_OVER_MS)
  }

  /** C3, the end: after the engine has drained. */
  async leave(): Promise<void> {
    await this.gossip.leave()
    this.close()
  }

  /** At once. The transport and the rings are whose they are. */
  close(): void {
    if (this.#over) return
    this.#over = true
    this.#engine.kill()
    this.gossip.stop()
    this.#placements.close()
    this.router.close()
  }

  #see(view: View): void {
    if (this.#over) return
    this.router.viewChanged(view)
    this.#placements.see(view)
  }

  /** C1. */
  #disown(): void {
    // First the router lets go of the engine: what that answers `moved` now is asked again of the next one, and not of this one.
    this.router.disowned()
    this.#engine.disown()
  }

  async #nextGeneration(): Promise<number> {
    const { store, node } = this.#parts
    const generation = await store.nextGeneration(node)
    if (this.#over) return generation
    this.#generation = generation
    this.#engine = this.#newEngine()
    this.#handed = false
    return generation
  }

  /** Once the placement is of this generation, which owns nothing yet (C2): by the one before, this node would claim what is others' now. */
  #handEngine(): void {
    if (this.#handed || this.#over || this.#placements.current.view.self.generation !== this.#generation) return
    this.#handed = true
    this.router.replaceEngine(this.#engine)
    if (this.#wanted !== 'joining') this.#engine.start()
  }

  /** `ready` once the links to the others are open: the first events then wait for nothing. */
  #serveWarm(): void {
    const { clock } = this.#parts
    const until = clock.mono() + WARM_MS
    const look = (): void => {
      if (this.#over || this.#wanted !== 'ready') return
      if (this.router.warm() || clock.mono() >= until) this.gossip.setPhase('ready')
      else clock.after(WARM_STEP_MS, look)
    }
    look()
  }

  #newEngine(): Engine {
    const { app, store, clock, random, log, options, node, storeId, check } = this.#parts
    return (this.#parts.engines ?? createEngine)({
      app,
      store,
      clock,
      random,
      log,
      options,
      node,
      generation: this.#generation,
      storeId,
      check,
      owns: (actor) => this.router.owns(actor),
      arrivals: { awaited: (actor) => this.router.awaited(actor), here: (actor) => this.router.here(actor) },
      outgoing: {
        send: (call, done) => this.router.calls.send(call, done),
        query: (call, done) => this.router.calls.query(call, done),
        topic: (call, done) => this.router.calls.topic(call, done),
        subscribe: (call, sink, done) => this.router.calls.subscribe(call, sink, done),
        history: (call, done) => this.router.calls.history(call, done),
      },
    })
  }
}
