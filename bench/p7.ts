/**
 * P7: accepts with authentication. After a first storm to warm up and its end, 12,000 clients connect as fast as 128 handshakes under way
 * allow, and stay. An accept is done when the client has the server's first message: for us `welcome` after a token was verified.
 */
import { inRounds, profileFlags, Sheet, usableSystems, type Bench } from './harness/bench.ts'
import { countCpu } from './harness/proc-stat.ts'
import { startLoad, startSystem } from './harness/systems.ts'
import { pause } from './load/events.ts'
import type { Opened } from './load/load.ts'

const FULL = { sockets: 12_000, warmSockets: 6000, settleMs: 2000 }
const QUICK = { sockets: 60, warmSockets: 30, settleMs: 50 }
const HANDSHAKES = 128

export const p7: Bench = {
  name: 'p7',
  about: 'accepts a second with authentication',
  run: async (options) => {
    const { sockets, warmSockets, settleMs } = options.quick ? QUICK : FULL
    const sheet = new Sheet('p7')
    sheet.target('accepts', { to: 'ws-memory', relation: '>=', value: 0.6 })
    const systems = await usableSystems(options, ['troupe', 'ws-memory', 'ws-token'])
    await inRounds(options, systems, async (system) => {
      const server = await startSystem(system, profileFlags(options, system))
      const load = await startLoad()
      const open = (count: number): Promise<Opened> =>
        load.ask('open', { dialect: system.dialect, ports: server.ready.ports, sockets: count, user: null, concurrency: HANDSHAKES })
      try {
        await open(warmSockets)
        await load.ask('close')
        await pause(settleMs)
        const cpu = countCpu({ ...server.ready.pids, load: load.pid })
        const opened = await open(sockets)
        const { cores } = cpu()
        sheet.add('storm', system.name, 'accepts', 'a second', opened.perSecond)
        sheet.add('storm', system.name, 'handshake p99', 'ms', opened.handshakeMs.p99)
        sheet.add('storm', system.name, 'server CPU an accept', 'µs', ((cores['server'] ?? 0) * 1e6) / opened.perSecond)
        for (const [process, used] of Object.entries(cores)) sheet.detail('storm', system.name, `cpu of ${process}`, 'cores', used)
        options.say(`  ${Math.round(opened.perSecond)} accepts/s`)
      } finally {
        await load.stop()
        await server.stop()
      }
    })
    return sheet.rows()
  },
}
