/**
 * P4: fan-out, on one node and over three gateways. One event, made durable by us and not by the peer, to 1, 1,000 and 10,000 subscribers
 * with a socket each; with three nodes a third of them sits at each, the actor is on one of the three, and the event comes in at the first.
 * Our topic is a `log`, which has no debounce window; the peer broadcasts to a set of sockets. All share the machine's cores with the client:
 * three gateways have no more CPU here than one.
 */
import { inRounds, profileFlags, Sheet, usableSystems, type Bench } from './harness/bench.ts'
import { startLoad, startSystem } from './harness/systems.ts'
import type { FanOutPlan, FanOutResult } from './load/fan-out.ts'

interface Size {
  readonly subscribers: number
  readonly events: number
  readonly everyMs: number
}
const FULL: readonly Size[] = [
  { subscribers: 1, events: 1000, everyMs: 5 },
  { subscribers: 1000, events: 100, everyMs: 100 },
  { subscribers: 10_000, events: 30, everyMs: 600 },
]
const QUICK: readonly Size[] = [{ subscribers: 20, events: 5, everyMs: 10 }]

export const p4: Bench = {
  name: 'p4',
  about: 'event to notification at 1, 1,000 and 10,000 subscribers, on one node and over three gateways',
  run: async (options) => {
    const sheet = new Sheet('p4')
    sheet.target('p99', { to: 'absolute', relation: '<=', value: 3 }, '1 subscriber')
    for (const size of ['1,000', '10,000']) sheet.target('p99', { to: 'ws-memory', relation: '<=', value: 0.6 }, `${size} subscribers`)
    const systems = await usableSystems(options, ['troupe', 'troupe-3', 'ws-memory'], ['troupe-2', 'troupe-memory'])
    for (const { subscribers, events, everyMs } of options.quick ? QUICK : FULL) {
      const name = `${subscribers.toLocaleString('en')} subscriber${subscribers === 1 ? '' : 's'}`
      await inRounds(options, systems, async (system) => {
        const server = await startSystem(system, profileFlags(options, system))
        const load = await startLoad()
        try {
          await load.ask('open', {
            dialect: system.dialect,
            ports: server.ready.ports,
            sockets: subscribers + 1,
            user: null,
            concurrency: 64,
          })
          const plan: FanOutPlan = { to: 'user/u0', warmEvents: Math.ceil(events / 4), events, everyMs, pids: server.ready.pids }
          const result = await load.ask<FanOutResult>('fanOut', plan)
          sheet.add(name, system.name, 'p50', 'ms', result.latency.p50)
          sheet.add(name, system.name, 'p99', 'ms', result.latency.p99)
          for (const [process, cores] of Object.entries(result.cpu.cores))
            sheet.detail(name, system.name, `cpu of ${process}`, 'cores', cores)
          sheet.detail(name, system.name, 'cpu of other programs', 'cores', result.cpu.others)
          options.say(`  ${name}: p50 ${result.latency.p50.toFixed(1)} p99 ${result.latency.p99.toFixed(1)} ms`)
        } finally {
          await load.stop()
          await server.stop()
        }
      })
    }
    return sheet.rows()
  },
}
