/**
 * The simulator's command line, `npm run sim --` and:
 *
 *   --minutes M                       the long run: so many minutes of real time, seeds of all kinds
 *   --seeds COUNT [--from N]          so many seeds (default 100)
 *   --seed N [--scenario JSON]        one; --shrink looks for the smallest scenario that still fails
 *   --kind engine|cluster|gateway|mixed --store plain|mongodb|mixed --nodes N --virtual-minutes V
 *   --workers N --keep-going --counts --forget --lines N --shrink-seconds S
 *
 * Prints the seed first and the reproducing command last. Exit codes: 0, 1 safety, 2 liveness, 3 non-determinism, 4 leak, 64 usage.
 */
import { randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { remember } from './corpus.ts'
import { runSeeds, type Failed } from './pool.ts'
import { failureText, reproduce } from './report.ts'
import type { RunAsked } from './run.ts'
import { readScenario } from './scenario.ts'
import { shrink, shrunkText } from './shrink.ts'
import type { SeedKind, StoreKind } from './swarm.ts'
import { Tally } from './tally.ts'
import { EXIT_CODES } from './verdict.ts'

const USAGE = 64
const FIRST_SEED_MAX = 1_000_000_000
/** Real time for one seed. */
const PATIENCE_MS = 900_000
const PROGRESS_MS = 10_000
/** Of the long run so many failures are shrunk: the first of each property. */
const SHRUNK_MAX = 5

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string' },
    minutes: { type: 'string' },
    'virtual-minutes': { type: 'string' },
    nodes: { type: 'string' },
    kind: { type: 'string' },
    store: { type: 'string' },
    workers: { type: 'string' },
    lines: { type: 'string' },
    scenario: { type: 'string' },
    shrink: { type: 'boolean', default: false },
    'shrink-seconds': { type: 'string' },
    'keep-going': { type: 'boolean', default: false },
    counts: { type: 'boolean', default: false },
    forget: { type: 'boolean', default: false },
  },
})

function wrong(message: string): never {
  console.error(message)
  process.exit(USAGE)
}

function numberOf(name: keyof typeof values): number | undefined {
  const text = values[name]
  if (text === undefined) return undefined
  const value = Number(text)
  return Number.isFinite(value) && value > 0 ? value : wrong(`--${name} must be a number above 0, not ${text}`)
}

function oneOf<T extends string>(name: 'kind' | 'store', allowed: readonly T[], otherwise: T): T {
  const text = values[name] ?? otherwise
  return allowed.find((value) => value === text) ?? wrong(`--${name} is ${allowed.join(' or ')}, not ${text}`)
}

const single = numberOf('seed')
const realMinutes = numberOf('minutes')
if (single !== undefined && realMinutes !== undefined)
  wrong('--minutes is how long a run of many seeds takes; for the virtual length of one seed say --virtual-minutes')
const long = realMinutes !== undefined
const kind = oneOf('kind', ['engine', 'cluster', 'gateway', 'mixed'], long ? 'mixed' : 'engine')
const store = oneOf('store', ['plain', 'mongodb', 'mixed'], long && kind !== 'gateway' ? 'mixed' : 'plain')
if (single !== undefined && (kind === 'mixed' || store === 'mixed')) wrong('one seed is of one kind and on one store')
if (kind === 'gateway' && store !== 'plain') wrong('seeds of the kind gateway are on the plain store')
const scenario = values.scenario === undefined ? undefined : (readScenario(values.scenario) ?? wrong('--scenario is not one'))
if (scenario !== undefined && single === undefined) wrong('--scenario is for one seed: say --seed, too')

const count = single === undefined ? (numberOf('seeds') ?? (long ? Infinity : 100)) : 1
const from = single ?? numberOf('from') ?? randomInt(1, FIRST_SEED_MAX)
const nodes = numberOf('nodes')
const asked = {
  minutes: numberOf('virtual-minutes') ?? 2,
  ...(nodes !== undefined && { nodes }),
  ...((kind === 'cluster' || kind === 'gateway') && { kind }),
  ...(store === 'mongodb' && { store }),
}
const workers = single === undefined ? (numberOf('workers') ?? Math.min(8, availableParallelism())) : 1
const lines = numberOf('lines') ?? 80
const shrinkMs = (numberOf('shrink-seconds') ?? 60) * 1000

