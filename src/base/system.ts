/** The machine's time and randomness. The only file under src/ that touches them (docs/simulation.md; the tidy test holds it). */
import { randomFillSync } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

export const systemClock: Clock = {
  now: () => Date.now(),
  mono: () => performance.now(),
  after: (ms, run) => {
    // setTimeout overflows above 2^31-1 ms and would fire at once.
    const timer = setTimeout(run, Math.min(Math.max(ms, 0), 2_147_483_647))
    return { cancel: () => clearTimeout(timer) }
  },
  soon: (run) => {
    setImmediate(run)
  },
}

export const systemRandom: Random = {
  float: () => Math.random(),
  bytes: (n) => randomFillSync(new Uint8Array(n)),
}

const immediate = setImmediate

/** Resolves when every promise callback that waits, and those they make, have run: the microtask queue is empty before the event loop goes on. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    immediate(resolve)
  })
}
