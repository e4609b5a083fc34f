/**
 * The time by which remembered things are dropped (D3). The wall clock may be ahead for a while (a mistake of an operator, a host that wakes up,
 * a wrong clock at boot): what is dropped then is lost, and its repeats would be taken for new. So the wall clock is believed when it has
 * run in step with the monotonic one for an hour; until then the time last believed goes on, and at first none. A clock that goes back is believed at once:
 * dropping late does no harm.
 */
import type { Clock } from '../base/clock.ts'

const BELIEVED_AFTER_MS = 3_600_000
/** How far two looks at the difference of the clocks may lie apart and still be in step: adjusting a clock is not a jump. */
const STEP_MS = 60_000

export class DropTime {
  readonly #clock: Clock
  /** What the wall clock is ahead of the monotonic one: as believed, and as it is since some time. */
  #believed = -Infinity
  #seen: number
  #seenSince: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#seen = clock.now() - clock.mono()
    this.#seenSince = clock.mono()
  }

  /** Wall time, ms; -Infinity when no time is believed yet. */
  now(): number {
    const mono = this.#clock.mono()
    const ahead = this.#clock.now() - mono
    if (Math.abs(ahead - this.#seen) > STEP_MS) [this.#seen, this.#seenSince] = [ahead, mono]
    const inStep = ahead <= this.#believed + STEP_MS
    if (inStep || mono - this.#seenSince >= BELIEVED_AFTER_MS) this.#believed = ahead
    return mono + this.#believed
  }

  /** Monotonic time, ms: for what is remembered for minutes. */
  mono(): number {
    return this.#clock.mono()
  }
}
