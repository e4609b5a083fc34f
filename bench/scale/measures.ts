/** What is measured of a membership protocol at one size, on virtual time: the figures are counts and virtual milliseconds, the same on every machine. */
import { seeded } from '../../src/base/random.ts'
import type { Options } from '../../src/options.ts'
import { GOSSIP_PRESETS } from '../../src/cluster/gossip-options.ts'
import { META, World, type MakeMachine, type Process } from '../../test/cluster/world.ts'
import { acquainted } from './acquainted.ts'
import { Memberlist } from './memberlist.ts'

export type Protocol = 'troupe' | 'troupe-calm' | 'memberlist'

/** How often, and how long in virtual time. */
export interface Plan {
  readonly nodes: number
  readonly freezes: number
  readonly changes: number
  readonly joins: number
  readonly quietMs: number
  /** Nodes that are sick, and for how long. */
  readonly sick: number
  readonly sickMs: number
}

export interface Figures {
  /** From a freeze until the first other, and until all others, show it dead; ms. */
  readonly firstKnown: readonly number[]
  readonly allKnown: readonly number[]
  /** From a change of a record until all have it. */
  readonly changed: readonly number[]
  /** From the start of a further node until all have it in service. */
  readonly joined: readonly number[]
  /** Sent by each node, a second, when nothing happens. */
  readonly quietBytes: { readonly mean: number; readonly most: number }
  /** Sent by each node in the time from a freeze until all know, a second. */
  readonly failureBytes: number
  /** With some nodes blocked again and again: times that one of the others showed one of the others dead, and how many were shown so. null: not tried. */
  readonly blocked: Wrong | null
  /** With a quarter of all frames to and from some nodes lost: the same, about anybody. */
  readonly lossy: Wrong | null
  readonly cpuSeconds: number
}

export interface Wrong {
  readonly times: number
  readonly members: number
  readonly minutes: number
}

const MACHINES: Readonly<Record<Protocol, { readonly options: Partial<Options>; readonly machine?: MakeMachine }>> = {
  troupe: { options: {} },
  'troupe-calm': { options: GOSSIP_PRESETS.calm },
  memberlist: { options: {}, machine: (self, cluster, seeds, _, random, now) => new Memberlist(self, cluster, seeds, random, now) },
}

const LIMIT_MS = 120_000
const STEP_MS = 10
const LOST_SHARE = 0.25
/** A blocked node comes to itself for a moment after each time. */
const BLOCKED_MS = [1000, 8000] as const
const AWAKE_MS = [100, 1000] as const
const REST_MS = 3000
const FLAP_MS = 65_000
/** After the faults end: what was wrong then still may become a verdict. */
const AFTER_MS = 10_000

export function measure(protocol: Protocol, plan: Plan, seed: string): Figures {
  const began = process.cpuUsage()
  const world = worldOf(protocol, plan, seed, true)
  const quietBytes = quiet(world, plan)
  const { allKnown, firstKnown, bytes, ms } = frozen(world, plan)
  const changed = Array.from({ length: plan.changes }, (_, i) => recordChanged(world, i))
  const joined = Array.from({ length: plan.joins }, (_, i) => nodeJoined(world, i))
  const [blocked, lossy] = (['blocked', 'lossy'] as const).map((how) =>
    plan.sick === 0 ? null : sick(worldOf(protocol, plan, `${seed} ${how}`, false), plan, how),
  ) as [Wrong | null, Wrong | null]
  const failureBytes = bytes / plan.nodes / (ms / 1000)
  const { user, system } = process.cpuUsage(began)
  return { firstKnown, allKnown, changed, joined, quietBytes, failureBytes, blocked, lossy, cpuSeconds: (user + system) / 1e6 }
}

function worldOf(protocol: Protocol, { nodes }: Plan, seed: string, measured: boolean): World {
  const world = new World({ seed: `${seed} ${nodes}`, measure: measured, ...MACHINES[protocol] })
  acquainted(world, nodes)
  world.run(REST_MS)
  return world
}

