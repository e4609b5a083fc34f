/** A failure as gRPC says it: the status of the error table, a text, and the whole of it as an `Error` in the trailing metadata. */
import { Metadata, type ServiceError } from '@grpc/grpc-js'
import { ERRORS, wireError, type Failure } from '../../errors.ts'
import { encodeError, type ErrorMessage } from './messages.ts'

export type Status = Pick<ServiceError, 'code' | 'details' | 'metadata'> & Error

export const ERROR_TRAILER = 'troupe-error-bin'
const WAIT_MAX_MS = 2 ** 32 - 1
/** Trailers beyond 8 KiB are refused by most clients, and a character of a text takes up to nine bytes in `grpc-message`. */
const TEXT_MAX = 512
const REASON_MAX = 128

/** An Error, as grpc-js wants it; one without a stack, which costs more than the call. */
export function statusOf(failure: Failure): Status {
  const details = bounded(failure.message, TEXT_MAX)
  const metadata = new Metadata()
  const { reason } = failure
  const told: Failure = { ...failure, message: details, ...(reason !== undefined && { reason: bounded(reason, REASON_MAX) }) }
  metadata.set(ERROR_TRAILER, encodeError(errorMessage(told)))
  return { name: failure.code, message: details, code: ERRORS[failure.code].grpc, details, metadata }
}

export function errorMessage(failure: Failure): ErrorMessage {
  const { retryAfterMs, ...error } = wireError(failure)
  return { ...error, ...(retryAfterMs !== undefined && { retryAfterMs: Math.min(Math.ceil(retryAfterMs), WAIT_MAX_MS) }) }
}

/** Well formed too: what an app refuses with may hold half a character, and grpc-js would throw on it. */
function bounded(text: string, max: number): string {
  return (text.length <= max ? text : `${text.slice(0, max - 1)}…`).toWellFormed()
}
