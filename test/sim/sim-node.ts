/**
 * A node: a name that lives several lives, each with its own engine, clock and store handle. A crash is silent: from one
 * instant on nothing reaches the old life and nothing leaves it. A frozen node takes nothing until it thaws, and then all at once.
 */
import type { Clock } from '../../src/base/clock.ts'
import { silentLog, type Log } from '../../src/base/log.ts'
import { createEngine, type Engine } from '../../src/actors/engine.ts'
import type { App } from '../../src/actors/define.ts'
import type { Options } from '../../src/options.ts'
import type { CommitGroup, Verdict } from '../../src/store/store.ts'
import type { SimData } from './sim-data.ts'
import { SimStore, type StoreFaults } from './sim-store.ts'
import type { World } from './world.ts'

/** Wall time of the world's beginning: 2030-01-01. */
export const EPOCH_MS = 1_893_456_000_000

const DRAIN_PATIENCE_MS = 15_000

export interface Life {
  readonly node: SimNode
  readonly id: string
  readonly generation: number
  readonly engine: Engine
  readonly store: SimStore
  alive: boolean
  draining: boolean
  /** Engine timers that have not fired. */
  timers: number
}

export interface NodeParts {
  readonly data: SimData
  readonly faults: StoreFaults
  readonly options: Options
  readonly check: boolean
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
  frozen = false
  /** How far the wall clock is off. */
  skewMs = 0
  version: number
  readonly #parts: NodeParts
  #parked: (() => void)[] = []
  #lives = 0

  constructor(world: World, name: string, version: number, parts: NodeParts) {
    this.world = world
    this.name = name
    this.version = version
    this.#parts = parts
  }

  start(): Life {
    const { world, name } = this
    const generation = this.#parts.data.nextGeneration(name)
    const id = `${name}.${generation}`
    const random = world.random(`store/${id}`)
    const lateness = world.random(`timers/${id}`)
    const ref: { life: Life | null } = { life: null }
    const deliver = (run: () => void): void => {
      if (ref.life !== null) this.deliver(ref.life, run)
    }
    const store = new SimStore(this.#parts.data, this.#parts.faults, random, {
      by: id,
      later: (ms, run) => void world.after(ms, run),
      deliver,
      settled: () => world.settled(),
      proposed: (group) => {
        if (ref.life !== null) this.#parts.proposed(ref.life, group)
      },
      heard: (group, verdicts) => {
        if (ref.life !== null) this.#parts.heard(ref.life, group, verdicts)
      },
    })
    const monoStart = this.#lives++ * 1000
    const clock: Clock = {
      now: () => Math.floor(EPOCH_MS + world.nowMs + this.skewMs),
      mono: () => monoStart + world.nowMs,
      after: (ms, run) => {
        const { life } = ref
        let open = true
        if (life !== null) life.timers++
        const close = (): void => {
          if (open && life !== null) life.timers--
          open = false
        }
        // Node's timers have 1 ms at least, and are a little late.
        const event = world.after(Math.max(1, ms) + lateness.float(), () =>
          deliver(() => {
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
      soon: (run) => world.soon(() => deliver(run)),
    }
    const log: Log = {
      ...silentLog,
      warn: (_fields, message) => ref.life !== null && this.#parts.logged(ref.life, 'warn', message),
      error: (_fields, message) => ref.life !== null && this.#parts.logged(ref.life, 'error', message),
    }
    const { options, check } = this.#parts
    const engine = createEngine({
      app: this.#parts.appOf(this.version),
      store,
      clock,
      random: world.random(`engine/${id}`),
      log,
      options,
      node: name,
      generation,
      storeId: 'sim',
      check,
    })
    const life: Life = { node: this, id, generation, engine, store, alive: true, draining: false, timers: 0 }
    ref.life = life
    this.life = life
    this.#parts.born(life)
    this.frozen = false
    engine.start()
    world.settled()
    world.note('start', id, 'version', this.version)
    return life
  }

  /** Runs `run` now, when the node thaws, or never. */
  deliver(life: Life, run: () => void): void {
    if (!life.alive) return
    if (this.frozen) this.#parked.push(() => this.deliver(life, run))
    else {
      // Whatever the engine does now may settle promises of its own.
      this.world.settled()
      run()
    }
  }

  crash(): void {
    const { life } = this
    if (life === null) return
    this.world.note('crash', life.id)
    life.alive = false
    this.life = null
    this.frozen = false
    this.#parked = []
  }

  /** A polite end. Calls `gone` when the engine says that all is durable. */
  drain(gone: () => void): void {
    const { life } = this
    if (life === null || life.draining) return
    life.draining = true
    this.world.note('drain', life.id)
    const beganMs = this.world.nowMs
    this.deliver(life, () => {
      this.world.settled()
      life.engine.drain().then(
        () => {
          if (!life.alive) return
          this.world.note('drained', life.id)
          const left = life.engine.stats().pendingEvents + life.store.counts.commitsUnderWay
          // It may give up, but not soon.
          if (left > 0 && this.world.nowMs - beganMs < DRAIN_PATIENCE_MS)
            this.world.verdict.fail('drain', 'safety', `${life.id} says that it is drained with ${left} events and commits under way`)
          life.alive = false
          this.life = null
          gone()
        },
        (error: unknown) => this.world.verdict.fail('no-throw', 'safety', `drain() of ${life.id} rejected: ${String(error)}`),
      )
    })
  }

  freeze(): void {
    if (this.life === null) return
    this.world.note('freeze', this.life.id)
    this.frozen = true
  }

  thaw(): void {
    if (!this.frozen) return
    this.world.note('thaw', this.name, this.#parked.length)
    this.frozen = false
    const parked = this.#parked
    this.#parked = []
    for (const run of parked) this.world.after(0, run)
  }
}
