/** What happened in a world, newest last and bounded; and the error that a broken promise of it is told with. */
import { hash32 } from '../base/random.ts'

const LINES_MAX = 5000
const LINES_SHOWN = 25

export type Property =
  /** An event that was acknowledged is in the journal exactly once. */
  | 'acknowledged-once'
  /** Each batch names the hash of the one before it. */
  | 'hash-chain'
  /** Reducers give the same state when they run again, change nothing that they are given, and make JSON. */
  | 'purity'
  /** What a node has in memory is what the journal says. */
  | 'live-state'
  /** Timers that are due have fired; sends between actors have arrived, once. */
  | 'owed'
  /** Who follows a topic has its newest state, and every entry of a log. */
  | 'newest-state'
  /** Once all is healed, the cluster comes to rest. */
  | 'convergence'
  /** Every request is answered or times out. */
  | 'answered'
  /** Nothing throws in a callback, where it would end the process, nor in a reducer. */
  | 'no-throw'
  /** What a scenario says of states and of the whole. */
  | 'invariant'
  /** What nobody uses any more is let go of. */
  | 'memory'

/** A promise that did not hold in a simulated world. The message has the property, the seed, and the last things that happened. */
export class SimulationError extends Error {
  readonly property: Property
  /** What broke it, in a line. */
  readonly what: string
  readonly seed: number
  readonly trace: readonly string[]

  /** `again`: how to have it once more. */
  constructor(
    property: Property,
    what: string,
    seed: number,
    atMs: number,
    trace: readonly string[],
    again = `simulate(app, { seed: ${seed} }), or TROUPE_SEED=${seed} where the test names no seed`,
  ) {
    super(
      [
        `${property}: ${what}`,
        `  in the world of seed ${seed}, after ${(atMs / 1000).toFixed(3)} s; the last that happened:`,
        ...trace.slice(-LINES_SHOWN).map((line) => `    ${line}`),
        `  again: ${again}`,
      ].join('\n'),
    )
    this.name = 'SimulationError'
    this.property = property
    this.what = what
    this.seed = seed
    this.trace = trace
  }
}

export class Trace {
  readonly #lines: string[] = []
  #a = 1
  #b = 2

  note(atMs: number, text: string): void {
    if (this.#lines.length >= 2 * LINES_MAX) this.#lines.splice(0, LINES_MAX)
    const line = `${(atMs / 1000).toFixed(6).padStart(12)} ${text}`
    this.#lines.push(line)
    // Stacks follow a line feed: where the code lies is no part of what happened.
    const [first = ''] = line.split('\n', 1)
    this.#a = hash32(first, this.#a)
    this.#b = hash32(first, this.#b)
  }

  /** Of all lines, also of those that are gone: two runs of one seed must give the same. */
  get hash(): string {
    return [this.#a, this.#b].map((half) => half.toString(16).padStart(8, '0')).join('')
  }

  lines(): readonly string[] {
    return this.#lines.slice(-LINES_MAX)
  }
}

export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
