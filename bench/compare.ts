/**
 * Compares the reports of two runs (two commits, on one machine): node bench/compare.ts BEFORE.json AFTER.json
 * Two runs saw two different machines, so what is compared is our ratio to the peers of the same run; where a figure has no ratio, the
 * figures themselves, to be read with their ranges. Ranges that overlap are no difference.
 */
import { readFile } from 'node:fs/promises'
import { format, type Report } from './harness/report.ts'
import type { Row } from './harness/bench.ts'
import type { Spread } from './harness/statistics.ts'

const [before, after] = process.argv.slice(2)
if (before === undefined || after === undefined) {
  process.stderr.write('usage: node bench/compare.ts BEFORE.json AFTER.json\n')
  process.exit(2)
}
const [old, young] = await Promise.all([read(before), read(after)])
process.stdout.write(`before: ${old.commit}, ${old.when}\nafter:  ${young.commit}, ${young.when}\n`)
for (const row of young.rows) {
  const same = old.rows.find((other) => name(other) === name(row))
  if (same === undefined || row.detail) continue
  const pairs: [string, Spread, Spread | undefined][] =
    row.ratios.length === 0
      ? [[row.unit, row.value, same.value]]
      : row.ratios.map((ratio) =>
          ratio.to === 'absolute'
            ? [row.unit, row.value, same.value]
            : [`× ${ratio.to}`, ratio.value, same.ratios.find((other) => other.to === ratio.to)?.value],
        )
  for (const [unit, now, then] of pairs) {
    if (then === undefined) continue
    const apart = now.low > then.high || now.high < then.low
    process.stdout.write(
      `${name(row)}: ${show(then)} → ${show(now)} ${unit}${apart ? `  (${format(now.median / then.median)} ×)` : '  (no difference beyond the noise)'}\n`,
    )
  }
}

async function read(path: string): Promise<Report> {
  const report = JSON.parse(await readFile(path, 'utf8')) as Report
  if (report.quick) process.stderr.write(`${path} is of a --quick run: its figures mean nothing\n`)
  return report
}

function name(row: Row): string {
  return `${row.bench} ${row.case} ${row.metric} ${row.system}`
}

function show({ median, low, high }: Spread): string {
  return `${format(median)} (${format(low)}–${format(high)})`
}
