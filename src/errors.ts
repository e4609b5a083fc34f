/**
 * The one table of errors: what a code means to a caller, to HTTP, to gRPC and to a socket.
 *
 * `retryable` says that the same request, repeated under the same identity, may succeed.
 * `close` is the code a socket is closed with when this error ends the connection.
 * The table in docs/errors.md is held equal to this one by a test.
 */
export interface ErrorRow {
  readonly retryable: boolean
  readonly http: number
  /** Numeric gRPC status. */
  readonly grpc: number
  readonly close: number
  readonly meaning: string
}

const row = (retryable: boolean, http: number, grpc: number, close: number, meaning: string): ErrorRow =>
  Object.freeze({ retryable, http, grpc, close, meaning })

export const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = Object.freeze({
  unauthenticated: row(false, 401, 16, 3500, 'The token or ticket is missing or not valid: get a new one.'),
  denied: row(false, 403, 7, 3507, 'The app does not allow this caller to do this.'),
  expired: row(false, 401, 16, 3005, 'The token or ticket has expired: refresh it, then repeat.'),
  not_found: row(false, 404, 5, 3501, 'There is no such actor type, route or subscription.'),
  unknown_event: row(false, 404, 5, 3501, 'The actor type has no event of this name.'),
  unknown_topic: row(false, 404, 5, 3501, 'The actor type has no topic of this name.'),
  unknown_query: row(false, 404, 5, 3501, 'The actor type has no query of this name.'),
  invalid: row(false, 400, 3, 3501, 'The request or its data is malformed: repeat it only when mended.'),
  refused: row(false, 409, 9, 3501, 'The reducer refused the event; `reason` is the app’s own word for it.'),
  conflict: row(false, 409, 6, 3501, 'This sequence number or key was already used with other content.'),
  out_of_order: row(true, 409, 10, 3501, 'A sequence number is missing before this one: send from `next`.'),
  too_large: row(false, 413, 3, 3501, 'The frame, body, key or answer is larger than the limit.'),
  rate_limited: row(true, 429, 8, 3013, 'Too many requests from this caller: wait `retryAfterMs`.'),
  overloaded: row(true, 503, 8, 3013, 'A bounded queue is full: wait `retryAfterMs`, then repeat.'),
  moved: row(true, 503, 14, 3011, 'The actor changed owner while it was asked: repeat under the same identity.'),
  timeout: row(true, 504, 4, 3011, 'No answer in time, the outcome is unknown: repeat under the same identity.'),
  unavailable: row(true, 503, 14, 3001, 'The node does not serve now: repeat, here or elsewhere.'),
  store_unavailable: row(true, 503, 14, 3011, 'The store does not take writes now; nothing was recorded.'),
  gap: row(false, 410, 11, 3011, 'The range asked for is no longer kept.'),
  internal: row(false, 500, 13, 3011, 'The app or Troupe failed; the node’s log says more.'),
})

export type ErrorCode =
  | 'unauthenticated'
  | 'denied'
  | 'expired'
  | 'not_found'
  | 'unknown_event'
  | 'unknown_topic'
  | 'unknown_query'
  | 'invalid'
  | 'refused'
  | 'conflict'
  | 'out_of_order'
  | 'too_large'
  | 'rate_limited'
  | 'overloaded'
  | 'moved'
  | 'timeout'
  | 'unavailable'
  | 'store_unavailable'
  | 'gap'
  | 'internal'

/** A failed outcome, as it crosses layers and the wire. Outcomes are values: nothing here is thrown. */
export interface Failure {
  readonly ok: false
  readonly code: ErrorCode
  readonly message: string
  readonly retryAfterMs?: number
  /** The app's own word, with `refused`. */
  readonly reason?: string
  /** The sequence number that is due, with a failed sequenced send. */
  readonly next?: number
  /** With `moved`: only a node whose code has this version of the actor type, or a newer one, can serve the actor (J8). Between nodes; clients do not see it. */
  readonly minVersion?: number
}

export function fail(code: ErrorCode, message: string, more?: Omit<Failure, 'ok' | 'code' | 'message'>): Failure {
  return more === undefined ? { ok: false, code, message } : { ok: false, code, message, ...more }
}

/** The error object of the client wire and of HTTP (CONTRACT §3, §4). */
export interface WireError {
  readonly code: ErrorCode
  readonly message: string
  readonly retryable: boolean
  readonly retryAfterMs?: number
  readonly reason?: string
  readonly next?: number
}

export function wireError(failure: Failure): WireError {
  const { ok: _, minVersion: __, code, message, ...more } = failure
  return { code, message, retryable: ERRORS[code].retryable, ...more }
}

const BRAND = Symbol.for('troupe.error')

/** What a promise of the public API rejects with. `code` is one of the table; `message` says what to do. */
export class TroupeError extends Error {
  /** `instanceof` holds across copies of Troupe in one process: an app may import another than the one that runs it. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && BRAND in value
  }

  readonly code: ErrorCode
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  readonly reason: string | undefined
  readonly next: number | undefined

  constructor(code: ErrorCode, message: string, more: Omit<Failure, 'ok' | 'code' | 'message'> = {}) {
    super(message)
    this.name = 'TroupeError'
    this.code = code
    this.retryable = ERRORS[code].retryable
    this.retryAfterMs = more.retryAfterMs
    this.reason = more.reason
    this.next = more.next
  }
}
Object.defineProperty(TroupeError.prototype, BRAND, { value: true })