/** Of mixed seeds every fifth has gateways, every other of the rest is a cluster; every fourth of these two is on MongoDB's layout. */
function kindsOf(seed: number): { readonly kind?: SeedKind; readonly store?: StoreKind } {
  if (kind === 'mixed' && seed % 5 === 0) return { kind: 'gateway' }
  return {
    ...(kind === 'mixed' && seed % 2 === 0 && { kind: 'cluster' }),
    ...(store === 'mixed' && Math.floor(seed / 2) % 4 === 0 && { store: 'mongodb' }),
  }
}

const began = performance.now()
let stopping = false

function* seeds(): Generator<Pick<RunAsked, 'seed' | 'kind' | 'store'>> {
  const end = realMinutes === undefined ? Infinity : began + realMinutes * 60_000
  for (let seed = from; seed < from + count && performance.now() < end && !stopping; seed++) yield { seed, ...kindsOf(seed) }
}

if (scenario !== undefined || (single !== undefined && values.shrink))
  await one({ seed: from, ...asked, ...(scenario !== undefined && { scenario }) })
else await many()

/** In this process, so that one may look inside. */
async function one(run: RunAsked): Promise<void> {
  console.log(`seed ${run.seed}`)
  const { runSeed } = await import('./run.ts')
  const result = await runSeed(run)
  if (result.violation === null) return console.log(`hash ${result.hash}, ${result.events} events: nothing failed`)
  process.exitCode = EXIT_CODES[result.violation.kind]
  if (!values.shrink) return console.log(failureText(result, run, lines))
  await shrunk(run)
}

/** The smallest, and the line that replays it; what failed in full, if it does not shrink. */
async function shrunk(run: RunAsked): Promise<boolean> {
  const found = await shrink(run, shrinkMs)
  if (found?.result.scope === undefined) return false
  const { scope = found.result.scope } = await (await import('./run.ts')).runSeed(run)
  const small: RunAsked = { ...run, scenario: found.scenario }
  console.log(shrunkText(found, scope))
  console.log(failureText(found.result, small, Math.min(lines, 40)))
  return true
}

async function many(): Promise<void> {
  console.log(
    count === 1
      ? `seed ${from}`
      : long
        ? `seeds from ${from} on, for ${realMinutes} minutes, ${workers} at a time`
        : `seeds ${from} to ${from + count - 1}`,
  )
  const interrupted = (): void => {
    if (stopping) process.exit(130)
    stopping = true
    console.log('the seeds under way are the last; once more ends at once')
  }
  process.on('SIGINT', interrupted)
  let shownAt = began
  const shown = new Tally()
  const { tally, failed } = await runSeeds({
    seeds: seeds(),
    ...asked,
    workers,
    stopAtFirst: !long && !values['keep-going'],
    patienceMs: PATIENCE_MS,
    progress: (result, run) => {
      shown.add(result, run)
      if (result.violation !== null) {
        const { property, message } = result.violation
        console.log(`seed ${result.seed}: ${property}: ${message}\n${reproduce(result, run)}`)
        // At once: whatever ends this run, the seed is kept.
        if (!values.forget) remember([{ result, asked: run }])
      }
      const now = performance.now()
      if (count === 1 || now - shownAt < (process.stdout.isTTY ? 1000 : PROGRESS_MS)) return
      shownAt = now
      const of = count === Infinity ? `${((now - began) / 60_000).toFixed(1)} of ${realMinutes} minutes: ` : `${shown.seeds} of ${count}: `
      const text = of + shown.line(now - began)
      if (process.stdout.isTTY) process.stdout.write(`\r${text}   `)
      else console.log(text)
    },
  })
  process.off('SIGINT', interrupted)
  const tookMs = performance.now() - began
  if (process.stdout.isTTY && count > 1) console.log()
  if (values.counts || count > 1) console.log(tally.countsText())
  if (count > 1) console.log(tally.summary(tookMs))
  else if (failed.length === 0) console.log(`${Math.round(tookMs)} ms, nothing failed`)
  const [first] = failed
  if (first === undefined) return
  process.exitCode = EXIT_CODES[first.result.violation?.kind ?? 'safety']
  if (long || values.shrink) for (const each of firstOfEach(failed)) await report(each)
  else console.log(failureText(first.result, first.asked, lines))
}

async function report({ result, asked: run }: Failed): Promise<void> {
  // What never ends or ends the process is not tried in this one.
  if (result.violation?.property === 'worker' || !(await shrunk(run))) console.log(failureText(result, run, lines))
}

function firstOfEach(failed: readonly Failed[]): Failed[] {
  const firsts = new Map<string, Failed>()
  for (const each of failed) {
    const property = each.result.violation?.property ?? ''
    if (!firsts.has(property)) firsts.set(property, each)
  }
  return [...firsts.values()].slice(0, SHRUNK_MAX)
}
