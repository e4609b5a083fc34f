/**
 * Counts the bytes of bodies as they come and go, whoever reads and writes them: the app's own routes, Troupe's, files, event streams.
 * Node has no event for either that does not also consume the body; so the two doors they pass are watched: `push`, which the parser calls
 * with what came, and `write` and `end`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { GatewayCounters } from './counters.ts'

type Chunk = string | Uint8Array | null | undefined

export function countBodies(request: IncomingMessage, response: ServerResponse, counters: GatewayCounters): void {
  if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined) {
    const { push } = request
    request.push = (chunk: Chunk, encoding) => {
      counters.bytesIn += bytesOf(chunk)
      return push.call(request, chunk, encoding)
    }
  }
  // What is written in answer to HEAD goes nowhere.
  if (request.method === 'HEAD') return
  const { write, end } = response as { write: (...args: unknown[]) => boolean; end: (...args: unknown[]) => ServerResponse }
  response.write = (...args: unknown[]) => {
    counters.bytesOut += bytesOf(args[0] as Chunk)
    return write.apply(response, args)
  }
  response.end = ((...args: unknown[]) => {
    if (typeof args[0] !== 'function') counters.bytesOut += bytesOf(args[0] as Chunk)
    return end.apply(response, args)
  }) as ServerResponse['end']
}

function bytesOf(chunk: Chunk): number {
  return chunk === null || chunk === undefined ? 0 : typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.length
}
