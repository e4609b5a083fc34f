/**
 * F6: one reader at 1 KB/s among 1,000 subscribers of an actor on one node. Events of 56 bytes go to all; the one reader follows a second actor too, whose events of 16 KiB come at 1 MB/s:
 * with small notes alone it would take minutes until the kernel's buffers (some MB) are full and the node has to do anything.
 *
 * First the reader reads all, then 1 KB a second, then all again. Measured:
 * - p99 of the other 999 while it is slow, less their p99 while it was not (the second actor's events come all the time). Each (event, subscriber) counts, from the intended time.
 * - what the server holds for it: live heap and buffers, after a full collection, at the end of the slow time less that before it (noise of some 100 KB: what
 *   else the process learned meanwhile).
 * - whether in the end it has the newest event of both actors (as `log` topics, so all between too, in order, none twice).
 * Not measured: more slow readers than one; a reader that takes nothing at all (closed after `slowConsumerMs`, tests), the kernel's own buffers.
 */
import { inRounds, profileFlags, Sheet, sized, usableSystems, type Bench } from './harness/bench.ts'
import type { Memory } from './harness/child.ts'
import { startLoad, startSystem } from './harness/systems.ts'
import type { SlowPhase, SlowPlan, SlowResult } from './load/slow-reader.ts'

interface Sizes {
  readonly readers: number
  readonly events: number
  readonly everyMs: number
  readonly bytes: number
  readonly bytesEveryMs: number
}
const FULL: Sizes = { readers: 999, events: 150, everyMs: 100, bytes: 16_384, bytesEveryMs: 16 }
const QUICK: Sizes = { readers: 5, events: 10, everyMs: 20, bytes: 16_384, bytesEveryMs: 16 }
const MIB = 2 ** 20

export const f6: Bench = {
  name: 'f6',
  about: 'a reader at 1 KB/s among 1,000: what the others feel, what is held, where it ends',
  run: async (options) => {
    const sheet = new Sheet('f6')
    sheet.target('p99 of the others, more by', { to: 'absolute', relation: '<=', value: 5 })
    sheet.target('held for it', { to: 'absolute', relation: '<=', value: 1 })
    sheet.target('behind in the end', { to: 'absolute', relation: '<=', value: 0 })
    const sizes = options.quick ? QUICK : { ...FULL, readers: sized(options, FULL.readers) }
    const systems = await usableSystems(options, ['troupe'])
    await inRounds(options, systems, async (system) => {
      const server = await startSystem(system, ['--expose-gc', ...profileFlags(options, system)])
      const load = await startLoad()
      try {
        const sockets = sizes.readers + 2
        await load.ask('open', { dialect: system.dialect, ports: server.ready.ports, sockets, user: null, concurrency: 64 })
        const plan: SlowPlan = { port: server.ready.ports[0] as number, bytes: sizes.bytes, bytesEveryMs: sizes.bytesEveryMs }
        await load.ask('slowReader', plan)
        const phase = (slow: boolean): Promise<SlowPhase> =>
          load.ask('slowPhase', { slow, events: sizes.events, everyMs: sizes.everyMs, pids: server.ready.pids })
        await phase(false)
        const before = await server.ask<Memory>('memory')
        const fast = await phase(false)
        const slow = await phase(true)
        const during = await server.ask<Memory>('memory')
        const end = await load.ask<SlowResult>('slowEnd')
        const held = (during.heapUsed + during.external - before.heapUsed - before.external) / MIB
        const add = (metric: string, unit: string, value: number): void => sheet.add('one slow reader', system.name, metric, unit, value)
        add('p99 of the others before', 'ms', fast.latency.p99)
        add('p99 of the others during', 'ms', slow.latency.p99)
        add('p99 of the others, more by', 'ms', slow.latency.p99 - fast.latency.p99)
        add('held for it', 'MiB', held)
        add('behind in the end', 'events', end.behind)
        add('missed or twice', 'events', end.disorder)
        sheet.detail('one slow reader', system.name, 'behind when it read on', 'events', end.behindBefore)
        sheet.detail('one slow reader', system.name, 'until it had the newest', 'ms', end.ms)
        sheet.detail('one slow reader', system.name, 'resident, more by', 'MiB', (during.rss - before.rss) / MIB)
        sheet.detail('one slow reader', system.name, 'cpu of other programs', 'cores', slow.cpu.others)
        options.say(
          `  others p99 ${fast.latency.p99.toFixed(1)} → ${slow.latency.p99.toFixed(1)} ms, ${held.toFixed(2)} MiB held, ${end.behindBefore} behind, in the end ${end.behind}`,
        )
      } finally {
        await load.stop()
        await server.stop()
      }
    })
    return sheet.rows()
  },
}
