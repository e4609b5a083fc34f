/** The body of a request as JSON, never more than `bytesMax` of it in memory. */
import type { IncomingMessage } from 'node:http'
import { fail, type Failure } from '../errors.ts'

export type Body = { readonly ok: true; readonly value: unknown } | Failure

export function readJson(request: IncomingMessage, bytesMax: number): Promise<Body> {
  const tooLarge = fail('too_large', `a request body has at most ${bytesMax} bytes`)
  return new Promise((resolve) => {
    if (Number(request.headers['content-length'] ?? 0) > bytesMax) return resolve(tooLarge)
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > bytesMax) resolve(tooLarge)
      else chunks.push(chunk)
    })
    request.on('end', () => resolve(parsed(Buffer.concat(chunks))))
    request.on('error', () => resolve(fail('invalid', 'the body did not arrive whole')))
    request.on('close', () => resolve(fail('invalid', 'the body did not arrive whole')))
  })
}

function parsed(bytes: Buffer): Body {
  try {
    return { ok: true, value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown }
  } catch {
    return fail('invalid', 'the body is not JSON in UTF-8')
  }
}
