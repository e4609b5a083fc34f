/** Seeds that once failed, kept for ever and replayed by every test run. */
import { readFileSync, writeFileSync } from 'node:fs'
import type { Failed } from './pool.ts'
import type { SeedKind, StoreKind } from './swarm.ts'

export interface CorpusRow {
  readonly seed: number
  /** Virtual. */
  readonly minutes: number
  readonly nodes?: number
  readonly kind?: SeedKind
  readonly store?: StoreKind
  /** The property that it broke, when it did. */
  readonly property: string
}

const SEEDS_A_PROPERTY = 8

const FILE = new URL('./corpus.json', import.meta.url)

export function corpus(): CorpusRow[] {
  return JSON.parse(readFileSync(FILE, 'utf8')) as CorpusRow[]
}

/** Adds what failed; of a property that this file has so many seeds of already, no more, so that it stays small enough to replay. */
export function remember(failed: readonly Failed[]): void {
  const rows = corpus()
  for (const { asked, result } of failed) {
    const { seed, minutes, nodes, kind, store } = asked
    const property = result.violation?.property
    if (property === undefined || rows.filter((row) => row.property === property && row.kind === kind).length >= SEEDS_A_PROPERTY) continue
    const known = rows.some(
      (row) => row.seed === seed && row.minutes === minutes && row.nodes === nodes && row.kind === kind && row.store === store,
    )
    if (known) continue
    const row = {
      seed,
      minutes,
      ...(nodes !== undefined && { nodes }),
      ...(kind !== undefined && { kind }),
      ...(store !== undefined && { store }),
    }
    rows.push({ ...row, property })
  }
  writeFileSync(FILE, `[\n${rows.map(lineOf).join(',\n')}\n]\n`)
}

function lineOf(row: CorpusRow): string {
  const fields = Object.entries(row).map(([name, value]) => `"${name}": ${JSON.stringify(value)}`)
  return `  { ${fields.join(', ')} }`
}
