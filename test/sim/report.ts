/** What a person reads of a run that failed. */
import type { RunResult } from './run.ts'
import type { Scenario } from './scenario.ts'
import type { SeedKind, StoreKind } from './swarm.ts'

export interface ReportAsked {
  /** Virtual. */
  readonly minutes: number
  readonly nodes?: number
  readonly kind?: SeedKind
  readonly store?: StoreKind
  readonly scenario?: Scenario
}

export function reproduce({ seed }: { readonly seed: number }, asked: ReportAsked): string {
  const flags = ['nodes', 'kind', 'store'] as const
  const more = flags.map((flag) => (asked[flag] === undefined ? '' : ` --${flag} ${asked[flag]}`)).join('')
  const scenario = asked.scenario === undefined ? '' : ` --scenario '${JSON.stringify(asked.scenario)}'`
  return `npm run sim -- --seed ${seed} --virtual-minutes ${asked.minutes}${more}${scenario}`
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
