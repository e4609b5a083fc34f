/**
 * One seed of the kind `gateway`, from beginning to verdict:
 *
 *   safety    devices, strangers and faults of nodes, store and the devices' networks, for the time asked
 *   liveness  everything heals; every call is answered, every device is connected, the cluster comes to rest
 *   coda      a few more events: everybody who follows must have them soon; the world is held against its journals
 *   leak      all devices go: soon nothing is left of sockets, sessions, subscriptions, leases, actors
 */
import { seeded } from '../../src/base/random.ts'
import { drawFrom } from '../../src/testing/draw.ts'
import { Mishaps } from '../../src/testing/mishaps.ts'
import { drawFaults, type Mishap } from '../../src/testing/plan.ts'
import { allUp } from '../../src/testing/play.ts'
import { SimulationError } from '../../src/testing/trace.ts'
import { SAMPLE_MS } from './gateway-check.ts'
import { TIMER_MS_MAX } from './gateway-device.ts'
import { GatewaySim } from './gateway-sim.ts'
import { stranger } from './gateway-stranger.ts'
import { cutGateway, drawGateway, gatewayTraits, TROUBLES, type GatewaySwarm, type Trouble } from './gateway-swarm.ts'
import type { RunAsked, RunResult } from './run.ts'
import { Gate, type Scope } from './scenario.ts'

type Strike =
  | Mishap
  | {
      readonly atMs: number
      readonly kind: 'trouble'
      readonly trouble: Trouble
      readonly device: number
      readonly forMs: number
      readonly sip: number
    }
  | { readonly atMs: number; readonly kind: 'stranger'; readonly number: number }

/** Virtual ms for every call to be answered and every device to be connected, once healed. */
const ANSWERED_MS = 90_000
/** And, in peace, for everybody to have what was sent last: the rest is the time in which an owner that was cut off may still answer (D11). */
const NEWEST_MS = 20_000
const LOOK_MS = 250
const LINES = 400
/** Times have whole microseconds. */
const TICK_MS = 0.001

export async function runGateway(asked: RunAsked): Promise<RunResult> {
  const { seed, scenario = {} } = asked
  const swarm = cutGateway(drawGateway(seed, asked), scenario)
  const ms = scenario.ms ?? asked.minutes * 60_000
  const sim = new GatewaySim(seed, swarm, scenario.acts)
  const strikes = new Gate(scenario.strikes)
  const { core } = sim
  try {
    await play(sim, ms, strikes)
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error
    sim.broke(error)
  } finally {
    for (const device of sim.devices) device.close()
    await core.close({ check: false })
  }
  const { violation } = sim.verdict
  return {
    seed,
    violation,
    hash: core.hash,
    virtualMs: sim.nowMs,
    events: sim.eyes.frames,
    counts: Object.fromEntries([...sim.counts].sort(([a], [b]) => (a < b ? -1 : 1))),
    lines: violation === null ? [] : core.trace().slice(-LINES),
    scope: scopeOf(swarm, ms, strikes, sim.acts),
  }
}

async function play(sim: GatewaySim, safetyMs: number, strikes: Gate): Promise<void> {
  const { core, devices, swarm } = sim
  await core.advance(0)
  for (const device of devices) device.start()
  const sampling = samples(sim)
  await safety(sim, safetyMs, strikes)

  for (const device of devices) device.network.heal()
  await allUp(core)
  await until(sim, ANSWERED_MS, 'answered', () => unanswered(sim))
  await core.settle()

  const codaMs = core.elapsedMs
  for (const actor of swarm.actors) for (const device of devices) device.coda(actor)
  await until(sim, ANSWERED_MS, 'answered', () => unanswered(sim))
  await core.settle()
  const tookMs = core.elapsedMs - codaMs
  if (tookMs > NEWEST_MS) sim.fail('newest', `in peace it took ${Math.round(tookMs)} ms until everybody had the newest state`, 'liveness')
  // Timers that were set last.
  await core.advance(TIMER_MS_MAX)
  await core.settle()
  await core.check()
  counted(sim)
  sim.tell((check) => check.end?.())
  await core.advance(0)

  sampling.end()
  for (const device of devices) device.close()
  await core.abandon()
  if (core.sockets.size > 0) sim.fail('memory', `${core.sockets.size} sockets of clients that have gone are not over`, 'leak')
  if (sim.eyes.sockets.size > 0) sim.fail('memory', `gateways hold ${sim.eyes.sockets.size} sockets of clients that have gone`, 'leak')
  await core.advance(0)
}

