/**
 * P6: what an idle activation costs, without the app's state. 1,000,000 actors in one process, active all at once:
 * activated by a query (memory store: nothing is written) and by a first event (embedded store: the journal is outside the heap).
 */
import { inRounds, Sheet, usableSystems, type Bench } from './harness/bench.ts'
import { startChild, type Memory } from './harness/child.ts'
import { dataDirectory, findSystem } from './harness/systems.ts'

const FULL = { actors: 1_000_000, warm: 20_000 }
const QUICK = { actors: 300, warm: 100 }
const CASES = [
  { by: 'query', name: 'activated by a query' },
  { by: 'event', name: 'activated by an event' },
] as const
/** A million activations must not be refused by the heap's default limit: the figure would be lost with the process. */
const HEAP_MIB = 8192

export const p6: Bench = {
  name: 'p6',
  about: 'heap of an idle activation, 1,000,000 in one process',
  run: async (options) => {
    const sheet = new Sheet('p6')
    sheet.target('heap an activation', { to: 'absolute', relation: '<=', value: 1024 })
    const { actors, warm } = options.quick ? QUICK : FULL
    const systems = await usableSystems(options, ['troupe'])
    for (const { by, name } of CASES)
      await inRounds({ ...options, rounds: 1 }, systems, async (system) => {
        const program = new URL('activations.ts', findSystem(system.name).program)
        const directory = await dataDirectory()
        const child = await startChild(
          program,
          [by === 'query' ? 'memory:' : directory],
          ['--expose-gc', `--max-old-space-size=${HEAP_MIB}`],
        )
        try {
          await child.ask('activate', { from: 0, to: warm, by })
          const before = await child.ask<Memory>('memory')
          const start = performance.now()
          const active = await child.ask<number>('activate', { from: warm, to: warm + actors, by })
          const perSecond = (actors * 1000) / (performance.now() - start)
          const after = await child.ask<Memory>('memory')
          if (active !== warm + actors) throw new Error(`${warm + actors} actors were touched but ${active} are active`)
          const heap = after.heapUsed + after.external - before.heapUsed - before.external
          sheet.add(name, system.name, 'heap an activation', 'bytes', heap / actors)
          sheet.add(name, system.name, 'resident an activation', 'bytes', (after.rss - before.rss) / actors)
          sheet.add(name, system.name, 'activations', 'a second', perSecond)
          options.say(`  ${name}: ${Math.round(heap / actors)} bytes each, ${Math.round(after.rss / 2 ** 20)} MiB resident`)
        } finally {
          await child.stop()
        }
      })
    return sheet.rows()
  },
}
