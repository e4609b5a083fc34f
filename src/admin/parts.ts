/** What the admin listener shows and steers, as ports that node.ts fills. */
import type { ActorCalls } from '../actors/calls.ts'
import type { Engine, Inspection } from '../actors/engine.ts'
import type { Clock } from '../base/clock.ts'
import type { Failure } from '../errors.ts'
import type { Options } from '../options.ts'
import type { Store } from '../store/store.ts'
import type { Figure } from './figures.ts'
import type { LatencyHistogram } from './latency.ts'

export type Phase = 'starting' | 'serving' | 'draining' | 'stopped'

interface GatewayFigures {
  readonly sockets: number
  /** Of these, those that have not been let in yet. */
  readonly unauthenticated: number
  readonly counters: Readonly<Record<string, number>>
}

/** A member as /v1/nodes shows it. */
export interface ShownNode {
  readonly id: string
  readonly generation: number
  /** As the node that is asked sees it. */
  readonly state: 'alive' | 'suspect' | 'dead' | 'left'
  /** `dead` in the view of the node that is asked alone: without a majority that says so. */
  readonly presumed?: true
  readonly phase: Phase
  /** HOST:PORT where other nodes reach it; of a node without an rpc port, where clients do. */
  readonly address: string
  readonly client: string | null
  readonly admin: string | null
  readonly roles: readonly string[]
  readonly types: readonly string[]
  readonly version: string
  readonly labels: Readonly<Record<string, string>>
  readonly weight: number
  /** In memory. These three are null when the node does not answer in time. */
  readonly actors: number | null
  readonly sockets: number | null
  readonly eventsPerSecond: number | null
}

export interface Located {
  readonly ok: true
  readonly owner: string
  readonly viewHash: string
}

/** Where it was inspected. */
export type Inspected = Inspection & { readonly node: string }

export interface DrainPlan {
  readonly ok: true
  readonly node: string
  /** Actors in memory that would go, by the node that would have them. */
  readonly moves: Readonly<Record<string, number>>
  /** In memory, and no other node offers their type: they are written and wait in the store. */
  readonly unplaced: number
  readonly sockets: number
}

/** All nodes of the cluster, from any of them. Nothing throws or rejects. */
export interface Members {
  nodes(): Promise<readonly ShownNode[]>
  locate(actor: string): Located | Failure
  /** At its owner. */
  inspect(actor: string): Promise<Inspected | Failure>
  /** Begins it, and does not wait for its end. */
  drain(node: string): Promise<{ readonly ok: true; readonly phase: Phase } | Failure>
  plan(node: string): Promise<DrainPlan | Failure>
  /** An operator's word that a node is gone for good. */
  remove(node: string): { readonly ok: true } | Failure
  metrics(): readonly Figure[]
}

export interface AdminParts {
  readonly node: {
    readonly id: string
    /** Of now: a node that was declared dead comes back with its next one. */
    readonly generation: number
    /** Client address as bound. */
    readonly address: string
    readonly types: readonly string[]
    readonly version: string
  }
  readonly phase: () => Phase
  readonly engine: Pick<Engine, 'stats'>
  readonly members: Members
  readonly calls: ActorCalls
  readonly gateway: () => GatewayFigures
  readonly store: Pick<Store, 'health'>
  /** Of every send, from the call to its answer. */
  readonly latency: LatencyHistogram
  readonly options: Options
  readonly clock: Clock
  /** Asked of every request but /livez and /readyz; null on loopback only. */
  readonly token: string | null
}
