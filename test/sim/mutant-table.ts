/** The table of all mutants in docs/simulation.md: read, renewed row by row, written. */
import { readFileSync, writeFileSync } from 'node:fs'
import { SECTIONS } from './mutant-sections.ts'
import type { Caught, Mutant } from './mutate.ts'

const PAGE = new URL('../../docs/simulation.md', import.meta.url)
const BEGIN = '<!-- mutants: written by `npm run sim:mutants -- --write` -->'
const END = '<!-- mutants end -->'

export const SURVIVED = 'SURVIVED'
export const NOT_RUN = 'not run yet'

export interface Row {
  readonly rule: string
  readonly name: string
  readonly by: string
  readonly seeds: string
}

export function rowOf({ rule, name }: Mutant, { by, seeds }: Caught): Row {
  return { rule, name, by: by === null ? SURVIVED : seeds === null ? by : `\`${by}\``, seeds: seeds === null ? 'tests' : String(seeds) }
}

export function rowText({ rule, name, by, seeds }: Row): string {
  return `| ${[rule, name, by, seeds].map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
}

/** By section and name, as the page has them. */
export function writtenRows(): Map<string, Row> {
  const rows = new Map<string, Row>()
  let section = ''
  for (const line of tableOf(readFileSync(PAGE, 'utf8')).split('\n')) {
    section = /^### (\w+)/.exec(line)?.[1] ?? section
    const [, rule, name, by, seeds] = line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'))
    if (rule === undefined || name === undefined || by === undefined || seeds === undefined || rule === 'rule' || rule.startsWith('---'))
      continue
    rows.set(`${section} ${name}`, { rule, name, by, seeds })
  }
  return rows
}

/** Puts these rows in; those of mutants that are no more go. */
export function renew(fresh: ReadonlyMap<string, Row>): void {
  const rows = new Map([...writtenRows(), ...fresh])
  const parts = SECTIONS.map(({ name, title, mutants }) => {
    const lines = mutants.map((mutant) =>
      rowText(rows.get(`${name} ${mutant.name}`) ?? { rule: mutant.rule, name: mutant.name, by: NOT_RUN, seeds: '' }),
    )
    return [`### ${name}: ${title}`, '', '| rule | mutant | caught by | seeds |', '| --- | --- | --- | --- |', ...lines].join('\n')
  })
  const page = readFileSync(PAGE, 'utf8')
  const [from, to] = boundsOf(page)
  writeFileSync(PAGE, `${page.slice(0, from)}\n\n${parts.join('\n\n')}\n\n${page.slice(to)}`)
}

function tableOf(page: string): string {
  return page.slice(...boundsOf(page))
}

function boundsOf(page: string): [from: number, to: number] {
  const [from, to] = [page.indexOf(BEGIN) + BEGIN.length, page.indexOf(END)]
  if (from < BEGIN.length || to < from) throw new Error(`docs/simulation.md needs the lines ${BEGIN} and ${END}`)
  return [from, to]
}
