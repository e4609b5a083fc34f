/**
 * The live copy of an actor in memory: its life, its mailbox, its memory. What is written is the Writer's; what is told, Topics'.
 *
 *  A1 Turns run one after another, only while live. What comes before waits in the mailbox, bounded for clients.
 *  A2 Nothing leaves before what it shows is durable (J7), unless the type is write-behind (J9).
 *  A3 An activation that only answers queries writes nothing and never claims (J2).
 *  A4 Fenced, broken, failed, passivated or released, it ends once, by `#end`: everything that waits hears it, nothing of the memory survives.
 *  A5 Once it is asked to leave for another owner it takes nothing more, whatever its life (H1).
 *
 *      loading ──read──▶ live ──a reducer threw──▶ settling ──state read anew──▶ live
 *         │               │ └──idle, leaving─────▶ closing ──last batch durable──┐
 *         └──── failed ───┴── fenced, failed ──▶ dead ◀───────────────────────────┘
 *      handed over ──▶ live, or, where answers leave early (J9): claiming ──claim durable──▶ live
 */
import { guarded } from '../base/guard.ts'
import { BoundedQueue } from '../base/queue.ts'
import { fail, type Failure } from '../errors.ts'
import type { Alarmed } from './alarms.ts'
import type { NoteSink } from './calls.ts'
import type { ActorDefinition } from './define.ts'
import type { EffectOwner } from './delivery.ts'
import type { DraftEntry, GateItem } from './draft.ts'
import type { Folded } from './fold.ts'
import type { Bundle, Opened } from './handoff.ts'
import type { Host } from './host.ts'
import { Leaving, type LeavingOwner } from './leaving.ts'
import { Loading, unreadFailure, type LoadingOwner, type Unread } from './loading.ts'
import type { ActorMemory, Timer } from './memory.ts'
import type { SendRequest, Task } from './requests.ts'
import { takeRequest, turnAway } from './take.ts'
import { cancelAlarms, ringTimer } from './timers.ts'
import { projectView, Topics, type TopicOwner } from './topics.ts'
import type { Flight } from './sealing.ts'
import { Settling, type SettlingOwner } from './settling.ts'
import { Writer, type WriterOwner } from './writer.ts'

/** How an activation ended, for who makes the next one. */
export type Ending = 'fenced' | 'passivated' | 'released' | 'broken' | 'newer' | 'other'

type Life = 'loading' | 'claiming' | 'live' | 'settling' | 'closing' | 'dead'

const NO_MEMORY: ActorMemory = { state: null, journal: '', offset: 0, lastAt: 0, dedupe: null, effects: null, timers: null, marks: null }

export class Activation implements WriterOwner, TopicOwner, EffectOwner, LoadingOwner, SettlingOwner, LeavingOwner, Alarmed {
  readonly id: string
  readonly key: string
  readonly definition: ActorDefinition
  readonly writer: Writer
  memory: ActorMemory = NO_MEMORY
  readonly #host: Host
  #life: Life = 'loading'
  #mailbox: BoundedQueue<Task> | null = null
  #topics: Topics | null = null
  #loading: Loading | null = null
  #settling: Settling | null = null
  #leaving: Leaving | null = null
  #usedAt: number
  /** Requests that came lately: halved again and again. */
  #uses = 0

  constructor(host: Host, id: string, key: string, definition: ActorDefinition) {
    this.#host = host
    this.id = id
    this.key = key
    this.definition = definition
    this.writer = new Writer(host, this)
    this.#usedAt = host.clock.mono()
  }

  /** The memory is that of the actor: it was read. */
  get known(): boolean {
    return this.#life !== 'loading' && this.#life !== 'dead'
  }

  get live(): boolean {
    return this.#leaving === null && (this.#life === 'live' || this.#life === 'settling')
  }

  /** It is on its way to another owner, and takes nothing more (A5). */
  get leaving(): boolean {
    return this.#leaving !== null
  }

  /** Requests are served here, now or soon. */
  get serves(): boolean {
    return this.#leaving === null && this.#life !== 'closing' && this.#life !== 'dead'
  }

