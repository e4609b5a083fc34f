/**
 * F3: rolling restart of every node under load. Two gateways and three nodes for actors; one after the other is drained as SIGTERM does, ends, is started again under the same
 * name and ports, and joins; then the next. First the actor nodes, then the gateways.
 *
 * The load is what documented clients do: the SDK (each client an event every 2 s and a subscription; it knows both gateways), plain HTTP to the gateways, and
 * unary gRPC to any node, the last two with an idempotency key, repeated while the answer says so and 10 s are not over (load/service-calls.ts).
 * - A request has failed when the SDK's promise rejects, or the 10 s are over. In the end each actor is asked how many events it has: exactly
 *   those that were acknowledged, or there is no figure. Every event must also have come as a notification, once.
 * - Sockets: those that ended though the SDK did not end them, while actor nodes restart (must be 0), and while gateways do.
 * - Resume of a socket that moved: from the beginning of the SDK's attempt at the other gateway, or the end of the old socket if that was first, to the
 *   answer to `subscribe` there.
 * Not measured: browsers, TLS, load balancers; what a restart costs when the machine has no core to spare is in it.
 */
import { setTimeout } from 'node:timers/promises'
import { inRounds, Sheet, sized, usableSystems, type Bench, type BenchOptions } from './harness/bench.ts'
import { Nodes } from './harness/nodes.ts'
import { countCpu } from './harness/proc-stat.ts'
import { startClients, type System } from './harness/systems.ts'
import type { Percentiles } from './harness/statistics.ts'
import type { ClientCounts } from './load/clients.ts'
import type { SdkSendCounts } from './load/sdk-sends.ts'
import type { OpenClients } from './load/sdk-clients.ts'
import type { ServiceCounts, ServicePlan } from './load/service-calls.ts'

interface Sizes {
  /** Of the actor nodes, how many. */
  readonly nodes: number
  readonly clients: number
  /** Of each client. */
  readonly sendEveryMs: number
  /** Events a second of HTTP, and as many of gRPC. */
  readonly serviceRate: number
  readonly warmMs: number
  readonly betweenMs: number
  /** null: the default, 5 s. */
  readonly drainSpreadMs: number | null
}
const FULL: Sizes = { nodes: 3, clients: 1000, sendEveryMs: 2000, serviceRate: 50, warmMs: 4000, betweenMs: 2000, drainSpreadMs: null }
const QUICK: Sizes = { nodes: 2, clients: 8, sendEveryMs: 200, serviceRate: 10, warmMs: 100, betweenMs: 50, drainSpreadMs: 200 }
const GATEWAYS = ['gateway-1', 'gateway-2'] as const
const ACTORS = ['actors-1', 'actors-2', 'actors-3'] as const
const SERVICE_USERS = 20

export const f3: Bench = {
  name: 'f3',
  about: 'rolling restart of all nodes under load: failed requests, dropped sockets, time to resume',
  run: async (options) => {
    const sheet = new Sheet('f3')
    for (const kind of ['SDK', 'HTTP and gRPC']) sheet.target(`failed requests, ${kind}`, { to: 'absolute', relation: '<=', value: 0 })
    sheet.target('dropped sockets', { to: 'absolute', relation: '<=', value: 0 }, 'actor nodes')
    sheet.target('resume p99', { to: 'absolute', relation: '<=', value: 1000 }, 'gateways')
    sheet.target('notifications missed or twice', { to: 'absolute', relation: '<=', value: 0 })
    const sizes = options.quick ? QUICK : { ...FULL, clients: sized(options, FULL.clients), serviceRate: sized(options, FULL.serviceRate) }
    const systems = await usableSystems(options, ['troupe'])
    await inRounds(options, systems, (system) => run(options, system, sizes, sheet))
    return sheet.rows()
  },
}

async function run(options: BenchOptions, system: System, sizes: Sizes, sheet: Sheet): Promise<void> {
  const actors = ACTORS.slice(0, sizes.nodes)
  const more = sizes.drainSpreadMs === null ? {} : { options: { drainSpreadMs: sizes.drainSpreadMs } }
  const nodes = await Nodes.open(options, system, [
    ...GATEWAYS.map((name) => ({ name, roles: ['gateway' as const], ...more })),
    ...actors.map((name) => ({ name, roles: ['actors' as const], ...more })),
  ])
  const load = await startClients()
  try {
    const http = GATEWAYS.map((name) => nodes.clientPort(name))
    const urls = http.map((port) => `ws://127.0.0.1:${port}`)
    await load.ask('open', { urls, clients: sizes.clients, first: null, pace: 10 } satisfies OpenClients)
    const grpc = [...GATEWAYS, ...actors].map((name) => nodes.rpcPort(name))
    await load.ask('send', { everyMs: sizes.sendEveryMs })
    await load.ask('serve', { http, grpc, rate: sizes.serviceRate, users: SERVICE_USERS } satisfies ServicePlan)
    await setTimeout(sizes.warmMs)
    const start = performance.now()
    const cpu = countCpu({ ...nodes.pids, load: load.pid })
    for (const [where, names] of [
      ['actor nodes', actors],
      ['gateways', GATEWAYS],
    ] as const) {
      await load.ask('resetResumes')
      for (const name of names) {
        await nodes.drain(name)
        await nodes.start(name)
        await setTimeout(sizes.betweenMs)
      }
      const { dropped, resumes } = await load.ask<ClientCounts>('counts')
      sheet.add(where, system.name, 'dropped sockets', '', dropped)
      sheet.add(where, system.name, 'moved sockets', '', resumes.samples)
      if (resumes.samples > 0) {
        sheet.add(where, system.name, 'resume p50', 'ms', resumes.p50)
        sheet.add(where, system.name, 'resume p99', 'ms', resumes.p99)
      }
      options.say(`  ${where}: ${dropped} sockets dropped, ${resumes.samples} moved, resume p99 ${resumes.p99.toFixed(0)} ms`)
    }
    const { others } = cpu()
    const seconds = (performance.now() - start) / 1000
    const services = await load.ask<ServiceCounts & { readonly http: Percentiles; readonly grpc: Percentiles }>('served')
    const sdk = await load.ask<SdkSendCounts>('sent')
    const { duplicates, missed, gaps, errors } = await load.ask<ClientCounts>('counts')
    const add = (metric: string, unit: string, value: number): void => sheet.add('all nodes', system.name, metric, unit, value)
    add('failed requests, SDK', '', total(sdk.failed))
    add('failed requests, HTTP and gRPC', '', total(services.failed))
    add('requests acknowledged', '', sdk.acknowledged + services.acknowledged)
    add('notifications missed or twice', '', missed + duplicates + gaps + (sizes.clients - sdk.there))
    add('SDK send p99', 'ms', sdk.latency.p99)
    add('HTTP p99', 'ms', services.http.p99)
    add('gRPC p99', 'ms', services.grpc.p99)
    sheet.detail('all nodes', system.name, 'repeats by HTTP and gRPC', '', services.repeated)
    sheet.detail('all nodes', system.name, 'the whole restart', 's', seconds)
    sheet.detail('all nodes', system.name, 'cpu of other programs and of nodes started again', 'cores', others)
    for (const what of [sdk.failed, services.failed, errors]) if (total(what) > 0) options.say(`  failed: ${JSON.stringify(what)}`)
    options.say(
      `  ${sdk.acknowledged + services.acknowledged} requests in ${seconds.toFixed(0)} s, ${total(sdk.failed) + total(services.failed)} failed`,
    )
  } finally {
    await load.stop()
    await nodes.stop()
  }
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
