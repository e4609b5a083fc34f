/** What a person reads of a run. */
import type { RunResult } from './run.ts'
import type { SeedKind } from './swarm.ts'

export interface ReportAsked {
  readonly minutes: number
  readonly nodes?: number
  readonly kind?: SeedKind
}

export function reproduce(result: RunResult, asked: ReportAsked): string {
  const more = `${asked.nodes === undefined ? '' : ` --nodes ${asked.nodes}`}${asked.kind === undefined ? '' : ` --kind ${asked.kind}`}`
  return `npm run sim -- --seed ${result.seed} --minutes ${asked.minutes}${more}`
}

/** A failed run, the command that repeats it last. */
export function failureText(result: RunResult, asked: ReportAsked, lines = 80): string {
  const { violation } = result
  if (violation === null) return ''
  return [
    `seed ${result.seed}: ${violation.kind} broken, property '${violation.property}', at ${(result.virtualMs / 1000).toFixed(3)} s`,
    ...result.lines.slice(-lines).map((line) => `  ${line}`),
    `seed ${result.seed}: ${violation.property}: ${violation.message}`,
    reproduce(result, asked),
  ].join('\n')
}

/** Counts of all runs, to see that rare paths were taken. */
export function countsText(results: readonly RunResult[]): string {
  const sums = new Map<string, number>()
  for (const { counts } of results) for (const [name, count] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + count)
  return [...sums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `  ${name.slice(0, 100).padEnd(28)} ${count}`)
    .join('\n')
}
