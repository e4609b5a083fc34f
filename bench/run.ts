/**
 * Runs benches and prints one table; the raw figures go to a JSON file.
 *
 *   node bench/run.ts [p1 p3 …] [--quick] [--rounds N] [--systems a,b] [--profile DIR] [--details] [--others-max CORES] [--out FILE]
 */
import { mkdir } from 'node:fs/promises'
import { BENCHES } from './benches.ts'
import { parseOptions, type Row } from './harness/bench.ts'
import { table, writeReport } from './harness/report.ts'

const { options, names, out } = parseOptions(process.argv.slice(2))
const unknown = names.find((name) => !BENCHES.some((bench) => bench.name === name))
if (unknown !== undefined) {
  process.stderr.write(`there is no bench '${unknown}'; there are:\n${BENCHES.map(({ name, about }) => `  ${name}  ${about}\n`).join('')}`)
  process.exit(2)
}
if (options.profile !== null) await mkdir(options.profile, { recursive: true })
const rows: Row[] = []
let failed = false
for (const bench of BENCHES) {
  if (names.length > 0 && !names.includes(bench.name)) continue
  options.say(`${bench.name}: ${bench.about}`)
  try {
    rows.push(...(await bench.run(options)))
  } catch (error) {
    failed = true
    options.say(`${bench.name} failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}
process.stdout.write(table(rows.filter((row) => options.details || !row.detail)))
options.say(`written to ${await writeReport(rows, options, out)}`)
process.exit(failed ? 1 : 0)
