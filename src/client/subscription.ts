/**
 * One subscription, kept across links (D8, D10): subscribes on every new link from the last position, and again when a notification is missing.
 *
 *   wanted ──ask──▶ asked ──reply──▶ live ──note with a hole──▶ wanted
 *     ▲               │ passing refusal
 *     └── pausing ◀───┘                      any ──unsubscribe, final refusal──▶ over
 *
 * 1. Notes reach the app in order of offsets, none twice: those at or below the last position are dropped.
 * 2. A note that does not follow the last one (`note.from` beyond it) is not delivered: the server replays from the last position.
 * 3. What cannot be replayed is told as a gap, before anything after it.
 */
import { TroupeError } from '../errors.ts'
import type { GapFrame, NoteFrame, Position } from '../protocol/frames.ts'
import { backoffMs } from '../base/backoff.ts'
import { guarded } from './emitter.ts'
import type { ClientClock, ClientRandom } from './platform.ts'
import { errorOf, passes } from './send.ts'
import type { Reply, Wire, Writer } from './wire.ts'

/** What a subscriber gets. `type` and `at`: entries of a `log`; `data`: a log entry's, or a view's value; a signal has neither. */
export interface AnyNote {
  /** With `offset`, a position to subscribe `from` later. */
  readonly journal: string
  readonly offset: number
  readonly type?: string
  /** ms since 1970 */
  readonly at?: number
  readonly data?: unknown
}

/** Entries that cannot be replayed. */
export interface Gap {
  /** As given to `actor()`; undefined: one's own. */
  readonly actor: string | undefined
  readonly topic: string
  /** First and last offset missed. With `journalChanged`, offsets of the old journal end at `from` - 1 and the new one's begin after `to`. */
  readonly from: number
  readonly to: number
  /** The actor has begun another journal: what was seen of the old one beyond its last durable entry is void (J9). */
  readonly journalChanged: boolean
}

export interface SubscriptionParts {
  readonly to: string | undefined
  readonly topic: string
  readonly from: Position | undefined
  readonly note: (note: AnyNote) => void
  readonly gap: (gap: Gap) => void
  readonly error: (error: TroupeError) => void
}

export interface SubscriptionPorts {
  readonly clock: ClientClock
  readonly random: ClientRandom
  readonly wire: Wire
  live(sub: number, subscription: Subscription): void
  notLive(sub: number): void
  over(subscription: Subscription): void
  /** `fresh`: of a journal that may have begun anew. */
  seen(to: string | undefined, offset: number, fresh: boolean): void
  expired(): void
}

type Phase =
  | { readonly phase: 'wanted' }
  | { readonly phase: 'asked'; readonly id: number }
  | { readonly phase: 'pausing'; readonly timer: { cancel(): void } }
  | { readonly phase: 'live'; readonly sub: number }
  | { readonly phase: 'over' }

const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 20_000

export class Subscription implements Writer {
  readonly #parts: SubscriptionParts
  readonly #ports: SubscriptionPorts
  #phase: Phase = { phase: 'wanted' }
  #position: Position | undefined
  #attempt = 0

  constructor(parts: SubscriptionParts, ports: SubscriptionPorts) {
    this.#parts = parts
    this.#ports = ports
    this.#position = parts.from
  }

