/**
 * F1: planned handoff. Three nodes under load; the third is drained, then started again, some times over. Clients sit at the first two: what moves is actors, not sockets.
 *
 * Measured, for each probed actor (an event every few ms from its own socket, open loop, numbered, durable): its longest wait in the window of a change, less its own
 * longest wait in an equally long window just before, when nothing changed (0 if that was longer). A pause that falls between two probes is not seen: a figure
 * may be short by one probe's interval. Window of a drain: from the word to its end. Window of a join: from the moment the started node says
 * that it serves until all have it in their views, and half a second. The start of its process, a second of a core, comes before that window.
 * The longest waits themselves, nothing subtracted, stand beside it: on a noisy machine the noise before a change hides the pause, and there they are large.
 *
 * The same for actors that stay, whose pauses are those of a machine on which a node drains or joins; and the p99 of their events before and during.
 * Moved share: of all users' actors, how many have another owner, against one in three; and how many changed between nodes that stay (must be 0).
 * In the end each actor is asked how many events it has: exactly those that were acknowledged, or there is no figure.
 * Not measured: sockets (F3), large states, actors with subscribers.
 */
import { setTimeout } from 'node:timers/promises'
import { inRounds, Sheet, sized, usableSystems, type Bench, type BenchOptions } from './harness/bench.ts'
import type { Child } from './harness/child.ts'
import { epochMs, Nodes } from './harness/nodes.ts'
import { countCpu } from './harness/proc-stat.ts'
import { Samples, type Percentiles } from './harness/statistics.ts'
import { startLoad, type System } from './harness/systems.ts'
import type { ProbeCounts, ProbePlan, Window } from './load/probes.ts'

interface Sizes {
  readonly users: number
  readonly probed: number
  readonly everyMs: number
  readonly backgroundRate: number
  /** Drains, each with a start after it. */
  readonly cycles: number
  readonly warmMs: number
  readonly quietMs: number
}
const FULL: Sizes = { users: 6000, probed: 20, everyMs: 6, backgroundRate: 600, cycles: 6, warmMs: 4000, quietMs: 3000 }
const QUICK: Sizes = { users: 40, probed: 12, everyMs: 20, backgroundRate: 50, cycles: 1, warmMs: 100, quietMs: 200 }
const AFTER_MS = 500
/** How the moves of the joins went (routing/counters.ts); after a drain the node that knows is gone. */
const SHOWN = ['handedOver', 'handedCold', 'adopted', 'pulls', 'pulled', 'pullTimeouts', 'repeatsMoved', 'repeatsLost'] as const
const NAMES = ['bench-1', 'bench-2', 'bench-3'] as const
const MOVER = NAMES[2]

export const f1: Bench = {
  name: 'f1',
  about: 'planned handoff: pause of each actor that moves, under load',
  run: async (options) => {
    const sheet = new Sheet('f1')
    sheet.target('pause p50, actors that move', { to: 'absolute', relation: '<=', value: 10 })
    sheet.target('pause p99, actors that move', { to: 'absolute', relation: '<=', value: 50 })
    sheet.target('moved, of the ideal share', { to: 'absolute', relation: '<=', value: 1.05 })
    sheet.target('moved between nodes that stay', { to: 'absolute', relation: '<=', value: 0 })
    sheet.target('refused events', { to: 'absolute', relation: '<=', value: 0 })
    const sizes = options.quick
      ? QUICK
      : {
          ...FULL,
          users: sized(options, FULL.users),
          everyMs: FULL.everyMs / options.size,
          backgroundRate: sized(options, FULL.backgroundRate),
        }
    const systems = await usableSystems(options, ['troupe'])
    await inRounds(options, systems, (system) => run(options, system, sizes, sheet))
    return sheet.rows()
  },
}

interface Change {
  readonly kind: 'drain' | 'join'
  readonly window: Window
  readonly quiet: Window
  readonly before: readonly string[]
  readonly after: readonly string[]
  /** What the nodes that stay, and the one that joins, counted from before the change to after it. */
  readonly counted: Readonly<Record<string, number>>
}

async function run(options: BenchOptions, system: System, sizes: Sizes, sheet: Sheet): Promise<void> {
  const nodes = await Nodes.open(
    options,
    system,
    NAMES.map((name) => ({ name })),
  )
  const load = await startLoad()
  try {
    const ports = [nodes.clientPort(NAMES[0]), nodes.clientPort(NAMES[1])]
    await load.ask('open', { dialect: system.dialect, ports, sockets: sizes.users, user: null, concurrency: 64 })
    const plan: ProbePlan = { probed: sizes.probed, everyMs: sizes.everyMs, backgroundRate: sizes.backgroundRate, seed: 'f1' }
    await load.ask('probe', plan)
    await setTimeout(sizes.warmMs)
    const cpu = countCpu({ ...nodes.pids, load: load.pid })
    const changes: Change[] = []
    for (let cycle = 0; cycle < sizes.cycles; cycle++) changes.push(await drain(nodes, sizes), await join(nodes, sizes))
    const { others } = cpu()
    await setTimeout(100)
    const { refused } = await load.ask<ProbeCounts>('probed')
    await load.ask('recordedCounts')
    for (const kind of ['drain', 'join'] as const)
      await report(
        kind,
        changes.filter((change) => change.kind === kind),
        system,
        sizes,
        load,
        sheet,
        options,
      )
    const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0)
    sheet.add('all', system.name, 'refused events', '', refusals)
    sheet.detail('all', system.name, 'cpu of other programs and of nodes started again', 'cores', others)
    if (refusals > 0) options.say(`  refused: ${JSON.stringify(refused)}`)
  } finally {
    await load.stop()
    await nodes.stop()
  }
}

