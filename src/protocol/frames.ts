/**
 * The client wire, `/v1/ws` (CONTRACT §3): every frame is a map whose `t` names its kind. Types only, for server, SDK and tests.
 * Unknown fields are ignored. Decoding and checking: decode.ts; encoding: encode.ts.
 */
import type { WireError } from '../errors.ts'

export const SUBPROTOCOLS = ['troupe.v1.json', 'troupe.v1.msgpack', 'troupe.v1.raw'] as const
export type Subprotocol = (typeof SUBPROTOCOLS)[number]

/** Data of an event, query or note: JSON, or bytes at the top level (MessagePack `bin`; base64 text towards JSON clients). */
export type WireData = unknown

export interface Position {
  readonly journal: string
  readonly offset: number
}

export interface ConnectFrame {
  readonly t: 'connect'
  readonly token?: string
  readonly ticket?: string
  readonly device?: string
  readonly client?: string
}
export interface SendFrame {
  readonly t: 'send'
  readonly id: number
  readonly to?: string
  readonly type: string
  readonly data?: WireData
  readonly seq?: number
  readonly base?: number
  readonly key?: string
  readonly timeoutMs?: number
}
export interface QueryFrame {
  readonly t: 'query'
  readonly id: number
  readonly to?: string
  readonly name: string
  readonly args?: WireData
  readonly atLeast?: number
  readonly strict?: boolean
  readonly timeoutMs?: number
}
export interface SubscribeFrame {
  readonly t: 'subscribe'
  readonly id: number
  readonly to?: string
  readonly topic: string
  readonly from?: Position
}
export interface UnsubscribeFrame {
  readonly t: 'unsubscribe'
  readonly id: number
  readonly sub: number
}
export interface HistoryFrame {
  readonly t: 'history'
  readonly id: number
  readonly to?: string
  readonly from: number
  readonly limit: number
}
export interface RefreshFrame {
  readonly t: 'refresh'
  readonly id: number
  readonly token: string
}
export interface PongFrame {
  readonly t: 'pong'
}
export type ClientFrame =
  ConnectFrame | SendFrame | QueryFrame | SubscribeFrame | UnsubscribeFrame | HistoryFrame | RefreshFrame | PongFrame

export interface WelcomeFrame {
  readonly t: 'welcome'
  readonly session: string
  readonly ticket: string
  readonly actor: string
  readonly node: string
  readonly resumed: boolean
  readonly pingEveryMs: number
  readonly expiresAt?: number
  readonly limits: { readonly frameBytes: number; readonly inflight: number; readonly subscriptions: number }
}
export interface OkReply {
  readonly t: 'reply'
  readonly id: number
  readonly ok: true
  readonly offset?: number
  readonly durable?: boolean
  readonly duplicate?: boolean
  readonly data?: WireData
  readonly sub?: number
  readonly journal?: string
  readonly epoch?: number
  readonly recovered?: boolean
  readonly entries?: readonly WireEntry[]
  readonly more?: boolean
  readonly expiresAt?: number
  /** Of a `refresh`: a resume ticket that holds as long as the new token. */
  readonly ticket?: string
}
export interface ErrorReply {
  readonly t: 'reply'
  readonly id: number
  readonly ok: false
  readonly error: WireError
}
export interface WireEntry {
  readonly offset: number
  readonly type: string
  readonly data: WireData
  readonly at: number
}
export interface NoteFrame {
  readonly t: 'note'
  readonly sub: number
  readonly offset: number
  /** One more than the offset of the previous note on this `sub` (or of the subscribe reply's `from`, or its `offset`). */
  readonly from: number
  readonly type?: string
  readonly at?: number
  readonly data?: WireData
}
export interface GapFrame {
  readonly t: 'gap'
  readonly sub: number
  readonly from: number
  readonly to: number
  /** The actor's journal, when it is another than before: offsets from here on are of that one. */
  readonly journal?: string
}
export interface PingFrame {
  readonly t: 'ping'
}
export interface HintFrame {
  readonly t: 'hint'
  readonly kind: 'drain' | 'refresh' | 'slower'
  readonly inMs: number
  readonly spreadMs: number
  readonly url?: string
}
export interface ByeFrame {
  readonly t: 'bye'
  readonly code: number
  readonly reason: string
  readonly reconnect: boolean
  readonly retryAfterMs?: number
}
/** Answer to an unknown or malformed frame. */
export interface ErrorFrame {
  readonly t: 'error'
  readonly code: WireError['code']
  readonly message: string
  /** Of the request, if it could be read. */
  readonly id?: number
}
export type ServerFrame = WelcomeFrame | OkReply | ErrorReply | NoteFrame | GapFrame | PingFrame | HintFrame | ByeFrame | ErrorFrame
