/**
 * The simulator's command line: `npm run sim -- --seed N | --seeds COUNT [--from N] --minutes M --nodes N --kind engine|cluster
 * --workers N --keep-going --counts --forget --lines N`.
 * Prints the seed first and the reproducing command last. Exit codes: 0, 1 safety, 2 liveness, 3 non-determinism, 4 leak, 64 usage.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { remember } from './corpus.ts'
import { runSeeds } from './pool.ts'
import { countsText, failureText } from './report.ts'
import type { RunResult } from './run.ts'
import { EXIT_CODES } from './verdict.ts'

const USAGE = 64

function numberOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) {
    console.error(`--${name} must be a number above 0, not ${text}`)
    process.exit(USAGE)
  }
  return value
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string' },
    minutes: { type: 'string' },
    nodes: { type: 'string' },
    kind: { type: 'string', default: 'engine' },
    workers: { type: 'string' },
    lines: { type: 'string' },
    'keep-going': { type: 'boolean', default: false },
    counts: { type: 'boolean', default: false },
    forget: { type: 'boolean', default: false },
  },
})
const single = numberOf(values.seed, 'seed')
const count = single === undefined ? (numberOf(values.seeds, 'seeds') ?? 100) : 1
const from = single ?? numberOf(values.from, 'from') ?? randomInt(1, 1_000_000_000)
const minutes = numberOf(values.minutes, 'minutes') ?? 2
const nodes = numberOf(values.nodes, 'nodes')
if (values.kind !== 'engine' && values.kind !== 'cluster') {
  console.error(`--kind is engine or cluster, not ${values.kind}`)
  process.exit(USAGE)
}
const asked = { minutes, ...(nodes !== undefined && { nodes }), ...(values.kind === 'cluster' && { kind: 'cluster' as const }) }
const workers = single === undefined ? (numberOf(values.workers, 'workers') ?? 2) : 1
const lines = numberOf(values.lines, 'lines') ?? 80

console.log(count === 1 ? `seed ${from}` : `seeds ${from} to ${from + count - 1}`)
const began = performance.now()
let done = 0
let virtualMs = 0
let shownAt = began
const failed: RunResult[] = []

const results = await runSeeds({
  seeds: Array.from({ length: count }, (_, i) => from + i),
  ...asked,
  workers,
  stopAtFirst: !values['keep-going'],
  patienceMs: 120_000,
  progress: (result) => {
    done++
    virtualMs += result.virtualMs
    if (result.violation !== null) {
      failed.push(result)
      console.log(`seed ${result.seed}: ${result.violation.property}: ${result.violation.message}`)
    }
    const now = performance.now()
    if (now - shownAt < 1000 && done < count) return
    shownAt = now
    const seconds = (now - began) / 1000
    const speed = Math.round(virtualMs / 1000 / seconds)
    const text = `${done}/${count} seeds, ${(virtualMs / 3_600_000).toFixed(2)} virtual hours, ${speed} x real time, ${failed.length} failed`
    if (process.stdout.isTTY) process.stdout.write(`\r${text}   `)
    else if (done === count || seconds % 10 < 1) console.log(text)
  },
})
if (process.stdout.isTTY) console.log()
if (values.counts || count > 1) console.log(countsText(results))
if (count === 1 && failed.length === 0)
  console.log(`hash ${results[0]?.hash}, ${results[0]?.events} events, ${Math.round(performance.now() - began)} ms`)
failed.sort((a, b) => a.seed - b.seed)
const [first] = failed
if (first !== undefined) {
  if (!values.forget) remember(failed, asked)
  console.log(failureText(first, asked, lines))
  process.exitCode = EXIT_CODES[first.violation?.kind ?? 'safety']
}