async function drain(nodes: Nodes, { users, quietMs }: Sizes): Promise<Change> {
  await setTimeout(quietMs)
  const before = await nodes.owners(NAMES[0], users)
  const from = epochMs()
  await nodes.drain(MOVER)
  const to = epochMs()
  await nodes.settled()
  const after = await nodes.owners(NAMES[0], users)
  return { kind: 'drain', window: { from, to }, quiet: { from: from - (to - from), to: from }, before, after, counted: {} }
}

async function join(nodes: Nodes, { users, quietMs }: Sizes): Promise<Change> {
  await setTimeout(quietMs)
  const before = await nodes.owners(NAMES[0], users)
  const counts = await nodes.routing()
  const still = epochMs()
  const from = await nodes.start(MOVER)
  await setTimeout(AFTER_MS)
  const to = epochMs()
  const after = await nodes.owners(NAMES[0], users)
  const counted = Object.fromEntries(Object.entries(await nodes.routing()).map(([name, count]) => [name, count - (counts[name] ?? 0)]))
  return { kind: 'join', window: { from, to }, quiet: { from: still - (to - from), to: still }, before, after, counted }
}

async function report(
  kind: 'drain' | 'join',
  changes: readonly Change[],
  { name }: System,
  sizes: Sizes,
  load: Child,
  sheet: Sheet,
  options: BenchOptions,
): Promise<void> {
  const pauses = { move: new Samples(), stay: new Samples() }
  const longest = { move: new Samples(), stay: new Samples() }
  const p99 = { quiet: new Samples(), during: new Samples() }
  let moved = 0
  let strayed = 0
  for (const { window, quiet, before, after } of changes) {
    const waits = await load.ask<Float64Array>('waits', window)
    const own = await load.ask<Float64Array>('waits', quiet)
    const staying: number[] = []
    for (let actor = 0; actor < sizes.probed; actor++) {
      const what = before[actor] === after[actor] ? 'stay' : 'move'
      if (what === 'stay') staying.push(actor)
      pauses[what].add(Math.max(0, (waits[actor] as number) - (own[actor] as number)))
      longest[what].add(waits[actor] as number)
    }
    const latency = (during: Window): Promise<Percentiles> => load.ask('latency', { ...during, sockets: staying })
    p99.during.add((await latency(window)).p99)
    p99.quiet.add((await latency(quiet)).p99)
    for (let actor = 0; actor < sizes.users; actor++) {
      if (before[actor] === after[actor]) continue
      moved++
      if (before[actor] !== MOVER && after[actor] !== MOVER) strayed++
    }
  }
  const [move, stay] = [pauses.move.percentiles(), pauses.stay.percentiles()]
  const share = moved / (changes.length * sizes.users) / (1 / NAMES.length)
  const add = (metric: string, unit: string, value: number): void => sheet.add(kind, name, metric, unit, value)
  add('pause p50, actors that move', 'ms', move.p50)
  add('pause p99, actors that move', 'ms', move.p99)
  add('pause p50, actors that stay', 'ms', stay.p50)
  add('pause p99, actors that stay', 'ms', stay.p99)
  add('longest wait p99, actors that move', 'ms', longest.move.percentiles().p99)
  add('longest wait p99, actors that stay', 'ms', longest.stay.percentiles().p99)
  add('p99 of actors that stay, before', 'ms', p99.quiet.percentiles().p50)
  add('p99 of actors that stay, during', 'ms', p99.during.percentiles().p50)
  add('moved, of the ideal share', '×', share)
  add('moved between nodes that stay', '', strayed)
  const windowMs = changes.reduce((sum, { window }) => sum + window.to - window.from, 0) / changes.length
  sheet.detail(kind, name, 'pauses measured', '', move.samples)
  sheet.detail(kind, name, 'window', 'ms', windowMs)
  for (const counter of kind === 'join' ? SHOWN : [])
    sheet.detail(
      kind,
      name,
      `actors: ${counter}`,
      '',
      changes.reduce((sum, { counted }) => sum + (counted[counter] ?? 0), 0),
    )
  options.say(
    `  ${kind}: pause p50 ${move.p50.toFixed(1)} p99 ${move.p99.toFixed(1)} ms of ${move.samples} that moved; ${stay.p50.toFixed(1)} and ${stay.p99.toFixed(1)} ms of those that stayed`,
  )
}
