/**
 * `npm run sim:mutants [-- --only TEXT|RULE --kind engine|cluster|actors|sessions|gateway|routing|membership|ring|mongodb --skip N --seeds 500 --virtual-minutes 1 --workers N --write --why]`:
 * breaks the production code on purpose, one rule at a time, and shows which property or test notices and after how many seeds.
 * --write puts what came out into the table of docs/simulation.md. Exit 1 if a mutant survives.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { SECTIONS } from './mutant-sections.ts'
import { NOT_RUN, renew, rowOf, rowText, SURVIVED, writtenRows } from './mutant-table.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    kind: { type: 'string' },
    skip: { type: 'string' },
    seeds: { type: 'string' },
    'virtual-minutes': { type: 'string' },
    workers: { type: 'string' },
    write: { type: 'boolean', default: false },
    why: { type: 'boolean', default: false },
  },
})
const { only, kind } = values
if (kind !== undefined && SECTIONS.every(({ name }) => name !== kind)) {
  console.error(`--kind is one of ${SECTIONS.map(({ name }) => name).join(', ')}, not ${kind}`)
  process.exit(64)
}
const chosen = SECTIONS.filter(({ name }) => kind === undefined || name === kind)
  .flatMap((section) => section.mutants.map((mutant) => ({ section, mutant })))
  .filter(({ mutant: { name, rule } }) => only === undefined || name.includes(only) || rule === only)
  .slice(Number(values.skip ?? 0))
const asked = {
  seeds: Number(values.seeds ?? 500),
  minutes: Number(values['virtual-minutes'] ?? 1),
  workers: Number(values.workers ?? availableParallelism()),
}
const known = writtenRows()
let survived = 0
let done = 0
const sound = new Set<string>()
for (const { section, mutant } of chosen) {
  if (only === undefined && !sound.has(section.name)) {
    sound.add(section.name)
    const broken = await section.broken()
    if (broken !== null) throw new Error(`without any mutant '${broken}' fails: mend that first`)
  }
  const caught = await section.hunt(mutant, asked, noticed(section.name, mutant.name))
  if (caught.by === null) survived++
  const row = rowOf(mutant, caught)
  console.log(`${++done}/${chosen.length} ${section.name.padEnd(10)} ${rowText(row)}`)
  if (values.why) console.log(`      ${caught.message}`)
  if (values.write) renew(new Map([[`${section.name} ${mutant.name}`, row]]))
}
console.log(`${chosen.length - survived} of ${chosen.length} mutants caught`)
if (survived > 0 || chosen.length === 0) process.exitCode = 1

/** What the page says; of tests alone it is asked first. */
function noticed(section: string, name: string): string | undefined {
  const by = known.get(`${section} ${name}`)?.by
  return by === NOT_RUN || by === SURVIVED ? undefined : by
}
