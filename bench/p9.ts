/**
 * P9: what an event costs the servers as the number of actors and the number of nodes grow. CPU (user and system, all threads, from /proc) of the server
 * processes for one acknowledged event, in a closed loop of 256: the result is the ratio of that, not the rate.
 *
 * - From 1,000 to 1,000,000 actors on one node, all of them active in memory: embedded store, `durability: 'event'`, `history: 'all'`, options as they come but for `idleMs`
 *   (a day: with a minute the million would be written and dropped while it is being made). 64 sockets of services send to all actors, uniformly;
 *   each actor was sent one event before. With 1,000 actors each gets hundreds of events, so snapshots (each 256 events) are in its figure; with 1,000,000 they are not, but
 *   every event finds its actor cold in the processor's caches. Collections of the large heap are in it.
 * - From 3 to 6 nodes on one machine: the workload of P2 with 2,000 users. Of an event's ways ⅔ cross nodes with three and ⅚ with six: that is in the ratio.
 */
import { inRounds, profileFlags, Sheet, usableSystems, type Bench, type BenchOptions, type Row } from './harness/bench.ts'
import { startChild } from './harness/child.ts'
import { ratioByRound } from './harness/statistics.ts'
import { dataDirectory, SERVER_FLAGS, startLoad, type System } from './harness/systems.ts'
import type { ManyActorsPlan, ManyActorsResult } from './load/many-actors.ts'
import { measureEvents, type EventSizes } from './p1.ts'

interface Sizes {
  readonly actors: readonly number[]
  readonly sockets: number
  readonly outstanding: number
  readonly warmMs: number
  readonly ms: number
  readonly nodes: EventSizes
}
const FULL: Sizes = {
  actors: [1000, 1_000_000],
  sockets: 64,
  outstanding: 256,
  warmMs: 3000,
  ms: 10_000,
  nodes: { sockets: 2000, warmMs: 2000, closedMs: 6000, openMs: 1000, outstanding: [256] },
}
const QUICK: Sizes = {
  actors: [50, 100],
  sockets: 4,
  outstanding: 16,
  warmMs: 20,
  ms: 300,
  nodes: { sockets: 24, warmMs: 20, closedMs: 100, openMs: 50, outstanding: [16] },
}
const CPU = 'server CPU an event'
const LIMIT = 1.2
/** The million must not be refused by the heap's default limit. */
const HEAP_MIB = 8192
const DAY_MS = 86_400_000

export const p9: Bench = {
  name: 'p9',
  about: 'server CPU an event from 1,000 to 1,000,000 actors, and from 3 to 6 nodes',
  run: async (options) => {
    const sheet = new Sheet('p9')
    const sizes = options.quick ? QUICK : FULL
    const alone = await usableSystems(options, ['troupe'])
    for (const actors of sizes.actors) await inRounds(options, alone, (system) => manyActors(options, system, actors, sizes, sheet))
    const clusters = await usableSystems(options, ['troupe-3', 'troupe-6'])
    await inRounds(options, clusters, (system, round) =>
      measureEvents(options, system, round, sizes.nodes, { picks: ['uniform'], user: null, to: null }, sheet),
    )
    const rows = sheet.rows()
    const least = rows.find((row) => row.metric === CPU && row.case === caseOf(sizes.actors[0] as number))
    const three = rows.find((row) => row.metric === CPU && row.system === 'troupe-3')
    return rows.map((row) => {
      if (row.metric !== CPU) return row
      if (row.system === 'troupe-6') return against(row, three, 'troupe-3')
      return row.system === 'troupe' && row !== least ? against(row, least, least?.case ?? '') : row
    })
  },
}

async function manyActors(options: BenchOptions, system: System, actors: number, sizes: Sizes, sheet: Sheet): Promise<void> {
  const [directory = ''] = system.args(await dataDirectory())
  const server = await startChild(
    system.program,
    [directory, JSON.stringify({ idleMs: DAY_MS })],
    [...SERVER_FLAGS, `--max-old-space-size=${HEAP_MIB}`, ...profileFlags(options, system)],
  )
  const load = await startLoad()
  try {
    const { ports, pids } = server.ready
    await load.ask('open', { dialect: system.dialect, ports, sockets: sizes.sockets, user: null, concurrency: 64 })
    await load.ask('touchActors', actors)
    const { outstanding, warmMs, ms } = sizes
    const plan: ManyActorsPlan = { outstanding, warmMs, ms, seed: caseOf(actors), pids }
    const result = await load.ask<ManyActorsResult>('manyActors', plan)
    const recorded = await server.ask<number>('recorded')
    if (recorded !== result.acknowledged) throw new Error(`${result.acknowledged} events were acknowledged but ${recorded} recorded`)
    const us = ((result.cpu.cores['server'] ?? 0) * 1e6) / result.rate
    sheet.add(caseOf(actors), system.name, CPU, 'µs', us)
    sheet.detail(caseOf(actors), system.name, 'events', 'events/s', result.rate)
    sheet.detail(caseOf(actors), system.name, 'cpu of other programs', 'cores', result.cpu.others)
    options.say(`  ${caseOf(actors)}: ${us.toFixed(1)} µs an event at ${Math.round(result.rate)} events/s`)
  } finally {
    await load.stop()
    await server.stop()
  }
}

function caseOf(actors: number): string {
  return `${actors.toLocaleString('en')} actors`
}

function against(row: Row, base: Row | undefined, to: string): Row {
  if (base === undefined || base.values.length !== row.values.length) return row
  const value = ratioByRound(row.values, base.values)
  return { ...row, ratios: [{ to, value, target: `<= ${LIMIT}`, met: value.median <= LIMIT }] }
}
