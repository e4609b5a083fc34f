/**
 * `npm run sim:mutants [-- --only NAME|RULE --kind engine|cluster --skip N --seeds 500 --workers 2]`: breaks the production code on purpose, one rule at a time, and shows which property
 * notices and after how many seeds. Exit 1 if a mutant survives.
 */
import { parseArgs } from 'node:util'
import { CLUSTER_MUTANTS } from './cluster-mutants.ts'
import { MUTANTS } from './mutants.ts'
import { hunt, type Caught } from './mutate.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    kind: { type: 'string' },
    skip: { type: 'string' },
    seeds: { type: 'string' },
    minutes: { type: 'string' },
    workers: { type: 'string' },
    why: { type: 'boolean', default: false },
  },
})
const chosen = [...MUTANTS, ...CLUSTER_MUTANTS].filter(
  ({ name, rule, kind = 'engine' }) =>
    (values.only === undefined || name.includes(values.only) || rule === values.only) &&
    (values.kind === undefined || kind === values.kind),
)
const asked = { seeds: Number(values.seeds ?? 500), minutes: Number(values.minutes ?? 1), workers: Number(values.workers ?? 2) }
const caught: Caught[] = []
console.log(row('rule', 'mutant', 'caught by', 'seeds'))
console.log(row('---', '---', '---', '---'))
for (const mutant of chosen.slice(Number(values.skip ?? 0))) {
  const result = await hunt(mutant, asked)
  caught.push(result)
  console.log(row(mutant.rule, mutant.name, result.property ?? 'SURVIVED', String(result.seeds)))
  if (values.why) console.log(`      ${result.message}`)
}
const survived = caught.filter(({ property }) => property === null)
console.log(`${caught.length - survived.length} of ${caught.length} mutants caught`)
if (survived.length > 0 || caught.length === 0) process.exitCode = 1

function row(rule: string, name: string, property: string, seeds: string): string {
  return `| ${rule.padEnd(4)} | ${name.padEnd(44)} | ${property.padEnd(18)} | ${seeds.padStart(5)} |`
}
