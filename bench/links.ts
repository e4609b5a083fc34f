/**
 * Links: what a stream between two nodes carries, by how many events go into one message. Two processes, one wire of the data channel,
 * events of 56 bytes there and back, at most 4,096 under way. Nothing is decoded or recorded: this is the ceiling of forwarding.
 */
import { inRounds, Sheet, usableSystems, type Bench } from './harness/bench.ts'
import { startChild } from './harness/child.ts'
import { countCpu } from './harness/proc-stat.ts'

const FULL = { warm: 1, seconds: 5 }
const QUICK = { warm: 0.05, seconds: 0.05 }
const WINDOW = 4096
const BATCHES = [1, 16, 64, 256]

export const links: Bench = {
  name: 'links',
  about: 'events of 56 bytes over one stream between two nodes and back, 1 to 256 a message',
  run: async (options) => {
    const sheet = new Sheet('links')
    // P2: one pair of nodes. At the batches that a busy link has.
    sheet.target('events there and back', { to: 'absolute', relation: '>=', value: 200_000 }, '64 a message')
    const { warm, seconds } = options.quick ? QUICK : FULL
    const systems = await usableSystems(options, ['troupe'])
    await inRounds(options, systems, async ({ name }) => {
      const program = new URL('servers/link-end.ts', import.meta.url)
      const [near, far] = await Promise.all([startChild(program, ['near']), startChild(program, ['far'])])
      try {
        const port = far.ready.ports[0]
        for (const batch of BATCHES) {
          const where = `${batch} a message`
          await near.ask('echo', { port, batch, window: WINDOW, seconds: warm })
          const cpu = countCpu({ near: near.pid, far: far.pid })
          const perSecond = await near.ask<number>('echo', { port, batch, window: WINDOW, seconds })
          const { cores, others } = cpu()
          const both = (cores['near'] ?? 0) + (cores['far'] ?? 0)
          sheet.add(where, name, 'events there and back', 'a second', perSecond)
          sheet.add(where, name, 'CPU an event, both ends', 'µs', (both * 1_000_000) / perSecond)
          sheet.detail(where, name, 'CPU of other programs', 'cores', others)
          options.say(`  ${where}: ${Math.round(perSecond)} events a second`)
        }
      } finally {
        await Promise.all([near.stop(), far.stop()])
      }
    })
    return sheet.rows()
  },
}
