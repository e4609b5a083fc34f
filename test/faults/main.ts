/**
 * `npm run faults -- --count 1000 [--seed N] [--minutes M] [--nodes 4] [--kinds kill,freeze,cut,drain,together] [--pace MS] [--loopback] [--verbose]`.
 * Prints the seed first and the reproducing command last. Exit codes: 0 held, 1 a promise was broken, 2 held but a required hit or a fault is missing,
 * 3 the run itself failed, 64 usage. docs/faults.md explains it.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { refusal } from '../cluster-processes/netns.ts'
import type { Ledger } from './ledger.ts'
import { type Group, GROUPS } from './nemesis.ts'
import { run } from './run.ts'

const EXIT = { broken: 1, missed: 2, failed: 3, usage: 64 } as const
/** Of a thousand faults (C2); fewer faults ask for none. */
const REQUIRED_AT = 1000
const REQUIRED = 20
const SHOWN = 20

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    seed: { type: 'string' },
    minutes: { type: 'string', default: '120' },
    nodes: { type: 'string', default: '4' },
    kinds: { type: 'string', default: 'all' },
    pace: { type: 'string', default: '1500' },
    loopback: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
})

function usage(message: string): never {
  console.error(message)
  process.exit(EXIT.usage)
}

function whole(name: 'count' | 'seed' | 'minutes' | 'nodes' | 'pace', text: string, low: number, high: number): number {
  const value = Number(text)
  return Number.isInteger(value) && value >= low && value <= high ? value : usage(`--${name} is a whole number from ${low} to ${high}`)
}

const count = whole('count', values.count, 1, 100_000)
const seed = values.seed === undefined ? randomInt(1, 1_000_000_000) : whole('seed', values.seed, 1, 1_000_000_000)
const minutes = whole('minutes', values.minutes, 1, 1440)
const nodes = whole('nodes', values.nodes, 2, 9)
const paceMs = whole('pace', values.pace, 100, 60_000)
const named = values.kinds.split(',')
const groups = named.includes('all') ? GROUPS : (named as Group[])
for (const group of groups) if (!GROUPS.includes(group)) usage(`--kinds: '${group}' is none of ${GROUPS.join(', ')}, all`)

console.log(`seed ${seed}`)
const why = groups.includes('cut') ? (values.loopback ? '--loopback says so' : refusal()) : null
const namespaces = groups.includes('cut') && why === null
if (why !== null) console.log(`no links are cut: ${why}`)
if (groups.every((group) => group === 'cut') && !namespaces) usage('--kinds: there is nothing else to do')
const again = `npm run faults -- --seed ${seed} --count ${count} --minutes ${minutes} --nodes ${nodes} --kinds ${values.kinds} --pace ${paceMs}${values.loopback ? ' --loopback' : ''}`

// Ends with everything that it started (each part does so when this process exits).
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(EXIT.failed))

try {
  const { ledger, tookMs, entries, actors, dir } = await run({
    seed,
    faults: count,
    minutes,
    nodes,
    groups,
    namespaces,
    paceMs,
    progress: (line) => console.log(line),
    ...(values.verbose && { log: (line: string) => console.log(`    ${line}`) }),
  })
  tell(ledger)
  console.log(`${entries} entries of ${actors} actors, ${Math.round(tookMs / 1000)} s`)
  const missing = missed(ledger)
  if (ledger.violations.length > 0) {
    process.exitCode = EXIT.broken
    console.log(`the store is kept in ${dir}`)
  } else if (missing.length > 0) {
    process.exitCode = EXIT.missed
    console.log(`held, but not proven: ${missing.join('; ')}`)
  }
} catch (error) {
  console.error(error)
  process.exitCode = EXIT.failed
}
console.log(`again: ${again}`)
// Sockets of clients that are backing off would keep the process.
process.exit()

function tell({ violations, byKind, passing, followers, hits, unknownOutcomes }: Ledger): void {
  const counts = (of: ReadonlyMap<string, number>): string => [...of].map(([name, n]) => `${name} ${n}`).join(', ')
  console.log(`faults: ${counts(byKind)}`)
  console.log(`answers that pass: ${counts(passing) || 'none'}`)
  console.log(`followers: ${followers.length}, gaps told ${followers.reduce((sum, { gaps }) => sum + gaps, 0)}`)
  console.log(`hits: ${JSON.stringify({ ...hits, ...unknownOutcomes })}`)
  for (const { check, what } of violations.slice(0, SHOWN)) console.log(`VIOLATION ${check}: ${what}`)
  if (violations.length > SHOWN) console.log(`… and ${violations.length - SHOWN} more`)
}

function missed({ hits, unknownOutcomes }: Ledger): string[] {
  const short = hits.faults < count ? [`${hits.faults} faults of ${count} in ${minutes} minutes`] : []
  if (count < REQUIRED_AT) return short
  const wanted: readonly (readonly [Group, string, number])[] = [
    ['freeze', 'freezes inside a transaction', hits.frozenInTransaction],
    ['kill', 'kills between hint and batch', hits.hintKills],
    ['drain', 'kills in a handoff', hits.handoffKills],
    ['kill', 'unknown outcomes that turned out to be applied', unknownOutcomes.settled],
  ]
  const few = wanted
    .filter(([group, , n]) => groups.includes(group) && n < REQUIRED)
    .map(([, name, n]) => `${n} ${name}, ${REQUIRED} wanted`)
  return [...short, ...few]
}
