/**
 * What other nodes follow here (D8): one lease for each subscription of each link.
 *
 *  1. A lease that is not renewed runs out: the engine hears no more of it. With its link all leases end at once.
 *  2. A renewal of a subscription that is not here is answered `ended`: its gateway subscribes again.
 *  3. Once a lease, and with the first renewal after another node may have served the actor, the activation is made to prove itself the newest (D11);
 *     one that is not ends its subscribers.
 *  4. A subscriber that has not got what it was told, two renewals long, is told `ended`: subscribing again shows it all.
 *  5. While a link is crowded a signal or view keeps only its newest note, and a log ends: its gateway reads on from history (D9).
 */
import type { NoteSink, Note, TopicCall, TopicState, Upstream } from '../actors/calls.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { DeadlineList, Deadlines, Waiting } from '../base/deadline.ts'
import type { Options } from '../options.ts'
import type { AnsweringLink } from './answering-link.ts'
import type { RoutingCounters } from './counters.ts'
import { writeNote, writeNumber } from './link-encode.ts'
import type { Renewal } from './link-frames.ts'
import type { Local } from './local.ts'

export interface LeaseParts {
  readonly clock: Clock
  readonly options: Options
  readonly deadlines: Deadlines
  readonly local: Local
  readonly counters: RoutingCounters
}

/** How often a crowded link is looked at again. */
const CROWDED_MS = 20

export class Leases {
  readonly parts: LeaseParts
  readonly #links = new Map<AnsweringLink, Map<number, Lease>>()
  /** With a note that waits for its link. */
  readonly #kept = new Set<Lease>()
  #timer: Timer | null = null
  #count = 0

  constructor(parts: LeaseParts) {
    this.parts = parts
  }

  get size(): number {
    return this.#count
  }

  /** Whether the link may have one more. */
  room(link: AnsweringLink): boolean {
    return (this.#links.get(link)?.size ?? 0) < this.parts.options.linkSubscriptions
  }

  /** A sink for the engine; `begin` when it has answered. */
  lease(link: AnsweringLink, sub: number, call: TopicCall): Lease {
    return new Lease(this, link, sub, call)
  }

  /** false: its link has ended, or has this number already. */
  begin(lease: Lease, state: TopicState, upstream: Upstream): boolean {
    if (lease.link.over) return false
    let leases = this.#links.get(lease.link)
    if (leases === undefined) this.#links.set(lease.link, (leases = new Map()))
    if (leases.has(lease.sub)) return false
    leases.set(lease.sub, lease)
    this.#count++
    lease.begin(state, upstream)
    this.parts.deadlines.begin(lease, this.parts.options.leaseMs)
    return true
  }

  renew(link: AnsweringLink, renewals: readonly Renewal[]): void {
    const leases = this.#links.get(link)
    for (const renewal of renewals) {
      const lease = leases?.get(renewal.sub)
      if (lease === undefined) {
        writeNumber(link.out, 'ended', renewal.sub)
        link.wrote()
        continue
      }
      this.parts.deadlines.end(lease)
      this.parts.deadlines.begin(lease, this.parts.options.leaseMs)
      lease.renewed(renewal)
    }
  }

  unsubscribe(link: AnsweringLink, sub: number): void {
    const lease = this.#links.get(link)?.get(sub)
    if (lease !== undefined) this.drop(lease)
  }

  /** Its gateway is told, as far as its link still goes. */
  end(lease: Lease): void {
    if (!this.drop(lease) || lease.link.over) return
    writeNumber(lease.link.out, 'ended', lease.sub)
    lease.link.wrote()
  }

  linkEnded(link: AnsweringLink): void {
    for (const lease of [...(this.#links.get(link)?.values() ?? [])]) this.drop(lease)
  }

  /** The engine was dropped, and its upstreams with it. */
  endAll(): void {
    for (const leases of [...this.#links.values()]) for (const lease of [...leases.values()]) this.end(lease)
  }

  drop(lease: Lease): boolean {
    const leases = this.#links.get(lease.link)
    if (leases?.get(lease.sub) !== lease) return false
    leases.delete(lease.sub)
    if (leases.size === 0) this.#links.delete(lease.link)
    this.#count--
    this.#kept.delete(lease)
    this.parts.deadlines.end(lease)
    lease.close()
    return true
  }

  /** 5. */
  keep(lease: Lease): void {
    this.#kept.add(lease)
    if (this.#timer !== null) return
    this.#timer = this.parts.clock.after(CROWDED_MS, () => {
      this.#timer = null
      for (const kept of [...this.#kept]) {
        if (kept.link.crowded) continue
        this.#kept.delete(kept)
        kept.flush()
      }
      const next = this.#kept.values().next().value
      if (next !== undefined) this.keep(next)
    })
  }
}

class Lease implements NoteSink, Waiting {
  readonly link: AnsweringLink
  readonly sub: number
  readonly call: TopicCall
  readonly #leases: Leases
  #upstream: Upstream | null = null
  #kind: TopicState['kind'] = 'signal'
  /** Newest offset that the gateway was told, and at the renewal before. */
  #told = 0
  #toldBefore = 0
  /** A proof was asked for then, or later. */
  #provenAt: number
  #kept: Note | null = null
  list: DeadlineList | null = null
  expiresAt: number = 0
  before: Waiting | null = null
  after: Waiting | null = null

  constructor(leases: Leases, link: AnsweringLink, sub: number, call: TopicCall) {
    this.#leases = leases
    this.link = link
    this.sub = sub
    this.call = call
    this.#provenAt = leases.parts.clock.mono()
  }

  begin(state: TopicState, upstream: Upstream): void {
    this.#upstream = upstream
    this.#kind = state.kind
    this.#told = state.offset
  }

  note(note: Note): void {
    if (!this.link.crowded && this.#kept === null) {
      this.#tell(note)
      return
    }
    const { counters } = this.#leases.parts
    counters.notesConflated++
    if (this.#kind === 'log') this.#leases.end(this)
    else {
      this.#kept = note
      this.#leases.keep(this)
    }
  }

  flush(): void {
    const note = this.#kept
    this.#kept = null
    if (note !== null) this.#tell(note)
  }

  #tell(note: Note): void {
    this.#told = note.offset
    writeNote(this.link.out, this.sub, note)
    this.link.wrote()
  }

  ended(): void {
    this.#leases.end(this)
  }

  renewed({ offset }: Renewal): void {
    if (offset < this.#toldBefore) {
      this.#leases.end(this) // 4
      return
    }
    this.#toldBefore = this.#told
    const { clock, options, local } = this.#leases.parts
    const now = clock.mono()
    if (now - this.#provenAt < options.leaseMs && this.#provenAt >= local.provenSince(this.call.actor)) return
    this.#provenAt = now
    this.#prove(offset)
  }

  /** 3. */
  #prove(atLeast: number): void {
    const { local } = this.#leases.parts
    const { actor, topic } = this.call
    if (local.engine === null || !local.engine.has(actor)) this.#leases.end(this)
    else
      local.topic(local.engine, { actor, topic, atLeast }, (outcome) => {
        if (outcome.ok) return
        if (outcome.code === 'moved') this.#leases.end(this)
        else this.#provenAt = -Infinity
      })
  }

  expired(): void {
    this.#leases.parts.counters.leasesExpired++
    this.#leases.end(this)
  }

  close(): void {
    this.#upstream?.close()
    this.#upstream = null
    this.#kept = null
  }
}
export type { Lease }
