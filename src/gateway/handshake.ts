/** What is taken from an HTTP request for `authenticate`: plain texts, the first of repeated query fields, nothing that holds the request. */
import type { IncomingMessage } from 'node:http'
import type { Handshake } from './session.ts'

/** For an `authenticate` that looks at the token alone. */
export const NO_HANDSHAKE: Handshake = Object.freeze({ headers: Object.freeze({}), query: Object.freeze({}), address: '' })

export function handshakeOf(request: IncomingMessage): Handshake {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined) headers[name] = typeof value === 'string' ? value : value.join(', ')
  return { headers, query: queryOf(request), address: request.socket.remoteAddress ?? '' }
}

/** The path as sent, without the query. */
export function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  return mark < 0 ? url : url.slice(0, mark)
}

export function queryOf(request: IncomingMessage): Readonly<Record<string, string>> {
  const query: Record<string, string> = Object.create(null) as Record<string, string>
  const url = request.url ?? ''
  const mark = url.indexOf('?')
  if (mark >= 0) for (const [name, value] of new URLSearchParams(url.slice(mark + 1))) query[name] ??= value
  return query
}
