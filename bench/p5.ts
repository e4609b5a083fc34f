/**
 * P5: what an idle authenticated connection costs. 15,000 sockets to one process that has done a first storm of connects and their end
 * already; its resident memory after a settling time less what it was before, by the number of sockets. Twice, in two processes:
 *
 *  - as it stands: no collection is forced. It holds garbage of 15,000 accepts too, and is what an operator sees: the target is on this.
 *  - collected: both readings after full collections that give free pages back. It is what the connections really need; the difference
 *    is what fewer allocations at the accept, or a later collection, would save.
 *
 * The kernel's memory is counted over the whole machine and so holds both ends of each socket.
 */
import { inRounds, Sheet, usableSystems, type Bench } from './harness/bench.ts'
import type { Memory } from './harness/child.ts'
import { kernelSocketBytes } from './harness/proc-stat.ts'
import { startLoad, startSystem, type System } from './harness/systems.ts'
import { pause } from './load/events.ts'

const FULL = { sockets: 15_000, warmSockets: 2000, settleMs: 10_000 }
const QUICK = { sockets: 100, warmSockets: 50, settleMs: 20 }

export const p5: Bench = {
  name: 'p5',
  about: 'resident memory of an idle authenticated connection, 15,000 sockets',
  run: async (options) => {
    const sizes = options.quick ? QUICK : FULL
    const sheet = new Sheet('p5')
    sheet.target('resident a connection', { to: 'absolute', relation: '<=', value: 6.5 }, 'as it stands')
    const systems = await usableSystems(options, ['troupe', 'ws-token', 'bare-net'], ['ws-memory'])
    await inRounds(options, systems, async (system) => {
      await measureIdle(system, sizes, 'as it stands', [], sheet)
      await measureIdle(system, sizes, 'collected', ['--expose-gc'], sheet)
    })
    return sheet.rows()
  },
}

async function measureIdle(system: System, sizes: typeof FULL, name: string, flags: readonly string[], sheet: Sheet): Promise<void> {
  const { sockets, warmSockets, settleMs } = sizes
  const server = await startSystem(system, flags)
  const load = await startLoad()
  const open = (count: number): Promise<unknown> =>
    load.ask('open', { dialect: system.dialect, ports: server.ready.ports, sockets: count, user: null, concurrency: 64 })
  try {
    await open(warmSockets)
    await load.ask('close')
    await pause(settleMs)
    const before = await server.ask<Memory>('memory')
    const kernelBefore = kernelSocketBytes()
    await open(sockets)
    await pause(settleMs)
    const after = await server.ask<Memory>('memory')
    const kernelAfter = kernelSocketBytes()
    const { lost, why } = await load.ask<{ lost: number; why: string }>('lost')
    if (lost > 0) throw new Error(`${system.name} dropped ${lost} idle sockets: ${why}`)
    const each = (bytes: number): number => bytes / sockets / 1024
    sheet.add(name, system.name, 'resident a connection', 'KiB', each(after.rss - before.rss))
    sheet.add(name, system.name, 'heap a connection', 'KiB', each(after.heapUsed - before.heapUsed))
    sheet.detail(name, system.name, 'heap reserved a connection', 'KiB', each(after.heapTotal - before.heapTotal))
    sheet.detail(name, system.name, 'outside the heap a connection', 'KiB', each(after.external - before.external))
    sheet.detail(name, system.name, 'resident before', 'MiB', before.rss / 2 ** 20)
    sheet.detail(name, system.name, 'kernel, both ends: buffers', 'KiB', each(kernelAfter.buffers - kernelBefore.buffers))
    if (kernelAfter.slabs !== null && kernelBefore.slabs !== null)
      sheet.detail(name, system.name, 'kernel, both ends: objects', 'KiB', each(kernelAfter.slabs - kernelBefore.slabs))
  } finally {
    await load.stop()
    await server.stop()
  }
}
