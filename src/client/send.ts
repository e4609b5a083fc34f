/** One send, from the call to its final answer, and how replies to it are read. */
import { TroupeError, type ErrorCode, type WireError } from '../errors.ts'
import type { OkReply } from '../protocol/frames.ts'

/** What a send resolves with. */
export interface Sent {
  /** Of the entry in the actor's journal. */
  readonly offset: number
  /** False only for actor types that write behind (`durability: { everyMs }`). */
  readonly durable: boolean
  /** The entry was there already: this was a repeat under the same number or key. */
  readonly duplicate: boolean
}

export interface SendOptions {
  /**
   * Idempotency key, remembered by the actor for 24 h: the same event sent again under it, also by another client or after a reload, is
   * applied once. A send with a key is repeated even when the session was lost.
   */
  readonly key?: string
  /**
   * Milliseconds until the promise rejects, counted from the call, connected or not. Without it: 10 s, counted only while connected and from
   * the start again with each new connection; offline the send waits.
   */
  readonly timeoutMs?: number
}

export interface Send {
  /** Position among all sends of this client. */
  readonly order: number
  /** Was meant for one's own actor, whichever that is. */
  readonly own: boolean
  readonly type: string
  readonly data: unknown
  readonly key: string | undefined
  readonly timeoutMs: number | undefined
  /** Monotonic time at which an explicit `timeoutMs` ends. */
  readonly dueAt: number
  /** Its number (D1); 0: none yet. Stays 0 for a send with a key. */
  seq: number
  /** Its request on the live link while unanswered. */
  asked: number | undefined
  /** Some write of it had no answer: it may have been applied. */
  unknown: boolean
  /** It timed out with its outcome unknown: the promise is rejected, the number is still held. */
  ghost: boolean
  /** The last passing refusal. */
  refused: WireError | undefined
  timer: { cancel(): void } | undefined
  readonly resolve: (sent: Sent) => void
  readonly reject: (error: TroupeError) => void
}

export const sentOf = (reply: OkReply): Sent => ({
  offset: reply.offset ?? 0,
  durable: reply.durable ?? true,
  duplicate: reply.duplicate ?? false,
})

export function errorOf(error: WireError): TroupeError {
  const { code, message, retryable: _, ...more } = error
  return new TroupeError(code, message, more)
}

export function unknownOutcome(send: Send, why: string): TroupeError {
  return new TroupeError(
    'timeout',
    `${why}: '${send.type}' may have been applied or not.${send.key === undefined ? ' Sent with a `key` it could be sent again without harm.' : ' Send it again under the same key.'}`,
  )
}

/** Refusals that pass, and use up no number (D2): the same request is repeated under the same identity until its deadline. */
export function passes(error: WireError): boolean {
  return error.retryable || error.code === 'expired'
}

/** Whether a passing refusal leaves open that this very write was applied after all. The owner's `next` would say. */
export function mayHaveApplied(send: Send, error: WireError): boolean {
  const open = error.code === 'timeout' || error.code === 'moved' || error.code === 'unavailable'
  return open && !(error.next !== undefined && error.next <= send.seq)
}

/** Answers that only the owner of the actor gives, having looked at the number: a repeat that gets one was not applied either. */
const DECIDED: ReadonlySet<ErrorCode> = new Set(['refused', 'invalid', 'unknown_event', 'conflict', 'internal'])

/** Whether a final refusal of a send that may have been applied earlier leaves open whether it was. */
export function leavesOpen(send: Send, error: WireError): boolean {
  return send.unknown && !DECIDED.has(error.code) && !(error.next !== undefined && error.next <= send.seq)
}