function frozen(world: World, { freezes, nodes }: Plan): { firstKnown: number[]; allKnown: number[]; bytes: number; ms: number } {
  const random = seeded(`${world.settings.seed} victims`)
  const [firstKnown, allKnown]: [number[], number[]] = [[], []]
  let [bytes, ms] = [0, 0]
  for (let i = 0; i < freezes; i++) {
    const victim = world.processes[(3 + i * 7) % nodes] as Process
    // At any moment of the period, as freezes come.
    world.run(random.float() * 1000)
    const { generation } = victim
    const others = world.running.filter((process) => process !== victim)
    const sentBefore = sentBy(others)
    let first = Infinity
    world.dropped = (_, id) => {
      if (id === victim.id) first = Math.min(first, world.now)
    }
    world.freeze(victim)
    const begun = world.now
    const took = world.until(
      all(others, (process) => world.knows(process, victim, generation)),
      LIMIT_MS,
      STEP_MS,
    )
    world.dropped = () => undefined
    if (took === Infinity) throw new Error(`not all know of ${victim.id} after ${LIMIT_MS} ms`)
    firstKnown.push(Math.round(first - begun))
    allKnown.push(took)
    bytes += sentBy(others) - sentBefore
    ms += took
    world.thaw(victim)
    until(
      world,
      `${victim.id} is back`,
      all(others, (process) => serves(process, victim.id)),
    )
    // Who comes and goes is condemned sooner (M14): each is frozen once within that time.
    world.run(freezes > nodes ? FLAP_MS : REST_MS)
  }
  return { firstKnown, allKnown, bytes, ms }
}

function recordChanged(world: World, count: number): number {
  const process = world.processes[(count * 7 + 1) % world.processes.length] as Process
  const { incarnation } = process.machine.self
  world.run(REST_MS + count * 37)
  world.input(process, { kind: 'meta', meta: { ...META, labels: { zone: `z${count}` } } })
  return until(
    world,
    'a change is everywhere',
    all(world.running, ({ machine }) => (machine.member(process.id)?.incarnation ?? 0) > incarnation),
  )
}

function nodeJoined(world: World, count: number): number {
  const id = `joins${count}`
  world.run(REST_MS + count * 41)
  const seeds = world.processes.slice(0, 3).map(({ address }) => address)
  world.start(id, { seeds })
  return until(
    world,
    `${id} is known`,
    all(world.running, (process) => serves(process, id)),
  )
}

function quiet(world: World, { quietMs, nodes }: Plan): Figures['quietBytes'] {
  const before = world.processes.map(({ sentBytes }) => sentBytes)
  world.run(quietMs)
  const rates = world.processes.map(({ sentBytes }, i) => ((sentBytes - (before[i] as number)) * 1000) / quietMs)
  return { mean: rates.reduce((sum, rate) => sum + rate, 0) / nodes, most: Math.max(...rates) }
}

function sick(world: World, { sick: count, sickMs }: Plan, how: 'blocked' | 'lossy'): Wrong {
  const random = seeded(`${world.settings.seed} sick`)
  const all = [...world.processes]
  const ill = new Set(all.slice(0, count))
  const well = new Set(all.filter((process) => !ill.has(process)))
  const byId = new Map(all.map((process) => [process.id, process]))
  let times = 0
  const members = new Set<string>()
  world.dropped = (by, id) => {
    const about = byId.get(id) as Process
    if (!well.has(by) || (how === 'blocked' && !well.has(about))) return
    times++
    members.add(id)
  }
  let over = false
  if (how === 'lossy') world.loss = (from, to) => (!over && (ill.has(from) || ill.has(to)) ? LOST_SHARE : 0)
  else for (const process of ill) block(process)
  world.run(sickMs)
  over = true
  world.run(AFTER_MS)
  return { times, members: members.size, minutes: sickMs / 60_000 }

  function block(process: Process): void {
    world.after(between(AWAKE_MS), () => {
      if (over) return
      world.freeze(process, 'blocked')
      world.after(between(BLOCKED_MS), () => {
        world.thaw(process)
        block(process)
      })
    })
  }

  function between([least, most]: readonly [number, number]): number {
    return least + (most - least) * random.float()
  }
}

function until(world: World, what: string, done: () => boolean): number {
  const took = world.until(done, LIMIT_MS, STEP_MS)
  if (took === Infinity) throw new Error(`not after ${LIMIT_MS} ms: ${what}`)
  return took
}

/** Whether it holds for all; looks on from the first for whom it did not, and at the end at all again. */
function all(processes: readonly Process[], holds: (process: Process) => boolean): () => boolean {
  let at = 0
  return () => {
    while (at < processes.length && holds(processes[at] as Process)) at++
    if (at < processes.length) return false
    at = 0
    return processes.every(holds)
  }
}

function serves({ machine }: Process, id: string): boolean {
  const shown = machine.member(id)
  return shown?.liveness === 'alive' && shown.phase === 'ready'
}

function sentBy(processes: readonly Process[]): number {
  return processes.reduce((sum, { sentBytes }) => sum + sentBytes, 0)
}
