/**
 * `node test/sim/hashes.ts [--record]`: the trace hashes of a handful of seeds, which must be the same on every Node. A test compares them with hashes.json, so
 * whichever Node runs the suite proves it. After a change of the code that changes the traces: `--record`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runSeed, type RunAsked } from './run.ts'

const FILE = new URL('./hashes.json', import.meta.url)
const SEEDS: readonly RunAsked[] = [
  { seed: 1, minutes: 1 },
  { seed: 2, minutes: 1 },
  { seed: 3, minutes: 1 },
  { seed: 4, minutes: 1 },
  { seed: 5, minutes: 1, store: 'mongodb' },
  { seed: 1, minutes: 1, kind: 'cluster' },
  { seed: 2, minutes: 1, kind: 'cluster' },
  { seed: 3, minutes: 1, kind: 'cluster' },
  { seed: 1, minutes: 0.25, kind: 'gateway' },
  { seed: 2, minutes: 0.25, kind: 'gateway' },
]

export async function hashes(): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const asked of SEEDS) {
    const { seed, minutes, kind = 'engine', store = 'plain' } = asked
    const { hash, events } = await runSeed(asked)
    found[`${kind} seed ${seed}, ${minutes} min, ${store}`] = `${hash} ${events}`
  }
  return found
}

export function recorded(): Record<string, string> {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, string>
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = await hashes()
  if (process.argv.includes('--record')) writeFileSync(FILE, `${JSON.stringify(found, null, 2)}\n`)
  const known = recorded()
  console.log(`Node ${process.versions.node}`)
  for (const [name, hash] of Object.entries(found))
    console.log(`${name}: ${hash}${known[name] === hash ? '' : `, recorded ${known[name]}`}`)
  if (Object.entries(found).some(([name, hash]) => known[name] !== hash)) process.exitCode = 3
}
