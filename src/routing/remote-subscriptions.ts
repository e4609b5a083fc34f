/**
 * The subscriptions of this node, wherever their actors are (D8). Whoever subscribes here (one upstream for each actor and topic of the
 * gateway) does so again when it hears `ended`.
 *
 *  1. A subscription is at one owner: over a link, or in the engine here. With the link, or when another node owns the actor, it ends at once.
 *  2. It is renewed three times a lease, with what it got last. The owner that does not know it says `ended`.
 *  3. What a superseded owner says is dropped; a subscribe that one has answered is asked again.
 *  4. A subscription in the engine here has no lease; at the same times its activation is made to prove itself, as an owner does.
 */
import type { NoteSink, Note, TopicCall, TopicOutcome, TopicState, Upstream } from '../actors/calls.ts'
import { MOVED } from '../actors/requests.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { guarded } from '../base/guard.ts'
import type { Log } from '../base/log.ts'
import type { Options } from '../options.ts'
import type { AskingLink, Followed } from './asking-link.ts'
import type { RoutingCounters } from './counters.ts'
import { writeTopic } from './link-encode.ts'
import { RENEWALS_MAX, type AnswerFrame, type Renewal } from './link-frames.ts'
import type { Local } from './local.ts'
import { advance, Positions, superseded, type Position } from './positions.ts'
import type { ReadKind, Reads } from './reads.ts'
import { stateOf } from './repeats.ts'
import type { Routes } from './routes.ts'

export interface SubscriptionParts {
  readonly clock: Clock
  readonly log: Log
  readonly options: Options
  readonly routes: Routes
  readonly local: Local
  readonly reads: Reads
  readonly counters: RoutingCounters
}

/** A lease is renewed in this many parts of itself, a share of all subscriptions in each step. */
const RENEWALS_A_LEASE = 3
const STEPS = 10
/** Told at once that they have ended; the rest in the next turns of the event loop. */
const ENDED_AT_ONCE = 500

export class RemoteSubscriptions {
  readonly #parts: SubscriptionParts
  readonly #positions = new Positions()
  readonly #open = new Set<Subscription>()
  #timer: Timer | null = null
  #step = 0
  #numbers = 0

  constructor(parts: SubscriptionParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#open.size
  }

