/** What a person reads of a simulation. */
import type { Violation } from '../../testing/verdict.ts'
import type { SeedResult } from './worker.ts'

export interface ReportAsked {
  /** As they were given, for the command that does it again. */
  readonly module: string | null
  readonly scenario: string | null
  readonly nodes: number
  readonly minutes: number
  readonly only: readonly number[] | null
  readonly option: readonly string[]
}

/** The command that runs these seeds again. */
export function commandOf(asked: ReportAsked, which: readonly string[], only: readonly number[] | null = asked.only): string {
  const words = [
    'troupe simulate',
    ...(asked.module === null ? [] : [quoted(asked.module)]),
    ...(asked.scenario === null ? [] : ['--scenario', quoted(asked.scenario)]),
    ...which,
    `--nodes ${asked.nodes}`,
    `--minutes ${asked.minutes}`,
    ...asked.option.map((pair) => `--option ${pair}`),
    ...(only === null ? [] : [`--only ${ranges(only)}`]),
  ]
  return words.join(' ')
}

const LINES = 20

/** A failed seed. */
export function failureLines(result: SeedResult, asked: ReportAsked): string[] {
  const { seed, violation, smallest } = result
  if (violation === null) return []
  const again = commandOf(asked, [`--seed ${seed}`])
  const head = [`seed ${seed}: ${violation.kind} broken: ${violation.property}`, `  at ${time(violation.atMs)}: ${violation.what}`]
  const last = (lines: readonly string[]): string[] => lines.slice(-LINES).map((line) => `    ${line}`)
  if (smallest === null) return [...head, '  the last that happened:', ...last(result.lines), `  again: ${again}`]
  return [
    ...head,
    `  smallest part that still fails: ${smallest.kept.length} of ${smallest.of} steps, found in ${smallest.tries} runs`,
    ...smallest.items.map((item) => `    ${item}`),
    ...(smallest.what === violation.what ? [] : [`  there it is: ${smallest.what}`]),
    '  the last that happened there:',
    ...last(smallest.lines),
    ...(smallest.kept.length === 0 ? [] : [`  the smallest again: ${commandOf(asked, [`--seed ${seed}`], smallest.kept)}`]),
    `  the whole again:    ${again}`,
  ]
}

/** Of all runs only the sums and the first that failed: there may be a million. */
export class Sums {
  readonly operations: Map<string, Map<string, number>> = new Map()
  readonly faults: Map<string, number> = new Map()
  seeds = 0
  first: { readonly seed: number; readonly violation: Violation } | null = null

  add({ seed, violation, operations, faults }: SeedResult): void {
    this.seeds++
    if (violation !== null && seed < (this.first?.seed ?? Infinity)) this.first = { seed, violation }
    for (const [name, counts] of Object.entries(operations)) {
      const sums = this.operations.get(name) ?? new Map<string, number>()
      this.operations.set(name, sums)
      for (const [outcome, count] of Object.entries(counts)) sums.set(outcome, (sums.get(outcome) ?? 0) + count)
    }
    for (const [name, count] of Object.entries(faults)) this.faults.set(name, (this.faults.get(name) ?? 0) + count)
  }
}

/** What was done in all runs, to see that they did something. */
export function summaryLines({ operations, faults }: Sums): string[] {
  const counted = (counts: ReadonlyMap<string, number>): string =>
    Array.from(counts, ([name, count]) => `${name} ${count.toLocaleString('en')}`)
      .sort()
      .join(', ')
  const width = Math.max(10, ...Array.from(operations.keys(), (name) => name.length))
  return [
    ...Array.from(operations, ([name, counts]) => `  ${name.padEnd(width)}  ${counted(counts)}`).sort(),
    `  ${'faults'.padEnd(width)}  ${faults.size === 0 ? 'none' : counted(faults)}`,
  ]
}

/** Operations that never got through, with what they were answered. */
export function neverDone({ operations }: Sums): string[] {
  return Array.from(operations)
    .filter(([, counts]) => !counts.has('ok'))
    .map(
      ([name, counts]) =>
        `'${name}' was never done, only answered ${[...counts.keys()].join(', ')}: does the scenario say what the app takes?`,
    )
}

/** 1–4,7 */
function ranges(numbers: readonly number[]): string {
  const parts: string[] = []
  for (let at = 0; at < numbers.length;) {
    let end = at
    while (numbers[end + 1] === (numbers[end] as number) + 1) end++
    parts.push(end === at ? String(numbers[at]) : `${numbers[at]}-${numbers[end]}`)
    at = end + 1
  }
  return parts.join(',')
}

export function time(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`
}

function quoted(text: string): string {
  return /^[\w./@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
