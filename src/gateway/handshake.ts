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

/**
 * A target in absolute form (`GET http://host/path`, as to a proxy) becomes the path it names, and its host the `Host`, which a server
 * must not look at then (RFC 9112 §3.2.2). The path stays as sent. What is no such target stays what it is, and is refused as that.
 */
export function toOriginForm(request: IncomingMessage): void {
  const url = request.url ?? '/'
  if (url.startsWith('/')) return
  const found = /^(?:https?|wss?):\/\/(?:[^/?#@]*@)?([^/?#@]+)(.*)$/i.exec(url)
  if (found === null) return
  const [, host, rest] = found as unknown as readonly [string, string, string]
  request.url = rest.startsWith('/') ? rest : `/${rest}`
  request.headers.host = host
  const { rawHeaders } = request
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]?.toLowerCase() === 'host') rawHeaders[at + 1] = host
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