  /** What waits and what came lately, to compare activations by. */
  get busy(): number {
    return (this.#mailbox?.length ?? 0) + this.writer.gated + this.#uses
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
  load(claim: boolean): void {
    this.#life = 'loading'
    this.#loading?.cancel()
    this.#loading = new Loading(this.#host, this, claim)
    this.#loading.begin()
  }

  loaded(folded: Folded, claimed: boolean, begunAt: number): void {
    this.#loading = null
    if (this.memory !== NO_MEMORY) this.#replaced(folded.memory)
    this.memory = folded.memory
    this.writer.adopt(folded, claimed, begunAt)
    this.#host.counters.activated++
    this.#begin()
  }

  /**
   * Takes up what an earlier owner handed over, instead of reading (H1). Nothing leaves before the claim is durable: it is the open batch, which
   * events and answers join (J2, J7). Where answers leave early it comes first (J9).
   */
  adopt({ folded, hints }: Opened): void {
    this.memory = folded.memory
    this.writer.takeOver(folded, hints)
    this.#host.counters.activated++
    this.#host.counters.adopted++
    if (this.definition.durability === 'event') {
      this.#begin()
      return
    }
    this.#life = 'claiming'
    const late = (): void => {
      if (this.#is('claiming')) this.unread({ kind: 'unreadable', error: new Error('the store did not take the claim in time') })
    }
    this.#host.clock.after(this.#host.options.activationTimeoutMs, late)
  }

  /**
   * Other memory takes the place of what subscribers were told from. Under another journal id offsets name other entries, and
   * at another offset they missed some: they must subscribe again (D8).
   */
  #replaced(by: ActorMemory): void {
    cancelAlarms(this.#host, this.memory)
    if (this.memory.journal !== by.journal || this.memory.offset !== by.offset) this.#endTopics()
  }

  unread(why: Unread): void {
    const { failure, ending } = unreadFailure(this.#host, this, why)
    this.#end(failure, ending)
  }

  #begin(): void {
    this.#life = 'live'
    if (this.#leaving !== null) {
      this.#leave()
      return
    }
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
    if (this.#leaving !== null) {
      task.moved(true)
      return
    }
    this.#usedAt = this.#host.clock.mono()
    this.#uses++
    const full = bounded && (this.#mailbox?.length ?? 0) + this.writer.gated >= this.#host.options.mailboxEvents
    if (full) {
      this.#host.counters.overloaded++
      turnAway(this, task, fail('overloaded', 'too many requests wait for this actor: repeat later', { retryAfterMs: 200 }))
    } else if (this.#life === 'live' && this.#mailbox === null) task.run(this)
    else if (this.#life === 'dead') task.moved(true)
    else if (this.#settling?.turnsAway(task) !== true) this.#wait(task)
  }

  #wait(task: Task): void {
    this.#mailbox ??= new BoundedQueue(Infinity) // bounded by `offer`; actors and timers are always taken (D4)
    this.#mailbox.push(task)
  }

  gate(item: GateItem): void {
    this.writer.gate(item)
  }

  take(request: SendRequest): void {
    if (!this.#mustClaimFirst(request)) takeRequest(this, this.#host, request)
  }

  /**
   * The claim comes before the first event where answers leave early, because it says that this end may not be clean (J9); and where another
   * owner, who may still be busy, has won the actor lately (J2).
   */
  #mustClaimFirst(task: Task): boolean {
    if (this.writer.epoch !== 0 || !this.writer.quiet) return false // what is under way is the claim
    const wait = this.#host.claimWait(this.id)
    if (wait === null && this.definition.durability === 'event' && !this.writer.endedUnclean) return false
    this.#mailbox ??= new BoundedQueue(Infinity)
    this.#mailbox.unshift(task) // those that wait came after it
    this.#host.delivery.forget(this) // answers that come meanwhile find nobody; it begins again after
    this.claimAfter(wait)
    return true
  }

  /** `waitMs` null: nobody won the actor from this node lately. */
  claimAfter(waitMs: number | null): void {
    this.#life = 'loading'
    this.writer.answered?.forget() // heard again (D4): no batch of the memory that goes may overtake the claim
    if (waitMs !== null) this.writer.cause = 'claimsFenced'
    if (waitMs === null || waitMs === 0) this.load(true)
    else this.#host.clock.after(waitMs, () => this.#host.dead || this.#life !== 'loading' || this.load(true))
  }

  /** A durable timer's time has come (timers.ts). */
  ring(name: string, timer: Timer): void {
    ringTimer(this.#host, this, name, timer, (task) => this.#mustClaimFirst(task))
  }

  /** An entry is in the memory and in the draft. Write-behind shows it at once (J9). */
  tookEntry(entry: DraftEntry, marks: ReadonlyMap<string, number> | null): void {
    if (this.definition.durability === 'event') return
    this.writer.unclean = true
    this.writer.bound()
    this.#topics?.durable([entry], marks)
  }

  /** A reducer threw or refused, and may have changed the state it was given (settling.ts). */
  suspect(): void {
    if (this.#host.check || this.#life !== 'live') return // checked states are frozen
    this.#life = 'settling'
    this.#settling = new Settling(this.#host, this)
    this.#settling.begin()
  }

  settled(): void {
    this.#settling = null
    this.#life = 'live'
    this.#topics?.resume()
    if (this.#leaving === null) this.#runMailbox()
    else this.#leave()
  }

  unsettled(): void {
    for (const task of this.#mailbox?.drain() ?? []) if (this.#settling?.turnsAway(task) !== true) this.#wait(task)
  }

  // ── What the writer tells ────────────────────────────────────────────────────────────────────────────────────────

  committed(flight: Flight): void {
    if (this.#life === 'dead') return
    if (this.definition.durability === 'event') this.#topics?.durable(flight.entries, flight.marks)
    if (this.#is('dead')) return // a subscriber that was told ended it
    for (const [name, timer] of flight.timers ?? [])
      if (timer !== null && this.memory.timers?.get(name) === timer) this.#host.alarms.set(this, name, timer)
    for (const target of new Set(flight.effects?.map(({ to }) => to))) this.#host.delivery.kick(this, target)
    if (this.#is('claiming')) this.#begin()
    else if (this.#is('settling')) this.#settling?.committed()
    else if (this.#is('closing') && this.writer.quiet) this.#finish()
    else if (this.#leaving !== null) this.#leave()
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

  // ── Subscribers ──────────────────────────────────────────────────────────────────────────────────────

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
    return projectView(this.#host, this, topic)
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Passivates if idle for the type's time, or at once with `now`. Says whether it is over. */
  passivate(now: boolean): boolean {
    if (!now) this.#uses >>= 1
    if (this.#life === 'dead') return true
    if (this.#life !== 'live' || this.#leaving !== null || (!now && !this.#idle())) return false
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
    if (this.#leaving !== null) {
      this.#leaving.finish()
      return
    }
    this.writer.snapshotAtEnd()
    this.#host.counters.passivated++
    this.#end(null, 'passivated')
  }

  /**
   * Leaves for another owner (H1): takes nothing more, finishes what it took, ends, and says what the next owner needs; null when the next owner must read
   * the store. While an append's outcome is unknown it waits (J4), but not for ever.
   */
  release(): Promise<Bundle | null> {
    if (this.#leaving !== null) return this.#leaving.promise
    const leaving = new Leaving(this.#host, this)
    this.#leaving = leaving
    this.#host.delivery.forget(this)
    const waiting = this.#mailbox?.drain() ?? []
    this.#mailbox = null
    for (const task of waiting) guarded(this.#host.log, 'an answer', () => task.moved(true))
    // What is only being read the next owner can read itself; a claim under way would be in its way.
    if (this.#life === 'loading' && this.#loading?.claims !== true) this.left(true)
    else this.#leave()
    return leaving.promise
  }

  /** The next step on the way out; comes again after each batch. */
  #leave(): void {
    if (this.#life === 'live') this.#leaving?.step()
  }

  closing(): void {
    this.#life = 'closing'
  }

  left(sure: boolean): void {
    this.#end(null, 'released', sure)
  }

  /** The store has shown that others wrote since: this memory is old (D11). */
  stale(): void {
    this.#end(null)
  }

  /** A4. `failure` null: who waits asks again. `sure`: no batch in flight may have been applied; else who waits for it does not hear `failure`, which would say so. */
  #end(failure: Failure | null, why: Ending = 'other', sure = true): void {
    if (this.#life === 'dead') return
    this.#life = 'dead'
    this.#loading?.cancel()
    this.#settling?.cancel()
    const { inFlight, open } = this.writer.abandon()
    const waiting = this.#mailbox?.drain() ?? []
    this.#mailbox = null
    cancelAlarms(this.#host, this.memory)
    this.#host.delivery.forget(this)
    // Who leaves is not asked again here: until all are told it stands in the way of a new activation.
    if (this.#leaving === null) this.#host.retire(this, why, failure)
    const tell = (item: GateItem | Task, certain: boolean): void =>
      guarded(this.#host.log, 'an answer', () => (failure === null || !certain ? item.moved(certain) : item.failed(failure)))
    for (const item of inFlight) tell(item, sure)
    for (const item of open) tell(item, true)
    for (const task of waiting) tell(task, true)
    this.#endTopics()
    this.memory = NO_MEMORY
    if (this.#leaving === null) return
    this.#host.retire(this, why, failure)
    this.#leaving.end()
  }

  /** The engine gives up; `failure` null: this node was declared dead (J7), and who waits hears that the actor moved. What is in flight may be applied. */
  abandon(failure: Failure | null): void {
    this.#end(failure, 'other', false)
  }

  #endTopics(): void {
    const topics = this.#topics
    this.#topics = null
    topics?.end()
  }
}
