/**
 * F4: network cuts. 10,000 clients of the SDK on three nodes, each subscribed to its own actor's `log`, of which every event must reach it; services send them events all the time.
 * Each client's network is cut once for 5 s, at a time of its own; then once more, all at the same moment.
 *
 * The cut is made in the load process, under the SDK (load/raw-transport.ts), as by a TCP proxy that stops forwarding and after 5 s resets: nothing is read or written, what the
 * server sends meanwhile is taken by the kernel and lost at the reset. The client notices at the reset, waits at random up to 0.5 s as the SDK does, comes back
 * to another of the nodes with its ticket, subscribes from its last offset, and gets what it missed.
 *
 * - Share: clients that in the end have the newest offset acknowledged to anybody, and notifications received of those recorded.
 * - Replay: from the reset to having the newest state of that moment, on the new connection; the random wait is in it.
 * - Duplicates: notifications that the app got twice.
 * Not measured: packet loss (TCP hides it), networks that come and go while a client is connecting, TLS. 10,000 sockets are half of what a process may open here.
 */
import { setTimeout } from 'node:timers/promises'
import { inRounds, Sheet, sized, usableSystems, type Bench, type BenchOptions } from './harness/bench.ts'
import { Nodes } from './harness/nodes.ts'
import { countCpu } from './harness/proc-stat.ts'
import { startClients, type System } from './harness/systems.ts'
import type { ClientCounts, CutPlan, CutResult, NewestResult } from './load/clients.ts'
import type { OpenClients } from './load/sdk-clients.ts'

interface Sizes {
  readonly clients: number
  readonly rate: number
  readonly cutMs: number
  readonly spreadMs: number
  readonly warmMs: number
}
const FULL: Sizes = { clients: 10_000, rate: 2000, cutMs: 5000, spreadMs: 30_000, warmMs: 3000 }
const QUICK: Sizes = { clients: 30, rate: 100, cutMs: 200, spreadMs: 200, warmMs: 50 }
const NAMES = ['bench-1', 'bench-2', 'bench-3'] as const

export const f4: Bench = {
  name: 'f4',
  about: '10,000 clients with network cuts of 5 s: notifications that reach the newest state, replay, duplicates',
  run: async (options) => {
    const sheet = new Sheet('f4')
    sheet.target('clients at the newest state', { to: 'absolute', relation: '>=', value: 100 })
    sheet.target('notifications received', { to: 'absolute', relation: '>=', value: 100 })
    sheet.target('duplicates', { to: 'absolute', relation: '<=', value: 0 })
    sheet.target('replay p99', { to: 'absolute', relation: '<=', value: 1000 }, 'each at its own time')
    const sizes = options.quick ? QUICK : { ...FULL, clients: sized(options, FULL.clients), rate: sized(options, FULL.rate) }
    const systems = await usableSystems(options, ['troupe'])
    await inRounds(options, systems, (system, round) => run(options, system, round, sizes, sheet))
    return sheet.rows()
  },
}

async function run(options: BenchOptions, system: System, round: number, sizes: Sizes, sheet: Sheet): Promise<void> {
  const nodes = await Nodes.open(
    options,
    system,
    NAMES.map((name) => ({ name })),
  )
  const load = await startClients()
  try {
    const ports = NAMES.map((name) => nodes.clientPort(name))
    const urls = ports.map((port) => `ws://127.0.0.1:${port}`)
    await load.ask('open', { urls, clients: sizes.clients, first: null, pace: 20 } satisfies OpenClients)
    await load.ask('produce', { ports, rate: sizes.rate })
    await setTimeout(sizes.warmMs)
    for (const [where, spreadMs] of [
      ['each at its own time', sizes.spreadMs],
      ['all at once', 0],
    ] as const) {
      const cpu = countCpu({ ...nodes.pids, load: load.pid })
      const plan: CutPlan = { ms: sizes.cutMs, spreadMs, seed: `${where}/${round}` }
      const { cuts, replay, never } = await load.ask<CutResult>('cut', plan)
      const { cores, others } = cpu()
      const add = (metric: string, unit: string, value: number): void => sheet.add(where, system.name, metric, unit, value)
      add('replay p50', 'ms', replay.p50)
      add('replay p99', 'ms', replay.p99)
      add('replay, longest', 'ms', replay.max)
      add('clients that did not come back', '', never)
      sheet.detail(where, system.name, 'cuts', '', cuts)
      for (const [process, used] of Object.entries(cores)) sheet.detail(where, system.name, `cpu of ${process}`, 'cores', used)
      sheet.detail(where, system.name, 'cpu of other programs', 'cores', others)
      options.say(`  ${where}: ${cuts} cuts, replay p50 ${replay.p50.toFixed(0)} p99 ${replay.p99.toFixed(0)} ms, ${never} never`)
    }
    const { there, published, received } = await load.ask<NewestResult>('produced')
    const { duplicates, missed, gaps, errors } = await load.ask<ClientCounts>('counts')
    const add = (metric: string, unit: string, value: number): void => sheet.add('in the end', system.name, metric, unit, value)
    add('clients at the newest state', '%', (100 * there) / sizes.clients)
    add('notifications received', '%', (100 * received) / published)
    add('duplicates', '', duplicates)
    add('missed, and gaps', '', missed + gaps)
    sheet.detail('in the end', system.name, 'notifications', '', published)
    options.say(
      `  ${received} of ${published} notifications, ${duplicates} twice; ${there} of ${sizes.clients} clients at the newest state`,
    )
    if (Object.keys(errors).length > 0) options.say(`  errors: ${JSON.stringify(errors)}`)
  } finally {
    await load.stop()
    await nodes.stop()
  }
}
