/**
 * All actors of one node: builds the parts, and is what the calls of CONTRACT come to. It holds no state of its own beyond them.
 */
import type { Clock } from '../base/clock.ts'
import { Deadlines } from '../base/deadline.ts'
import { guarded } from '../base/guard.ts'
import type { Log } from '../base/log.ts'
import { randomId, type Random } from '../base/random.ts'
import { fail, type Failure } from '../errors.ts'
import type { Options } from '../options.ts'
import type { Hint, Store } from '../store/store.ts'
import { Activation, type Ending } from './activation.ts'
import { parseActorId } from './actor-id.ts'
import { Alarms } from './alarms.ts'
import type {
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
} from './calls.ts'
import { Committer } from './committer.ts'
import { Counters } from './counters.ts'
import type { App } from './define.ts'
import { Delivery } from './delivery.ts'
import { Directory } from './directory.ts'
import { DropTime } from './drop-time.ts'
import { openBundle, type Bundle } from './handoff.ts'
import type { Engine, EngineParts, EngineStats } from './engine.ts'
import type { Host } from './host.ts'
import { inspectActivation, type Inspection } from './inspect.ts'
import { Learnt } from './learnt.ts'
import { endIfOvertaken } from './overtaken.ts'
import { Proofs } from './proofs.ts'
import { answerHistory, answerQuery, answerTopic } from './reads.ts'
import { jsonOf } from './recorded.ts'
import { MOVED, ReadRequest, SendRequest } from './requests.ts'
import { TurnContext } from './turn.ts'
import { Waker } from './waker.ts'

/** A send that met a fence is asked again this often before its sender hears `moved`. */
const MOVES_MAX = 5
const STOPPING = fail('unavailable', 'this node is stopping: repeat, here or elsewhere', { retryAfterMs: 500 })
/** With the store failing for this long, sends are answered at once. */
const STORE_DOWN_MS = 3000
const PROBE_MS = 1000
const DRAIN_STEP_MS = 5
const DRAIN_MAX_MS = 20_000

function encoded({ data, type }: SendCall): string | null {
  try {
    return jsonOf(data, type)
  } catch {
    return null
  }
}

export class ActorEngine implements Engine, Host {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  readonly check: boolean
  readonly owner: string
  readonly firstJournal: string
  readonly turn: TurnContext
  readonly counters: Counters = new Counters()
  readonly learnt: Learnt = new Learnt()
  readonly dropTime: DropTime
  readonly reading: { count: number } = { count: 0 }
  readonly deadlines: Deadlines
  readonly committer: Committer
  readonly alarms: Alarms
  readonly proofs: Proofs
  readonly delivery: Delivery
  readonly #app: App
  readonly #directory: Directory
  readonly #waker: Waker
  readonly #commitIdPrefix: Uint8Array
  #commitIds = 0
  #pendingEvents = 0
  #pendingBytes = 0
  #probedAt = -Infinity
  readonly #owns: (actor: string) => boolean
  #life: 'open' | 'draining' | 'disowned' | 'dead' = 'open'

