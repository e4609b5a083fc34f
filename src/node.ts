/**
 * The composition root: builds the parts of one node, wires their ports, starts, drains and stops them.
 * (Signature fixed; body under construction.)
 */
import type { ActorCalls } from './actors/calls.ts'
import type { App } from './actors/define.ts'
import type { Engine } from './actors/engine.ts'
import type { Log } from './base/log.ts'
import type { Options } from './options.ts'
import type { Store } from './store/store.ts'

export interface NodeConfig {
  readonly app: App
  /** Folder that the app's relative paths (`files`) are taken from. */
  readonly appDir?: string
  /** Name of the node; default `node-1`. */
  readonly node?: string
  /** HOST:PORT of the client listener; port 0 = any. Default 127.0.0.1:7000. */
  readonly listen?: string
  /** HOST:PORT of the admin listener, null for none. Default 127.0.0.1:7200. */
  readonly adminListen?: string | null
  /** `sqlite:DIR`, `memory:`, or a store. Default `sqlite:.troupe`. */
  readonly store?: string | Store
  /** `dev`: `?as=NAME` and `dev:NAME` tokens connect, folds are checked. */
  readonly mode?: 'dev' | 'start'
  readonly options?: Partial<Options>
  readonly log?: Log
  readonly tls?: { readonly cert: string; readonly key: string }
}

export interface RunningNode {
  readonly id: string
  readonly generation: number
  /** `ws://…` / `http://…` as bound. */
  readonly clientUrl: string
  readonly adminUrl: string | null
  readonly calls: ActorCalls
  readonly engine: Engine
  /** Announces, hands over, moves sockets at a pace, closes. */
  drain(): Promise<void>
  /** At once. */
  stop(): Promise<void>
}

export declare function startNode(config: NodeConfig): Promise<RunningNode>
