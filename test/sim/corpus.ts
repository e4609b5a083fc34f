/** Seeds that once failed, kept for ever and replayed by every test run. */
import { readFileSync, writeFileSync } from 'node:fs'
import type { ReportAsked } from './report.ts'
import type { RunResult } from './run.ts'
import type { SeedKind } from './swarm.ts'

export interface CorpusRow {
  readonly seed: number
  readonly minutes: number
  readonly nodes?: number
  readonly kind?: SeedKind
  /** The property that it broke, when it did. */
  readonly property: string
}

const FILE = new URL('./corpus.json', import.meta.url)

export function corpus(): CorpusRow[] {
  return JSON.parse(readFileSync(FILE, 'utf8')) as CorpusRow[]
}

/** Adds what failed, one seed for each property of this run, so that the corpus stays small enough to replay. */
export function remember(failed: readonly RunResult[], asked: ReportAsked): void {
  const rows = corpus()
  const properties = new Set<string>()
  for (const { seed, violation } of failed) {
    if (violation === null || properties.has(violation.property)) continue
    properties.add(violation.property)
    const known = rows.some(
      (row) => row.seed === seed && row.minutes === asked.minutes && row.nodes === asked.nodes && row.kind === asked.kind,
    )
    if (!known) rows.push({ seed, ...asked, property: violation.property })
  }
  writeFileSync(FILE, `[\n${rows.map(lineOf).join(',\n')}\n]\n`)
}

function lineOf(row: CorpusRow): string {
  const fields = Object.entries(row).map(([name, value]) => `"${name}": ${JSON.stringify(value)}`)
  return `  { ${fields.join(', ')} }`
}
