/** Plots of the scale bench for docs/membership.md: `node bench/plots/scale.ts REPORT.json [FOLDER]`; the folder is docs/images unless named. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Row } from '../harness/bench.ts'
import type { Report } from '../harness/report.ts'
import { KNOWN_TARGET_MS } from '../scale.ts'
import { svgOf, type Plot, type Series } from './svg.ts'

const SYSTEMS = [
  { system: 'troupe', name: 'Troupe', colour: '#0969da' },
  { system: 'troupe-calm', name: 'Troupe, calm', colour: '#8250df', dashed: true },
  { system: 'memberlist', name: 'memberlist', colour: '#bc4c00' },
] as const
const NODES = 'nodes'

interface Wanted {
  readonly file: string
  readonly title: string
  readonly y: string
  readonly metric: string
  /** Figures are divided by it. */
  readonly unit: number
  readonly log: boolean
}

const PLOTS: readonly Wanted[] = [
  {
    file: 'detection',
    title: 'A frozen node is known by all (median)',
    y: 's',
    metric: 'frozen node known by all, p50',
    unit: 1000,
    log: false,
  },
  {
    file: 'change',
    title: 'A changed record is known by all (median)',
    y: 's',
    metric: 'changed record known by all, p50',
    unit: 1000,
    log: false,
  },
  {
    file: 'join',
    title: 'A further node is in service at all (median)',
    y: 's',
    metric: 'further node in service at all, p50',
    unit: 1000,
    log: false,
  },
  { file: 'bytes', title: 'What a quiet node sends', y: 'bytes a second', metric: 'sent when quiet', unit: 1, log: true },
  {
    file: 'bytes-failure',
    title: 'What a node sends while another is missed',
    y: 'bytes a second',
    metric: 'sent while a node is missed',
    unit: 1,
    log: true,
  },
  {
    file: 'false-verdicts',
    title: 'Members wrongly shown dead while others are blocked',
    y: 'times a minute',
    metric: 'times shown dead wrongly, some blocked',
    unit: 1,
    log: false,
  },
]

/** By file name. */
export function plotsOf(rows: readonly Row[]): Map<string, string> {
  const found = PLOTS.map((wanted) => [`membership-${wanted.file}.svg`, svgOf(plotOf(wanted, rows))] as const)
  return new Map(found)
}

function plotOf({ file, title, y, metric, unit, log }: Wanted, rows: readonly Row[]): Plot {
  const series = SYSTEMS.map(({ system, ...look }): Series => ({ ...look, points: pointsOf(rows, metric, system, unit) }))
  const targets = file !== 'detection' ? [] : [...KNOWN_TARGET_MS].map(([nodes, ms]) => [nodes, ms / unit] as const)
  const plot = { title, x: NODES, y, log, series: series.filter(({ points }) => points.length > 0) }
  return targets.length === 0 ? plot : { ...plot, marks: { name: 'target (p99)', colour: '#1a7f37', points: targets } }
}

function pointsOf(rows: readonly Row[], metric: string, system: string, unit: number): (readonly [number, number])[] {
  return rows
    .filter((row) => row.bench === 'scale' && row.metric === metric && row.system === system)
    .map((row) => [Number(row.case.replaceAll(/\D/g, '')), row.value.median / unit] as const)
    .sort(([a], [b]) => a - b)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , file, folder = fileURLToPath(new URL('../../docs/images/', import.meta.url))] = process.argv
  if (file === undefined) {
    process.stderr.write('usage: node bench/plots/scale.ts REPORT.json [FOLDER]\n')
    process.exit(2)
  }
  const { rows } = JSON.parse(await readFile(file, 'utf8')) as Report
  await mkdir(folder, { recursive: true })
  for (const [name, svg] of plotsOf(rows)) await writeFile(join(folder, name), svg)
}
