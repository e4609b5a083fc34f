/**
 * The world: virtual time and everything that happens in it, in one process and one order.
 *
 *  - One driver (`run`) takes the earliest event of the heap, runs it, and lets the promises settle that it settled. Nothing else moves.
 *  - Events of one instant run in an order drawn from the seed, so that orders nobody thought of are tried. `soon` runs after all of them, in order.
 *  - Each user of randomness has a stream of its own, named: a draw in one place does not shift the others.
 *  - Microtasks are drained only after an event that called `settled()`. `drainAlways` drains after each, the slow way; equal hashes of both ways prove
 *    that nothing was left behind.
 */
import { seeded, type Random } from '../../src/base/random.ts'
import { EventHeap, type Scheduled } from './event-heap.ts'
import { Trace } from './trace.ts'
import { Verdict } from './verdict.ts'

/** More events than any healthy run has: a run beyond it goes round in circles. */
const EVENTS_MAX = 3_000_000
const TURN_DRAINS = 16_384

export class World {
  readonly seed: number
  readonly trace: Trace = new Trace()
  readonly verdict: Verdict = new Verdict()
  readonly drainAlways: boolean
  nowUs = 0
  events = 0
  #heap = new EventHeap()
  #ties: Random
  #soon = 1
  #settled = false
  #stop = false

  constructor(seed: number, drainAlways = false) {
    this.seed = seed
    this.drainAlways = drainAlways
    this.#ties = this.random('ties')
  }

  random(stream: string): Random {
    return seeded(`${this.seed}/${stream}`)
  }

  /** Virtual ms since the beginning. */
  get nowMs(): number {
    return this.nowUs / 1000
  }

  after(ms: number, run: () => void): Scheduled {
    const event = { at: this.nowUs + Math.max(0, Math.round(ms * 1000)), tie: this.#ties.float(), run }
    this.#heap.push(event)
    return event
  }

  /** In this instant, after everything else of it. */
  soon(run: () => void): void {
    this.#heap.push({ at: this.nowUs, tie: this.#soon++, run })
  }

  /** Says that the event that now runs settled a promise, or called an async function. */
  settled(): void {
    this.#settled = true
  }

  /** Ends `run` after this event. */
  stop(): void {
    this.#stop = true
  }

  note(...parts: readonly (string | number | boolean | null | undefined)[]): void {
    this.trace.add(this.nowUs, parts)
  }

  /** Runs until `ms`, a violation, or `stop`. */
  run(untilMs: number): Promise<void> {
    const untilUs = untilMs * 1000
    this.#stop = false
    return new Promise((resolve) => {
      // Not from a microtask, which is what goes on after an `await`: the others would wait for it to end.
      const turn = (): void => {
        if (this.#turn(untilUs)) resolve()
        else setImmediate(turn)
      }
      setImmediate(turn)
    })
  }

  /** Many events, in one turn of the event loop; whether all is done. Now and then the process may read its messages, too. */
  #turn(untilUs: number): boolean {
    for (let drains = 0; drains < TURN_DRAINS;) {
      if (this.#stop || this.verdict.violation !== null) return true
      const next = this.#heap.peek()
      if (next === undefined || next.at > untilUs) {
        this.nowUs = untilUs
        return true
      }
      this.#heap.pop()
      const { run } = next
      if (run === null) continue
      this.nowUs = next.at
      if (++this.events > EVENTS_MAX)
        this.verdict.fail('progress', 'liveness', `more than ${EVENTS_MAX} events: the run goes round in circles`)
      try {
        run()
      } catch (error) {
        this.verdict.fail(
          'no-throw',
          'safety',
          `an event threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        )
      }
      // Else the event loop goes on, which empties the queue of microtasks.
      if (this.drainAlways) return false
      if (this.#settled) {
        this.#settled = false
        if (emptyMicrotasks === undefined) return false
        drains++
        emptyMicrotasks()
      }
    }
    return false
  }
}

/**
 * Empties the queue of microtasks at once, as Node itself does after each callback: to wait for it with a promise costs several times as much, and a turn of
 * the event loop ten times. Not documented, but there in Node 20 to 24; where it is not, each such event takes a turn of the event loop.
 */
const emptyMicrotasks = (process as { readonly _tickCallback?: () => void })._tickCallback

/** Resolves when no microtask is left: the microtask queue is emptied before the event loop goes on. */
export function drained(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
