/**
 * What an EventSource is told (WHATWG HTML §9.2), and when it comes back. It does so, by itself, after a stream that ended and after a
 * network error; never after a status that is not 200, nor after 204. So a refusal that passes (the node drains, is full, waits for the
 * store) must be a stream that ends, or a page would be without its topic until somebody reloads it.
 *
 *     200, text/event-stream
 *     retry: 1724                     at random, so that those who were refused together do not come back together
 *     id: j-17:42                     where it stood: a block without an id would make it forget (§9.2.6, "dispatch the event")
 *     event: bye
 *     data: {"t":"bye","code":3001,"reason":"this node is going: connect to another","reconnect":true}
 *
 * A program that reads streams by itself asks for any type, and gets the status and the error as on every other path.
 */
import type { IncomingMessage } from 'node:http'
import type { Random } from '../base/random.ts'
import { ERRORS, type Failure } from '../errors.ts'
import { byeFrame } from '../protocol/encode.ts'
import { queryOf } from './handshake.ts'

const RETRY_MS = 1_000

export const STREAM_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // nginx would hold the events back.
  'x-accel-buffering': 'no',
})

/** An EventSource sends just this, and cannot be told to send another. */
export function isEventSource(request: IncomingMessage): boolean {
  return request.headers.accept === 'text/event-stream'
}

/** The last id that the client has got; '' for none. */
export function lastEventId(request: IncomingMessage): string {
  const header = request.headers['last-event-id']
  return typeof header === 'string' ? header : (queryOf(request)['lastEventId'] ?? '')
}

/** An id alone: no event, since it has no data, but the last id from now on. */
export function idAlone(id: string): string {
  return `id: ${id}\n\n`
}

/** Sends an EventSource away so that it comes again; `null` for a failure that would only be the same again. */
export function comeAgain(random: Random, request: IncomingMessage, { code, message, retryAfterMs = 0 }: Failure): Response | null {
  if (!ERRORS[code].retryable) return null
  const retryMs = Math.max(RETRY_MS, retryAfterMs) + Math.floor(random.float() * RETRY_MS)
  const id = lastEventId(request)
  const bye = JSON.stringify(byeFrame(ERRORS[code].close, message, retryAfterMs === 0 ? undefined : retryAfterMs))
  return new Response(`retry: ${retryMs}\n${/[\r\n]/.test(id) ? '' : `id: ${id}\n`}event: bye\ndata: ${bye}\n\n`, {
    status: 200,
    // The next attempt is to meet whatever stands before this node anew, which may send it to another.
    headers: { ...STREAM_HEADERS, connection: 'close' },
  })
}
