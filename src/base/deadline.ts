/**
 * Deadlines of many short waits, cheaply: waits of the same length expire in the order they began, so each length has one
 * doubly linked list and the whole has one timer. O(1) to begin and to end a wait; no timer object per request.
 */
import type { Clock } from './clock.ts'
import { guarded } from './guard.ts'
import { silentLog, type Log } from './log.ts'

/** Something that waits. `expired` is called at most once, unless `end` was called before. The other fields are Deadlines'. */
export interface Waiting {
  expired(): void
  list: DeadlineList | null
  expiresAt: number
  before: Waiting | null
  after: Waiting | null
}

export interface DeadlineList {
  first: Waiting | null
  last: Waiting | null
}

const LENGTH_MAX_MS = 24 * 3_600_000

/** Lengths are rounded up to one of few, so that a caller who varies them cannot make a list for each. */
export function roundedLength(ms: number): number {
  if (!(ms > 10)) return 10
  if (ms > LENGTH_MAX_MS) return LENGTH_MAX_MS
  const step = 10 ** Math.max(1, Math.floor(Math.log10(ms)) - 1)
  return Math.ceil(ms / step) * step
}

export class Deadlines {
  readonly #clock: Clock
  readonly #log: Log
  readonly #lists = new Map<number, DeadlineList>()
  #wakeAt = Infinity

  constructor(clock: Clock, log: Log = silentLog) {
    this.#clock = clock
    this.#log = log
  }

  begin(waiting: Waiting, ms: number): void {
    const lengthMs = roundedLength(ms)
    let list = this.#lists.get(lengthMs)
    if (list === undefined) {
      list = { first: null, last: null }
      this.#lists.set(lengthMs, list)
    }
    waiting.list = list
    waiting.expiresAt = this.#clock.mono() + lengthMs
    waiting.before = list.last
    waiting.after = null
    if (list.last === null) list.first = waiting
    else list.last.after = waiting
    list.last = waiting
    this.#wake(waiting.expiresAt)
  }

  end(waiting: Waiting): void {
    const { list, before, after } = waiting
    if (list === null) return
    if (before === null) list.first = after
    else before.after = after
    if (after === null) list.last = before
    else after.before = before
    waiting.list = null
    waiting.before = null
    waiting.after = null
  }

  /** All that wait now. */
  waiting(): Waiting[] {
    const all: Waiting[] = []
    for (const { first } of this.#lists.values()) for (let next = first; next !== null; next = next.after) all.push(next)
    return all
  }

  #wake(at: number): void {
    if (at >= this.#wakeAt) return
    this.#wakeAt = at
    this.#clock.after(at - this.#clock.mono(), () => this.#expire(at))
  }

  #expire(wokenAt: number): void {
    if (wokenAt === this.#wakeAt) this.#wakeAt = Infinity
    const now = this.#clock.mono()
    let next = Infinity
    for (const list of this.#lists.values()) {
      while (list.first !== null && list.first.expiresAt <= now) {
        const waiting = list.first
        this.end(waiting)
        guarded(this.#log, 'a deadline', () => waiting.expired())
      }
      if (list.first !== null) next = Math.min(next, list.first.expiresAt)
    }
    if (next < Infinity) this.#wake(next)
  }
}
