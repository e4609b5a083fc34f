/** `simulate`: an app on a simulated cluster, with traffic and faults drawn from seeds. */
import { availableParallelism } from 'node:os'
import { InvalidArgumentError, type Command } from 'commander'
import { systemClock, systemRandom } from '../../base/system.ts'
import type { Options } from '../../options.ts'
import { EXIT_CODES } from '../../testing/verdict.ts'
import { appPath } from '../app-module.ts'
import { ended, misused } from '../failure.ts'
import { common, flag, optionPair, whole } from '../flags.ts'
import { example } from '../help.ts'
import { OPTION_HELP } from '../serve-flags.ts'
import { commandOf, failureLines, neverDone, summaryLines, Sums, type ReportAsked } from '../simulate/report.ts'
import { runSeeds } from '../simulate/pool.ts'
import type { About, SeedResult } from '../simulate/worker.ts'
import type { Terminal } from '../terminal.ts'

interface SimulateFlags {
  readonly scenario?: string
  readonly seed?: number
  readonly seeds?: number
  readonly from?: number
  readonly nodes: number
  readonly minutes: number
  readonly workers: number
  readonly only?: readonly number[]
  readonly tries: number
  readonly keepGoing?: true
  readonly option?: Partial<Options>
  readonly json?: true
}

/** Exit code of all that is no verdict (EX_USAGE of BSD's sysexits): 1 to 4 say what was found. The command line as a whole sees to it. */
export const SIMULATE_USAGE = 64
const SEED_MAX = 2 ** 32
const SEEDS = 20
const SEEDS_MAX = 1_000_000
const NODES_MAX = 32
/** With --json, which prints all results at once. */
const JSON_SEEDS_MAX = 100_000
const MINUTES_MAX = 600
const ITEMS_MAX = 100_000
const PATIENCE_MS = 300_000
const TELL_EVERY_MS = 250
const PLAIN_EVERY_MS = 10_000

export function simulateCommand(program: Command, terminal: Terminal): void {
  common(program.command('simulate').argument('[app]', 'the app module, or a module that exports a scenario; absent: a built-in app'))
    .addOption(flag('--scenario <file>', 'module whose default export is a defineScenario(…) of troupe/testing'))
    .addOption(flag('--seed <n>', 'this one seed').argParser(whole(0, SEED_MAX)).conflicts(['seeds', 'from']))
    .addOption(flag('--seeds <n>', `so many seeds (default: ${SEEDS})`).argParser(whole(1, SEEDS_MAX)))
    .addOption(flag('--from <n>', 'the first of them (default: drawn at random)').argParser(whole(0, SEED_MAX)))
    .addOption(flag('--nodes <n>', 'nodes of the cluster').argParser(whole(1, NODES_MAX)).default(3))
    .addOption(flag('--minutes <n>', 'virtual minutes of traffic and faults for each seed').argParser(minutes).default(2))
    .addOption(flag('--workers <n>', 'threads').argParser(whole(1, 64)).default(availableParallelism(), 'one for each core'))
    .addOption(
      flag('--only <numbers>', 'with --seed: only these steps of its plan, as a failure names them, as in 3,7-9').argParser(numbers),
    )
    .addOption(
      flag('--tries <n>', 'runs that finding the smallest failing part may take, 0 for none').argParser(whole(0, 10_000)).default(100),
    )
    .addOption(flag('--keep-going', 'do not stop at the first seed that fails'))
    .addOption(flag('--option <name=number>', 'a limit or default of the nodes by name, repeatable').argParser(optionPair))
    .addOption(flag('--json', `print one JSON object at the end, and nothing else; at most ${JSON_SEEDS_MAX} seeds`))
    .summary('run an app on a simulated cluster with seeded faults')
    .description(
      `Runs an app on a whole cluster in memory, on virtual time. Each seed draws traffic and which faults there are (crashes, freezes, cut lines,
drains, joins, a failing store), then everything heals, and the promises of Troupe and what the scenario says must hold. The same seed gives
the same run. Without a scenario events are drawn from the schemas of the app. Prints the seeds first, the command that repeats it last.

Exit codes: 0 all held; 1 something wrong was done; 2 nothing wrong, but it did not come to rest; 3 two runs of one seed differ; 4 memory
was not given back; ${SIMULATE_USAGE} it was asked wrongly, or app or scenario do not work.`,
    )
    .addHelpText(
      'after',
      `${example(`
        troupe simulate          a built-in app: does this installation work?
        troupe simulate app.ts --scenario test/scenario.ts
        troupe simulate app.ts --seeds 1000 --from 1 --minutes 5 --workers 4
        troupe simulate app.ts --seed 4711                          one seed again`)}
docs/testing.md has how a scenario is written.${OPTION_HELP}`,
    )
    .action((app: string | undefined, flags: SimulateFlags, command: Command) =>
      simulate(app ?? null, flags, givenOptions(command), terminal),
    )
}

