/**
 * A subscription to a `signal` or `view`: only the newest value counts (D6). It is written when three things hold: it is newer than what
 * the subscriber has, the socket has room (D9), and the window since the last one written has passed (D7, also across owners).
 * Whatever was not written is owed; the upstream keeps the newest value, so owing needs no memory here.
 */
import type { TopicState } from '../actors/calls.ts'
import type { SharedNote } from './shared-note.ts'
import type { Subscriber, Subscription } from './subscription.ts'

/** The upstream, as such a subscription needs it. */
export interface LatestSource {
  readonly newest: SharedNote | null
  readonly everyMs: number
  readonly monoMs: number
  /** Asks for an `offer` of the newest value at this time. */
  offerAt(monoMs: number): void
  remove(subscription: Subscription): void
}

export class LatestSubscription implements Subscription {
  readonly sub: number
  readonly #source: LatestSource
  readonly #subscriber: Subscriber
  #offset: number
  #sentAt = -Infinity
  #closed = false

  constructor(sub: number, offset: number, source: LatestSource, subscriber: Subscriber) {
    this.sub = sub
    this.#offset = offset
    this.#source = source
    this.#subscriber = subscriber
  }

  get offset(): number {
    return this.#offset
  }

  begin(): void {
    this.roomAgain()
  }

  offer(note: SharedNote): void {
    if (this.#closed || note.offset <= this.#offset || !this.#subscriber.room) return
    const { monoMs, everyMs } = this.#source
    const due = this.#sentAt + everyMs
    if (monoMs < due) {
      this.#source.offerAt(due)
      return
    }
    const from = this.#offset + 1
    this.#offset = note.offset
    this.#sentAt = monoMs
    this.#subscriber.note(this, note, from)
  }

  resync(state: TopicState, otherJournal: boolean): void {
    if (this.#closed) return
    if (otherJournal) {
      // The newest value follows as a note: the place before it is where the subscriber now stands.
      const to = Math.max(0, state.offset - 1)
      this.#subscriber.gap(this, this.#offset + 1, to, state.journal)
      this.#offset = to
    }
    this.roomAgain()
  }

  roomAgain(): void {
    const { newest } = this.#source
    if (newest !== null) this.offer(newest)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#source.remove(this)
  }
}
