/**
 * Who may use the admin listener. With a token: who shows it (`Authorization: Bearer`). Without: anybody on this machine, but not
 * a web page of another origin that a browser on this machine happens to show: such requests carry a foreign `Host`
 * (DNS rebinding) or a foreign `Origin` or `Sec-Fetch-Site` (cross-site request forgery) and are refused.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { fail, type Failure } from '../errors.ts'

export interface AdminHeaders {
  readonly authorization: string | undefined
  readonly host: string | undefined
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
}

const LOCAL_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i

export function admit(headers: AdminHeaders, token: string | null): Failure | null {
  if (token !== null) {
    const shown = /^Bearer\s+(.+)$/i.exec(headers.authorization ?? '')?.[1]
    if (shown === undefined)
      return fail(
        'unauthenticated',
        'this admin port asks for a token: Authorization: Bearer TOKEN (CLI: --admin-token, or TROUPE_ADMIN_TOKEN)',
      )
    return sameText(shown, token) ? null : fail('unauthenticated', 'the admin token is wrong')
  }
  if (headers.host === undefined || !LOCAL_HOST.test(headers.host))
    return fail('denied', 'the admin port answers to localhost and loopback addresses only; give it a token to reach it by another name')
  if (headers.fetchSite !== undefined && headers.fetchSite !== 'same-origin' && headers.fetchSite !== 'none')
    return fail('denied', 'the admin port takes no requests from other web pages')
  if (headers.origin !== undefined && headers.origin !== `http://${headers.host}`)
    return fail('denied', 'the admin port takes no requests from other web pages')
  return null
}

/** In a time that does not depend on where they differ, nor on their lengths. */
export function sameText(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
}
