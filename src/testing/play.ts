/**
 * One run of a scenario, from its seed to its verdict:
 *
 *   begin      the users get ready, in peace
 *   safety     operations and faults, for the time asked
 *   liveness   everything heals; every request is answered, and the cluster comes to rest; then the scenario's own checks
 *   leak       nobody uses it any more: memory must come back to nothing
 */
import type { App } from '../actors/define.ts'
import { TroupeError } from '../errors.ts'
import type { Options } from '../options.ts'
import { drawFrom } from './draw.ts'
import { Mishaps } from './mishaps.ts'
import { drawPlan, type FaultKind, type Item } from './plan.ts'
import { seeded } from '../base/random.ts'
import type { Scenario, Step, Turn } from './scenario.ts'
import { opened, type World } from './simulate.ts'
import { SimulationError, stackOf } from './trace.ts'
import { kindOf, type Violation } from './verdict.ts'
import { withInvariants, wrongText } from './watched-states.ts'
import type { WorldCore } from './world.ts'

export interface PlayAsked {
  readonly seed: number
  readonly nodes: number
  /** Virtual minutes of the safety phase. */
  readonly minutes: number
  readonly options?: Partial<Options>
  /** Only these items of the plan, by their numbers; absent: all. */
  readonly only?: readonly number[]
  /** Told now and then how far it is, in virtual ms, whatever phase it is in. */
  readonly progress?: (virtualMs: number) => void
}

export interface Played {
  readonly seed: number
  readonly violation: Violation | null
  /** Of all that happened. */
  readonly hash: string
  readonly virtualMs: number
  /** By operation, how often it was answered how: `ok`, or an error's code. */
  readonly operations: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  /** The numbers of the plan's items that had begun when it ended. */
  readonly begun: readonly number[]
  /** What happened last, with a violation. */
  readonly lines: readonly string[]
}

/** The scenario itself does not work: no verdict. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError'
}

const LINES = 200
/** How often a node that goes down again though there are no faults any more is started. */
const STARTS_MAX = 5
/** Times have whole microseconds: an instant between two is taken for reached. */
const TICK_MS = 0.001

export async function play(scenario: Scenario, asked: PlayAsked): Promise<Played> {
  let blame: (what: string) => void = () => undefined
  const app = withInvariants(scenario.app, scenario.invariants, (what) => blame(what))
  const { seed, nodes, options = {} } = asked
  const { world, core } = opened(app as App, { seed, nodes, options }, asked.progress)
  blame = (what) => core.blame('invariant', what)
  const run = new Run(scenario, asked, world as unknown as World, core)
  let violation: Violation | null = null
  try {
    await run.all()
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error
    violation = { property: error.property, kind: kindOf(error.property), atMs: core.elapsedMs, what: error.what }
  } finally {
    await core.close({ check: false })
  }
  return {
    seed,
    violation,
    hash: core.hash,
    virtualMs: core.elapsedMs,
    operations: Object.fromEntries(Array.from(run.outcomes, ([name, counts]) => [name, Object.fromEntries(counts)])),
    faults: Object.fromEntries(run.mishaps.counts),
    begun: run.begun,
    lines: violation === null ? [] : core.trace().slice(-LINES),
  }
}

class Run {
  readonly outcomes = new Map<string, Map<string, number>>()
  readonly mishaps: Mishaps
  readonly begun: number[] = []
  readonly #scenario: Scenario
  readonly #asked: PlayAsked
  readonly #world: World
  readonly #core: WorldCore
  readonly #calls: Promise<void>[] = []

  constructor(scenario: Scenario, asked: PlayAsked, world: World, core: WorldCore) {
    this.#scenario = scenario
    this.#asked = asked
    this.#world = world
    this.#core = core
    this.mishaps = new Mishaps(core)
  }

  async all(): Promise<void> {
    await this.#begin()
    await this.#safety()
    await this.#liveness()
    await this.#core.abandon()
  }