async function simulate(app: string | null, flags: SimulateFlags, option: readonly string[], terminal: Terminal): Promise<void> {
  const { nodes, json, keepGoing, tries } = flags
  if (flags.only !== undefined && flags.seed === undefined) throw misused('--only needs the --seed whose steps they are')
  const only = flags.only ?? null
  const asked: ReportAsked = { module: app, scenario: flags.scenario ?? null, nodes, minutes: flags.minutes, only, option }
  const [from, count] = flags.seed === undefined ? [flags.from ?? drawnSeed(), flags.seeds ?? SEEDS] : [flags.seed, 1]
  if (from + count - 1 > SEED_MAX)
    throw misused(`${count} seeds from ${from} on go beyond the last one, ${SEED_MAX}: let --from be at most ${SEED_MAX - count + 1}`)
  if (json === true && count > JSON_SEEDS_MAX)
    throw misused(`--json takes at most ${JSON_SEEDS_MAX} --seeds: it prints all results at once`)
  const which = count === 1 ? [`--seed ${from}`] : [`--seeds ${count}`, `--from ${from}`]
  const out = (line: string): void => {
    if (json !== true) terminal.out(line)
  }
  out(count === 1 ? `seed ${from}` : `seeds ${from} to ${from + count - 1}`)
  const progress = new Progress(count, json === true ? null : terminal)
  const sums = new Sums()
  const results: Told[] = []
  await runSeeds({
    subject: { module: app === null ? null : appPath(app), scenario: flags.scenario === undefined ? null : appPath(flags.scenario) },
    seeds: Array.from({ length: count }, (_, i) => from + i),
    nodes,
    minutes: flags.minutes,
    only,
    options: flags.option ?? {},
    triesMax: only === null ? tries : 0,
    workers: flags.workers,
    keepGoing: keepGoing === true,
    patienceMs: PATIENCE_MS,
    ready: (about) => aboutLines(about, asked).forEach(out),
    progress: (seed, virtualMs, shrinking) => progress.tell(seed, virtualMs, shrinking),
    done: (result) => {
      progress.done(result)
      sums.add(result)
      if (json === true) results.push(told(result))
      failureLines(result, asked).forEach(out)
    },
  })
  summaryLines(sums).forEach(out)
  if (json !== true) for (const line of neverDone(sums)) terminal.err(`troupe: ${line}`)
  out(progress.line())
  const { first } = sums
  const command = first === null ? commandOf(asked, which) : commandOf(asked, [`--seed ${first.seed}`])
  out(command)
  if (json === true)
    terminal.out(
      JSON.stringify({
        ok: first === null,
        from,
        seeds: sums.seeds,
        command,
        ...progress.figures,
        results: results.sort((a, b) => a.seed - b.seed),
      }),
    )
  if (first !== null) throw ended(EXIT_CODES[first.violation.kind])
}

