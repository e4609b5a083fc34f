/** Rows as a table for people and as JSON for `compare.ts`. */
import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BenchOptions, Ratio, Row } from './bench.ts'

export interface Report {
  readonly when: string
  readonly commit: string
  readonly machine: {
    readonly cores: number
    readonly cpu: string
    readonly memoryGiB: number
    readonly kernel: string
    readonly node: string
  }
  readonly quick: boolean
  readonly rounds: number
  readonly rows: readonly Row[]
}

export async function writeReport(rows: readonly Row[], options: BenchOptions, out: string | null): Promise<string> {
  const when = new Date().toISOString()
  const path = out ?? fileURLToPath(new URL(`../results/raw/${when.replaceAll(':', '-')}.json`, import.meta.url))
  const report: Report = {
    when,
    commit: commit(),
    machine: {
      cores: cpus().length,
      cpu: cpus()[0]?.model ?? '',
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
      node: process.version,
    },
    quick: options.quick,
    rounds: options.rounds,
    rows,
  }
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `${JSON.stringify(report, null, 1)}\n`)
  return path
}

/** Columns: what, which system, median with range, and for our own rows the ratio to each peer beside its target. */
export function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.bench,
    row.case,
    row.metric,
    row.system,
    `${format(row.value.median)} ${row.unit}`,
    row.value.rounds > 1 ? `${format(row.value.low)}–${format(row.value.high)}` : '',
    row.ratios.map(against).join(', '),
  ])
  const header = ['', 'case', 'metric', 'system', 'median', 'range', 'against']
  const widths = header.map((title, column) => Math.max(title.length, ...lines.map((line) => (line[column] ?? '').length)))
  const print = (line: readonly string[]): string =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return `${[header, ...lines].map(print).join('\n')}\n`
}

function against({ to, value, target, met }: Ratio): string {
  const what = to === 'absolute' ? '' : `${value.median.toFixed(2)} × ${to}`
  const goal = target === undefined ? '' : to === 'absolute' ? `target ${target}` : ` (${target})`
  return what + goal + (met === undefined ? '' : met ? ' met' : ' MISSED')
}

export function format(value: number): string {
  if (!Number.isFinite(value)) return '—'
  const size = Math.abs(value)
  return size >= 1000
    ? Math.round(value).toLocaleString('en')
    : size >= 100
      ? value.toFixed(0)
      : size >= 1
        ? value.toFixed(1)
        : value.toFixed(3)
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, {
        cwd: fileURLToPath(new URL('.', import.meta.url)),
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim()
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' with changes')
  } catch {
    return 'unknown'
  }
}
