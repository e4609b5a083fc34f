/**
 * P2: the workload of P1 on three nodes, two thirds of the events crossing from the node with the socket to the node with the actor. All nodes
 * share the machine's cores with the client, so what counts is the CPU of all nodes together for an event (user and system time of the node
 * processes, from /proc, while the closed loop that found the maximum ran): its inverse is the events for a whole core's work of the servers.
 */
import { inRounds, Sheet, usableSystems, type Bench } from './harness/bench.ts'
import { ratioByRound, spread } from './harness/statistics.ts'
import { measureEvents, type EventSizes } from './p1.ts'

const FULL: EventSizes = { sockets: 10_000, warmMs: 3000, closedMs: 5000, openMs: 8000, outstanding: [64, 256] }
const QUICK: EventSizes = { sockets: 40, warmMs: 20, closedMs: 100, openMs: 100, outstanding: [16] }
const CPU = 'server CPU an event'

export const p2: Bench = {
  name: 'p2',
  about: 'durable events of 10,000 users on three nodes, two thirds cross nodes',
  run: async (options) => {
    const sheet = new Sheet('p2')
    const systems = await usableSystems(options, ['troupe', 'troupe-3'], ['troupe-2'])
    await inRounds(options, systems, (system, round) =>
      measureEvents(options, system, round, options.quick ? QUICK : FULL, { picks: ['uniform'], user: null, to: null }, sheet),
    )
    const rows = sheet.rows()
    const single = rows.find((row) => row.system === 'troupe' && row.metric === CPU)?.values.map((us) => 1e6 / us) ?? []
    return rows.flatMap((row) => {
      if (row.metric !== CPU) return [row]
      const values = row.values.map((us) => 1e6 / us)
      const perCore = { ...row, metric: 'events for a core', unit: 'events/s', value: spread(values), values }
      if (row.system === 'troupe' || single.length !== values.length) return [row, perCore]
      const value = ratioByRound(values, single)
      return [row, { ...perCore, ratios: [{ to: 'one node', value, target: '>= 0.6', met: value.median >= 0.6 }] }]
    })
  },
}
