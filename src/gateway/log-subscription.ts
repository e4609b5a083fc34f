/**
 * A subscription to a `log`: every entry, in order, without hole or overlap. Live while it keeps up; else it pulls from history by
 * offset (D9), which is also how it starts from the past.
 *
 *            note, no room / behind             room                page at the head
 *     live ───────────────────────▶ behind ─────────────▶ pulling ──────────────────▶ live
 *                                      ▲ no room after a page │
 *                                      └──────────────────────┤ failed
 *                                                             └──────▶ waiting ──(back-off)──▶ pulling
 *
 *  1. `#scanned`: every entry up to it was written or is of other types. Only entries after it are written.
 *  2. `#head`: the newest offset known to exist. Live means `#scanned` reached it.
 *  3. At most one page is asked for at a time, of all logs of a subscriber (pull-turn.ts), and none while there is no room.
 */
import type { HistoryOutcome, HistoryPage, TopicState } from '../actors/calls.ts'
import type { Timer } from '../base/clock.ts'
import { SharedNote } from './shared-note.ts'
import type { Start, Subscriber, Subscription } from './subscription.ts'

/** The upstream, as such a subscription needs it. */
export interface LogSource {
  readonly journal: string
  history(from: number, done: (outcome: HistoryOutcome) => void): void
  /** The journal turned out to be another: subscribe again. */
  renew(): void
  retryIn(attempt: number, run: () => void): Timer
  soon(run: () => void): void
  remove(subscription: Subscription): void
}

type Phase = 'live' | 'behind' | 'pulling' | 'waiting' | 'closed'

export class LogSubscription implements Subscription {
  readonly sub: number
  readonly #source: LogSource
  readonly #subscriber: Subscriber
  #phase: Phase = 'live'
  /** Of the last note, for the chain that clients check. */
  #offset: number
  #scanned: number
  #head: number
  #attempt = 0
  /** Numbers the pages asked for: an answer to an older one is of another journal. */
  #asked = 0
  #timer: Timer | null = null

  constructor(sub: number, start: Start, head: number, source: LogSource, subscriber: Subscriber) {
    this.sub = sub
    this.#offset = start.offset
    this.#scanned = start.offset
    this.#head = head
    this.#source = source
    this.#subscriber = subscriber
  }

  get offset(): number {
    return this.#offset
  }

  begin(start: Start): void {
    if (start.gap !== null) this.#subscriber.gap(this, start.gap.from, start.gap.to, undefined)
    this.#catchUp()
  }

  offer(note: SharedNote): void {
    this.#head = Math.max(this.#head, note.offset)
    if (this.#phase !== 'live' || note.offset <= this.#scanned) return
    if (this.#subscriber.room) this.#write(note)
    else this.#phase = 'behind'
  }

  resync(state: TopicState, otherJournal: boolean): void {
    if (this.#phase === 'closed') return
    if (otherJournal) {
      this.#subscriber.gap(this, this.#offset + 1, state.offset, state.journal)
      this.#offset = state.offset
      this.#scanned = state.offset
      this.#head = state.offset
      this.#timer?.cancel()
      this.#asked++
      this.#phase = 'live'
      this.#leaveTurn()
      return
    }
    this.#head = Math.max(this.#head, state.offset)
    this.#catchUp()
  }

  roomAgain(): void {
    if (this.#phase === 'behind' && this.#subscriber.room) this.#pull()
  }

  close(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#timer?.cancel()
    this.#leaveTurn()
    this.#source.remove(this)
  }

  #catchUp(): void {
    if (this.#phase === 'live' && this.#head > this.#scanned) this.#fallBehind()
  }

  #fallBehind(): void {
    this.#phase = 'behind'
    if (this.#subscriber.room) this.#pull()
  }

  #pull(): void {
    if (!this.#subscriber.pullTurn.take(this)) return
    this.#phase = 'pulling'
    const asked = ++this.#asked
    this.#source.history(this.#scanned + 1, (outcome) => {
      if (this.#phase !== 'pulling' || asked !== this.#asked) return
      if (outcome.ok) this.#page(outcome)
      else this.#wait()
      this.#leaveTurn()
    })
  }

  /** To whoever is next: itself, at the end of the line, when it is still behind. */
  #leaveTurn(): void {
    const { pullTurn, room } = this.#subscriber
    pullTurn.leave(this)
    if (this.#phase === 'behind') pullTurn.queue(this)
    const next = pullTurn.next
    // A turn of the event loop for others between two pages.
    if (next !== undefined && room) this.#source.soon(() => next.roomAgain())
  }

  #page(page: HistoryPage): void {
    if (page.journal !== this.#source.journal) {
      this.#wait()
      this.#source.renew()
      return
    }
    const before = this.#scanned
    // Never past what is known to exist: an actor that keeps nothing may name an oldest entry that is yet to come.
    const lost = Math.min(page.oldest - 1, Math.max(this.#head, page.next - 1))
    if (lost > this.#scanned) this.#skip(lost)
    for (const entry of page.entries) {
      if (entry.offset <= this.#scanned) continue
      if (!this.#subscriber.room) {
        this.#phase = 'behind'
        return
      }
      this.#write(new SharedNote(entry))
      // Writing may have ended the connection, and this with it.
      if (this.#phase !== 'pulling') return
    }
    this.#scanned = Math.max(this.#scanned, page.next - 1)
    if (!page.more && this.#scanned >= this.#head) {
      this.#attempt = 0
      this.#phase = 'live'
    } else if (this.#scanned === before) {
      this.#wait()
    } else {
      this.#attempt = 0
      this.#phase = 'behind'
    }
  }

  /** Entries up to `lost` are no longer kept. */
  #skip(lost: number): void {
    this.#subscriber.gap(this, this.#offset + 1, lost, undefined)
    this.#offset = lost
    this.#scanned = lost
  }

  #wait(): void {
    this.#phase = 'waiting'
    this.#timer = this.#source.retryIn(this.#attempt++, () => {
      if (this.#phase === 'waiting') this.#fallBehind()
    })
  }

  #write(note: SharedNote): void {
    const from = this.#offset + 1
    this.#offset = note.offset
    this.#scanned = note.offset
    this.#subscriber.note(this, note, from)
  }
}