/** The seeds of a run, told as they are done. */
class Progress {
  readonly #count: number
  readonly #terminal: Terminal | null
  readonly #began = systemClock.mono()
  readonly #running = new Map<number, number>()
  #virtualMs = 0
  #done = 0
  #failed = 0
  #toldAt = systemClock.mono()

  constructor(count: number, terminal: Terminal | null) {
    this.#count = count
    this.#terminal = terminal
  }

  get figures(): { readonly virtualMs: number; readonly realMs: number; readonly failed: number } {
    return { virtualMs: Math.round(this.#virtualMs), realMs: Math.round(systemClock.mono() - this.#began), failed: this.#failed }
  }

  line(what = ''): string {
    const running = [...this.#running.values()].reduce((sum, ms) => sum + ms, 0)
    const { realMs, failed } = this.figures
    const virtualMs = this.#virtualMs + running
    const speed = Math.round(virtualMs / Math.max(1, realMs))
    return `${this.#done} of ${this.#count} seeds, ${(virtualMs / 60_000).toFixed(1)} virtual minutes, ${speed.toLocaleString('en')} × real time, ${failed} failed${what}`
  }

  tell(seed: number, virtualMs: number, shrinking: boolean): void {
    this.#running.set(seed, shrinking ? 0 : virtualMs)
    const terminal = this.#terminal
    const now = systemClock.mono()
    if (terminal === null || now - this.#toldAt < (terminal.interactive ? TELL_EVERY_MS : PLAIN_EVERY_MS)) return
    this.#toldAt = now
    const line = this.line(shrinking ? `; looking for the smallest part of seed ${seed} that fails` : '')
    if (terminal.interactive) terminal.status(line)
    else terminal.err(line)
  }

  done({ seed, virtualMs, violation }: SeedResult): void {
    this.#running.delete(seed)
    this.#virtualMs += virtualMs
    this.#done++
    if (violation !== null) this.#failed++
  }
}

function aboutLines({ from, operations, invariants, checks, left }: About, { nodes, minutes: long }: ReportAsked): string[] {
  const what = { sample: 'the built-in app', scenario: 'a scenario', generated: 'events drawn from the app’s schemas' }[from]
  const names = operations.length > 6 ? `${operations.slice(0, 6).join(', ')} …` : operations.join(', ')
  return [
    `${what}: ${names}; ${invariants} invariants, ${checks} checks; ${nodes} nodes, ${long} virtual minutes each`,
    ...left.map((event) => `  not sent: ${event}`),
  ]
}

interface Told extends Omit<SeedResult, 'lines' | 'smallest'> {
  readonly smallest: { readonly kept: readonly number[]; readonly items: readonly string[] } | null
}

function told({ seed, violation, hash, virtualMs, operations, faults, smallest }: SeedResult): Told {
  return {
    seed,
    violation,
    hash,
    virtualMs,
    operations,
    faults,
    smallest: smallest === null ? null : { kept: smallest.kept, items: smallest.items },
  }
}

function drawnSeed(): number {
  return 1 + Math.floor(systemRandom.float() * 999_999_999)
}

function givenOptions(command: Command): string[] {
  return Object.entries((command.getOptionValue('option') ?? {}) as Partial<Options>).map(([name, value]) => `${name}=${value}`)
}

function minutes(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value > 0) || value > MINUTES_MAX)
    throw new InvalidArgumentError(`must be a number above 0, at most ${MINUTES_MAX}`)
  return value
}

/** `3,7-9` */
function numbers(text: string): number[] {
  const all = new Set<number>()
  for (const part of text.split(',')) {
    const [, first, last = first] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim()) ?? []
    if (first === undefined || Number(last) < Number(first))
      throw new InvalidArgumentError(`'${part}' is not a number or a range, as in 3,7-9`)
    for (let number = Number(first); number <= Number(last); number++) all.add(number)
    if (all.size > ITEMS_MAX) throw new InvalidArgumentError(`more than ${ITEMS_MAX} numbers`)
  }
  return [...all].sort((a, b) => a - b)
}
