/** What the admin listener shows and steers, as ports that node.ts fills. */
import type { ActorCalls } from '../actors/calls.ts'
import type { Engine } from '../actors/engine.ts'
import type { Clock } from '../base/clock.ts'
import type { Options } from '../options.ts'
import type { Store } from '../store/store.ts'
import type { LatencyHistogram } from './latency.ts'

export type Phase = 'starting' | 'serving' | 'draining' | 'stopped'

interface GatewayFigures {
  readonly sockets: number
  readonly counters: Readonly<Record<string, number>>
}

export interface AdminParts {
  readonly node: {
    readonly id: string
    readonly generation: number
    /** Client address as bound. */
    readonly address: string
    readonly types: readonly string[]
    readonly version: string
  }
  readonly phase: () => Phase
  readonly engine: Pick<Engine, 'inspect' | 'stats'>
  readonly calls: ActorCalls
  readonly gateway: () => GatewayFigures
  readonly store: Pick<Store, 'health'>
  /** Of every send, from the call to its answer. */
  readonly latency: LatencyHistogram
  readonly options: Options
  readonly clock: Clock
  /** Begins to drain the node; returns at once. */
  readonly drain: () => void
  /** Asked of every request but /livez and /readyz; null on loopback only. */
  readonly token: string | null
}
