/**
 * P3: one hot actor. The same workload as P1, but all sockets are of one user, so every event goes through one mailbox and one journal.
 * Our target is against our own P1, so both are measured in the same round.
 */
import { inRounds, Sheet, usableSystems, type Bench } from './harness/bench.ts'
import { ratioByRound } from './harness/statistics.ts'
import { measureEvents, type EventSizes } from './p1.ts'

const FULL: EventSizes = { sockets: 256, warmMs: 3000, closedMs: 5000, openMs: 8000, outstanding: [64, 256] }
const QUICK: EventSizes = { sockets: 16, warmMs: 20, closedMs: 100, openMs: 100, outstanding: [16] }
const SPREAD_SOCKETS = 10_000

export const p3: Bench = {
  name: 'p3',
  about: 'one hot actor, 256 sockets, durable',
  run: async (options) => {
    const sheet = new Sheet('p3')
    const hot = options.quick ? QUICK : FULL
    const many = { ...hot, sockets: options.quick ? QUICK.sockets : SPREAD_SOCKETS }
    const systems = await usableSystems(options, ['troupe', 'ws-commit', 'ws-memory'], ['troupe-memory'])
    await inRounds(options, systems, async (system, round) => {
      await measureEvents(options, system, round, hot, { picks: ['uniform'], user: 'hot', to: null }, sheet)
      await measureEvents(options, system, round, many, { picks: ['uniform'], user: null, to: null }, sheet)
    })
    const rows = sheet.rows()
    const spreadOut = (system: string): readonly number[] =>
      rows.find((row) => row.system === system && row.case === 'uniform' && row.metric === 'max events')?.values ?? []
    return rows.map((row) => {
      if (row.case !== 'one actor' || row.metric !== 'max events') return row
      const value = ratioByRound(row.values, spreadOut(row.system))
      const ours = row.system.startsWith('troupe')
      return { ...row, ratios: [{ to: 'its own uniform', value, ...(ours ? { target: '>= 0.9', met: value.median >= 0.9 } : {}) }] }
    })
  },
}
