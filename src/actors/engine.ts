import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Options } from '../options.ts'
import type { Store } from '../store/store.ts'
import type { ActorCalls } from './calls.ts'
import type { App } from './define.ts'

/** The ports an engine runs on. */
export interface EngineParts {
  readonly app: App
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  readonly node: string
  readonly generation: number
  /** Fold twice, freeze states, and report impure reducers (J8): for `dev` and `troupe/testing`. */
  readonly check: boolean
}

/** All actors of one node. */
export interface Engine extends ActorCalls {
  /** Begins to wake actors that owe something (D5). */
  start(): void
  /** Takes nothing new, finishes what was taken, writes snapshots, drops everything. Resolves when all is durable or given up. */
  drain(): Promise<void>
  /** Stops at once, as a crash would, without writing. */
  kill(): void
  inspect(actor: string): Promise<Inspection | null>
  stats(): EngineStats
}

export interface Inspection {
  readonly actor: string
  readonly journal: string
  readonly offset: number
  readonly epoch: number
  readonly n: number
  readonly active: boolean
  readonly state: unknown
  readonly version: number
  readonly subscribers: number
  readonly timers: readonly { readonly name: string; readonly due: number; readonly type: string }[]
  readonly effects: readonly { readonly to: string; readonly seq: number; readonly type: string }[]
  readonly effectsRefused: number
}

export interface EngineStats {
  readonly activations: number
  readonly pendingEvents: number
  /** Monotonic counters by name, e.g. `events`, `refused`, `duplicates`, `commits`, `batches`, `fenced`, `activated`, `passivated`, `overloaded`, `notes`. */
  readonly counters: Readonly<Record<string, number>>
}
