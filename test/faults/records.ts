/** What clients did and were told, as the checks take it. Times are of one monotonic clock, in ms. */
import type { Sum } from './app.ts'

export interface SendOp {
  readonly kind: 'send'
  readonly id: string
  readonly actor: string
  readonly client: string
  /** Among the sends of its client to this actor, where the client promises an order; else null. */
  readonly order: number | null
  readonly tell: string | undefined
  readonly inMs: number | undefined
  readonly beganMs: number
  /** Of the acknowledgement; null: there was none, and it may have been applied or not. */
  endedMs: number | null
  offset: number
  duplicate: boolean
  /** Tries of which nobody told how they ended. */
  unanswered: number
  code: string | null
}

export interface ReadOp {
  readonly kind: 'read'
  readonly actor: string
  readonly client: string
  readonly strict: boolean
  /** The newest offset of the actor that this client had been told when it asked, where its library promises to see at least that; else 0. */
  readonly seen: number
  readonly beganMs: number
  readonly endedMs: number
  readonly offset: number
  readonly sum: Sum
}

/** An entry of the journal, as the store has it in the end. */
export interface Entry {
  readonly offset: number
  readonly type: string
  readonly id: string
  /** The time of the entry. */
  readonly at: number
  /** Of a `due`: not before. */
  readonly notBefore: number
  /** The identity under which it was taken (D1), if any. */
  readonly source: string | null
}

export type JournalsRead = ReadonlyMap<string, readonly Entry[]>

export type CheckName =
  | 'acknowledged once'
  | 'order of a session'
  | 'linearizable'
  | 'stale'
  | 'answers'
  | 'told once'
  | 'timers'
  | 'followers'
  | 'hash chain'
  | 'crash'
  | 'unexpected answer'
  | 'convergence'

export interface Violation {
  readonly check: CheckName
  readonly what: string
}

export const violation = (check: CheckName, what: string): Violation => ({ check, what })
