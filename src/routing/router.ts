/**
 * All actors of a cluster, as one ActorCalls: an actor of this node is a function call away, any other one link (links.ts). Built for one
 * node; holds no state of its own beyond its parts.
 *
 *      gateway, rpc, effects ──▶ Router ──▶ Local ─▶ engine            ◀─ Inbound ◀── AnsweringLink ◀── other nodes
 *                                  ├─▶ Lanes (sends, in order) ─┐
 *                                  └─▶ Reads, subscriptions ────┴─▶ AskingLink ──▶ other nodes
 */
import type {
  ActorCalls,
  HistoryCall,
  HistoryOutcome,
  NoteSink,
  QueryCall,
  QueryOutcome,
  SendCall,
  SendOutcome,
  TopicCall,
  TopicOutcome,
  Upstream,
} from '../actors/calls.ts'
import type { Clock } from '../base/clock.ts'
import { Deadlines } from '../base/deadline.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Placement } from '../cluster/placement.ts'
import type { Transport, Wire, WireEvents } from '../cluster/transport.ts'
import type { View } from '../cluster/view.ts'
import { fail, type Failure } from '../errors.ts'
import type { Options } from '../options.ts'
import { RoutingCounters, RoutingTimes } from './counters.ts'
import { Handoff, type HandoffProgress } from './handoff.ts'
import type { HistogramNumbers } from './histogram.ts'
import { Inbound } from './inbound.ts'
import { Lanes } from './lanes.ts'
import { Leases } from './leases.ts'
import { payloadOf } from './link-encode.ts'
import { Links } from './links.ts'
import { Local } from './local.ts'
import { plan, type Plan } from './plan.ts'
import type { LocalEngine, Views } from './ports.ts'
import { Pulls } from './pulls.ts'
import { Questions, type Asked, type Told } from './questions.ts'
import { HISTORY_KIND, QUERY_KIND, TOPIC_KIND } from './read-kinds.ts'
import { Reads, type Answer, type ReadKind } from './reads.ts'
import { RemoteSubscriptions } from './remote-subscriptions.ts'
import { movedOf } from './repeats.ts'
import { Routes } from './routes.ts'
import { ViewSync } from './view-sync.ts'

export interface RouterParts {
  readonly engine: LocalEngine
  readonly transport: Transport
  readonly views: Views
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  /** Whether the app defines the actor type: one that it does not is `not_found`, one that nobody offers now `unavailable`. Absent: every type. */
  readonly knowsType?: (type: string) => boolean
  /** Whether the actor's answers leave before they are durable (J9). Absent: of none. */
  readonly early?: (actor: string) => boolean
  /** Answers what other nodes ask for their operators. Absent: no question is known. */
  readonly asked?: Asked
}

export interface RouterStats {
  /** Links there are, and what is under way on them. */
  readonly links: number
  readonly lanes: number
  readonly pendingSends: number
  readonly pendingReads: number
  /** Requests that wait for the credit of another node: of that for which most do (R1). */
  readonly waitingForCredit: number
  /** Requests of other nodes that are not answered yet. */
  readonly inbound: number
  /** Subscriptions of this node, and those that other nodes have here. */
  readonly subscriptions: number
  readonly leases: number
  readonly pulling: number
  readonly leaving: number
  /** Actors here that are others' by the placement in force, waiting or on their way. */
  readonly toHandOver: number
  readonly counters: Readonly<Record<string, number>>
  readonly times: Readonly<Record<keyof RoutingTimes, HistogramNumbers>>
}

export interface Router {
  /** Over all nodes. For everything outside the engine, and for what actors send each other. */
  readonly calls: ActorCalls
  /** Whether this node should have the actor: for the engine (`EngineParts.owns`). */
  owns(actor: string): boolean
  /** A wire of the data channel that another node has opened. */
  accept(wire: Wire): WireEvents
  /** The members, at every change: who is gone is asked nothing more. */
  viewChanged(view: View): void
  /** Another placement is in force: actors move, and what waits for one is asked again. After `viewChanged` of its view. */
  placed(placement: Placement): void
  /** Dials who is up and serves actors; true once all of them can be asked without waiting for a handshake. */
  warm(): boolean
  /** Asks another node, or this one, by name (questions.ts). Never rejects. */
  ask(node: string, what: string, json: string, timeoutMs: number): Promise<Told | Failure>
  /** Resolves when the engine here may be asked for the actor: after a pull, if another node may still have it (H1). false: it is not here. */
  here(actor: string): Promise<boolean>
  /** Whether that takes asking another node first: for the engine (`EngineParts.arrivals`). */
  awaited(actor: string): boolean
  /** What would go from here if this placement came into force. */
  plan(after: Placement): Promise<Plan>
  /** This node was declared dead: just before `engine.disown()`, in the same turn. Until `replaceEngine` nothing is served here. */
  disowned(): void
  replaceEngine(engine: LocalEngine): void
  /** Waits until a placement without this node is in force and all that others can have is handed over, or `limitMs` is over. */
  drain(progress: (progress: HandoffProgress) => void, limitMs?: number): Promise<void>
  stats(): RouterStats
  /** What waits is answered `unavailable`, subscribers hear `ended`, links close. */
  close(): void
}

