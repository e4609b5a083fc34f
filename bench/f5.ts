/**
 * F5: a gateway with 5,000 clients is killed (`kill -9`). Three nodes: the one that is killed has the clients and no actors (losing actors is F2), two others
 * have the actors and are gateways too. Clients are those of the SDK, know all three addresses, and begin at the one that dies.
 *
 * Measured, for each client: from the kill to the answer to its `subscribe` on another gateway, the SDK's random wait of up to 0.5 s included. Then every client's actor
 * is sent events, and each must get them: all at the newest state, none twice.
 * Not measured: a load balancer that hides the gateways behind one address, a gateway that falls silent instead of refusing (clients notice when its ping is overdue), TLS.
 */
import { setTimeout } from 'node:timers/promises'
import { inRounds, Sheet, sized, usableSystems, type Bench, type BenchOptions } from './harness/bench.ts'
import { Nodes } from './harness/nodes.ts'
import { countCpu } from './harness/proc-stat.ts'
import { startClients, type System } from './harness/systems.ts'
import type { Percentiles } from './harness/statistics.ts'
import type { ClientCounts, NewestResult } from './load/clients.ts'
import type { OpenClients } from './load/sdk-clients.ts'

interface Sizes {
  readonly clients: number
  readonly rate: number
  readonly warmMs: number
  readonly afterMs: number
}
const FULL: Sizes = { clients: 5000, rate: 1000, warmMs: 3000, afterMs: 3000 }
const QUICK: Sizes = { clients: 20, rate: 100, warmMs: 50, afterMs: 100 }
const DYING = 'gateway-1'
const OTHERS = ['bench-1', 'bench-2'] as const

export const f5: Bench = {
  name: 'f5',
  about: 'a gateway with 5,000 clients is killed: until all are back',
  run: async (options) => {
    const sheet = new Sheet('f5')
    sheet.target('clients back', { to: 'absolute', relation: '>=', value: 100 })
    sheet.target('back p95', { to: 'absolute', relation: '<=', value: 2000 })
    sheet.target('clients at the newest state', { to: 'absolute', relation: '>=', value: 100 })
    sheet.target('notifications missed or twice', { to: 'absolute', relation: '<=', value: 0 })
    const sizes = options.quick ? QUICK : { ...FULL, clients: sized(options, FULL.clients), rate: sized(options, FULL.rate) }
    const systems = await usableSystems(options, ['troupe'])
    await inRounds(options, systems, (system) => run(options, system, sizes, sheet))
    return sheet.rows()
  },
}

async function run(options: BenchOptions, system: System, sizes: Sizes, sheet: Sheet): Promise<void> {
  const nodes = await Nodes.open(options, system, [{ name: DYING, roles: ['gateway'] }, ...OTHERS.map((name) => ({ name }))])
  const load = await startClients()
  try {
    const others = OTHERS.map((name) => nodes.clientPort(name))
    const urls = [nodes.clientPort(DYING), ...others].map((port) => `ws://127.0.0.1:${port}`)
    await load.ask('open', { urls, clients: sizes.clients, first: 0, pace: 20 } satisfies OpenClients)
    await load.ask('produce', { ports: others, rate: sizes.rate })
    await setTimeout(sizes.warmMs)
    const cpu = countCpu({ ...nodes.pids, load: load.pid })
    const after = await nodes.kill(DYING)
    const { back, times } = await load.ask<{ back: number; times: Percentiles }>('back', { after })
    const used = cpu()
    await setTimeout(sizes.afterMs)
    const { there, published, received } = await load.ask<NewestResult>('produced')
    const { dropped, duplicates, missed, gaps, errors } = await load.ask<ClientCounts>('counts')
    if (dropped !== sizes.clients) throw new Error(`${dropped} of ${sizes.clients} clients were at the gateway that was killed`)
    const add = (metric: string, unit: string, value: number): void => sheet.add('killed', system.name, metric, unit, value)
    add('clients back', '%', (100 * back) / sizes.clients)
    add('back p50', 'ms', times.p50)
    add('back p95', 'ms', times.p95)
    add('back, the last', 'ms', times.max)
    add('clients at the newest state', '%', (100 * there) / sizes.clients)
    add('notifications missed or twice', '', published - received + duplicates + missed + gaps)
    for (const [process, cores] of Object.entries(used.cores)) sheet.detail('killed', system.name, `cpu of ${process}`, 'cores', cores)
    sheet.detail('killed', system.name, 'cpu of other programs', 'cores', used.others)
    options.say(
      `  ${back} of ${sizes.clients} back: p50 ${times.p50.toFixed(0)} p95 ${times.p95.toFixed(0)} ms, the last ${times.max.toFixed(0)} ms`,
    )
    if (Object.keys(errors).length > 0) options.say(`  errors: ${JSON.stringify(errors)}`)
  } finally {
    await load.stop()
    await nodes.stop()
  }
}
