/**
 * The one thing that moves virtual time. Everybody who waits names a goal; as long as there is one, events run one after another, with all promise
 * callbacks in between. Several goals at once (a Promise.all of sends) share the steps.
 */
import { nextTurn } from '../base/system.ts'
import type { VirtualTime } from './virtual-time.ts'

interface Goal {
  readonly done: () => boolean
  readonly untilMs: number
  readonly resolve: (done: boolean) => void
}

/** More steps than this in one millisecond: something goes round in circles. */
const STEPS_AT_ONCE_MAX = 200_000
/** How often it is told how far time is. */
const STEPS_TOLD = 256

export class Driver {
  readonly #time: VirtualTime
  readonly #threw: (error: unknown) => void
  readonly #moved: (virtualMs: number) => void
  #goals: Goal[] = []
  #running = false
  #steps = 0
  #turns = 0
  #stepsFrom = 0

  /** `threw`: what an event threw, which would have ended a process. `moved`: now and then how far time is, whoever waits for it. */
  constructor(time: VirtualTime, threw: (error: unknown) => void, moved: (virtualMs: number) => void = () => undefined) {
    this.#time = time
    this.#threw = threw
    this.#moved = moved
  }

  /** Lets time pass until `done()` holds (true), or `limitMs` are over (false). */
  until(done: () => boolean, limitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      this.#goals.push({ done, untilMs: this.#time.mono() + limitMs, resolve })
      if (!this.#running) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#running = true
    for (;;) {
      await nextTurn()
      if (++this.#turns % STEPS_TOLD === 0) this.#moved(this.#time.mono())
      if (this.#reached()) continue // who waited for it goes on first, and may name another goal
      const untilMs = Math.min(...this.#goals.map((goal) => goal.untilMs))
      if (untilMs === Infinity) break
      try {
        this.#turning()
        if (!this.#time.step(untilMs)) this.#expired()
      } catch (error) {
        this.#threw(error)
      }
    }
    this.#running = false
  }

  #reached(): boolean {
    const reached = this.#goals.filter(({ done }) => done())
    if (reached.length === 0) return false
    this.#goals = this.#goals.filter((goal) => !reached.includes(goal))
    for (const { resolve } of reached) resolve(true)
    return true
  }

  #expired(): void {
    const now = this.#time.mono()
    const expired = this.#goals.filter(({ untilMs }) => untilMs <= now + 0.001)
    this.#goals = this.#goals.filter((goal) => !expired.includes(goal))
    for (const { resolve } of expired) resolve(false)
  }

  #turning(): void {
    const now = this.#time.mono()
    if (now - this.#stepsFrom > 1) {
      this.#steps = 0
      this.#stepsFrom = now
    } else if (++this.#steps > STEPS_AT_ONCE_MAX) {
      this.#steps = 0
      for (const { resolve } of this.#goals.splice(0)) resolve(false)
      throw new Error(`${STEPS_AT_ONCE_MAX} steps within a millisecond: a timer arms itself again without end`)
    }
  }
}
