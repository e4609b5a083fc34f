/**
 * What can be asked of actors, and the answers: the one interface between the engine and everything that calls it
 * (WebSocket, HTTP, gRPC, the app's own routes, links from other nodes). Outcomes are values; callbacks are called exactly once,
 * possibly before the call returns. Rights are checked before these calls, by the entry node.
 */
import type { Failure } from '../errors.ts'

export interface SendCall {
  readonly actor: string
  readonly type: string
  /** JSON, or a Uint8Array at the top level. Not changed afterwards by the caller. */
  readonly data: unknown
  /** `user:<sub>`, `service:<name>`, `actor:<id>`, `timer:<name>`. */
  readonly sender: string
  /** Qualified by the entry node (D1): `session:<id>`, `service:<principal>:<source>`, `actor:<id>`. With `seq`. */
  readonly source?: string
  /** 1, 2, 3 … per (source, actor). */
  readonly seq?: number
  /** The sender's oldest number without a final answer (D3): its answers below are dropped. Absent: the last `answersKept` are kept. */
  readonly base?: number
  /** Idempotency key, qualified by `sub`. */
  readonly key?: string
  readonly timeoutMs?: number
}

export interface Sent {
  readonly ok: true
  readonly offset: number
  readonly durable: boolean
  readonly duplicate: boolean
}
export type SendOutcome = Sent | Failure

export interface QueryCall {
  readonly actor: string
  readonly name: string
  readonly args: unknown
  readonly strict?: boolean
  readonly atLeast?: number
  /** Of this node alone, by its monotonic clock: a proof that began earlier does not do, another node may have taken events since. */
  readonly provenSince?: number
  readonly timeoutMs?: number
}
export interface Answered {
  readonly ok: true
  /** The answer as JSON text, encoded at the gate (J7); `undefined` answers are `null`. */
  readonly json: string
  readonly offset: number
}
export type QueryOutcome = Answered | Failure

export interface TopicCall {
  readonly actor: string
  readonly topic: string
  /** The newest offset the asker has seen: a memory below it is proven newest first (D11). */
  readonly atLeast?: number
  /** As in a query. */
  readonly provenSince?: number
  readonly timeoutMs?: number
}
/** A topic as it stands, at a durable offset. */
export interface TopicState {
  readonly ok: true
  readonly kind: 'signal' | 'view' | 'log'
  readonly journal: string
  readonly epoch: number
  /** The actor's newest durable offset. */
  readonly offset: number
  /** Offset of the newest change of this topic; 0 for none. A subscriber that has seen less is behind. */
  readonly changed: number
  /** Oldest offset that can still be replayed, for `log`. */
  readonly oldest: number
  readonly everyMs: number
  /** A view's value as JSON text. */
  readonly json?: string
  /** The event types of a `log`; null for all. */
  readonly types?: readonly string[] | null
}
export type TopicOutcome = TopicState | Failure

/** Something to tell the subscribers of one (actor, topic). In order of offsets. */
export interface Note {
  readonly journal: string
  readonly epoch: number
  readonly offset: number
  /** Of a `log` entry. */
  readonly type?: string
  readonly at?: number
  /** JSON text of a log entry's data or a view's value; absent for a signal. */
  readonly json?: string
}

export interface NoteSink {
  note(note: Note): void
  /** The owner is gone or changed: subscribe again (D8). Nothing follows. */
  ended(): void
}

export interface Upstream {
  /** Idempotent; no note follows. */
  close(): void
}

export interface HistoryCall {
  readonly actor: string
  /** First offset wanted. */
  readonly from: number
  readonly limit: number
  /** Only these event types; absent: all. */
  readonly types?: readonly string[] | null
  /** As in a query. */
  readonly provenSince?: number
  readonly timeoutMs?: number
}
export interface HistoryEntry {
  readonly offset: number
  readonly type: string
  readonly at: number
  /** Data as JSON text. */
  readonly json: string
}
export interface HistoryPage {
  readonly ok: true
  readonly entries: readonly HistoryEntry[]
  /** Whether entries after the last one of this page are there now. */
  readonly more: boolean
  /** First offset not looked at: ask from here for the next page. */
  readonly next: number
  /** Oldest offset that is still kept: below it is a gap. */
  readonly oldest: number
  readonly journal: string
}
export type HistoryOutcome = HistoryPage | Failure

/** Served by the engine on one node, and by the router over all. */
export interface ActorCalls {
  send(call: SendCall, done: (outcome: SendOutcome) => void): void
  query(call: QueryCall, done: (outcome: QueryOutcome) => void): void
  /** The topic as it stands; registers nothing. */
  topic(call: TopicCall, done: (outcome: TopicOutcome) => void): void
  /**
   * Registers `sink` for the notes of (actor, topic) and answers with the topic as it stands: notes with a greater offset follow on
   * the sink, without hole or overlap, debounced (D7). After a failure nothing is registered.
   */
  subscribe(call: TopicCall, sink: NoteSink, done: (outcome: TopicOutcome) => void): Upstream
  history(call: HistoryCall, done: (outcome: HistoryOutcome) => void): void
}
