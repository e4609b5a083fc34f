/**
 * What of an open connection is read and run, and when: how many of its requests are unanswered, the frames that came when there were
 * enough, and whether its socket is read.
 *
 *  1. At most `inflight` requests are unanswered. Frames that were already read wait here, so they are bounded by one read of the socket
 *     and one message, and run in order.
 *  2. The socket is not read while frames wait, while `inflight` requests are unanswered, while more than `outboxBytes` wait on it, or when
 *     the connection is retiring.
 *  3. A retiring connection is done when its requests are answered.
 */
import type { Runnable } from './session.ts'

/** The connection, as its intake sees it. */
export interface Reader {
  readonly inflightMax: number
  readonly closing: boolean
  /** More bytes wait on its socket than it should hold. */
  readonly crowded: boolean
  /** May finish at once, and call back from within. */
  serve(frame: Runnable): void
  /** It sent beyond its window. */
  strained(retryAfterMs: number): void
  /** Its socket is read, or not, from now on. */
  reads(reads: boolean): void
  /** It is retiring, and has been answered. */
  done(): void
}

export class Intake {
  readonly #reader: Reader
  #inflight = 0
  #waiting: Runnable[] | null = null
  #running = false
  #paused = false
  #retiring = false

  constructor(reader: Reader) {
    this.#reader = reader
  }

  get paused(): boolean {
    return this.#paused
  }

  get inflight(): number {
    return this.#inflight
  }

  take(frame: Runnable): void {
    const reader = this.#reader
    if (this.#waiting === null && this.#inflight < reader.inflightMax && !reader.crowded) reader.serve(frame)
    else if (this.#waiting === null) {
      this.#waiting = [frame]
      reader.strained(0)
    } else this.#waiting.push(frame)
    this.steer()
  }

  began(): void {
    this.#inflight++
  }

  finished(): void {
    this.#inflight--
  }

  /** After an answer was written, or the socket has taken some. */
  proceed(): void {
    if (!this.#paused && !this.#retiring) return
    this.#runWaiting()
    this.steer()
    if (this.#retiring && this.#inflight === 0) this.#reader.done()
  }

  /** Reads the socket or does not (2). */
  steer(): void {
    const reader = this.#reader
    const full = this.#waiting !== null || this.#inflight >= reader.inflightMax || reader.crowded || this.#retiring
    if (full === this.#paused || reader.closing) return
    this.#paused = full
    reader.reads(!full)
  }

  retire(): void {
    this.#retiring = true
    this.proceed()
  }

  /** Nothing that waits is run any more. */
  clear(): void {
    this.#waiting = null
  }

  #runWaiting(): void {
    const waiting = this.#waiting
    if (waiting === null || this.#running) return
    const reader = this.#reader
    this.#running = true
    let at = 0
    while (at < waiting.length && this.#inflight < reader.inflightMax && !reader.crowded && !reader.closing)
      reader.serve(waiting[at++] as Runnable)
    this.#waiting = reader.closing || at === waiting.length ? null : waiting.slice(at)
    this.#running = false
  }
}
