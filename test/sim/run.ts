/**
 * One seed, from beginning to verdict:
 *
 *   safety    clients, followers and faults, for the time asked
 *   liveness  everything heals; all that was begun must come to its end within a bound
 *   coda      a few more events: those who follow must get them without renewing; then the engines are compared with the journals
 *   leak      nobody uses anything: memory must come back to nothing
 */
import { runGateway } from './gateway-run.ts'
import { Nemesis } from './nemesis.ts'
import { repeats } from './settling-cluster.ts'
import { checkTimeliness, inspectAll, leaks, unsettled } from './settling.ts'
import { LAZY_EVERY_MS } from './sim-app.ts'
import { LATE_ANSWER_MS } from './sim-store.ts'
import { cut, scopeOf, type Scenario, type Scope } from './scenario.ts'
import { Sim } from './sim.ts'
import { drawSwarm, type Asked } from './swarm.ts'
import type { Violation } from './verdict.ts'
import { drained, World } from './world.ts'

export interface RunAsked extends Asked {
  readonly seed: number
  /** Virtual minutes of the safety phase. */
  readonly minutes: number
  readonly drainAlways?: boolean
  readonly scenario?: Scenario
}

export interface RunResult {
  readonly seed: number
  readonly violation: Violation | null
  readonly hash: string
  readonly virtualMs: number
  readonly events: number
  readonly counts: Readonly<Record<string, number>>
  /** The newest lines of the trace, with a violation. */
  readonly lines: readonly string[]
  /** How much there was of everything; absent where a worker ended without a verdict. */
  readonly scope?: Scope
}

/** Virtual ms for everything to settle once healed. */
const SETTLE_MS = 120_000
const CODA_MS = 30_000
/** Before the faults end. */
const FAREWELL_MS = 3000
const LEAK_MS = 60_000
const SAMPLE_MS = 500
const PULL_EVENTS_FEW = 100

export async function runSeed(asked: RunAsked): Promise<RunResult> {
  if (asked.kind === 'gateway') return runGateway(asked)
  const world = new World(asked.seed, asked.drainAlways)
  const { scenario = {} } = asked
  const sim = new Sim(
    world,
    cut(
      drawSwarm((stream) => world.random(stream), asked),
      scenario,
    ),
    scenario,
  )
  const ms = scenario.ms ?? asked.minutes * 60_000
  await play(sim, ms)
  for (const node of sim.nodes) node.crash()
  await drained()
  const { violation } = world.verdict
  return {
    seed: asked.seed,
    violation,
    hash: world.trace.hash,
    virtualMs: world.nowMs,
    events: world.events,
    counts: Object.fromEntries([...sim.counts].sort(([a], [b]) => (a < b ? -1 : 1))),
    lines: violation === null ? [] : world.trace.lines(),
    scope: scopeOf(sim.swarm, ms, sim.strikes, sim.acts),
  }
}

export async function play(sim: Sim, safetyMs: number): Promise<void> {
  const { world } = sim
  const nemesis = new Nemesis(sim)
  for (const node of sim.nodes) node.start()
  for (const client of sim.clients) client.start()
  for (const follower of sim.followers) follower.start()
  nemesis.start()
  sim.moves.start()
  const sample = (): void => {
    for (const { life } of sim.nodes) if (life !== null) for (const sampled of sim.hooks.sampled) sampled(life)
    if (!sim.healed) world.after(SAMPLE_MS, sample)
  }
  sample()
  await world.run(safetyMs - (sim.swarm.lasting ? FAREWELL_MS : 0))

  for (const client of sim.clients) client.stop()
  if (sim.swarm.lasting) {
    sim.clients[0]?.farewell()
    await world.run(safetyMs)
  }
  nemesis.heal()
  // Answers that were late when the faults ended are still to come.
  await world.run(world.nowMs + LATE_ANSWER_MS)
  await until(sim, SETTLE_MS, 'settled', () => unsettled(sim))

  for (const follower of sim.followers) follower.held = true
  const codaMs = world.nowMs
  const astray = repeats(sim)
  for (const client of sim.clients) client.coda()
  // Longer than write-behind waits.
  await world.run(world.nowMs + 600 + 2 * LAZY_EVERY_MS)
  await until(sim, CODA_MS, 'newest-state', () => unsettled(sim))
  // With one view a request is at its owner after one hop, and is asked once; but for those too many to wait for an actor that is pulled.
  const strayed = sim.swarm.options.pullEvents < PULL_EVENTS_FEW ? 0 : repeats(sim) - astray
  if (strayed > 0) sim.fail('hops', `in peace ${strayed} requests went to a node that does not own their actor`)
  if (world.verdict.violation !== null) return

  let owing: string | null = 'inspect() does not answer'
  const inspect = (): void => {
    world.settled()
    inspectAll(sim).then(
      (found) => {
        owing = found
        if (found !== null) world.after(500, inspect)
      },
      (error: unknown) => sim.fail('settled', `inspect() rejected: ${String(error)}`),
    )
  }
  world.after(0, inspect)
  await until(sim, SETTLE_MS, 'settled', () => owing)

  checkTimeliness(sim, codaMs)
  for (const follower of sim.followers) follower.close()
  await until(sim, LEAK_MS, 'memory', () => leaks(sim), 'leak')
  if (world.verdict.violation !== null) return
  for (const life of sim.lives) {
    const { counters } = life.engine.stats()
    for (const [name, count] of Object.entries(counters)) sim.counts.set(name, (sim.counts.get(name) ?? 0) + count)
    if ((counters['foldFailures'] ?? 0) > 0) sim.fail('folding', `${life.id} could not fold an actor ${counters['foldFailures']} times`)
    if ((counters['impure'] ?? 0) > 0) sim.fail('folding', `${life.id} found pure reducers impure`)
  }
  sim.countRouting()
  for (const end of sim.hooks.end) end()
}

/** Runs until `why` says null, at most `boundMs`. */
async function until(
  sim: Sim,
  boundMs: number,
  property: string,
  why: () => string | null,
  kind: 'liveness' | 'leak' = 'liveness',
): Promise<void> {
  const { world } = sim
  const end = world.nowMs + boundMs
  for (;;) {
    if (world.verdict.violation !== null) return
    const reason = why()
    if (reason === null) return
    if (world.nowMs >= end) return sim.fail(property, `${boundMs / 1000} s after the faults: ${reason}`, kind)
    await world.run(world.nowMs + 250)
  }
}
