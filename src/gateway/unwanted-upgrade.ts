/**
 * A server may ignore an offer to upgrade (RFC 9110 §7.8): `Upgrade: h2c`, which Java's HttpClient and `curl --http2` send with every first
 * request, must not break plain HTTP. Node takes any request with `Upgrade` for one as soon as somebody listens to `upgrade`; so the bytes
 * are put back without the offer, and the connection begins anew, with its body and the requests after it.
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

export function asPlainRequest(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`]
  const { rawHeaders } = request
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    const value = rawHeaders[at + 1] as string
    switch (name.toLowerCase()) {
      case 'upgrade':
      case 'http2-settings':
        break
      case 'connection':
        lines.push(`${name}: ${withoutOffer(value)}`)
        break
      default:
        lines.push(`${name}: ${value}`)
    }
  }
  // Headers are bytes to Node, each a unit of latin1.
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
  server.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket)
}

function withoutOffer(connection: string): string {
  const left = connection.split(',').filter((option) => !['upgrade', 'http2-settings'].includes(option.trim().toLowerCase()))
  return left.length === 0 ? 'keep-alive' : left.join(',')
}