  async #begin(): Promise<void> {
    const { users, begin, follow } = this.#scenario
    for (const user of users)
      try {
        await begin(this.#world, user)
        for (const { actor, topic, as } of follow(user))
          await this.#core.talks.subscribe({ actor, topic, onNote: () => undefined, ...(as !== undefined && { options: { as } }) })
      } catch (error) {
        if (error instanceof SimulationError) throw error
        throw new ScenarioError(`the beginning of ${user} failed: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        })
      }
  }

  async #safety(): Promise<void> {
    const { seed, nodes, minutes, only } = this.#asked
    const { users, operations } = this.#scenario
    const core = this.#core
    const kept = only === undefined ? null : new Set(only)
    const beganMs = core.elapsedMs
    const items = drawPlan({ seed, nodes, minutes, users, operations })
    for (const [number, item] of items.entries()) {
      if (kept !== null && !kept.has(number)) continue
      await this.#until(beganMs + item.atMs)
      this.begun.push(number)
      if (item.kind === 'operation') this.#operation(item)
      else this.mishaps.begin(item, core.elapsedMs)
    }
    // A run of a few of the items need not wait for those that are not there.
    if (kept === null) await this.#until(beganMs + minutes * 60_000)
  }

  async #until(atMs: number): Promise<void> {
    const core = this.#core
    for (;;) {
      const nextMs = Math.min(atMs, this.mishaps.nextAt)
      if (nextMs > core.elapsedMs) await core.advance(nextMs - core.elapsedMs)
      this.mishaps.ended(core.elapsedMs + TICK_MS)
      if (core.elapsedMs + TICK_MS >= atMs) return
    }
  }

  async #liveness(): Promise<void> {
    const core = this.#core
    this.mishaps.stop()
    await allUp(core)
    // Who asked among the faults has been answered, or is within the time of a request.
    await Promise.all(this.#calls)
    await core.settle()
    await core.check()
    const { checks, users } = this.#scenario
    for (const [name, check] of checks) {
      const wrong = await check(this.#world, users).then(wrongText, (error: unknown) => {
        if (error instanceof SimulationError) throw error
        return `: ${stackOf(error)}`
      })
      if (wrong !== null) core.blame('invariant', `'${name}' does not hold once all is healed and quiet${wrong}`)
      await core.advance(0)
    }
  }

  #operation({ user, name, stream }: Extract<Item, { kind: 'operation' }>): void {
    const found = this.#scenario.operations.find((operation) => operation.name === name)
    if (found === undefined) throw new ScenarioError(`there is no operation '${name}'`)
    const turn: Turn = {
      user,
      users: this.#scenario.users,
      draw: drawFrom(seeded(stream)),
      now: this.#core.now,
      send: (actor: string, type: string, data?: unknown, options?: object) => ({
        do: 'send',
        actor,
        type,
        data,
        ...(options && { options }),
      }),
      query: (actor: string, query: string, args?: unknown, options?: object) => ({
        do: 'query',
        actor,
        name: query,
        args,
        ...(options && { options }),
      }),
    }
    let steps: readonly Step[]
    try {
      const asked = found.run(turn)
      steps = asked === null ? [] : 'do' in asked ? [asked] : asked
    } catch (error) {
      throw new ScenarioError(`operation '${name}' threw: ${stackOf(error)}`)
    }
    for (const step of steps) this.#calls.push(this.#step(name, step))
  }

  /** Never rejects: what breaks the world, whoever waits for it hears of. */
  async #step(name: string, step: Step): Promise<void> {
    const { talks } = this.#core
    try {
      if (step.do === 'send') await talks.send(step)
      else await talks.query(step)
      this.#count(name, 'ok')
    } catch (error) {
      if (error instanceof SimulationError) return
      const code = error instanceof TroupeError ? error.code : 'threw'
      this.#count(name, code)
      const what = step.do === 'send' ? `'${step.type}'` : `the query '${step.name}'`
      if (code === 'internal') this.#core.blame('no-throw', `${what} to ${step.actor} was answered internal: ${(error as Error).message}`)
      else if (code === 'threw') this.#core.blame('no-throw', `${what} to ${step.actor} failed: ${stackOf(error)}`)
    }
  }

  #count(name: string, outcome: string): void {
    const counts = this.outcomes.get(name) ?? new Map<string, number>()
    this.outcomes.set(name, counts)
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  }
}

/** Starts what is down. Also a node that goes down only now: its drain had begun, or it finds that it was replaced. */
export async function allUp(core: WorldCore): Promise<void> {
  const down = (): string[] => core.nodes.filter(({ state }) => state === 'down').map(({ name }) => name)
  let names = down()
  for (let round = 0; round === 0 || names.length > 0; round++) {
    if (round === STARTS_MAX) core.blame('convergence', `after all was healed ${names.join(', ')} went down ${STARTS_MAX} times`)
    for (const name of names) core.startAlong(name)
    await core.settle()
    names = down()
  }
}
