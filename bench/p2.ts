/**
 * P2: the workload of P1 on three nodes, two thirds of the events crossing from the node with the socket to the node with the actor. All nodes
 * share the machine's cores with the client, so what counts is the CPU of all nodes together for an event.
 */
import { inRounds, Sheet, usableSystems, type Bench } from './harness/bench.ts'
import { ratioByRound } from './harness/statistics.ts'
import { measureEvents, type EventSizes } from './p1.ts'

const FULL: EventSizes = { sockets: 10_000, warmMs: 3000, closedMs: 5000, openMs: 8000, outstanding: [64, 256] }
const QUICK: EventSizes = { sockets: 40, warmMs: 20, closedMs: 100, openMs: 100, outstanding: [16] }

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
    const single = rows.find((row) => row.system === 'troupe' && row.metric === 'server CPU an event')?.values ?? []
    return rows.map((row) => {
      if (row.metric !== 'server CPU an event' || row.system === 'troupe' || single.length === 0) return row
      const value = ratioByRound(row.values, single)
      // 0.6 of the events for a core's work is 1.67 times the work for an event.
      return { ...row, ratios: [{ to: 'one node', value, target: '<= 1.67', met: value.median <= 1.67 }] }
    })
  },
}
