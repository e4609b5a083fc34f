/** Who makes an HTTP request: `Authorization: Bearer`, `?ticket=` (an EventSource cannot set headers), or whatever `authenticate` looks at. */
import type { IncomingMessage } from 'node:http'
import { admit, type Admission } from './admission.ts'
import { inTime } from './auth-limit.ts'
import { handshakeOf } from './handshake.ts'
import type { Site } from './site.ts'

export function callerOf(site: Site, request: IncomingMessage): Promise<Admission> {
  const handshake = handshakeOf(request)
  const bearer = /^bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1]?.trim()
  const { ticket } = handshake.query
  const admission = admit(site, { token: bearer, ticket }, handshake, 'http')
  return new Promise((resolve) => inTime(site, admission, resolve))
}
