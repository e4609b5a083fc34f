/**
 * Time that moves only when the driver takes a step: a heap of what is to happen, in virtual milliseconds.
 *
 *  - Events of one instant run in an order drawn from the seed, so that orders nobody thought of are tried. `soon` runs after all of them, in order.
 *  - Each user of randomness has a stream of its own, by name: a draw in one place does not shift the others.
 */
import type { Clock, Timer } from '../base/clock.ts'
import { seeded, type Random } from '../base/random.ts'

/** Wall time at the beginning of every world: 2030-01-01. */
export const EPOCH_MS = 1_893_456_000_000
/** Cancelled events leave the heap when they are this many, and more than half of it. */
const CANCELLED_MAX = 1024

interface Event {
  /** In whole microseconds. */
  readonly atUs: number
  readonly tie: number
  /** null: cancelled. */
  run: (() => void) | null
}

export class VirtualTime implements Clock {
  readonly #seed: string
  readonly #ties: Random
  #nowUs = 0
  #heap: Event[] = []
  #soon = 1
  #cancelled = 0

  constructor(seed: string) {
    this.#seed = seed
    this.#ties = this.random('ties')
  }

  random(stream: string): Random {
    return seeded(`${this.#seed}/${stream}`)
  }

  now(): number {
    return Math.floor(EPOCH_MS + this.mono())
  }

  mono(): number {
    return this.#nowUs / 1000
  }

  after(ms: number, run: () => void): Timer {
    // Never early: who finds that its time has not come waits again.
    return this.#push(this.#nowUs + Math.max(0, Math.ceil(ms * 1000)), this.#ties.float(), run)
  }

  soon(run: () => void): void {
    this.#push(this.#nowUs, this.#soon++, run)
  }

  /** Runs the next event that is due by `untilMs`; false: there is none, and it is `untilMs` now. */
  step(untilMs: number): boolean {
    const untilUs = Math.round(untilMs * 1000)
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.atUs > untilUs) {
        this.#nowUs = Math.max(this.#nowUs, untilUs)
        return false
      }
      this.#pop()
      const { run } = next
      if (run === null) {
        this.#cancelled--
        continue
      }
      next.run = null
      this.#nowUs = next.atUs
      run()
      return true
    }
  }

  #push(atUs: number, tie: number, run: () => void): Timer {
    const event: Event = { atUs, tie, run }
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!before(event, heap[above] as Event)) break
      heap[at] = heap[above] as Event
      at = above
    }
    heap[at] = event
    return {
      cancel: () => {
        if (event.run === null) return
        event.run = null
        if (++this.#cancelled > CANCELLED_MAX && this.#cancelled * 2 > this.#heap.length) this.#sweep()
      },
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && before(heap[below + 1] as Event, heap[below] as Event)) below++
      if (!before(heap[below] as Event, last)) break
      heap[at] = heap[below] as Event
      at = below
    }
    heap[at] = last
  }

  /** A sorted array is a heap. */
  #sweep(): void {
    this.#heap = this.#heap.filter(({ run }) => run !== null).sort((a, b) => (before(a, b) ? -1 : 1))
    this.#cancelled = 0
  }
}

function before(a: Event, b: Event): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.tie < b.tie)
}
