/**
 * The live copy of an actor in memory: its life, its mailbox, its memory. What is written is the Writer's; what is told, Topics'.
 *
 *  A1 Turns run one after another, only while live. What comes before waits in the mailbox, bounded for clients.
 *  A2 Nothing leaves before what it shows is durable (J7), unless the type is write-behind (J9).
 *  A3 An activation that only answers queries writes nothing and never claims (J2).
 *  A4 Fenced, broken, failed or passivated, it ends once, by `#end`: everything that waits hears it, nothing of the memory survives.
 *
 *      loading ──read──▶ live ──a reducer threw──▶ settling ──state read anew──▶ live
 *         │               │ └──────idle──────────▶ closing ──last batch durable──┐
 *         └──── failed ───┴── fenced, failed ──▶ dead ◀───────────────────────────┘
 */
import { guarded } from '../base/guard.ts'
import { BoundedQueue } from '../base/queue.ts'
import { fail, type Failure } from '../errors.ts'
import type { Alarmed } from './alarms.ts'
import type { Loaded } from '../store/store.ts'
import type { NoteSink } from './calls.ts'
import { deepFreeze } from './check.ts'
import type { ActorDefinition } from './define.ts'
import type { EffectOwner } from './delivery.ts'
import type { DraftEntry, GateItem } from './draft.ts'
import type { Effect } from './effects.ts'
import { foldEntries } from './fold.ts'
import { claimOf, foldFor, foldParts } from './reading.ts'
import type { Host } from './host.ts'
import type { ActorMemory, Timer } from './memory.ts'
import type { SendRequest, Task } from './requests.ts'
import { takeEvent } from './take.ts'
import { cancelAlarms, ringTimer } from './timers.ts'
import { Topics, type TopicOwner } from './topics.ts'
import type { Flight } from './sealing.ts'
import { Writer, type WriterOwner } from './writer.ts'

/** How an activation ended, for who makes the next one. */
export type Ending = 'fenced' | 'passivated' | 'broken' | 'other'

type Life = 'loading' | 'live' | 'settling' | 'closing' | 'dead'

const READ_AGAIN_MAX = 20
const NO_MEMORY: ActorMemory = { state: null, journal: '', offset: 0, lastAt: 0, dedupe: null, effects: null, timers: null, marks: null }

export class Activation implements WriterOwner, TopicOwner, EffectOwner, Alarmed {
  readonly id: string
  readonly key: string
  readonly definition: ActorDefinition
  readonly writer: Writer
  memory: ActorMemory = NO_MEMORY
  readonly #host: Host
  #life: Life = 'loading'
  #mailbox: BoundedQueue<Task> | null = null
  #topics: Topics | null = null
  /** Settling: the state is read anew, and only the open batch is waited for. */
  #rested = false
  #attempt = 0
  #usedAt: number

  constructor(host: Host, id: string, key: string, definition: ActorDefinition) {
    this.#host = host
    this.id = id
    this.key = key
    this.definition = definition
    this.writer = new Writer(host, this)
    this.#usedAt = host.clock.mono()
  }

  get live(): boolean {
    return this.#life === 'live' || this.#life === 'settling'
  }

  get over(): boolean {
    return this.#life === 'dead'
  }

  get journal(): string {
    return this.memory.journal
  }

  get claimedEpoch(): number {
    return this.writer.claimedEpoch
  }

  get headOffset(): number {
    return this.memory.offset
  }

  get subscribers(): number {
    return this.#topics?.count ?? 0
  }

  // ── Reading from the store ───────────────────────────────────────────────────────────────────────────────────────

