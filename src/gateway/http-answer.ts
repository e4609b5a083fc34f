/** Answers of the HTTP side (CONTRACT §4): JSON text, and errors with the status of the error table. */
import { ERRORS, wireError, type Failure } from '../errors.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

export function jsonAnswer(json: string, status = 200): Response {
  return new Response(json, { status, headers: { 'content-type': JSON_TYPE, 'cache-control': 'no-store' } })
}

export function failedAnswer(failure: Failure): Response {
  const headers: Record<string, string> = { 'content-type': JSON_TYPE, 'cache-control': 'no-store' }
  if (failure.retryAfterMs !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(failure.retryAfterMs / 1000)))
  if (ERRORS[failure.code].http === 401) headers['www-authenticate'] = 'Bearer'
  return new Response(errorJson(failure), { status: ERRORS[failure.code].http, headers })
}

export function errorJson(failure: Failure): string {
  return JSON.stringify({ error: wireError(failure) })
}
