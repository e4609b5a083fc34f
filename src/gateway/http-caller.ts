/** Who makes an HTTP request: `Authorization: Bearer`, `?ticket=` (an EventSource cannot set headers), or whatever `authenticate` looks at. */
import type { IncomingMessage } from 'node:http'
import { fail } from '../errors.ts'
import { admit, type Admission } from './admission.ts'
import { handshakeOf } from './handshake.ts'
import type { Site } from './site.ts'

export async function callerOf(site: Site, request: IncomingMessage): Promise<Admission> {
  const handshake = handshakeOf(request)
  const bearer = /^bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1]?.trim()
  const { ticket } = handshake.query
  const admission = admit(site, { token: bearer, ticket }, handshake, 'http')
  if (!(admission instanceof Promise)) return admission
  return new Promise((resolve) => {
    const timer = site.clock.after(site.options.authTimeoutMs, () =>
      resolve(fail('unavailable', 'the token could not be checked in time: repeat', { retryAfterMs: 1000 })),
    )
    void admission
      .catch(() => fail('internal', 'the app failed to check the token'))
      .then((outcome) => {
        timer.cancel()
        resolve(outcome)
      })
  })
}