  /** Reads the actor; with `claim`, takes it from a busy owner in the same step (J2). */
  load(claim: boolean, tries = 0): void {
    this.#life = 'loading'
    const begunAt = this.#host.clock.mono()
    const attempt = ++this.#attempt
    this.#host.reading.count++
    const limit = this.#host.clock.after(this.#host.options.activationTimeoutMs, () => {
      if (attempt === this.#attempt) this.#unreadable(new Error('the store did not answer in time'))
    })
    if (claim) this.#host.counters.claims++
    const read = claim ? this.#host.store.claim(this.id, claimOf(this.#host, this.definition)) : this.#host.store.load(this.id)
    read.then(
      (loaded) => {
        limit.cancel()
        this.#host.reading.count--
        if (attempt === this.#attempt) this.#loaded(loaded, claim, begunAt, tries)
      },
      (error: unknown) => {
        limit.cancel()
        this.#host.reading.count--
        if (attempt === this.#attempt) this.#unreadable(error)
      },
    )
  }

  #unreadable(error: unknown): void {
    if (this.#host.dead || (this.#life !== 'loading' && this.#life !== 'settling')) return
    this.#host.counters.storeFailures++
    this.#host.log.warn({ actor: this.id }, `the actor could not be read: ${String(error)}`)
    this.#end(fail('store_unavailable', 'the actor cannot be read from the store now: repeat later', { retryAfterMs: 500 }))
  }

  #loaded(loaded: Loaded | null, claimed: boolean, begunAt: number, tries: number): void {
    if (this.#host.dead || this.#life !== 'loading') return
    const outcome = foldFor(this.#host, this, loaded)
    switch (outcome.kind) {
      case 'again': // J5: a hole, seen while a writer was busy
        if (tries < READ_AGAIN_MAX) this.load(claimed, tries + 1)
        else this.#broken('its batches have a hole')
        return
      case 'newer':
        this.#newer(outcome.version)
        return
      case 'broken':
        this.#broken(outcome.why)
        return
      case 'folded':
        if (this.memory !== NO_MEMORY) this.#replaced(outcome.memory)
        this.memory = outcome.memory
        this.writer.adopt(outcome, claimed, begunAt)
        this.#host.counters.activated++
        this.#begin()
    }
  }

  /**
   * Other memory takes the place of what subscribers were told from. Under another journal id offsets name other entries, and
   * at another offset they missed some: they must subscribe again (D8).
   */
  #replaced(by: ActorMemory): void {
    cancelAlarms(this.#host, this.memory)
    if (this.memory.journal !== by.journal || this.memory.offset !== by.offset) this.#endTopics()
  }

  #newer(version: number): void {
    this.#host.log.warn({ actor: this.id, version }, 'the actor was written by newer code than this node runs')
    this.#end(fail('moved', `the actor’s state has version ${version}; this node runs ${this.definition.version}`))
  }

  /** J8: nothing is skipped; who asks gets `internal` until code or journal is mended. */
  #broken(why: string): void {
    this.#host.counters.foldFailures++
    this.#host.log.error({ actor: this.id, version: this.definition.version }, `the actor cannot be activated: ${why}`)
    this.#end(fail('internal', `the actor cannot be activated: ${why}`), 'broken')
  }

