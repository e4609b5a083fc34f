/** What all connections of a gateway share: its ports, parts and periods. Made once by gateway.ts. */
import type { ActorCalls } from '../actors/calls.ts'
import type { App, Identity } from '../actors/define.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Options } from '../options.ts'
import type { Decoded } from '../protocol/decode.ts'
import type { ServerCodec } from '../protocol/encode.ts'
import type { Auth } from './auth.ts'
import type { GatewayCounters } from './counters.ts'
import type { Everywhere } from './kick.ts'
import type { Message, OutboxKind } from './outbox.ts'
import type { Presence } from './presence.ts'
import type { Rights } from './rights.ts'
import type { SessionIds } from './session-ids.ts'
import type { Tickets } from './tickets.ts'
import type { Upstreams } from './upstreams.ts'
import type { Periods } from './vigil.ts'
import type { Wheel } from './wheel.ts'

export interface Site {
  readonly app: App
  readonly calls: ActorCalls
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  readonly node: string
  readonly auth: Auth
  readonly tickets: Tickets
  readonly sessionIds: SessionIds
  readonly rights: Rights
  readonly upstreams: Upstreams
  readonly wheel: Wheel
  readonly counters: GatewayCounters
  readonly live: LiveSet
  /** null: this node is alone. */
  readonly everywhere: Everywhere | null
  /** In ticks of the wheel. */
  readonly periods: Periods & { readonly connect: number; readonly auth: number }
}

/** Everything with a socket: connections and streams. */
export interface LiveSet {
  sessions: number
  subscriptions: number
  draining: boolean
  readonly sockets: Set<Closable>
  /** Of the sockets, those that have not been welcomed, also if they have been refused and are not gone yet. */
  unauthenticated: number
  /** Upgraded only to be told `bye`: no sockets of ours, but somebody's. */
  turnedAway: number
  readonly presence: Presence
}

export interface Closable {
  /** Who it is; null before the welcome and after the end. */
  readonly who: Identity | null
  readonly device: string
  /** Says this word and ends it. */
  bye(code: number, reason: string): void
  /** Asks the client to go within this time. */
  hintDrain(spreadMs: number): void
  /** Ends it when its requests are answered. */
  retire(): void
  /** Says goodbye and ends it when what was written has been taken. */
  shutDown(): void
  /** Ends it now, whatever was not taken. */
  cut(): void
}

/** One subprotocol. */
export interface WireForm {
  readonly name: 'json' | 'msgpack' | 'raw'
  readonly codec: ServerCodec<Message>
  readonly outbox: OutboxKind
  frame(message: Message): Uint8Array
  decode(data: Buffer, isBinary: boolean, depthMax: number): readonly Decoded[]
}
