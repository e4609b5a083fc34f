/**
 * F7: three times what one node can take, for 15 s. 2,000 users with a socket each that keep to the window which `welcome` names (64 unanswered), so that all of them
 * together may have more under way than the node lets wait; durable events of 56 bytes, without numbers, so that no refusal costs a second one.
 *
 * First the maximum, by closed loops of 256 and of 4,096, the better one; then three times that, offered at Poisson times; an event whose socket has its 64 unanswered is not sent. Measured:
 * - goodput: events acknowledged a second. Client and server share the machine's cores, and three times the events cost the client three times the CPU, which the server
 *   then has not. So the figure that counts is goodput for a second of the server's CPU, over that at the maximum; the plain ratio stands beside it.
 * - refusals by code; one without a code is a failure.
 * - resident memory of the server: the most in the last two thirds, over that after the first third.
 * - back to normal: after the last event, until all probes of 200 ms (one in 5 ms, sockets of their own) are answered within twice the p99 that
 *   they had at half the maximum before (20 ms at least).
 * Not measured here: sockets that do not keep to the window (they are not read; test/gateway), floods of connections.
 */
import { inRounds, profileFlags, Sheet, sized, usableSystems, type Bench, type BenchOptions } from './harness/bench.ts'
import { startLoad, startSystem, type System } from './harness/systems.ts'
import type { OverloadPlan, OverloadResult } from './load/overload.ts'

interface Sizes {
  readonly users: number
  readonly probes: number
  readonly warmMs: number
  readonly ms: number
}
const FULL: Sizes = { users: 2000, probes: 50, warmMs: 3000, ms: 15_000 }
const QUICK: Sizes = { users: 20, probes: 4, warmMs: 100, ms: 1500 }
const TIMES = 3
const WINDOW = 64
/** Few wait where the server is the limit, many where it is the time until it gets a core. */
const OUTSTANDING = [256, 4096] as const
const NORMAL_MS_MIN = 20

export const f7: Bench = {
  name: 'f7',
  about: 'three times the capacity offered: goodput, refusals, memory, back to normal',
  run: async (options) => {
    const sheet = new Sheet('f7')
    sheet.target('goodput for a core of the server, of the maximum', { to: 'absolute', relation: '>=', value: 0.9 })
    sheet.target('refusals without a code', { to: 'absolute', relation: '<=', value: 0 })
    sheet.target('resident memory, most over a third', { to: 'absolute', relation: '<=', value: 1.1 })
    sheet.target('back to normal', { to: 'absolute', relation: '<=', value: 2000 })
    const sizes = options.quick ? QUICK : { ...FULL, users: sized(options, FULL.users) }
    const systems = await usableSystems(options, ['troupe'])
    await inRounds(options, systems, (system) => run(options, system, sizes, sheet))
    return sheet.rows()
  },
}

async function run(options: BenchOptions, system: System, { users, probes, warmMs, ms }: Sizes, sheet: Sheet): Promise<void> {
  const server = await startSystem(system, profileFlags(options, system))
  const load = await startLoad()
  try {
    const { ports, pids } = server.ready
    await load.ask('open', { dialect: system.dialect, ports, sockets: users + probes, user: null, concurrency: 64 })
    const phase = (rate: number | null, outstanding: number, time: number, normalMs: number | null): Promise<OverloadResult> => {
      const plan: OverloadPlan = { probes, window: WINDOW, rate, outstanding, warmMs, ms: time, seed: `${rate ?? 0}/${outstanding}`, pids }
      return load.ask('overload', { plan, normalMs })
    }
    const few = await phase(null, OUTSTANDING[0], ms / 3, null)
    const many = await phase(null, Math.min(OUTSTANDING[1], users * 8), ms / 3, null)
    const max = many.goodput > few.goodput ? many : few
    const half = await phase(max.goodput / 2, 0, ms / 3, null)
    const normalMs = Math.max(NORMAL_MS_MIN, 2 * half.probes.p99)
    const over = await phase(TIMES * max.goodput, 0, ms, normalMs)
    // At least a tick of the kernel's clock, for tiny inputs.
    const core = (result: OverloadResult): number => result.goodput / Math.max(0.01, result.cpu.cores['server'] ?? 0)
    const { 'without a code': untyped = 0, ...typed } = over.refused
    const add = (metric: string, unit: string, value: number): void => sheet.add('three times', system.name, metric, unit, value)
    add('maximum', 'events/s', max.goodput)
    add('offered', 'events/s', over.offered)
    add('held back by their clients', 'events/s', over.heldBack)
    add('goodput', 'events/s', over.goodput)
    add('goodput, of the maximum', '×', over.goodput / max.goodput)
    add('goodput for a core of the server, of the maximum', '×', core(over) / core(max))
    for (const [code, rate] of Object.entries(typed)) add(`refused with ${code}`, 'events/s', rate)
    add('refusals without a code', 'events/s', untyped)
    add('resident memory, most over a third', '×', over.resident.most / over.resident.third)
    add('resident memory, most', 'MiB', over.resident.most / 2 ** 20)
    add('p99 of probes at half the maximum', 'ms', half.probes.p99)
    add('p50 of probes during', 'ms', over.probes.p50)
    add('back to normal', 'ms', over.normalAfterMs)
    for (const [name, { cpu }] of Object.entries({ 'the maximum': max, 'three times': over })) {
      sheet.detail('three times', system.name, `cpu of the server at ${name}`, 'cores', cpu.cores['server'] ?? NaN)
      sheet.detail('three times', system.name, `cpu of the load at ${name}`, 'cores', cpu.cores['load'] ?? NaN)
      sheet.detail('three times', system.name, `cpu of other programs at ${name}`, 'cores', cpu.others)
    }
    options.say(
      `  ${Math.round(over.goodput)} of ${Math.round(max.goodput)} events/s with ${Math.round(over.offered)} offered, refused ${JSON.stringify(over.refused)}; normal after ${Math.round(over.normalAfterMs)} ms`,
    )
  } finally {
    await load.stop()
    await server.stop()
  }
}
