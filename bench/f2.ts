/**
 * F2: failover. Three nodes under load; the third is killed (`kill -9`: its ports refuse at once), started again, and frozen (SIGSTOP: it is silent, its ports still
 * take connections). Clients sit at the first two, so what is lost is actors, not sockets.
 *
 * Measured, for each actor of the lost node: the time from the loss until the first answer to an event *sent after it*, by open-loop probes of every actor each 100 ms,
 * so a figure may be long by one interval. The clients repeat nothing: each event is sent once and answered by whoever owns the actor then. Then the same actors' longest wait in the whole
 * window, and that of all others', who should not feel it. After the freeze the node is woken, learns that it was declared dead, and comes back as its
 * next generation; the bench waits for that, and says when it was ended instead (a process frozen with the store's lock is ended by the others).
 * In the end each actor is asked how many events it has: exactly those that were acknowledged, or there is no figure.
 * Not measured: clients of the lost node (F5), a machine that vanishes from the network, a store that goes.
 */
import { setTimeout } from 'node:timers/promises'
import { inRounds, Sheet, sized, usableSystems, type Bench, type BenchOptions } from './harness/bench.ts'
import type { Child } from './harness/child.ts'
import { epochMs, Nodes } from './harness/nodes.ts'
import { countCpu } from './harness/proc-stat.ts'
import { Samples } from './harness/statistics.ts'
import { startLoad, type System } from './harness/systems.ts'
import type { ProbeCounts, ProbePlan } from './load/probes.ts'

interface Sizes {
  readonly users: number
  readonly everyMs: number
  readonly warmMs: number
  /** Times of each loss. */
  readonly losses: number
}
const FULL: Sizes = { users: 450, everyMs: 100, warmMs: 4000, losses: 2 }
const QUICK: Sizes = { users: 18, everyMs: 100, warmMs: 200, losses: 1 }
const NAMES = ['bench-1', 'bench-2', 'bench-3'] as const
const LOST = NAMES[2]
const KINDS = ['kill', 'freeze'] as const
const LIMITS_MS = { kill: 1500, freeze: 6000 } as const
/** All of the lost node's actors must have answered by then. */
const PATIENCE_MS = 20_000
const AFTER_MS = 500

export const f2: Bench = {
  name: 'f2',
  about: 'failover: a node is killed, or frozen; until each of its actors answers elsewhere',
  run: async (options) => {
    const sheet = new Sheet('f2')
    for (const kind of KINDS)
      sheet.target('until its actors answer, p99', { to: 'absolute', relation: '<=', value: LIMITS_MS[kind] }, caseOf(kind))
    sheet.target('refused events', { to: 'absolute', relation: '<=', value: 0 })
    const sizes = options.quick ? QUICK : { ...FULL, users: sized(options, FULL.users) }
    const systems = await usableSystems(options, ['troupe'])
    await inRounds(options, systems, (system) => run(options, system, sizes, sheet))
    return sheet.rows()
  },
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
    const plan: ProbePlan = { probed: sizes.users, everyMs: sizes.everyMs, backgroundRate: 0, seed: 'f2' }
    await load.ask('probe', plan)
    for (const kind of KINDS) {
      const found = { first: new Samples(), lost: new Samples(), others: new Samples() }
      for (let loss = 0; loss < sizes.losses; loss++) await lose(kind, nodes, load, sizes, found, options)
      const first = found.first.percentiles()
      const where = caseOf(kind)
      sheet.add(where, system.name, 'until its actors answer, p50', 'ms', first.p50)
      sheet.add(where, system.name, 'until its actors answer, p99', 'ms', first.p99)
      sheet.add(where, system.name, 'longest wait of its actors, p99', 'ms', found.lost.percentiles().p99)
      sheet.add(where, system.name, 'longest wait of other actors, p50', 'ms', found.others.percentiles().p50)
      sheet.add(where, system.name, 'longest wait of other actors, p99', 'ms', found.others.percentiles().p99)
      sheet.detail(where, system.name, 'actors lost', '', first.samples)
      options.say(`  ${where}: p50 ${Math.round(first.p50)} p99 ${Math.round(first.p99)} ms of ${first.samples} actors`)
    }
    const { refused } = await load.ask<ProbeCounts>('probed')
    await load.ask('recordedCounts')
    const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0)
    sheet.add('all', system.name, 'refused events', '', refusals)
    if (refusals > 0) options.say(`  refused: ${JSON.stringify(refused)}`)
  } finally {
    await load.stop()
    await nodes.stop()
  }
}

async function lose(
  kind: (typeof KINDS)[number],
  nodes: Nodes,
  load: Child,
  { users, warmMs }: Sizes,
  found: { readonly first: Samples; readonly lost: Samples; readonly others: Samples },
  options: BenchOptions,
): Promise<void> {
  await setTimeout(warmMs)
  const owners = await nodes.owners(NAMES[0], users)
  const lost = owners.flatMap((owner, actor) => (owner === LOST ? [actor] : []))
  const cpu = countCpu({ ...nodes.pids, load: load.pid })
  const at = kind === 'kill' ? await nodes.kill(LOST) : nodes.freeze(LOST)
  let answers = await load.ask<Float64Array>('firstAnswers', { after: at })
  while (!lost.every((actor) => (answers[actor] as number) >= 0)) {
    if (epochMs() - at > PATIENCE_MS) throw new Error(`after ${PATIENCE_MS} ms some actors of the lost node have not answered`)
    await setTimeout(100)
    answers = await load.ask<Float64Array>('firstAnswers', { after: at })
  }
  await setTimeout(AFTER_MS)
  const { others } = cpu()
  if (others > 0.3) options.say(`  other programs took ${others.toFixed(2)} cores`)
  const waits = await load.ask<Float64Array>('waits', { from: at, to: epochMs() - AFTER_MS })
  for (let actor = 0; actor < users; actor++) {
    if (owners[actor] !== LOST) found.others.add(waits[actor] as number)
    else {
      found.first.add(answers[actor] as number)
      found.lost.add(waits[actor] as number)
    }
  }
  if (kind === 'freeze' && nodes.thaw(LOST)) {
    await nodes.settled()
    return
  }
  if (kind === 'freeze') options.say('  the frozen process held the lock of the store and was ended')
  await nodes.start(LOST)
}

function caseOf(kind: (typeof KINDS)[number]): string {
  return kind === 'kill' ? 'kill -9' : 'frozen (SIGSTOP)'
}
