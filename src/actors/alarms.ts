/**
 * Durable timers of the activations in memory: one binary heap by wall time for the whole node, one clock timer.
 * An entry that its activation no longer means (cancelled, replaced, passivated) is skipped when it comes up.
 * Never early by this node's clock; a clock that jumps is noticed within a second.
 */
import type { Clock } from '../base/clock.ts'
import type { Timer } from './memory.ts'

/** An activation, as the alarms see it. */
export interface Alarmed {
  /** The time of `timer` has come. Ignores a timer it no longer has. */
  ring(name: string, timer: Timer): void
}

interface Alarm {
  readonly due: number
  readonly order: number
  readonly alarmed: Alarmed
  readonly name: string
  readonly timer: Timer
}

const LOOK_AGAIN_MS = 1000

export class Alarms {
  readonly #clock: Clock
  readonly #heap: Alarm[] = []
  #order = 0
  #wakeAt = Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(alarmed: Alarmed, name: string, timer: Timer): void {
    const heap = this.#heap
    heap.push({ due: timer.due, order: this.#order++, alarmed, name, timer })
    let at = heap.length - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(at, parent)) break
      this.#swap(at, parent)
      at = parent
    }
    this.#arm()
  }

  #arm(): void {
    const [first] = this.#heap
    if (first === undefined) return
    const wait = Math.min(Math.max(first.due - this.#clock.now(), 0), LOOK_AGAIN_MS)
    const at = this.#clock.mono() + wait
    if (at >= this.#wakeAt) return
    this.#wakeAt = at
    this.#clock.after(wait, () => {
      if (this.#wakeAt === at) this.#wakeAt = Infinity
      this.#ring()
    })
  }

  #ring(): void {
    const now = this.#clock.now()
    for (let first = this.#heap[0]; first !== undefined && first.due <= now; first = this.#heap[0]) {
      this.#shift()
      first.alarmed.ring(first.name, first.timer)
    }
    this.#arm()
  }

  #shift(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (heap.length === 0 || last === undefined) return
    heap[0] = last
    let at = 0
    for (;;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < heap.length && this.#before(child, least)) least = child
      if (least === at) return
      this.#swap(at, least)
      at = least
    }
  }

  #before(a: number, b: number): boolean {
    const x = this.#heap[a] as Alarm
    const y = this.#heap[b] as Alarm
    return x.due < y.due || (x.due === y.due && x.order < y.order)
  }

  #swap(a: number, b: number): void {
    const held = this.#heap[a] as Alarm
    this.#heap[a] = this.#heap[b] as Alarm
    this.#heap[b] = held
  }
}
