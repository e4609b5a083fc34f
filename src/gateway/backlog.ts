/**
 * How many requests of one connection are unanswered, and the frames that came when there were enough. At the limit the socket is not
 * read; what was already read waits here, so the backlog is bounded by one read of the socket and one message.
 */
import type { Runnable } from './session.ts'

export class Backlog {
  #inflight = 0
  #waiting: Runnable[] | null = null
  #running = false

  get inflight(): number {
    return this.#inflight
  }

  get empty(): boolean {
    return this.#waiting === null
  }

  began(): void {
    this.#inflight++
  }

  finished(): void {
    this.#inflight--
  }

  /** Whether the frame may run now; otherwise it waits behind the others. */
  take(frame: Runnable, inflightMax: number, crowded: boolean): boolean {
    if (this.#waiting === null && this.#inflight < inflightMax && !crowded) return true
    this.#waiting ??= []
    this.#waiting.push(frame)
    return false
  }

  /** Runs what waits, in order, as far as the limit allows. `run` may finish at once, and this may be called from within. */
  proceed(inflightMax: number, mayRun: () => boolean, run: (frame: Runnable) => void): void {
    if (this.#running) return
    this.#running = true
    let at = 0
    const waiting = this.#waiting
    if (waiting !== null) {
      while (at < waiting.length && this.#inflight < inflightMax && mayRun()) run(waiting[at++] as Runnable)
      this.#waiting = at === waiting.length ? null : waiting.slice(at)
    }
    this.#running = false
  }

  clear(): void {
    this.#waiting = null
  }
}
