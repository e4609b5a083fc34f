/**
 * One upstream for each (actor, topic) of the whole gateway, however many sockets follow it (DESIGN D8).
 *
 *     join ─▶ asking ──── answer ───▶ live ──── ended, other journal ──▶ down ──(back-off)──▶ asking ─ …
 *                └─ failure, nobody follows ─▶ closed ◀─ the last subscription left ─┘ (from any phase)
 *
 *  1. It is there as long as somebody follows or joins; with the last of them it is closed and forgotten.
 *  2. Notes of a superseded owner (lower epoch) are dropped. Notes of another journal are taken only after a new subscribe.
 *  3. After every new subscribe each subscription is told the topic as it stands, and makes up what it missed.
 *  4. Who joins a live upstream asks for the topic's state and begins there: later notes reach it, earlier ones it skips by offset.
 */
import type { ActorCalls, HistoryOutcome, Note, NoteSink, TopicCall, TopicOutcome, TopicState, Upstream as Feed } from '../actors/calls.ts'
import { backoffMs } from '../base/backoff.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { fail, type Failure } from '../errors.ts'
import type { Options } from '../options.ts'
import type { GatewayCounters } from './counters.ts'
import { LatestSubscription, type LatestSource } from './latest-subscription.ts'
import { LogSubscription, type LogSource } from './log-subscription.ts'
import { SharedNote } from './shared-note.ts'
import type { Start, Subscriber, Subscription } from './subscription.ts'

export interface UpstreamParts {
  readonly calls: ActorCalls
  readonly clock: Clock
  readonly random: Random
  readonly options: Options
  readonly counters: GatewayCounters
}

export interface Joined {
  readonly ok: true
  readonly state: TopicState
  /** To be called before the join's callback returns. */
  attach(sub: number, start: Start, subscriber: Subscriber): Subscription
}

/** What a log entry has on the wire besides its data, about. */
const ENTRY_BYTES = 100
const RETRY_FIRST_MS = 50
const RETRY_MAX_MS = 5_000

export class Upstreams {
  readonly #parts: UpstreamParts
  readonly #open = new Map<string, Upstream>()

  constructor(parts: UpstreamParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#open.size
  }

  /** Answers exactly once. */
  join(actor: string, topic: string, done: (outcome: Joined | Failure) => void): void {
    // An actor's name has no line feed.
    const name = `${actor}\n${topic}`
    let upstream = this.#open.get(name)
    if (upstream === undefined) {
      upstream = new Upstream({ actor, topic }, this.#parts, () => this.#open.delete(name))
      this.#open.set(name, upstream)
    }
    upstream.join(done)
  }
}

class Upstream implements LatestSource, LogSource {
  readonly #call: TopicCall
  readonly #parts: UpstreamParts
  readonly #forget: () => void
  readonly #members = new Set<Subscription>()
  #phase: 'asking' | 'live' | 'down' | 'closed' = 'down'
  #joining: ((outcome: TopicOutcome) => void)[] = []
  #joins = 0
  /** Numbers the subscribes: what comes from an older one is ignored. */
  #asks = 0
  #feed: Feed | null = null
  #state: TopicState | null = null
  #epoch = 0
  #head = 0
  #attempt = 0
  /** Mean size of the entries of the newest page; 0: none seen. */
  #entryBytes = 0
  #retry: Timer | null = null
  #owed: { readonly at: number; readonly timer: Timer } | null = null
  newest: SharedNote | null = null

  constructor(call: TopicCall, parts: UpstreamParts, forget: () => void) {
    this.#call = call
    this.#parts = parts
    this.#forget = forget
  }

  get journal(): string {
    return this.#state?.journal ?? ''
  }

  /** The newest offset that subscribers may have seen. */
  get #told(): number {
    return Math.max(this.#head, this.newest?.offset ?? 0)
  }

  get everyMs(): number {
    return this.#state?.everyMs ?? 0
  }

  get monoMs(): number {
    return this.#parts.clock.mono()
  }

  join(done: (outcome: Joined | Failure) => void): void {
    this.#joins++
    const answer = (told: TopicOutcome): void => {
      const outcome = this.#withinLimit(told)
      done(
        outcome.ok
          ? { ok: true, state: outcome, attach: (sub, start, subscriber) => this.#attach(outcome, sub, start, subscriber) }
          : outcome,
      )
      this.#joins--
      this.#release()
    }
    if (this.#phase !== 'live') {
      this.#joining.push(answer)
      if (this.#phase === 'down') this.#ask()
      return
    }
    this.#parts.calls.topic(this.#call, (outcome) => {
      if (!outcome.ok || outcome.journal === this.journal) return answer(outcome)
      // Another journal: all begin again there, and so does who joins (2).
      this.#joining.push(answer)
      this.renew()
    })
  }

  remove(subscription: Subscription): void {
    this.#members.delete(subscription)
    this.#release()
  }

  // ── For its subscriptions ──────────────────────────────────────────────────────────────────────────────────────────

