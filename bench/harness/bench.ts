/** What a bench is, its options, its rows, and how several rounds of several systems become a row each. */
import { resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { machineCpuSeconds } from './proc-stat.ts'
import { findSystem, removeData, whyNot, type System } from './systems.ts'
import { ratioByRound, spread, type Spread } from './statistics.ts'

export interface BenchOptions {
  /** Tiny inputs: seconds for everything. The figures then mean nothing. */
  readonly quick: boolean
  readonly rounds: number
  /** Part of the clients, actors and rates of the failure benches (f1 …), 0–1: for trials. Times stay as they are. */
  readonly size: number
  /** Systems to run instead of the bench's own list; null for that list. */
  readonly systems: readonly string[] | null
  /** Give each server `--cpu-prof` and keep the profiles in this folder; null for none. */
  readonly profile: string | null
  readonly details: boolean
  /** Cores that other programs may use: a system starts only below it, and a phase above it is repeated. Infinity: no matter. */
  readonly othersMax: number
  /** Progress, a line at a time. */
  readonly say: (line: string) => void
}

/** What a bench needs is not there; the message says what to do. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
}

export interface Bench {
  readonly name: string
  readonly about: string
  run(options: BenchOptions): Promise<Row[]>
}

/** One figure of one system in one case. */
export interface Row {
  readonly bench: string
  readonly case: string
  readonly system: string
  readonly metric: string
  readonly unit: string
  readonly value: Spread
  /** In order of the rounds. */
  readonly values: readonly number[]
  readonly ratios: readonly Ratio[]
  /** Explains a figure; left out of the printed table unless `--details`. */
  readonly detail: boolean
}

/** This row over a peer's, round by round. */
export interface Ratio {
  readonly to: string
  readonly value: Spread
  /** `>= 1`, `<= 0.6` … of TARGETS; absent where there is none. */
  readonly target?: string
  readonly met?: boolean
}

export interface Target {
  readonly to: string
  readonly relation: '>=' | '<='
  readonly value: number
}

interface Figure {
  readonly case: string
  readonly metric: string
  readonly unit: string
  readonly detail: boolean
  readonly bySystem: Map<string, number[]>
}

/** Collects figures by (case, metric, system); `rows` makes the table. */
export class Sheet {
  readonly #bench: string
  readonly #figures: Map<string, Figure> = new Map()
  readonly #targets: { readonly metric: string; readonly case: string | null; readonly target: Target }[] = []

  constructor(bench: string) {
    this.#bench = bench
  }

  add(where: string, system: string, metric: string, unit: string, value: number, detail = false): void {
    const id = `${where}\0${metric}`
    let figure = this.#figures.get(id)
    if (figure === undefined) this.#figures.set(id, (figure = { case: where, metric, unit, detail, bySystem: new Map() }))
    const values = figure.bySystem.get(system)
    if (values === undefined) figure.bySystem.set(system, [value])
    else values.push(value)
  }

  /** A figure that explains others. */
  detail(where: string, system: string, metric: string, unit: string, value: number): void {
    this.add(where, system, metric, unit, value, true)
  }

  /** What `troupe` (and `troupe-3` …, several nodes) should reach in that metric, in one case or (null) all. */
  target(metric: string, target: Target, where: string | null = null): void {
    this.#targets.push({ metric, case: where, target })
  }

  rows(): Row[] {
    const rows: Row[] = []
    for (const { case: where, metric, unit, detail, bySystem } of this.#figures.values())
      for (const [system, values] of bySystem) {
        const ratios = this.#ratios(where, metric, system, bySystem)
        rows.push({ bench: this.#bench, case: where, system, metric, unit, value: spread(values), values, ratios, detail })
      }
    return rows
  }

  #ratios(where: string, metric: string, system: string, bySystem: ReadonlyMap<string, number[]>): Ratio[] {
    if (!/^troupe(-\d+)?(=|$)/.test(system)) return []
    const ours = bySystem.get(system) ?? []
    return this.#targets
      .filter((row) => row.metric === metric && (row.case === null || row.case === where))
      .flatMap(({ target }) => {
        const theirs = target.to === 'absolute' ? ours.map(() => 1) : bySystem.get(target.to)
        if (theirs === undefined || theirs.length !== ours.length) return []
        const value = ratioByRound(ours, theirs)
        const met = target.relation === '>=' ? value.median >= target.value : value.median <= target.value
        return [{ to: target.to, value, target: `${target.relation} ${target.value}`, met }]
      })
  }
}

/**
 * The systems that can run here, of the bench's list or, when some are asked for, of these and the `others` that the bench can run too;
 * says which cannot and why.
 */
export async function usableSystems(options: BenchOptions, list: readonly string[], others: readonly string[] = []): Promise<System[]> {
  const usable: System[] = []
  const can = new Set([...list, ...others])
  const wanted = options.systems?.filter((name) => can.has(name.split('=')[0] as string)) ?? list
  for (const system of wanted.map(findSystem)) {
    const why = await whyNot(system)
    if (why === null) usable.push(system)
    else options.say(`skipping ${system.name}: ${why}`)
  }
  return usable
}

/** A B A B …: every round runs every system, so that what the machine does meanwhile falls on all; the order turns with the rounds. */
export async function inRounds(
  options: BenchOptions,
  systems: readonly System[],
  run: (system: System, round: number) => Promise<void>,
): Promise<void> {
  try {
    for (let round = 0; round < options.rounds; round++)
      for (let i = 0; i < systems.length; i++) {
        const system = systems[(i + round) % systems.length] as System
        options.say(`round ${round + 1} of ${options.rounds}: ${system.name}`)
        await quietMachine(options)
        await run(system, round)
      }
  } finally {
    await removeData()
  }
}

const QUIET_SAMPLE_MS = 1000
const QUIET_TRIES = 120

/** Waits, at most two minutes, until the machine does little else. */
async function quietMachine({ othersMax, say }: BenchOptions): Promise<void> {
  for (let tries = 0; othersMax !== Infinity && tries < QUIET_TRIES; tries++) {
    const before = machineCpuSeconds()
    await setTimeout(QUIET_SAMPLE_MS)
    if (((machineCpuSeconds() - before) * 1000) / QUIET_SAMPLE_MS <= othersMax) return
    if (tries === 0) say('  waiting for a quiet machine')
  }
}

/** Throws an Error with one line for who gave wrong options. */
export function parseOptions(argv: readonly string[]): {
  readonly options: BenchOptions
  readonly names: readonly string[]
  readonly out: string | null
  readonly help: boolean
} {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      size: { type: 'string' },
      systems: { type: 'string' },
      profile: { type: 'string' },
      out: { type: 'string' },
      details: { type: 'boolean', default: false },
      'others-max': { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds is a whole number from 1')
  const size = Number(values.size ?? 1)
  if (!(size > 0 && size <= 1)) throw new Error('--size is a number above 0, at most 1')
  const othersMax = Number(values['others-max'] ?? Infinity)
  if (!(othersMax >= 0)) throw new Error('--others-max is a number of cores')
  return {
    options: {
      quick: values.quick,
      rounds,
      size,
      systems: values.systems?.split(',') ?? null,
      profile: values.profile === undefined ? null : resolve(values.profile),
      details: values.details,
      othersMax,
      say: (line) => process.stderr.write(`${line}\n`),
    },
    names: positionals,
    out: values.out ?? null,
    help: values.help,
  }
}

/** So many of them, at the size that was asked for. */
export function sized(options: BenchOptions, full: number): number {
  return Math.max(1, Math.round(full * options.size))
}

/** Flags for a server that is profiled; `node --cpu-prof` writes when the process ends by itself. */
export function profileFlags(options: BenchOptions, system: System): string[] {
  if (options.profile === null) return []
  return ['--cpu-prof', `--cpu-prof-dir=${options.profile}/${system.name.replaceAll(/[^a-z0-9-]/gi, '_')}`]
}
