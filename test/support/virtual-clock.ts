/**
 * Time that moves only when a test says so. One driver: nothing fires but inside `advance` or `run`.
 *
 * - Timers fire in order of their due time; equal ones in the order they were made. `now()` and `mono()` read the due time meanwhile.
 * - `soon` tasks run before the next timer, in order.
 * - `advance` is synchronous: promise callbacks do not run inside it. `run` is the same, but lets all waiting promise
 *   callbacks run before the first and after each step; use it when the code under test awaits.
 */
import type { Clock, Timer } from '../../src/base/clock.ts'

interface Entry {
  readonly dueMs: number
  readonly order: number
  readonly run: () => void
}

export class VirtualClock implements Clock {
  /** Guards against code that re-arms a timer of 0 ms for ever. */
  readonly stepsMax: number
  #mono = 0
  #wallAhead: number
  #order = 0
  #timers: Entry[] = []
  #tasks: (() => void)[] = []

  constructor(startMs = 1_700_000_000_000, stepsMax = 1_000_000) {
    this.#wallAhead = startMs
    this.stepsMax = stepsMax
  }

  now(): number {
    return this.#wallAhead + this.#mono
  }

  mono(): number {
    return this.#mono
  }

  after(ms: number, run: () => void): Timer {
    const entry: Entry = { dueMs: this.#mono + Math.max(0, ms), order: this.#order++, run }
    let at = this.#timers.length
    while (at > 0 && (this.#timers[at - 1] as Entry).dueMs > entry.dueMs) at--
    this.#timers.splice(at, 0, entry)
    return {
      cancel: () => {
        const found = this.#timers.indexOf(entry)
        if (found >= 0) this.#timers.splice(found, 1)
      },
    }
  }

  soon(run: () => void): void {
    this.#tasks.push(run)
  }

  /** Timers and tasks that wait. */
  get pending(): number {
    return this.#timers.length + this.#tasks.length
  }

  /** Moves the wall clock without the monotonic one, as an administrator or NTP does. No timer fires. */
  jumpWall(ms: number): void {
    this.#wallAhead += ms
  }

  /** Moves time by `ms` and fires all that is due on the way, also what that makes due. */
  advance(ms: number): void {
    const end = this.#mono + ms
    for (let steps = 0; this.#step(end); steps++) this.#check(steps)
    this.#mono = end
  }

  /** As `advance`, with waiting promise callbacks run between the steps. */
  async run(ms: number): Promise<void> {
    const end = this.#mono + ms
    await promiseCallbacks()
    for (let steps = 0; this.#step(end); steps++) {
      this.#check(steps)
      await promiseCallbacks()
    }
    this.#mono = end
  }

  /** Runs (as `run`) from timer to timer until `done()` holds; throws after `limitMs` of virtual time. */
  async until(done: () => boolean, limitMs = 600_000, what = 'the condition'): Promise<void> {
    const end = this.#mono + limitMs
    await promiseCallbacks()
    for (let steps = 0; !done(); steps++) {
      this.#check(steps)
      if (!this.#step(end))
        throw new Error(`virtual time: ${what} did not hold within ${limitMs} ms (mono ${this.#mono}, ${this.pending} pending)`)
      await promiseCallbacks()
    }
  }

  #step(endMs: number): boolean {
    const task = this.#tasks.shift()
    if (task !== undefined) {
      task()
      return true
    }
    const first = this.#timers[0]
    if (first === undefined || first.dueMs > endMs) return false
    this.#timers.shift()
    this.#mono = Math.max(this.#mono, first.dueMs)
    first.run()
    return true
  }

  #check(steps: number): void {
    if (steps >= this.stepsMax)
      throw new Error(`virtual time: ${this.stepsMax} steps at mono ${this.#mono}: a timer re-arms itself without end`)
  }
}

/** Lets every promise callback that is waiting, and those they make, run: the microtask queue is empty before an immediate fires. */
function promiseCallbacks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
