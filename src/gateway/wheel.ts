/**
 * One coarse timer for all connections: a hashed timing wheel (G. Varghese, T. Lauck, 1987). Time is counted in ticks from 1.
 *
 *  1. An item is visited at its `due` tick or up to one tick later. A due time of 0 means never.
 *  2. `schedule` may be called at any time, to any tick; the newest call counts. Older places in the wheel go stale and are
 *     dropped when their slot comes.
 *  3. Items due after more than a whole turn of the wheel stay in their slot until it is their turn.
 *  4. With no items no timer runs.
 *  5. Ticks count attended time. When this process was stopped or too busy, the time lost does not count: a client whose pong is
 *     waiting to be read must not be found dead because nobody read it.
 */
import type { Clock, Timer } from '../base/clock.ts'

export interface WheelItem {
  /** Owned by the wheel. */
  due: number
  /** At the due tick. Schedules itself again, or not. */
  visit(tick: number): void
}

const SLOTS = 512
const LATE_TICKS_MAX = 4

export class Wheel {
  readonly tickMs: number
  readonly #clock: Clock
  #startMs: number
  #slots: WheelItem[][] = Array.from({ length: SLOTS }, () => [])
  #places = 0
  #tick = 1
  #timer: Timer | null = null
  #stopped = false

  constructor(clock: Clock, tickMs: number) {
    this.#clock = clock
    this.tickMs = tickMs
    this.#startMs = clock.mono()
  }

  /** The tick of the newest visit: coarse, and free. */
  get tick(): number {
    return this.#tick
  }

  ticks(ms: number): number {
    return Math.max(1, Math.ceil(ms / this.tickMs))
  }

  schedule(item: WheelItem, tick: number): void {
    if (this.#stopped) return
    if (this.#timer === null) this.#start()
    item.due = Math.max(tick, this.#tick + 1)
    this.#places++
    slotOf(this.#slots, item.due).push(item)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#timer = null
    this.#slots = []
  }

  #start(): void {
    this.#tick = Math.max(this.#tick, this.#read())
    this.#timer = this.#clock.after(this.tickMs, () => this.#turn())
  }

  #read(): number {
    return 1 + Math.floor((this.#clock.mono() - this.#startMs) / this.tickMs)
  }

  #turn(): void {
    const lost = this.#read() - this.#tick - LATE_TICKS_MAX
    if (lost > 0) this.#startMs += lost * this.tickMs
    const now = this.#read()
    while (this.#tick < now && !this.#stopped) {
      const tick = ++this.#tick
      const at = tick % SLOTS
      const items = this.#slots[at] as WheelItem[]
      if (items.length === 0) continue
      this.#slots[at] = []
      this.#places -= items.length
      for (const item of items) this.#reach(item, tick)
    }
    if (!this.#stopped) this.#timer = this.#places === 0 ? null : this.#clock.after(this.tickMs, () => this.#turn())
  }

  #reach(item: WheelItem, tick: number): void {
    if (item.due === 0) return
    if (item.due <= tick) {
      item.due = 0
      item.visit(tick)
    } else if (item.due % SLOTS === tick % SLOTS && !this.#stopped) {
      this.#places++
      slotOf(this.#slots, item.due).push(item)
    }
  }
}

function slotOf(slots: WheelItem[][], tick: number): WheelItem[] {
  return slots[tick % SLOTS] as WheelItem[]
}
