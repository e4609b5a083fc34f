/**
 * P1: durable events of many users. 10,000 users, a socket each; event → reduced → durable → acknowledged, on one node.
 * Each system gets in each round: fresh process and data, warm-up, closed loops of 64 and 256, open loop at half of the better one.
 */
import { inRounds, profileFlags, Sheet, usableSystems, type Bench, type BenchOptions } from './harness/bench.ts'
import { startLoad, startSystem, type System } from './harness/systems.ts'
import type { Child } from './harness/child.ts'
import type { PhasePlan, PhaseResult } from './load/events.ts'
import type { OpenCommand } from './load/load.ts'
import type { Pick } from './load/picker.ts'

export interface EventSizes {
  readonly sockets: number
  readonly warmMs: number
  readonly closedMs: number
  readonly openMs: number
  readonly outstanding: readonly number[]
}

const FULL: EventSizes = { sockets: 10_000, warmMs: 3000, closedMs: 5000, openMs: 8000, outstanding: [64, 256] }
const QUICK: EventSizes = { sockets: 40, warmMs: 20, closedMs: 100, openMs: 100, outstanding: [16] }

export const p1: Bench = {
  name: 'p1',
  about: 'durable events of 10,000 users, uniform and Zipf 0.99',
  run: async (options) => {
    const sheet = new Sheet('p1')
    sheet.target('max events', { to: 'ws-commit', relation: '>=', value: 1 })
    sheet.target('max events', { to: 'socketio-always', relation: '>=', value: 2.5 })
    sheet.target('max events', { to: 'ws-memory', relation: '>=', value: 0.9 })
    sheet.target('p99 at half', { to: 'ws-commit', relation: '<=', value: 1 })
    const systems = await usableSystems(
      options,
      ['troupe', 'ws-commit', 'ws-memory', 'socketio-always', 'socketio-everysec'],
      ['troupe-memory', 'troupe-mongodb'],
    )
    await inRounds(options, systems, (system, round) =>
      measureEvents(options, system, round, options.quick ? QUICK : FULL, { picks: ['uniform', 'zipf'], user: null, to: null }, sheet),
    )
    return sheet.rows()
  },
}

export interface EventCase {
  readonly picks: readonly Pick[]
  /** All sockets of this one user, or null for a user each. */
  readonly user: string | null
  readonly to: string | null
}

const TRIES = 4
const WARM_EVENTS_A_USER = 6

/**
 * One system, one round; again while other programs took more of the machine than `--others-max` allows. That is decided by their CPU alone and
 * never by the figure. Throws when an event was refused or lost: then there is no figure.
 */
export async function measureEvents(
  options: BenchOptions,
  system: System,
  round: number,
  sizes: EventSizes,
  what: EventCase,
  sheet: Sheet,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const figures: Figure[] = []
    const others = await tryEvents(options, system, round, sizes, what, (...figure) => figures.push(figure))
    if (others > options.othersMax && tries < TRIES) {
      options.say(`  again: other programs took ${others.toFixed(2)} cores`)
      continue
    }
    for (const figure of figures) sheet.add(...figure)
    return
  }
}

type Figure = Parameters<Sheet['add']>

/** Gives the most that other programs took in a phase that counts, in cores. */
async function tryEvents(
  options: BenchOptions,
  system: System,
  round: number,
  sizes: EventSizes,
  what: EventCase,
  add: (...figure: Figure) => void,
): Promise<number> {
  const server = await startSystem(system, profileFlags(options, system))
  const load = await startLoad()
  try {
    const open: OpenCommand = {
      dialect: system.dialect,
      ports: server.ready.ports,
      sockets: sizes.sockets,
      user: what.user,
      concurrency: 64,
    }
    await load.ask('open', open)
    let acknowledged = 0
    let others = 0
    for (const pick of what.picks) {
      const name = what.user === null ? pick : 'one actor'
      // The first phase warms up until every user was active: first touches and cold code are P8's matter.
      let warmEvents = WARM_EVENTS_A_USER * sizes.sockets
      const plan = (warmMs: number, ms: number, phase: string): PhasePlan => ({
        pick,
        seed: `${name}/${round}/${phase}`,
        warmMs,
        warmEvents,
        ms,
        pids: server.ready.pids,
        to: what.to,
      })
      let best: PhaseResult | null = null
      for (const outstanding of sizes.outstanding) {
        const result = await load.ask<PhaseResult>('closed', {
          plan: plan(sizes.warmMs, sizes.closedMs, `closed-${outstanding}`),
          outstanding,
        })
        warmEvents = 0
        acknowledged += checked(system, result)
        others = Math.max(others, result.cpu.others)
        add(name, system.name, `max at ${outstanding} outstanding`, 'events/s', result.rate, true)
        if (best === null || result.rate > best.rate) best = result
      }
      const max = best as PhaseResult
      const half = await load.ask<PhaseResult>('openLoop', { plan: plan(sizes.warmMs / 2, sizes.openMs, 'open'), rate: max.rate / 2 })
      acknowledged += checked(system, half)
      others = Math.max(others, half.cpu.others)
      add(name, system.name, 'max events', 'events/s', max.rate)
      add(name, system.name, 'p50 at half', 'ms', half.latency.p50)
      add(name, system.name, 'p99 at half', 'ms', half.latency.p99)
      const cores = Object.entries(max.cpu.cores).reduce((sum, [process, used]) => sum + (process === 'load' ? 0 : used), 0)
      add(name, system.name, 'server CPU an event', 'µs', (cores * 1e6) / max.rate)
      for (const [process, used] of Object.entries(max.cpu.cores)) add(name, system.name, `cpu of ${process} at max`, 'cores', used, true)
      add(name, system.name, 'cpu of other programs at max', 'cores', max.cpu.others, true)
      add(name, system.name, 'cpu of other programs at half', 'cores', half.cpu.others, true)
      options.say(
        `  ${name}: ${Math.round(max.rate)} events/s, at half p50 ${half.latency.p50.toFixed(1)} p99 ${half.latency.p99.toFixed(1)} ms, other programs ${max.cpu.others.toFixed(2)} and ${half.cpu.others.toFixed(2)} cores`,
      )
    }
    await verify(server, acknowledged)
    return others
  } finally {
    await load.stop()
    await server.stop()
  }
}

function checked(system: System, result: PhaseResult): number {
  if (result.failed > 0) throw new Error(`${system.name} refused ${result.failed} events, the first with ${result.firstFailure}`)
  return result.acknowledged
}

/** What was acknowledged must be there: a bench of a server that drops work measures nothing. */
async function verify(server: Child, acknowledged: number): Promise<void> {
  const recorded = await server.ask<number>('recorded')
  if (recorded !== acknowledged) throw new Error(`${acknowledged} events were acknowledged but ${recorded} recorded`)
}