  constructor(parts: EngineParts) {
    this.#app = parts.app
    this.store = parts.store
    this.clock = parts.clock
    this.random = parts.random
    this.log = parts.log
    this.options = parts.options
    this.check = parts.check
    this.owner = `${parts.node}@${parts.generation}`
    this.firstJournal = parts.storeId
    this.turn = new TurnContext((type) => parts.app.byType.get(type), parts.options.eventBytes)
    this.#commitIdPrefix = parts.random.bytes(10)
    this.dropTime = new DropTime(parts.clock)
    this.deadlines = new Deadlines(parts.clock, parts.log)
    this.committer = new Committer(this)
    this.alarms = new Alarms(parts.clock, parts.log)
    this.proofs = new Proofs(this)
    this.delivery = new Delivery(this, parts.outgoing ?? this)
    this.#directory = new Directory(this)
    this.#owns = parts.owns ?? (() => true)
    // What is in memory here is woken by its own timers, but takes note of its hints, and of those of later owners.
    this.#waker = new Waker(this, {
      isOurs: (actor) => this.#owns(actor) || this.#directory.get(actor) !== undefined,
      arrivals: parts.arrivals ?? null,
      wake: (hint) => this.#wake(hint),
    })
  }

  get dead(): boolean {
    return this.#life === 'dead'
  }

  /** 10 random bytes of this engine's life and a counter: unique without asking for randomness each time. */
  newCommitId(): Uint8Array {
    const id = Buffer.allocUnsafe(16)
    id.set(this.#commitIdPrefix)
    id.writeUIntBE(++this.#commitIds, 10, 6)
    return id
  }

  newJournal(): string {
    return randomId(this.random)
  }

  // ── Calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(call: SendCall, done: (outcome: SendOutcome) => void): void {
    if (this.#life !== 'open') {
      done(STOPPING)
      return
    }
    const internal = call.sender.startsWith('actor:')
    if (!internal && (this.#pendingEvents >= this.options.pendingEvents || this.#pendingBytes >= this.options.pendingBytes)) {
      this.counters.overloaded++
      done(fail('overloaded', 'too many events wait on this node: repeat later', { retryAfterMs: 500 }))
      return
    }
    if (this.committer.failingMs() > STORE_DOWN_MS && !this.#probes()) {
      done(fail('store_unavailable', 'the store does not take writes now, nothing was recorded: repeat later', { retryAfterMs: 1000 }))
      return
    }
    const activation = this.#activation(call.actor)
    if (!(activation instanceof Activation)) {
      done(activation)
      return
    }
    const request = new SendRequest(this, call, encoded(call), done)
    this.#pendingEvents++
    this.#pendingBytes += request.json?.length ?? 0
    activation.offer(request, !internal)
  }

  /** While the store fails one send a second is let through: how else would it be found well again? */
  #probes(): boolean {
    const now = this.clock.mono()
    if (now - this.#probedAt < PROBE_MS) return false
    this.#probedAt = now
    return true
  }

  answered(request: SendRequest): void {
    this.#pendingEvents--
    this.#pendingBytes -= request.json?.length ?? 0
  }

  again(request: SendRequest): void {
    if (this.#life === 'dead') return
    if (++request.attempts > MOVES_MAX || this.#life !== 'open' || !this.servesHere(request.call.actor)) {
      request.answer(MOVED)
      return
    }
    const activation = this.#activation(request.call.actor)
    if (activation instanceof Activation) activation.offer(request, false)
    else request.answer(activation)
  }

  servesHere(actor: string): boolean {
    return this.#life !== 'disowned' && this.#owns(actor) && this.#directory.get(actor)?.leaving !== true
  }

  query(call: QueryCall, done: (outcome: QueryOutcome) => void): void {
    this.counters.queries++
    this.#read<QueryCall, QueryOutcome>(call, done, (request, activation) => answerQuery(this, activation, request))
  }

  topic(call: TopicCall, done: (outcome: TopicOutcome) => void): void {
    this.#read<TopicCall, TopicOutcome>(call, done, (request, activation) => answerTopic(this, activation, request, null))
  }

  subscribe(call: TopicCall, sink: NoteSink, done: (outcome: TopicOutcome) => void): Upstream {
    let followed: Activation | null = null
    let open = true
    this.#read<TopicCall, TopicOutcome>(
      call,
      (outcome) => {
        if (!outcome.ok) open = false
        done(outcome)
      },
      (request, activation) =>
        answerTopic(this, activation, request, (knows) => {
          if (!open) return
          followed = activation
          activation.follow(call.topic, sink, knows)
        }),
    )
    return {
      close: () => {
        open = false
        followed?.unfollow(call.topic, sink)
        followed = null
      },
    }
  }

  history(call: HistoryCall, done: (outcome: HistoryOutcome) => void): void {
    this.#read<HistoryCall, HistoryOutcome>(call, done, (request, activation) => answerHistory(this, activation, request))
  }

  async inspect(actor: string): Promise<Inspection | Failure> {
    const activation = this.#directory.get(actor)
    const active = activation !== undefined
    return new Promise((resolve) => {
      this.#read<TopicCall, never>({ actor, topic: '' }, resolve, (request, live) => {
        const seen = inspectActivation(live, active)
        live.gate({
          released: () => request.answer(seen as never),
          moved: () => request.moved(),
          failed: (failure) => request.failed(failure),
        })
      })
    })
  }

  #read<Call extends QueryCall | TopicCall | HistoryCall, Outcome>(
    call: Call,
    done: (outcome: Outcome | Failure) => void,
    run: (request: ReadRequest<Call, Outcome>, activation: Activation) => void,
  ): void {
    if (this.#life === 'dead') {
      done(STOPPING)
      return
    }
    const offer = (request: ReadRequest<Call, Outcome>): void => {
      const activation = this.#life === 'open' ? this.#activation(call.actor, 'read') : STOPPING
      if (activation instanceof Activation) activation.offer(request, true)
      else request.answer(activation)
    }
    offer(new ReadRequest(this, call, run, offer, done))
  }

  /** The activation of an actor, made if there is none; or why there can be none. */
  #activation(id: string, to: 'read' | 'write' = 'write'): Activation | Failure {
    const known = this.#directory.get(id)
    if (known !== undefined) return known
    const broken = this.#directory.broken(id)
    if (broken !== null) return broken
    const parsed = parseActorId(id)
    if ('wrong' in parsed) return fail('invalid', `'${id.slice(0, 64)}': ${parsed.wrong}`)
    const definition = this.#app.byType.get(parsed.type)
    if (definition === undefined) return fail('not_found', `there is no actor type '${parsed.type}'`)
    const activation = new Activation(this, id, parsed.key, definition)
    this.#directory.add(activation, to)
    return activation
  }

  retire(activation: Activation, why: Ending, failure: Failure | null): void {
    this.#directory.remove(activation, why, failure)
  }

  claimWait(actor: string): number | null {
    return this.#directory.claimWait(actor)
  }

  // ── Life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  start(): void {
    this.#waker.start()
  }

  #wake(hint: Hint): void {
    if (this.#life !== 'open') return
    const known = this.#directory.get(hint.actor)
    if (known !== undefined) {
      known.writer.foundHint(hint)
      endIfOvertaken(this, known, hint, () => this.#owns(hint.actor) && this.#waker.wake(hint.actor, [hint]))
      return
    }
    const activation = this.#activation(hint.actor)
    if (!(activation instanceof Activation)) return
    this.counters.woken++
    activation.writer.foundHint(hint)
  }

  async drain(): Promise<void> {
    if (this.#life !== 'open') return
    this.#life = 'draining'
    this.#waker.stop()
    const until = this.clock.mono() + DRAIN_MAX_MS
    await new Promise<void>((resolve) => {
      const step = (): void => {
        this.#directory.passivateSome()
        if (this.#life === 'dead' || this.clock.mono() >= until) resolve()
        else if (this.#directory.size > 0 || !this.committer.idle) this.clock.after(DRAIN_STEP_MS, step)
        else resolve()
      }
      step()
    })
    for (const activation of this.#directory.all()) activation.abandon(STOPPING)
    this.#life = 'dead'
  }

  kill(): void {
    this.#life = 'dead'
    this.#waker.stop()
  }

  // ── Handing over (H1) ────────────────────────────────────────────────────────────────────────────────────────────

  has(actor: string): boolean {
    return this.#life !== 'dead' && this.#directory.get(actor)?.serves === true
  }

  release(actor: string): Promise<Bundle | null> {
    const activation = this.#life === 'dead' ? undefined : this.#directory.get(actor)
    return activation === undefined ? Promise.resolve(null) : activation.release()
  }

  adopt(bundle: Bundle, claimed?: (durable: boolean) => void): boolean {
    const opened = this.#life === 'open' ? openBundle(this, this.#app.byType, bundle) : null
    if (opened === null) return false
    // It was only read here, and its last owner has written since (D11).
    const read = this.#directory.get(bundle.actor)
    if (read?.live === true && read.writer.epoch === 0 && read.writer.quiet && read.writer.n < bundle.n) read.stale()
    if (this.#directory.get(bundle.actor) !== undefined) return false
    const activation = new Activation(this, bundle.actor, opened.key, opened.definition)
    this.#directory.adopt(activation)
    activation.adopt(opened)
    if (claimed !== undefined) {
      const over = (): void => claimed(false)
      if (activation.over) over()
      else activation.writer.gateDurable({ released: () => claimed(true), moved: over, failed: over })
    }
    return true
  }

  *activations(): Iterable<{ readonly actor: string; readonly busy: number }> {
    for (const activation of this.#directory.all()) if (activation.serves) yield { actor: activation.id, busy: activation.busy }
  }

  disown(): void {
    if (this.#life === 'dead') return
    this.#life = 'disowned'
    this.#waker.stop()
    for (const activation of this.#directory.all()) guarded(this.log, 'ending an activation', () => activation.abandon(null))
    // Those that wait for the store's word, not for an activation.
    for (const waiting of this.deadlines.waiting())
      if (waiting instanceof ReadRequest || waiting instanceof SendRequest) guarded(this.log, 'an answer', () => waiting.moved(false))
    this.#life = 'dead'
  }

  stats(): EngineStats {
    return {
      activations: this.#directory.size,
      pendingEvents: this.#pendingEvents,
      counters: Object.assign({}, this.counters) as unknown as Record<string, number>,
    }
  }
}
