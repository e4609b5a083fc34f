/**
 * Durable timers of the activations in memory: one binary heap by wall time for the whole node, one clock timer.
 * What is cancelled, replaced or passivated holds no memory: a dead entry is skipped when it comes up, and the heap is rebuilt when most are dead.
 * Never early by this node's clock; a clock that jumps is noticed within a second.
 */
import type { Clock } from '../base/clock.ts'
import { guarded } from '../base/guard.ts'
import type { Log } from '../base/log.ts'
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
  readonly #log: Log
  #heap: Alarm[] = []
  readonly #live = new Map<Timer, Alarm>()
  #order = 0
  #wakeAt = Infinity

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** Setting a timer again changes nothing. */
  set(alarmed: Alarmed, name: string, timer: Timer): void {
    if (this.#live.has(timer)) return
    const alarm = { due: timer.due, order: this.#order++, alarmed, name, timer }
    this.#live.set(timer, alarm)
    this.#push(alarm)
    this.#arm()
  }

  /** The timer is gone. Dead alarms leave the heap when they are more than half of it. */
  cancel(timer: Timer): void {
    if (!this.#live.delete(timer)) return
    if (this.#heap.length < 64 || this.#heap.length < 2 * this.#live.size) return
    this.#heap = []
    for (const alarm of this.#live.values()) this.#push(alarm)
  }

  #push(alarm: Alarm): void {
    const heap = this.#heap
    heap.push(alarm)
    let at = heap.length - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(at, parent)) break
      this.#swap(at, parent)
      at = parent
    }
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
      const alarm = first
      this.#shift()
      if (!this.#live.delete(alarm.timer)) continue
      guarded(this.#log, 'a timer', () => alarm.alarmed.ring(alarm.name, alarm.timer))
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