  #begin(): void {
    this.#life = 'live'
    for (const [name, timer] of this.memory.timers ?? []) this.#host.alarms.set(this, name, timer)
    for (const target of this.memory.effects?.targets() ?? []) this.#host.delivery.kick(this, target)
    this.#runMailbox()
  }

  #runMailbox(): void {
    while (this.#is('live')) {
      const task = this.#mailbox?.shift()
      if (task === undefined) {
        this.#mailbox = null
        return
      }
      guarded(this.#host.log, 'a request', () => task.run(this))
    }
  }

  #is(life: Life): boolean {
    return this.#life === life
  }

  // ── Mailbox and turns ────────────────────────────────────────────────────────────────────────────────────────────

  /** Runs the task now, or when the activation is live. A `bounded` task is answered `overloaded` when too many wait (A1). */
  offer(task: Task, bounded: boolean): void {
    this.#usedAt = this.#host.clock.mono()
    const full = bounded && (this.#mailbox?.length ?? 0) + this.writer.gated >= this.#host.options.mailboxEvents
    if (full) {
      this.#host.counters.overloaded++
      task.failed(fail('overloaded', 'too many requests wait for this actor: repeat later', { retryAfterMs: 200 }))
    } else if (this.#life === 'live' && this.#mailbox === null) task.run(this)
    else if (this.#life === 'dead') task.moved(true)
    else this.#wait(task)
  }

  #wait(task: Task): void {
    this.#mailbox ??= new BoundedQueue(Infinity) // bounded by `offer`; actors and timers are always taken (D4)
    this.#mailbox.push(task)
  }

  gate(item: GateItem): void {
    this.writer.gate(item)
  }

  take(request: SendRequest): void {
    if (this.#mustClaimFirst(request)) return
    if (this.writer.late)
      request.failed(
        fail('store_unavailable', 'this actor’s events could not be written for too long: repeat later', { retryAfterMs: 1000 }),
      )
    else if (this.definition.durability !== 'event' && this.writer.bound() === 'full')
      request.failed(fail('overloaded', 'too much of this actor waits to be written: repeat later', { retryAfterMs: 200 }))
    else takeEvent(this, this.#host, request)
  }

  /** J9: answers leave early, so the claim, which says that this end may not be clean, comes first. */
  #mustClaimFirst(task: Task): boolean {
    if (this.writer.epoch !== 0 || (this.definition.durability === 'event' && !this.writer.endedUnclean)) return false
    this.#wait(task)
    this.#host.delivery.forget(this) // answers that come meanwhile find nobody; it begins again after
    this.load(true)
    return true
  }

  /** A durable timer's time has come (timers.ts). */
  ring(name: string, timer: Timer): void {
    ringTimer(this.#host, this, name, timer, (task) => this.#mustClaimFirst(task))
  }

  /** An entry is in the memory and in the draft. Write-behind shows it at once (J9). */
  tookEntry(entry: DraftEntry, marks: ReadonlyMap<string, number> | null): void {
    if (this.#host.check) deepFreeze(this.memory.state)
    if (this.definition.durability === 'event') return
    this.writer.unclean = true
    this.writer.bound()
    this.#topics?.durable([entry], marks)
  }

  /**
   * A reducer threw, and may have changed the state it was given. The state is read anew, and what was taken but is not written yet
   * is applied to it again; until then no turn runs and nothing is sealed.
   */
  suspect(): void {
    if (this.#host.check || this.#life !== 'live') return // checked states are frozen
    this.#life = 'settling'
    this.writer.hold()
    this.#readStateAnew(0)
  }

  #readStateAnew(tries: number): void {
    if (this.#life !== 'settling' || this.writer.inFlight) return
    this.#host.store.load(this.id).then(
      (loaded) => {
        if (this.#host.dead || this.#life !== 'settling') return
        const outcome = foldFor(this.#host, this, loaded)
        if (outcome.kind === 'again' && tries < READ_AGAIN_MAX) this.#readStateAnew(tries + 1)
        else if (outcome.kind === 'again') this.#broken('its batches have a hole')
        else if (outcome.kind === 'newer') this.#newer(outcome.version)
        else if (outcome.kind === 'broken') this.#broken(outcome.why)
        else if (outcome.n !== this.writer.n) this.fenced(true)
        else this.#stateRead(outcome.memory.state)
      },
      (error: unknown) => this.#unreadable(error),
    )
  }

  #stateRead(state: unknown): void {
    const again = foldEntries(state, this.writer.open, foldParts(this.#host, this))
    if ('wrong' in again) {
      this.#broken(again.wrong)
      return
    }
    this.memory.state = again.state
    this.writer.release()
    // What is open is written before the next turn, or a stream of failing events would hold it back for ever.
    if (this.definition.durability === 'event' && !this.writer.quiet) this.#rested = true
    else this.#goOn()
  }

  #goOn(): void {
    this.#rested = false
    this.#life = 'live'
    this.#topics?.resume()
    this.#runMailbox()
  }

  // ── What the writer tells ────────────────────────────────────────────────────────────────────────────────────────

  committed(flight: Flight): void {
    if (this.#life === 'dead') return
    if (this.definition.durability === 'event') this.#topics?.durable(flight.entries, flight.marks)
    for (const [name, timer] of flight.timers ?? [])
      if (timer !== null && this.memory.timers?.get(name) === timer) this.#host.alarms.set(this, name, timer)
    for (const target of new Set(flight.effects?.map(({ to }) => to))) this.#host.delivery.kick(this, target)
    if (this.#life === 'closing') {
      if (this.writer.quiet) this.#finish()
    } else if (this.#life === 'settling') {
      if (!this.#rested) this.#readStateAnew(0)
      else if (this.writer.quiet) this.#goOn()
    }
  }

  fenced(sure: boolean): void {
    this.#host.counters.fenced++
    this.#host.log.info({ actor: this.id, epoch: this.writer.epoch }, 'fenced: another owner has written')
    this.#end(null, 'fenced', sure)
  }

  lost(): void {
    this.#end(null)
  }

  failed(failure: Failure): void {
    this.#end(failure)
  }

  // ── Effects and subscribers ──────────────────────────────────────────────────────────────────────────────────────

  oldestEffect(target: string): Effect | undefined {
    return this.memory.effects?.oldest(target)
  }

  effectAt(target: string, seq: number): Effect | undefined {
    return this.memory.effects?.at(target, seq)
  }

  effectIsDurable(effect: Effect): boolean {
    return this.writer.effectIsDurable(effect)
  }

  effectDone(effect: Effect, refused: boolean): void {
    this.memory.effects?.done(effect.to, effect.seq, refused ? 1 : 0)
    this.writer.effectDone(effect.to, effect.seq, refused)
  }

  follow(topic: string, sink: NoteSink, knows: number): void {
    const definition = this.definition.topics.get(topic)
    if (definition === undefined || this.#life === 'dead') return
    this.#topics ??= new Topics(this, this.#host)
    this.#topics.add(topic, definition, sink, knows)
  }

  unfollow(topic: string, sink: NoteSink): void {
    this.#topics?.remove(topic, sink)
    if (this.#topics?.count === 0) this.#topics = null
  }

  /** Whether the memory's state may be shown: not after a reducer threw, until it is read anew. */
  get showable(): boolean {
    return this.#life !== 'settling'
  }

  project(topic: string): string | null {
    const definition = this.definition.topics.get(topic)
    if (definition?.kind !== 'view') return null
    try {
      return (JSON.stringify(definition.project(this.memory.state)) as string | undefined) ?? 'null'
    } catch (error) {
      this.#host.log.error({ actor: this.id, topic }, `the view threw: ${String(error)}`)
      return null
    }
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Passivates if idle for the type's time, or at once with `now`. Says whether it is over. */
  passivate(now: boolean): boolean {
    if (this.#life === 'dead') return true
    if (this.#life !== 'live' || (!now && !this.#idle())) return false
    switch (this.writer.close()) {
      case 'busy':
        if (now) this.writer.flush()
        return false
      case 'writing':
        this.#life = 'closing'
        return false
      case 'claim':
        this.#host.delivery.forget(this)
        this.load(true)
        return false
      case 'ready':
        this.#finish()
        return true
    }
  }

  /** D8: an activation with a live subscription stays; so does one whose effects are being delivered. */
  #idle(): boolean {
    if (this.subscribers > 0 || (this.memory.effects?.pending ?? 0) > 0) return false
    return this.#host.clock.mono() - this.#usedAt >= (this.definition.idleMs ?? this.#host.options.idleMs)
  }

  #finish(): void {
    this.writer.snapshotAtEnd()
    this.#host.counters.passivated++
    this.#end(null, 'passivated')
  }

  /** The store has shown that others wrote since: this memory is old (D11). */
  stale(): void {
    this.#end(null)
  }

  /** A4. `failure` null: who waits asks again. */
  #end(failure: Failure | null, why: Ending = 'other', sure = true): void {
    if (this.#life === 'dead') return
    this.#life = 'dead'
    const { inFlight, open } = this.writer.abandon()
    const waiting = this.#mailbox?.drain() ?? []
    this.#mailbox = null
    cancelAlarms(this.#host, this.memory)
    this.#host.delivery.forget(this)
    this.#host.retire(this, why, failure)
    const tell = (item: GateItem | Task, certain: boolean): void =>
      guarded(this.#host.log, 'an answer', () => (failure === null ? item.moved(certain) : item.failed(failure)))
    for (const item of inFlight) tell(item, sure)
    for (const item of open) tell(item, true)
    for (const task of waiting) tell(task, true)
    this.#endTopics()
    this.memory = NO_MEMORY
  }

  /** The engine gives up: who waits hears `failure`. */
  abandon(failure: Failure): void {
    this.#end(failure)
  }

  #endTopics(): void {
    const topics = this.#topics
    this.#topics = null
    topics?.end()
  }
}