export function createRouter(parts: RouterParts): Router {
  return new NodeRouter(parts)
}

const DRAIN_LIMIT_MS = 60_000
const PROGRESS_MS = 50
const NOT_JSON: Failure = fail('invalid', 'the arguments are not JSON')

class NodeRouter implements Router, ActorCalls {
  readonly #parts: RouterParts
  readonly #counters = new RoutingCounters()
  readonly #times = new RoutingTimes()
  readonly #routes = new Routes()
  readonly #local: Local
  readonly #links: Links
  readonly #pulls: Pulls
  readonly #lanes: Lanes
  readonly #reads: Reads
  readonly #subscriptions: RemoteSubscriptions
  readonly #leases: Leases
  readonly #handoff: Handoff
  readonly #questions: Questions
  readonly #inbound: Inbound
  readonly #sync: ViewSync
  /** Sends that came so far. */
  #sends = 0
  #closed = false

  constructor(parts: RouterParts) {
    this.#parts = parts
    const { clock, random, log, options, views, transport } = parts
    const [counters, times, routes] = [this.#counters, this.#times, this.#routes]
    const deadlines = new Deadlines(clock, log)
    const links = new Links({
      transport,
      clock,
      random,
      log,
      options,
      viewHash: () => routes.hash,
      finishedHash: () => this.#handoff.finishedHash,
      sawView: () => this.#sync.shown(this.#links),
      sawMoved: (peer, hash) => this.#sync.moved(peer, hash),
      doubted: (id) => views.reportRefused(id),
      lost: () => counters.linksLost++,
      asked: (link, frame, bytes) => this.#inbound.asked(link, frame, bytes),
      answeringEnded: (link) => this.#leases.linkEnded(link),
    })
    const early = parts.early ?? (() => false)
    const pulls = new Pulls({ clock, log, options, deadlines, routes, links, counters, times, early, engine: () => this.#local.engine })
    const local = new Local(parts.engine, pulls)
    const knowsType = parts.knowsType ?? (() => true)
    const shared = { clock, random, log, options, deadlines, routes, links, local, counters, times, knowsType }
    this.#links = links
    this.#sync = new ViewSync(clock, routes, views)
    this.#pulls = pulls
    this.#local = local
    this.#lanes = new Lanes({ ...shared, releasing: (actor) => this.#handoff.releasing(actor) })
    this.#reads = new Reads(shared)
    this.#subscriptions = new RemoteSubscriptions({ ...shared, reads: this.#reads })
    this.#leases = new Leases(shared)
    this.#handoff = new Handoff({ ...shared, released: (actor) => this.#lanes.released(actor) })
    this.#questions = new Questions({ ...shared, asked: parts.asked ?? (() => null) })
    const answering = { leases: this.#leases, handoff: this.#handoff, questions: this.#questions }
    this.#inbound = new Inbound({ ...shared, ...answering, pulls, sync: this.#sync })
  }

  get calls(): ActorCalls {
    return this
  }

  owns(actor: string): boolean {
    return this.#routes.mine(actor)
  }

  accept(wire: Wire): WireEvents {
    return this.#links.accept(wire)
  }

  // ── Calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(call: SendCall, done: (outcome: SendOutcome) => void): void {
    const { actor } = call
    const order = ++this.#sends
    // The hot path of an actor of this node: nothing of it waits, so nothing is kept of the call.
    if (this.#lanes.size > 0 && this.#lanes.has(actor)) this.#lanes.take(call, order, done)
    else if (this.#local.has(actor)) this.#sendHere(call, order, done)
    else if (this.#routes.mine(actor) && !this.#pulls.wants(actor)) this.#sendHere(call, order, done)
    else this.#lanes.take(call, order, done)
  }

  #sendHere(call: SendCall, order: number, done: (outcome: SendOutcome) => void): void {
    const { engine } = this.#local
    if (engine === null) return this.#lanes.take(call, order, done)
    const begunAt = this.#parts.clock.mono()
    engine.send(call, (outcome) => {
      if (outcome.ok || movedOf(outcome) === null || this.#nowhere(call.actor, outcome)) done(outcome)
      else this.#lanes.take(call, order, done, this.#leftMs(call, begunAt))
    })
  }

  #leftMs(call: { readonly timeoutMs?: number }, begunAt: number): number {
    return Math.max(1, begunAt + (call.timeoutMs ?? this.#parts.options.sendTimeoutMs) - this.#parts.clock.mono())
  }

  /** The engine here stops, and no other node has the actor. */
  #nowhere(actor: string, failure: Failure): boolean {
    return failure.code === 'unavailable' && (this.#routes.mine(actor) || this.#closed)
  }

  query(call: QueryCall, done: (outcome: QueryOutcome) => void): void {
    if (this.#isHere(call.actor)) this.#readHere(QUERY_KIND, call, done)
    else if (payloadOf(call.args) === null) done(NOT_JSON)
    else this.#reads.take(QUERY_KIND, call, done)
  }

  topic(call: TopicCall, done: (outcome: TopicOutcome) => void): void {
    if (this.#isHere(call.actor)) this.#readHere(TOPIC_KIND, call, done)
    else this.#reads.take(TOPIC_KIND, call, done)
  }

  history(call: HistoryCall, done: (outcome: HistoryOutcome) => void): void {
    if (this.#isHere(call.actor)) this.#readHere(HISTORY_KIND, call, done)
    else this.#reads.take(HISTORY_KIND, call, done)
  }

  subscribe(call: TopicCall, sink: NoteSink, done: (outcome: TopicOutcome) => void): Upstream {
    return this.#subscriptions.subscribe(call, sink, done)
  }

  #isHere(actor: string): boolean {
    return this.#local.has(actor) || (this.#local.engine !== null && this.#routes.mine(actor) && !this.#pulls.wants(actor))
  }

  #readHere<Call extends { readonly actor: string; readonly timeoutMs?: number }, Good extends Answer>(
    kind: ReadKind<Call, Good>,
    call: Call,
    done: (outcome: Good | Failure) => void,
  ): void {
    const begunAt = this.#parts.clock.mono()
    const answered = (outcome: Good | Failure): void => {
      if (outcome.ok || movedOf(outcome) === null || this.#nowhere(call.actor, outcome)) done(outcome)
      else this.#reads.take(kind, { ...call, timeoutMs: this.#leftMs(call, begunAt) }, done)
    }
    kind.here(this.#local.engine as LocalEngine, call, answered, this.#local)
  }

  // ── The cluster ────────────────────────────────────────────────────────────────────────────────────────────────────

  viewChanged(view: View): void {
    this.#routes.seen(view)
    this.#links.viewChanged(view)
    this.#pulls.viewChanged()
  }

  placed(placement: Placement): void {
    const before = this.#routes.placement
    this.#routes.placed(placement)
    this.#links.placed()
    this.#pulls.placed(before)
    this.#handoff.placed()
    this.#subscriptions.placed()
    this.#lanes.placed()
    this.#reads.placed()
  }

  warm(): boolean {
    let open = true
    for (const { id, meta } of this.#routes.view?.members ?? []) {
      const member = meta.roles.includes('actors') ? this.#routes.reachable(id) : null
      if (member !== null && this.#links.to(member)?.open !== true) open = false
    }
    return open
  }

  ask(node: string, what: string, json: string, timeoutMs: number): Promise<Told | Failure> {
    return this.#questions.ask(node, what, json, timeoutMs)
  }

  awaited(actor: string): boolean {
    return this.#pulls.wants(actor)
  }

  here(actor: string): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#local.has(actor) || this.#routes.mine(actor)) this.#local.read(actor, (engine) => resolve(engine !== null))
      else resolve(false)
    })
  }

  plan(after: Placement): Promise<Plan> {
    const { engine } = this.#local
    if (engine === null) return Promise.resolve({ moves: {}, unplaced: 0, stays: 0 })
    return plan(this.#parts.clock, engine, this.#routes.view?.self.id ?? '', after)
  }

  disowned(): void {
    this.#local.engine = null
    this.#leases.endAll()
    this.#subscriptions.endLocal()
  }

  replaceEngine(engine: LocalEngine): void {
    this.disowned()
    this.#local.engine = engine
  }

  drain(progress: (progress: HandoffProgress) => void, limitMs: number = DRAIN_LIMIT_MS): Promise<void> {
    const { clock } = this.#parts
    const until = clock.mono() + limitMs
    return new Promise((resolve) => {
      const step = (): void => {
        const now = this.#handoff.progress
        progress(now)
        const done = !this.#routes.serving && this.#handoff.finishedHash === this.#routes.hash
        if (done || this.#closed || clock.mono() >= until) resolve()
        else clock.after(PROGRESS_MS, step)
      }
      step()
    })
  }

  stats(): RouterStats {
    let inbound = 0
    for (const link of this.#links.answering()) inbound += link.pending
    let waitingForCredit = 0
    for (const link of this.#links.asking()) waitingForCredit = Math.max(waitingForCredit, link.waiting)
    const { handoff, pull, movedPause, failover } = this.#times
    return {
      links: this.#links.size,
      lanes: this.#lanes.size,
      pendingSends: this.#lanes.pending,
      pendingReads: this.#reads.pending,
      waitingForCredit,
      inbound,
      subscriptions: this.#subscriptions.size,
      leases: this.#leases.size,
      pulling: this.#pulls.holding,
      leaving: this.#handoff.leaving,
      toHandOver: this.#handoff.progress.left,
      counters: Object.assign({}, this.#counters) as unknown as Record<string, number>,
      times: { handoff: handoff.numbers(), pull: pull.numbers(), movedPause: movedPause.numbers(), failover: failover.numbers() },
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#sync.close()
    this.#pulls.close()
    this.#handoff.close()
    this.#lanes.close()
    this.#reads.close()
    this.#subscriptions.closeAll()
    this.#links.close()
  }
}