  offerAt(monoMs: number): void {
    if (this.#owed !== null && this.#owed.at <= monoMs) return
    this.#owed?.timer.cancel()
    const timer = this.#parts.clock.after(monoMs - this.monoMs, () => {
      this.#owed = null
      const { newest } = this
      if (newest !== null) for (const member of this.#members) member.offer(newest)
    })
    this.#owed = { at: monoMs, timer }
  }

  /** A page holds about what a socket has room for: what it has none for is read again later. */
  history(from: number, done: (outcome: HistoryOutcome) => void): void {
    const { counters, calls, options } = this.#parts
    counters.pulls++
    const fitting = this.#entryBytes === 0 ? options.historyEntries : Math.ceil(options.outboxSoftBytes / this.#entryBytes)
    const limit = Math.min(fitting, options.historyEntries)
    calls.history({ actor: this.#call.actor, from, limit, types: this.#state?.types ?? null }, (outcome) => {
      if (outcome.ok && outcome.entries.length > 0) {
        const bytes = outcome.entries.reduce((sum, { json }) => sum + json.length, 0)
        this.#entryBytes = ENTRY_BYTES + bytes / outcome.entries.length
      }
      done(outcome)
    })
  }

  /** Subscribes again, at once. */
  renew(): void {
    if (this.#phase === 'closed' || this.#phase === 'asking') return
    this.#hangUp()
    this.#ask()
  }

  retryIn(attempt: number, run: () => void): Timer {
    return this.#parts.clock.after(backoffMs(attempt, RETRY_FIRST_MS, RETRY_MAX_MS, this.#parts.random), run)
  }

  soon(run: () => void): void {
    this.#parts.clock.soon(run)
  }

  // ── Its life ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #ask(): void {
    this.#retry?.cancel()
    this.#phase = 'asking'
    const ask = ++this.#asks
    const sink: NoteSink = {
      note: (note) => {
        if (ask === this.#asks) this.#note(note)
      },
      ended: () => {
        if (ask === this.#asks) this.#down()
      },
    }
    const feed = this.#parts.calls.subscribe({ ...this.#call, atLeast: this.#told }, sink, (outcome) => {
      if (ask === this.#asks) this.#answer(outcome)
    })
    if (ask === this.#asks) this.#feed = feed
    else feed.close()
  }

  #answer(outcome: TopicOutcome): void {
    if (outcome.ok) this.#live(outcome)
    else this.#down()
    const joining = this.#joining
    this.#joining = []
    for (const answer of joining) answer(outcome)
  }

  #live(state: TopicState): void {
    // A journal that is proven to end before what was told is as another: an unclean end has taken back the rest (J9).
    const otherJournal = this.#state !== null && (this.#state.journal !== state.journal || state.offset < this.#told)
    this.#state = state
    this.#epoch = state.epoch
    this.#phase = 'live'
    this.#attempt = 0
    this.#head = otherJournal ? state.offset : Math.max(this.#head, state.offset)
    if (state.kind !== 'log' && (otherJournal || this.newest === null || state.changed > this.newest.offset)) this.newest = newestOf(state)
    for (const member of this.#members) member.resync(state, otherJournal)
  }

  #note(note: Note): void {
    if (note.journal !== this.journal) return this.renew()
    if (note.epoch < this.#epoch) return
    this.#epoch = note.epoch
    const shared = new SharedNote(note)
    if (this.#state?.kind === 'log') {
      if (note.offset <= this.#head) return
      this.#head = note.offset
    } else {
      if (this.newest !== null && note.offset <= this.newest.offset) return
      this.newest = shared
    }
    for (const member of this.#members) member.offer(shared)
  }

  #down(): void {
    this.#hangUp()
    this.#phase = 'down'
    if (this.#members.size === 0 && this.#joins === 0) return
    this.#retry = this.retryIn(this.#attempt++, () => {
      if (this.#phase === 'down') this.#ask()
    })
  }

  #hangUp(): void {
    this.#asks++
    this.#retry?.cancel()
    this.#feed?.close()
    this.#feed = null
  }

  #withinLimit(outcome: TopicOutcome): TopicOutcome {
    const { answerBytes } = this.#parts.options
    const bytes = outcome.ok ? (outcome.json?.length ?? 0) : 0
    if (bytes <= answerBytes) return outcome
    return fail('too_large', `the view '${this.#call.topic}' has ${bytes} bytes; the limit is ${answerBytes}`)
  }

  #attach(state: TopicState, sub: number, start: Start, subscriber: Subscriber): Subscription {
    const subscription =
      state.kind === 'log'
        ? new LogSubscription(sub, start, Math.max(this.#head, state.offset), this, subscriber)
        : // The answer to the subscribe shows a view as it is now.
          new LatestSubscription(sub, state.kind === 'view' ? state.offset : start.offset, this, subscriber)
    this.#members.add(subscription)
    return subscription
  }

  #release(): void {
    if (this.#members.size > 0 || this.#joins > 0 || this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#hangUp()
    this.#owed?.timer.cancel()
    this.#forget()
  }
}

function newestOf(state: TopicState): SharedNote {
  return new SharedNote(state.json === undefined ? { offset: state.changed } : { offset: state.offset, json: state.json })
}