  subscribe(call: TopicCall, sink: NoteSink, done: (outcome: TopicOutcome) => void): Upstream {
    const position = this.#positions.use(call.actor)
    const subscription = new Subscription(this, call, sink, position, ++this.#numbers % STEPS)
    // D11: an owner whose memory ends before what was seen here reads the store first.
    const asked = position.offset > 0 ? { ...call, atLeast: position.offset } : call
    this.#parts.reads.take(subscription.kind, asked, (outcome, link, id) => {
      if (subscription.over) {
        if (outcome.ok) link?.unfollow(id)
        subscription.leave()
      } else if (!outcome.ok) this.close(subscription)
      else {
        subscription.begin(outcome, link, id)
        this.#open.add(subscription)
        this.#arm()
      }
      done(outcome)
    })
    return { close: () => this.close(subscription) }
  }

  /** 1. In slices: a view change may end many. */
  placed(): void {
    const moved: Subscription[] = []
    const { routes } = this.#parts
    for (const subscription of this.#open) {
      const owner = routes.ownerOf(subscription.call.actor)
      const there = subscription.link === null ? owner === null || routes.isSelf(owner) : owner?.id === subscription.link.member.id
      if (!there && subscription.link !== null) moved.push(subscription)
    }
    this.#endSome(moved)
  }

  #endSome(moved: Subscription[]): void {
    for (const subscription of moved.splice(0, ENDED_AT_ONCE)) this.end(subscription)
    if (moved.length > 0) this.#parts.clock.soon(() => this.#endSome(moved))
  }

  /** The engine here was dropped: its subscribers hear nothing from it any more. */
  endLocal(): void {
    for (const subscription of [...this.#open]) if (subscription.link === null) this.end(subscription)
  }

  /** As the owner, its link or its engine has it: the subscriber hears of it. */
  end(subscription: Subscription): void {
    if (subscription.over) return
    this.#parts.counters.subscriptionsEnded++
    this.close(subscription)
    guarded(this.#parts.log, 'a subscriber', () => subscription.sink.ended())
  }

  /** As the subscriber has it. */
  close(subscription: Subscription): void {
    if (subscription.over) return
    subscription.over = true
    this.#open.delete(subscription)
    subscription.leave()
    this.#positions.leave(subscription.position)
  }

  closeAll(): void {
    this.#timer?.cancel()
    for (const subscription of [...this.#open]) this.end(subscription)
  }

  // ── Renewing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #arm(): void {
    if (this.#timer !== null || this.#open.size === 0) return
    this.#timer = this.#parts.clock.after(this.#parts.options.leaseMs / RENEWALS_A_LEASE / STEPS, () => {
      this.#timer = null
      this.#renew(this.#step++ % STEPS)
      this.#arm()
    })
  }

  #renew(step: number): void {
    const byLink = new Map<AskingLink, Renewal[]>()
    for (const subscription of this.#open) {
      if (subscription.step !== step) continue
      const { link, id, position, offset } = subscription
      if (link === null) {
        this.#prove(subscription)
        continue
      }
      let renewals = byLink.get(link)
      if (renewals === undefined) byLink.set(link, (renewals = []))
      renewals.push({ sub: id, journal: position.journal, epoch: position.epoch, offset })
      if (renewals.length < RENEWALS_MAX) continue
      link.renew(renewals)
      byLink.delete(link)
    }
    for (const [link, renewals] of byLink) link.renew(renewals)
  }

  /** 4. A stale activation ends its subscribers when it is proven to be (D11). */
  #prove(subscription: Subscription): void {
    const { local } = this.#parts
    const { actor, topic } = subscription.call
    if (local.engine === null || !local.engine.has(actor)) {
      this.end(subscription)
      return
    }
    local.topic(local.engine, { actor, topic, atLeast: subscription.position.offset }, (outcome) => {
      if (!outcome.ok && outcome.code === 'moved') this.end(subscription)
    })
  }
}

class Subscription implements NoteSink, Followed {
  readonly call: TopicCall
  readonly sink: NoteSink
  readonly position: Position
  /** Its part of the renewals. */
  readonly step: number
  readonly #table: RemoteSubscriptions
  #upstream: Upstream | null = null
  /** null: in the engine here. */
  link: AskingLink | null = null
  id = 0
  /** Newest offset that this subscription was told. */
  offset = 0
  over = false

  constructor(table: RemoteSubscriptions, call: TopicCall, sink: NoteSink, position: Position, step: number) {
    this.#table = table
    this.call = call
    this.sink = sink
    this.position = position
    this.step = step
  }

  get kind(): ReadKind<TopicCall, TopicState> {
    return {
      write: (out, id, timeoutMs, call) => writeTopic(out, 'subscribe', id, timeoutMs, call),
      outcome: (frame) => this.#checked(stateOf(frame)),
      here: (engine, call, done, local) => {
        let made = true
        const upstream = local.subscribe(engine, call, this, (outcome) => {
          const checked = this.#checked(outcome)
          made = checked.ok
          if (!made) this.#hangUp()
          done(checked)
        })
        if (made) this.#upstream = upstream
        else upstream.close()
      },
      late: (frame: AnswerFrame, link: AskingLink) => {
        if (frame.t === 'state') link.unfollow(frame.id)
      },
    }
  }

  /** 3. */
  #checked(outcome: TopicOutcome): TopicOutcome {
    return outcome.ok && superseded(this.position, outcome) ? MOVED : outcome
  }

  begin(state: TopicState, link: AskingLink | null, id: number): void {
    this.link = link
    this.id = id
    this.offset = state.offset
    advance(this.position, state)
    link?.follow(id, this)
  }

  note(note: Note): void {
    if (this.over || superseded(this.position, note)) return
    advance(this.position, note)
    this.offset = note.offset
    this.sink.note(note)
  }

  ended(): void {
    this.#table.end(this)
  }

  #hangUp(): void {
    this.#upstream?.close()
    this.#upstream = null
  }

  /** Gives it up at the owner. */
  leave(): void {
    this.#hangUp()
    this.link?.unfollow(this.id)
    this.link = null
  }
}