async function safety(sim: GatewaySim, ms: number, gate: Gate): Promise<void> {
  const { core } = sim
  const mishaps = new Mishaps(core)
  const beganMs = core.elapsedMs
  const until = async (atMs: number): Promise<void> => {
    for (;;) {
      const nextMs = Math.min(atMs, mishaps.nextAt)
      if (nextMs > core.elapsedMs) await core.advance(nextMs - core.elapsedMs)
      mishaps.ended(core.elapsedMs + TICK_MS)
      if (core.elapsedMs + TICK_MS >= atMs) return
    }
  }
  for (const strike of drawStrikes(sim.seed, sim.swarm, ms)) {
    if (!gate.pass()) continue
    await until(beganMs + strike.atMs)
    if (strike.kind === 'trouble') sim.devices[strike.device]?.network.trouble(strike.trouble, strike.forMs, strike.sip)
    else if (strike.kind === 'stranger') stranger(sim, strike.number, drawFrom(seeded(`${sim.seed}/stranger/${strike.number}`)))
    else mishaps.begin(strike, core.elapsedMs)
    if (strike.kind === 'trouble') core.note(`d${strike.device + 1}: ${strike.trouble} for ${Math.round(strike.forMs)} ms`)
    if (strike.kind === 'trouble') sim.count(`client ${strike.trouble}`)
  }
  await until(beganMs + ms)
  for (const device of sim.devices) device.stop()
  mishaps.stop()
  for (const [kind, times] of mishaps.counts) sim.count(kind, times)
}

function drawStrikes(seed: number, swarm: GatewaySwarm, ms: number): Strike[] {
  const { nodes, troubles, troubleMs, devices, strangersEveryMs } = swarm
  const strikes: Strike[] = drawFaults({ seed, nodes, minutes: ms / 60_000 }).filter(({ kind }) => swarm.faults.has(kind))
  for (const trouble of TROUBLES) {
    const draw = drawFrom(seeded(`${seed}/trouble/${trouble}`))
    const wait = (): number => -Math.log(1 - draw.float()) * troubles[trouble]
    for (let atMs = wait(); atMs < ms; atMs += wait())
      strikes.push({
        atMs,
        kind: 'trouble',
        trouble,
        device: draw.whole(0, devices - 1),
        forMs: draw.float() * troubleMs,
        sip: draw.float(),
      })
  }
  const draw = drawFrom(seeded(`${seed}/strangers`))
  const wait = (): number => -Math.log(1 - draw.float()) * strangersEveryMs
  for (let [atMs, number] = [wait(), 1]; atMs < ms; atMs += wait()) strikes.push({ atMs, kind: 'stranger', number: number++ })
  return strikes.sort((a, b) => a.atMs - b.atMs)
}

function samples(sim: GatewaySim): { end(): void } {
  let over = false
  const sample = (): void => {
    if (over) return
    for (const process of sim.core.processes.up) sim.tell((check) => check.sampled?.(process, sim.eyes.sockets))
    sim.core.time.after(SAMPLE_MS, sample)
  }
  sample()
  return {
    end: () => {
      over = true
    },
  }
}

/** Who still waits; null: nobody. */
function unanswered(sim: GatewaySim): string | null {
  for (const { name, open, state } of sim.devices) {
    if (open > 0) return `${name} waits for ${open} answers`
    if (state !== 'open') return `${name} is ${state}`
  }
  return null
}

async function until(sim: GatewaySim, boundMs: number, property: string, why: () => string | null): Promise<void> {
  const endMs = sim.core.elapsedMs + boundMs
  for (let reason: string | null; (reason = why()) !== null;) {
    if (sim.core.elapsedMs >= endMs) sim.fail(property, `${boundMs / 1000} s after the faults ${reason}`, 'liveness')
    await sim.core.advance(LOOK_MS)
  }
}

function counted(sim: GatewaySim): void {
  for (const process of sim.core.processes.ever) {
    const { member } = process
    for (const [name, count] of Object.entries(process.counters)) sim.count(`gateway ${name}`, count)
    for (const [name, count] of Object.entries(member?.engine.stats().counters ?? {})) sim.count(name, count)
    for (const [name, count] of Object.entries(member?.router.stats().counters ?? {})) sim.count(`router ${name}`, count)
  }
  if (sim.swarm.hot > 0) sim.count('hot actor')
  if (sim.swarm.devices > sim.swarm.users) sim.count('several devices')
}

function scopeOf(swarm: GatewaySwarm, ms: number, strikes: Gate, acts: Gate): Scope {
  const { nodes, devices, follows, actors } = swarm
  const traits = gatewayTraits(swarm)
  return { ms, nodes, clients: devices, subscribers: follows, actors: actors.length, traits, strikes: strikes.count, acts: acts.count }
}