  up(): void {
    if (this.#phase.phase === 'wanted') this.#ports.wire.ready(this)
  }

  down(): void {
    if (this.#phase.phase !== 'over') this.#enter({ phase: 'wanted' })
  }

  /** Idempotent; no note follows. */
  unsubscribe(): void {
    if (this.#phase.phase === 'over') return
    this.#enter({ phase: 'over' })
    this.#ports.over(this)
  }

  write(): boolean {
    if (this.#phase.phase !== 'wanted') return false
    const { to, topic } = this.#parts
    const from = this.#position
    const id = this.#ports.wire.ask(
      { t: 'subscribe', ...(to !== undefined && { to }), topic, ...(from !== undefined && { from }) },
      (reply) => this.#reply(reply, from),
    )
    if (id === undefined)
      this.#fail(new TroupeError('too_large', `the subscription to '${topic}' is larger than a frame may be on this server`))
    else this.#phase = { phase: 'asked', id }
    return false
  }

  note(frame: NoteFrame): void {
    const position = this.#position
    if (this.#phase.phase !== 'live' || position === undefined || frame.offset <= position.offset) return
    if (frame.from > position.offset + 1) return this.#again() // (2)
    this.#attempt = 0
    this.#deliver({ ...frame, journal: position.journal })
  }

  gap(frame: GapFrame): void {
    const position = this.#position
    if (this.#phase.phase !== 'live' || position === undefined) return
    const journal = frame.journal ?? position.journal
    const changed = journal !== position.journal
    if (frame.journal === undefined && frame.to <= position.offset) return
    this.#position = { journal, offset: frame.to }
    if (changed) this.#ports.seen(this.#parts.to, frame.to, true)
    this.#tell(frame.from, frame.to, changed)
  }

  #reply(reply: Reply, asked: Position | undefined): void {
    if (!reply.ok) {
      const error = errorOf(reply.error)
      if (!passes(reply.error)) return this.#fail(error)
      if (error.code === 'expired') this.#ports.expired()
      if (error.code === 'overloaded') this.#parts.error(error)
      return this.#pause(error.retryAfterMs ?? 0)
    }
    // `recovered` is not needed: the journal and the gap frame say the same, and more.
    const { sub, journal, offset } = reply
    if (sub === undefined || journal === undefined || offset === undefined)
      return this.#fail(new TroupeError('internal', 'the answer to subscribe is incomplete'))
    this.#enter({ phase: 'live', sub })
    this.#ports.live(sub, this)
    this.#ports.seen(this.#parts.to, offset, asked?.journal !== journal)
    // An empty journal with offset 0 is from the beginning of any.
    const changed = asked !== undefined && asked.journal !== journal && asked.journal !== ''
    // What is no longer kept of this journal, a gap frame tells, and the notes follow from there; of another, they follow from now.
    // An older offset of the same journal is the answer of an owner that another has superseded: nothing seen is taken back for it.
    const follows = asked !== undefined && !changed
    const news = reply.data !== undefined && !(follows && offset <= asked.offset)
    this.#position = { journal, offset: follows && !news ? asked.offset : offset }
    if (asked !== undefined && !follows) this.#tell(asked.offset + 1, offset, changed)
    if (news && this.#phase.phase === 'live') this.#deliver({ journal, offset, data: reply.data })
  }

  #deliver(note: AnyNote): void {
    const { journal, offset, type, at } = note
    this.#position = { journal, offset }
    this.#ports.seen(this.#parts.to, offset, false)
    const bare = {
      journal,
      offset,
      ...(type !== undefined && { type }),
      ...(at !== undefined && { at }),
      ...('data' in note && { data: note.data }),
    }
    guarded(() => this.#parts.note(bare))
  }

  #tell(from: number, to: number, journalChanged: boolean): void {
    const { to: actor, topic, gap } = this.#parts
    gap({ actor, topic, from, to, journalChanged })
  }

  /** Subscribes once more on the same link. A second time in a row it waits first. */
  #again(): void {
    if (this.#attempt > 0) return this.#pause(0)
    this.#attempt++
    this.#enter({ phase: 'wanted' })
    this.#ports.wire.ready(this)
  }

  #pause(afterMs: number): void {
    const ms = Math.max(afterMs, backoffMs(this.#attempt++, RETRY_FIRST_MS, RETRY_MAX_MS, this.#ports.random))
    const timer = this.#ports.clock.after(ms, () => {
      this.#phase = { phase: 'wanted' }
      this.#ports.wire.ready(this)
    })
    this.#enter({ phase: 'pausing', timer })
  }

  #fail(error: TroupeError): void {
    this.unsubscribe()
    this.#parts.error(error)
  }

  /** The one way from phase to phase: releases what the last one held, here and on the server. */
  #enter(phase: Phase): void {
    const left = this.#phase
    this.#phase = phase
    if (left.phase === 'wanted') this.#ports.wire.unready(this)
    if (left.phase === 'pausing') left.timer.cancel()
    if (left.phase === 'asked' && phase.phase === 'over') this.#ports.wire.redirect(left.id, (reply) => this.#giveUp(reply))
    if (left.phase === 'live') {
      this.#ports.notLive(left.sub)
      this.#unsubscribeOnServer(left.sub)
    }
  }

  #giveUp(reply: Reply): void {
    if (reply.ok && reply.sub !== undefined) this.#unsubscribeOnServer(reply.sub)
  }

  /** Never repeated on another link: the number would mean something else there. */
  #unsubscribeOnServer(sub: number): void {
    if (this.#ports.wire.live) this.#ports.wire.ask({ t: 'unsubscribe', sub }, () => undefined)
  }
}
