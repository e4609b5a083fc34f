/**
 * A node: a name that lives several lives, each with its own engine, clock and store handle. A crash is silent: from one
 * instant on nothing reaches the old life and nothing leaves it. A frozen node takes nothing until it thaws, and then all at once.
 */
import type { Clock } from '../../src/base/clock.ts'
import { silentLog, type Log } from '../../src/base/log.ts'
import { createEngine, type Engine } from '../../src/actors/engine.ts'
import type { ActorCalls } from '../../src/actors/calls.ts'
import type { App } from '../../src/actors/define.ts'
import type { Options } from '../../src/options.ts'
import type { CommitGroup, Verdict } from '../../src/store/store.ts'
import type { ClusterNode } from '../../src/node/cluster-node.ts'
import type { SimCluster } from './sim-cluster.ts'
import type { Disk, StoreHandle } from './sim-store.ts'
import type { World } from './world.ts'

/** Wall time of the world's beginning: 2030-01-01. */
export const EPOCH_MS = 1_893_456_000_000

const DRAIN_PATIENCE_MS = 15_000
/** More than this a sluggish node is not behind. */
const BACKLOG_MS = 400

/** One process, from its start to its end. */
export interface Process {
  alive: boolean
  draining: boolean
  /** Timers of its clock that have not fired. */
  timers: number
}

/** One generation of a node: what wrote under one name. A process has one, or in a cluster one after another (J7). */
export class Life {
  readonly node: SimNode
  readonly generation: number
  readonly id: string
  readonly process: Process
  readonly store: StoreHandle
  /** Set at once after. */
  engine!: Engine
  /** What is asked of this process: its engine, or in a cluster its router. */
  calls!: ActorCalls
  member: ClusterNode | null = null
  /** It knows that it was declared dead: what it has under way is not its own any more. */
  disowned = false

  constructor(node: SimNode, generation: number, process: Process, makeStore: (life: Life) => StoreHandle) {
    this.node = node
    this.generation = generation
    this.id = `${node.name}.${generation}`
    this.process = process
    this.store = makeStore(this)
  }

  get alive(): boolean {
    return this.process.alive
  }

  get draining(): boolean {
    return this.process.draining
  }
}

export interface NodeParts {
  readonly disk: Disk
  readonly options: Options
  readonly check: boolean
  /** Nodes find each other; null: each is for itself, and the simulator says who has what. */
  readonly cluster: SimCluster | null
  owns(node: SimNode, actor: string): boolean
  outgoing(node: SimNode, life: () => Life): ActorCalls
  readonly appOf: (version: number) => App
  born(life: Life): void
  proposed(life: Life, group: CommitGroup): void
  heard(life: Life, group: CommitGroup, verdicts: readonly Verdict[] | 'refused' | 'unknown'): void
  logged(life: Life, level: 'warn' | 'error', message: string): void
}

export class SimNode {
  readonly name: string
  readonly world: World
  life: Life | null = null
  /** How far the wall clock is off. */
  skewMs = 0
  /** What each thing that it does takes. */
  turnMs = 0
  /** Until when it is at what came before. */
  #busyUntilMs = 0
  version: number
  readonly #parts: NodeParts
  /** io: its timers run, but nothing comes or goes. */
  #frozen: 'no' | 'io' | 'whole' = 'no'
  #parked: (() => void)[] = []
  #processes = 0

  constructor(world: World, name: string, version: number, parts: NodeParts) {
    this.world = world
    this.name = name
    this.version = version
    this.#parts = parts
  }

  get frozen(): boolean {
    return this.#frozen !== 'no'
  }

