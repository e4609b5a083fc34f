/** Runs benches and prints one table; the raw figures go to a JSON file. `--help` says how to call it. */
import { mkdir } from 'node:fs/promises'
import { BENCHES } from './benches.ts'
import { parseOptions, Unavailable, type Row } from './harness/bench.ts'
import { table, writeReport } from './harness/report.ts'

const USAGE = `usage: node bench/run.ts [BENCH …] [options]

Benches (all, if none is named):
${BENCHES.map(({ name, about }) => `  ${name}  ${about}`).join('\n')}

  --quick             tiny inputs, seconds for everything; the figures then mean nothing
  --rounds N          rounds of all systems in turn (3; with --quick 1)
  --size PART         part of the clients, actors and rates of f1 … f7, above 0 to 1: for trials
  --systems A,B       these systems instead of the bench's own; troupe=DIR is another checkout of ours
  --details           also print what explains a figure
  --profile DIR       CPU profiles of the servers; bench/profile.ts reads them
  --others-max CORES  wait for, or repeat until, a machine whose other programs use no more
  --out FILE          where all figures go (bench/results/raw/TIME.json)
  -h, --help          this

bench/README.md says what is measured and how to read it.
`

const { options, names, out, help } = asked()
if (help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
const unknown = names.find((name) => !BENCHES.some((bench) => bench.name === name))
if (unknown !== undefined) {
  process.stderr.write(`there is no bench '${unknown}'\n\n${USAGE}`)
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
    // Among all benches one that cannot run here is passed over, as a peer is.
    failed ||= names.includes(bench.name) || !(error instanceof Unavailable)
    options.say(`${bench.name} failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}
process.stdout.write(table(rows.filter((row) => options.details || !row.detail)))
options.say(`written to ${await writeReport(rows, options, out)}`)
process.exit(failed ? 1 : 0)

function asked(): ReturnType<typeof parseOptions> {
  try {
    return parseOptions(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    process.exit(2)
  }
}
