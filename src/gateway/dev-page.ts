/**
 * In `dev` everybody is who they say, so a page of another site that a developer has open must not be able to say it: browsers let any
 * page open a WebSocket to this machine, and post to it. Told apart as development servers do (Vite's `allowedHosts`, CVE-2025-24010):
 *
 *  1. The `Host` is an address, `localhost`, or a name without a dot (a container's): any other may have been made to point here by
 *     whoever owns it (DNS rebinding).
 *  2. An `Origin`, if there is one, is of this machine or of the host that is asked. Programs that are not browsers send none.
 */
import { isIP } from 'node:net'
import { fail, type Failure } from '../errors.ts'

const LOCAL_NAME = /^(.+\.)?localhost$/

export function foreignPage(headers: Readonly<Record<string, string>>): Failure | null {
  const { host, origin } = headers
  const own = host === undefined ? null : hostOf(`http://${host}`)
  if (own !== null && own.includes('.') && !isLocal(own) && isIP(own) === 0)
    return fail('denied', `names without proof are taken under localhost or an address, not under '${own}': connect by address`)
  if (origin === undefined) return null
  const page = hostOf(origin)
  if (page !== null && (page === own || isLocal(page))) return null
  return fail('denied', `names without proof are not taken from a page of ${origin.slice(0, 200)}: serve it from this machine`)
}

function isLocal(name: string): boolean {
  return LOCAL_NAME.test(name) || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

/** The name or address, without port and brackets; null when there is none. */
function hostOf(url: string): string | null {
  const name = URL.parse(url)?.hostname ?? ''
  return name === '' ? null : name.replace(/^\[(.*)\]$/, '$1')
}
