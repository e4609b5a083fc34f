/** What happened in a world, newest last and bounded; and the error that a broken promise of it is told with. */

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
  /** Nothing throws in a callback, where it would end the process. */
  | 'no-throw'

/** A promise that did not hold in a simulated world. The message has the property, the seed, and the last things that happened. */
export class SimulationError extends Error {
  readonly property: Property
  readonly seed: number
  readonly trace: readonly string[]

  constructor(property: Property, what: string, seed: number, atMs: number, trace: readonly string[]) {
    super(
      [
        `${property}: ${what}`,
        `  in the world of seed ${seed}, after ${(atMs / 1000).toFixed(3)} s; the last that happened:`,
        ...trace.slice(-LINES_SHOWN).map((line) => `    ${line}`),
        `  again: simulate(app, { seed: ${seed} }), or TROUPE_SEED=${seed} where the test names no seed`,
      ].join('\n'),
    )
    this.name = 'SimulationError'
    this.property = property
    this.seed = seed
    this.trace = trace
  }
}

export class Trace {
  readonly #lines: string[] = []

  note(atMs: number, text: string): void {
    if (this.#lines.length >= 2 * LINES_MAX) this.#lines.splice(0, LINES_MAX)
    this.#lines.push(`${(atMs / 1000).toFixed(6).padStart(12)} ${text}`)
  }

  lines(): readonly string[] {
    return this.#lines.slice(-LINES_MAX)
  }
}
