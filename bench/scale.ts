/**
 * Membership alone, at 3 to 3,000 nodes on virtual time: how soon a frozen node is known by all, how soon a change or a further node is, what a
 * node sends, and who is wrongly taken for dead while others are sick. The production machine, the same with memberlist's timers (preset `calm`), and
 * memberlist itself (scale/memberlist.ts) in one world. The figures are counts: a seed gives the same on every machine, so one round is all there is.
 */
import { Sheet, type Bench, type BenchOptions, type Row } from './harness/bench.ts'
import { startChild } from './harness/child.ts'
import { percentiles } from './harness/statistics.ts'
import type { Figures, Plan, Protocol, Wrong } from './scale/measures.ts'

export const FULL: readonly Plan[] = [
  { nodes: 3, freezes: 40, changes: 20, joins: 2, quietMs: 60_000, sick: 1, sickMs: 600_000 },
  { nodes: 30, freezes: 24, changes: 10, joins: 4, quietMs: 60_000, sick: 3, sickMs: 240_000 },
  { nodes: 300, freezes: 10, changes: 5, joins: 3, quietMs: 40_000, sick: 30, sickMs: 40_000 },
  { nodes: 1000, freezes: 5, changes: 3, joins: 2, quietMs: 20_000, sick: 10, sickMs: 20_000 },
  { nodes: 3000, freezes: 2, changes: 2, joins: 1, quietMs: 12_000, sick: 0, sickMs: 0 },
]
const QUICK: readonly Plan[] = [{ nodes: 5, freezes: 1, changes: 1, joins: 1, quietMs: 1000, sick: 1, sickMs: 2000 }]
const PROTOCOLS: readonly Protocol[] = ['troupe', 'troupe-calm', 'memberlist']
/** C4: p99 of a frozen node known by all, by the number of nodes. */
export const KNOWN_TARGET_MS: ReadonlyMap<number, number> = new Map([
  [3, 3500],
  [30, 5500],
  [300, 7500],
])
const QUIET_TARGET_BYTES = 600
/** The largest worlds take minutes and gigabytes; the timers alone are told by the smaller ones. */
const CALM_NODES_MAX = 1000
const HEAP_MIB = 14_000

export const scale: Bench = {
  name: 'scale',
  about: 'membership alone at 3 to 3,000 nodes on virtual time, beside memberlist: detection, convergence, bytes, false verdicts',
  run: async (options) => {
    const protocols = PROTOCOLS.filter((name) => options.systems === null || options.systems.includes(name))
    const measurements: Measurement[] = []
    for (const plan of options.quick ? QUICK : FULL)
      for (const protocol of protocols.filter((name) => name !== 'troupe-calm' || plan.nodes <= CALM_NODES_MAX))
        measurements.push({ protocol, plan, figures: await measured(options, protocol, plan) })
    return rowsOf(measurements)
  },
}

export interface Measurement {
  readonly protocol: Protocol
  readonly plan: Plan
  readonly figures: Figures
}

export function rowsOf(measurements: readonly Measurement[]): Row[] {
  const sheet = new Sheet('scale')
  for (const [nodes, value] of KNOWN_TARGET_MS)
    sheet.target('frozen node known by all, p99', { to: 'absolute', relation: '<=', value }, caseOf(nodes))
  sheet.target('sent when quiet', { to: 'absolute', relation: '<=', value: QUIET_TARGET_BYTES })
  for (const metric of ['shown dead wrongly, some blocked', 'shown dead wrongly, some lossy'])
    sheet.target(metric, { to: 'absolute', relation: '<=', value: 0 })
  for (const { protocol, plan, figures } of measurements) addTo(sheet, plan, protocol, figures)
  return sheet.rows()
}

async function measured({ say, profile }: BenchOptions, protocol: Protocol, plan: Plan): Promise<Figures> {
  const profiled = profile === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}/${protocol}-${plan.nodes}`]
  const flags = [`--max-old-space-size=${HEAP_MIB}`, '--max-semi-space-size=128', ...profiled]
  const child = await startChild(new URL('scale/program.ts', import.meta.url), [], flags)
  try {
    const figures = await child.ask<Figures>('measure', { protocol, plan, seed: 'scale' })
    const all = percentile(figures.allKnown, 'p50')
    say(`  ${caseOf(plan.nodes)}, ${protocol}: known by all after ${all} ms; ${figures.cpuSeconds.toFixed(0)} s of CPU`)
    return figures
  } finally {
    await child.stop()
  }
}

function addTo(sheet: Sheet, { nodes }: Plan, system: Protocol, figures: Figures): void {
  const where = caseOf(nodes)
  const { firstKnown, allKnown, changed, joined, quietBytes, failureBytes, blocked, lossy } = figures
  sheet.add(where, system, 'frozen node known by all, p50', 'ms', percentile(allKnown, 'p50'))
  sheet.add(where, system, 'frozen node known by all, p99', 'ms', percentile(allKnown, 'p99'))
  sheet.detail(where, system, 'frozen node known by the first, p50', 'ms', percentile(firstKnown, 'p50'))
  sheet.add(where, system, 'changed record known by all, p50', 'ms', percentile(changed, 'p50'))
  sheet.detail(where, system, 'changed record known by all, most', 'ms', Math.max(...changed))
  sheet.add(where, system, 'further node in service at all, p50', 'ms', percentile(joined, 'p50'))
  sheet.add(where, system, 'sent when quiet', 'B/s a node', quietBytes.mean)
  sheet.detail(where, system, 'sent when quiet, most', 'B/s a node', quietBytes.most)
  sheet.add(where, system, 'sent while a node is missed', 'B/s a node', failureBytes)
  const wrong = (name: string, how: Wrong | null): void => {
    if (how === null) return
    sheet.add(where, system, `shown dead wrongly, some ${name}`, 'members a minute', how.members / how.minutes)
    sheet.detail(where, system, `times shown dead wrongly, some ${name}`, 'a minute', how.times / how.minutes)
  }
  wrong('blocked', blocked)
  wrong('lossy', lossy)
  sheet.detail(where, system, 'CPU of the simulation', 's', figures.cpuSeconds)
}

function percentile(values: readonly number[], which: 'p50' | 'p99'): number {
  return percentiles(Float64Array.from(values))[which]
}

export function caseOf(nodes: number): string {
  return `${nodes.toLocaleString('en')} nodes`
}
