/**
 * P10: placement. What a route decision costs, cached and cold, and how long the event loop stands still while a node learns of many
 * others, or of one more. In one process without traffic.
 */
import { inRounds, Sheet, usableSystems, type Bench } from './harness/bench.ts'
import { startChild } from './harness/child.ts'
import type { BuildResult, Change, RouteResult } from './servers/placements.ts'

const FULL = { nodes: [3, 30, 100, 300, 1000], routes: [3, 300], actors: 10_000, lookups: 1_000_000 }
const QUICK = { nodes: [3, 20], routes: [3], actors: 50, lookups: 200 }
/** The ring that must not be felt. */
const STALL_NODES = 300
const STALL_MS = 20

export const p10: Bench = {
  name: 'p10',
  about: 'route decisions; rings of up to 1,000 nodes without a stall',
  run: async (options) => {
    const sheet = new Sheet('p10')
    sheet.target('route, cached', { to: 'absolute', relation: '<=', value: 0.3 })
    sheet.target('route, cold', { to: 'absolute', relation: '<=', value: 3 })
    for (const stall of ['stall, all at once', 'stall, one more'])
      sheet.target(stall, { to: 'absolute', relation: '<=', value: STALL_MS }, caseOf(STALL_NODES))
    const { nodes, routes, actors, lookups } = options.quick ? QUICK : FULL
    const systems = await usableSystems(options, ['troupe'])
    await inRounds(options, systems, async (system) => {
      const program = new URL('placements.ts', system.program)
      // A process for each size: what ran before would leave compiled code and garbage.
      for (const size of nodes) {
        const child = await startChild(program, [])
        try {
          const idle = await child.ask<Change>('idle')
          const { build, join, packageMs } = await child.ask<BuildResult>('build', size)
          sheet.add(caseOf(size), system.name, 'all at once', 'ms', build.ms)
          sheet.add(caseOf(size), system.name, 'stall, all at once', 'ms', build.stallMs)
          sheet.add(caseOf(size), system.name, 'one more', 'ms', join.ms)
          sheet.add(caseOf(size), system.name, 'stall, one more', 'ms', join.stallMs)
          sheet.detail(caseOf(size), system.name, 'stall of an idle process', 'ms', idle.stallMs)
          sheet.detail(caseOf(size), system.name, 'all at once by the package alone', 'ms', packageMs)
          options.say(
            `  ${caseOf(size)}: ${build.ms.toFixed(0)} ms, stall ${build.stallMs.toFixed(1)} ms; one more: stall ${join.stallMs.toFixed(1)} ms`,
          )
        } finally {
          await child.stop()
        }
      }
      for (const size of routes) {
        const child = await startChild(program, [])
        try {
          const { cachedUs, coldUs, packageUs } = await child.ask<RouteResult>('routes', { nodes: size, actors, lookups })
          sheet.add(caseOf(size), system.name, 'route, cached', 'µs', cachedUs)
          sheet.add(caseOf(size), system.name, 'route, cold', 'µs', coldUs)
          sheet.detail(caseOf(size), system.name, 'route by the package alone', 'µs', packageUs)
          options.say(`  ${caseOf(size)}: route ${cachedUs.toFixed(2)} µs cached, ${coldUs.toFixed(2)} µs cold`)
        } finally {
          await child.stop()
        }
      }
    })
    return sheet.rows()
  },
}

function caseOf(nodes: number): string {
  return `${nodes.toLocaleString('en')} nodes`
}
