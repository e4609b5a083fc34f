/** A scenario in an app's own tests: one seed, one run; `troupe simulate` does many. */
import type { Options } from '../options.ts'
import { play } from './play.ts'
import type { Scenario } from './scenario.ts'
import { SimulationError, type Property } from './trace.ts'

export interface RunOptions {
  /** A whole number from 0. */
  readonly seed: number
  /** 1 to 32. Default 3. */
  readonly nodes?: number
  /** Virtual minutes of operations and faults. Default 1. */
  readonly minutes?: number
  /** As of a node (docs/options.md). */
  readonly options?: Partial<Options>
}

export interface Ran {
  /** By operation, how often it was answered how: `ok`, or an error's code. */
  readonly operations: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** How often what happened. */
  readonly faults: Readonly<Record<string, number>>
  /** Of all that happened: equal for equal seeds. */
  readonly hash: string
  readonly virtualMs: number
}

/** Rejects with a SimulationError when a promise, an invariant or a check does not hold. */
export async function runScenario(scenario: Scenario, { seed, nodes = 3, minutes = 1, options = {} }: RunOptions): Promise<Ran> {
  if (!(minutes > 0) || minutes > 600) throw new TypeError(`runScenario: minutes is a number above 0, at most 600, not ${String(minutes)}`)
  const { violation, operations, faults, hash, virtualMs, lines } = await play(scenario, { seed, nodes, minutes, options })
  if (violation !== null)
    throw new SimulationError(
      violation.property as Property,
      violation.what,
      seed,
      violation.atMs,
      lines,
      `runScenario(scenario, { seed: ${seed}, nodes: ${nodes}, minutes: ${minutes} })`,
    )
  return { operations, faults, hash, virtualMs }
}
