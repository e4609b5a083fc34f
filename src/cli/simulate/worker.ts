/**
 * A thread that runs seeds, one after another: it loads the app once, and answers each seed with what it came to. A failed one it makes smaller before it
 * answers; every fiftieth it runs twice.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../base/system.ts'
import type { Options } from '../../options.ts'
import { drawPlan, itemText } from '../../testing/plan.ts'
import { play, ScenarioError, type Played } from '../../testing/play.ts'
import { shrink } from '../../testing/shrink.ts'
import { lineOf } from '../failure.ts'
import { loadSubject, type Subject, type SubjectAsked } from './subject.ts'

export interface SeedAsked {
  readonly seed: number
  readonly nodes: number
  readonly minutes: number
  readonly only: readonly number[] | null
  readonly options: Partial<Options>
  /** Runs that finding the smallest failing part may take; 0: it is not looked for. */
  readonly triesMax: number
}

/** What begun of its plan stays here: it is large, and only finding the smallest part needs it. */
export interface SeedResult extends Omit<Played, 'begun'> {
  readonly smallest: Smallest | null
}

export interface Smallest {
  /** Numbers of the plan's items. */
  readonly kept: readonly number[]
  readonly items: readonly string[]
  readonly of: number
  readonly tries: number
  /** What happened last in that run. */
  readonly lines: readonly string[]
  readonly what: string
}

export type FromWorker =
  | { readonly kind: 'ready'; readonly about: About }
  | { readonly kind: 'progress'; readonly virtualMs: number; readonly shrinking: boolean }
  | { readonly kind: 'done'; readonly result: SeedResult }
  /** There is no verdict: app or scenario do not work. */
  | { readonly kind: 'failed'; readonly message: string }

export interface About {
  readonly from: Subject['from']
  readonly operations: readonly string[]
  readonly invariants: number
  readonly checks: number
  readonly left: readonly string[]
}

/** Every how many seeds one is run twice: 2 %. */
const TWICE = 50
const PROGRESS_MS = 200
/** Real time in which the smallest failing part is looked for. */
const SHRINK_MS = 60_000

// Errors are made by the thousand here, and their stacks are costly.
Error.stackTraceLimit = 10

let told = -Infinity

function say(message: FromWorker): void {
  parentPort?.postMessage(message)
}

function tell(virtualMs: number, shrinking: boolean): void {
  const now = systemClock.mono()
  if (now - told < PROGRESS_MS) return
  told = now
  say({ kind: 'progress', virtualMs, shrinking })
}

async function run({ scenario }: Subject, asked: SeedAsked): Promise<SeedResult> {
  const { only, triesMax, ...rest } = asked
  const once = (kept: readonly number[] | null, shrinking = false): Promise<Played> =>
    play(scenario, { ...rest, ...(kept !== null && { only: kept }), progress: (virtualMs) => tell(virtualMs, shrinking) })
  const played = await once(only)
  const { begun: _, ...result } = played
  if (result.violation !== null)
    return { ...result, smallest: triesMax === 0 ? null : await smallest(scenario, asked, played, (kept) => once(kept, true)) }
  if (asked.seed % TWICE !== 0) return { ...result, smallest: null }
  const { begun: __, ...again } = await once(only)
  if (again.violation === null && again.hash === result.hash) return { ...result, smallest: null }
  const what = `two runs of one seed differ (${result.hash}, ${again.hash}): something outside state, data and ctx decides, such as a variable of the module, the clock or Math.random`
  const { virtualMs: atMs } = again
  return { ...again, violation: again.violation ?? { property: 'determinism', kind: 'nondeterminism', atMs, what }, smallest: null }
}

async function smallest(
  scenario: Subject['scenario'],
  { seed, nodes, minutes, triesMax }: SeedAsked,
  { violation, begun }: Played,
  once: (kept: readonly number[]) => Promise<Played>,
): Promise<Smallest | null> {
  const endsAt = systemClock.mono() + SHRINK_MS
  let best: Played | null = null
  const fails = async (kept: readonly number[]): Promise<boolean> => {
    if (systemClock.mono() >= endsAt) return false
    const played = await once(kept)
    if (played.violation?.property !== violation?.property) return false
    best = played
    return true
  }
  const { kept, tries } = await shrink(begun, fails, triesMax)
  const found = best as Played | null
  if (found?.violation == null) return null
  const { users, operations } = scenario
  const plan = drawPlan({ seed, nodes, minutes, users, operations })
  const items = kept.map((number) => itemText(plan[number] as (typeof plan)[number]))
  return { kept, items, of: begun.length, tries, lines: found.lines, what: found.violation.what }
}

try {
  const subject = await loadSubject(workerData as SubjectAsked)
  const { scenario, from, left } = subject
  parentPort?.on('message', (asked: SeedAsked) => {
    run(subject, asked).then(
      (result) => say({ kind: 'done', result }),
      (error: unknown) => say({ kind: 'failed', message: error instanceof ScenarioError ? error.message : stackOf(error) }),
    )
  })
  const invariants = [...scenario.invariants.values()].reduce((sum, all) => sum + all.size, 0)
  const operations = scenario.operations.map(({ name }) => name)
  say({ kind: 'ready', about: { from, operations, invariants, checks: scenario.checks.size, left } })
} catch (error) {
  say({ kind: 'failed', message: lineOf(error) })
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
