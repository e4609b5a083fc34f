/**
 * A world whose members have known each other for long: without it thousands of nodes that all start at once would have to meet, which costs N² pings and
 * is not what is measured here. Each machine is given the others' records as hearsay by a stranger, forgets that as news (nobody is there to be told
 * yet), and then hears from a helper that each of them answered: frames as they would come, so no state is made that the machine could not reach.
 */
import type { Body, Frame, Update } from '../../src/cluster/frames.ts'
import type { Process, World } from '../../test/cluster/world.ts'
import { Memberlist } from './memberlist.ts'

const STRANGER = { id: 'stranger', generation: 1, address: 'stranger:7100' }
const RECORDS_AT_ONCE = 256
/** Until all have forgotten their news. */
const FORGET_ROUNDS = 20
/** A node tells its own record with every first frame to another for so long after it changed. */
const SINCE_MS = 31_000

/** Starts n0, n1 …; all are ready, know each other, and have nothing to tell. */
export function acquainted(world: World, count: number): Process[] {
  const seeds = Array.from({ length: Math.min(3, count) }, (_, i) => `n${i}:7100`)
  const processes = Array.from({ length: count }, (_, i) => world.start(`n${i}`, { seeds, held: true }))
  for (const { machine } of processes) machine.input({ kind: 'phase', phase: 'ready' }, world.now)
  const updates = processes.map(({ machine }): Update => ({ record: machine.self, accusers: [], agedMs: 0 }))
  const records = updates.map(({ record }) => record)
  for (const { machine } of processes) if (machine instanceof Memberlist) machine.acquaint(records)
  if (processes.every(({ machine }) => !(machine instanceof Memberlist))) meet(world, processes, updates)
  // Nobody has a timer yet: this only makes all of it long ago.
  world.run(SINCE_MS)
  for (const process of processes) world.input(process, { kind: 'start' })
  return processes
}

function meet(world: World, processes: readonly Process[], updates: readonly Update[]): void {
  const boots = processes.map((process) => introduce(world, process, updates))
  processes.forEach(({ machine }) => {
    for (let round = 0; round < FORGET_ROUNDS && machine.gauges.news > 0; round++) machine.input({ kind: 'timer' }, machine.nextAt)
    if (machine.gauges.news > 0) throw new Error(`${machine.self.id} does not forget its news`)
  })
  // What happened there took less than this.
  world.run(1000)
  processes.forEach((process, i) => {
    const helper = (i + 1) % processes.length
    verify(world, process, processes[helper] as Process, boots[helper] as number, updates)
  })
}

/** Tells it all records; gives its boot, which its answer names. */
function introduce(world: World, { machine }: Process, updates: readonly Update[]): number {
  let boot: number | null = null
  for (let from = 0; from < updates.length; from += RECORDS_AT_ONCE) {
    const frame = frameOf(world, STRANGER.id, 0, { kind: 'gossip' }, updates.slice(from, from + RECORDS_AT_ONCE))
    for (const effect of machine.input({ kind: 'frame', peer: STRANGER, frame }, world.now))
      if (effect.kind === 'reply') boot = effect.frame.header.boot
  }
  if (boot === null) throw new Error(`${machine.self.id} does not answer a stranger`)
  return boot
}

function verify(world: World, { id, machine }: Process, helper: Process, boot: number, updates: readonly Update[]): void {
  const peer = { id: helper.id, generation: helper.generation, address: helper.address }
  for (const { record } of updates) {
    if (record.id === id) continue
    const subject = { id: record.id, generation: record.generation, incarnation: record.incarnation }
    const frame = frameOf(world, helper.id, boot, { kind: 'ack', seq: 0, subject }, [])
    machine.input({ kind: 'frame', peer, frame }, world.now)
  }
}

function frameOf(world: World, id: string, boot: number, body: Body, updates: readonly Update[]): Frame {
  const header = { cluster: world.cluster, boot, id, generation: 1, incarnation: 0, digest: { a: 0, b: 0 }, step: 0 }
  return { header, body, updates }
}