  start(): Life {
    const { world, name } = this
    const { cluster, options, check } = this.#parts
    const generation = this.#parts.disk.nextGeneration(name)
    const process: Process = { alive: true, draining: false, timers: 0 }
    const life = this.#newLife(generation, process)
    this.life = life
    this.#frozen = 'no'
    const app = this.#parts.appOf(this.version)
    const clock = this.#clock(process, `timers/${life.id}`)
    const ports = { app, store: life.store, clock, options, check, node: name, generation, storeId: 'sim', log: this.#log(process) }
    if (cluster === null) {
      life.engine = createEngine({
        ...ports,
        random: world.random(`engine/${life.id}`),
        owns: (actor) => this.#parts.owns(this, actor),
        outgoing: this.#parts.outgoing(this, () => life),
      })
      life.calls = life.engine
      life.engine.start()
    } else cluster.join(this, life, ports, (next) => this.#newLife(next, process))
    world.settled()
    world.note('start', life.id, 'version', this.version)
    return life
  }

  #newLife(generation: number, process: Process): Life {
    const { world } = this
    const parts = this.#parts
    const life = new Life(this, generation, process, (self) =>
      parts.disk.open(world.random(`store/${self.id}`), {
        by: self.id,
        later: (ms, run) => void world.after(ms, run),
        deliver: (run) => this.deliver(process, run),
        settled: () => world.settled(),
        proposed: (group) => parts.proposed(self, group),
        heard: (group, verdicts) => parts.heard(self, group, verdicts),
      }),
    )
    parts.born(life)
    return life
  }

  #clock(process: Process, stream: string): Clock {
    const { world } = this
    const lateness = world.random(stream)
    const monoStart = this.#processes++ * 1000
    return {
      now: () => Math.floor(EPOCH_MS + world.nowMs + this.skewMs),
      mono: () => monoStart + world.nowMs,
      after: (ms, run) => {
        let open = true
        process.timers++
        const close = (): void => {
          if (open) process.timers--
          open = false
        }
        // Node's timers have 1 ms at least, and are a little late.
        const event = world.after(Math.max(1, ms) + lateness.float(), () =>
          this.#turn(process, 'timer', () => {
            if (!open) return
            close()
            run()
          }),
        )
        return {
          cancel: () => {
            close()
            event.run = null
          },
        }
      },
      soon: (run) => world.soon(() => this.#turn(process, 'timer', run)),
    }
  }

  #log(process: Process): Log {
    const say = (level: 'warn' | 'error') => (_fields: object, message: string) => {
      const { life } = this
      if (process.alive && life?.process === process) this.#parts.logged(life, level, message)
    }
    return { ...silentLog, warn: say('warn'), error: say('error') }
  }

  /** Runs `run` now, when the node thaws, or never: what comes from outside. */
  deliver(to: { readonly alive: boolean }, run: () => void): void {
    this.#turn(to, 'io', run)
  }

  #turn(to: { readonly alive: boolean }, what: 'timer' | 'io', run: () => void): void {
    if (!to.alive) return
    if (this.#frozen === 'whole' || this.#frozen === what) this.#parked.push(() => this.#turn(to, what, run))
    else if (this.turnMs > 0 || this.#busyUntilMs > this.world.nowMs) this.#later(to, what, run)
    else {
      // Whatever the engine does now may settle promises of its own.
      this.world.settled()
      run()
    }
  }

  /** After all that it has to do already, but never later than a busy process would come to it. */
  #later(to: { readonly alive: boolean }, what: 'timer' | 'io', run: () => void): void {
    const { world } = this
    const queuedMs = Math.max(0, this.#busyUntilMs - world.nowMs)
    this.#busyUntilMs = world.nowMs + queuedMs + Math.max(0.001, queuedMs > BACKLOG_MS ? 0 : this.turnMs)
    world.after(queuedMs, () => {
      if (!to.alive) return
      if (this.#frozen === 'whole' || this.#frozen === what) return void this.#parked.push(() => this.#turn(to, what, run))
      world.settled()
      run()
    })
  }

  crash(): void {
    const { life } = this
    if (life === null) return
    this.world.note('crash', life.id)
    life.process.alive = false
    this.life = null
    this.#frozen = 'no'
    this.#parked = []
    this.#parts.cluster?.killed(this)
  }

  /** It hears that it was declared dead (J7). Its next life has another generation. */
  disown(): void {
    const { life } = this
    if (life === null || this.frozen) return
    this.world.note('disown', life.id)
    life.engine.disown()
    this.world.settled()
    const left = life.engine.stats()
    if (left.pendingEvents > 0 || left.activations > 0)
      this.world.verdict.fail(
        'disown',
        'safety',
        `${life.id} was disowned with ${left.pendingEvents} events unanswered and ${left.activations} activations`,
      )
    this.crash()
  }

  /** A polite end. Calls `gone` when the engine says that all is durable. */
  drain(gone: () => void): void {
    const { life } = this
    if (life === null || life.draining) return
    life.process.draining = true
    this.world.note('drain', life.id)
    const beganMs = this.world.nowMs
    this.deliver(life, () => {
      this.world.settled()
      const { cluster } = this.#parts
      const drained = cluster === null ? life.engine.drain() : cluster.drain(life)
      drained.then(
        () => {
          if (!life.alive) return
          this.world.note('drained', life.id)
          const left = life.engine.stats().pendingEvents + (life.disowned ? 0 : life.store.counts.commitsUnderWay)
          // It may give up, but not soon.
          if (left > 0 && this.world.nowMs - beganMs < DRAIN_PATIENCE_MS)
            this.world.verdict.fail('drain', 'safety', `${life.id} says that it is drained with ${left} events and commits under way`)
          life.process.alive = false
          this.life = null
          cluster?.killed(this)
          gone()
        },
        (error: unknown) => this.world.verdict.fail('no-throw', 'safety', `drain() of ${life.id} rejected: ${String(error)}`),
      )
    })
  }

  freeze(what: 'io' | 'whole' = 'whole'): void {
    if (this.life === null) return
    this.world.note('freeze', this.life.id, what)
    this.#frozen = what
    this.#parts.cluster?.frozen(this, what)
  }

  thaw(): void {
    if (this.#frozen === 'no') return
    this.world.note('thaw', this.name, this.#parked.length)
    this.#frozen = 'no'
    const parked = this.#parked
    this.#parked = []
    for (const run of parked) this.world.after(0, run)
    this.#parts.cluster?.thawed(this)
  }
}
