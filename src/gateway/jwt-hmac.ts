/**
 * Tokens signed with a shared secret (HS256, HS384, HS512; RFC 7515, RFC 7518 §3.2), judged at once: no promise, no thread, the key
 * object made once. In a storm of reconnects this check is a good part of what an accept costs.
 *
 * It decides only what it is sure of, for tokens in the one form that signers write; whatever else it meets it leaves to `jose`, which
 * has the last word on every odd token. So nothing is valid here that is not valid there (held by a differential test).
 *
 *  1. `valid` and `expired` are said of tokens whose signature holds and whose every other claim has been checked; `expired` comes last.
 *  2. `forged` is said of a token whose form and algorithm are accepted and whose signature is not the secret's.
 *  3. `unclear`: padding, spaces or other base64, a `crit` header, an algorithm not accepted, a claim that is missing, wrong or of the
 *     wrong type, a token from the future. `jose` says what is wrong with it.
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { JWTPayload } from 'jose'

export interface HmacChecks {
  /** Not empty. */
  readonly secret: string
  readonly algorithms: readonly string[]
  readonly issuer: string | undefined
  readonly audience: string | undefined
}

export type HmacVerdict = JWTPayload | 'expired' | 'forged' | 'unclear'

const HASHES: ReadonlyMap<string, string> = new Map([
  ['HS256', 'sha256'],
  ['HS384', 'sha384'],
  ['HS512', 'sha512'],
])
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/

export function hmacJudge(checks: HmacChecks): (token: string, nowMs: number) => HmacVerdict {
  const key = createSecretKey(Buffer.from(checks.secret))
  // Strict, as `jose` is: text that is not UTF-8 throws.
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  const json = (segment: string): unknown => JSON.parse(utf8.decode(Buffer.from(segment, 'base64url')))
  // A signer writes the same header before each of its tokens: the newest good one is known again.
  let knownHeader = ''
  let knownHash = ''

  const verdict = (token: string, nowMs: number): HmacVerdict => {
    if (!COMPACT.test(token)) return 'unclear'
    const first = token.indexOf('.')
    const last = token.lastIndexOf('.')
    if (first % 4 === 1 || (last - first - 1) % 4 === 1 || (token.length - last - 1) % 4 === 1) return 'unclear'
    const header = token.slice(0, first)
    const hash = header === knownHeader ? knownHash : hashOf(json(header), checks.algorithms)
    if (hash === null) return 'unclear'
    const given = Buffer.from(token.slice(last + 1), 'base64url')
    const due = createHmac(hash, key).update(token.slice(0, last)).digest()
    if (given.length !== due.length || !timingSafeEqual(given, due)) return 'forged'
    if (header !== knownHeader) {
      // A copy: a slice would keep the whole token.
      knownHeader = Buffer.from(header).toString()
      knownHash = hash
    }
    const claims = json(token.slice(first + 1, last))
    return isMap(claims) ? judgeClaims(claims, checks, Math.floor(nowMs / 1000)) : 'unclear'
  }
  return (token, nowMs) => {
    try {
      return verdict(token, nowMs)
    } catch {
      return 'unclear'
    }
  }
}

/** The hash of an accepted algorithm; null when `jose` must look. */
function hashOf(header: unknown, algorithms: readonly string[]): string | null {
  if (!isMap(header) || header['crit'] !== undefined) return null
  const { alg } = header
  return typeof alg === 'string' && algorithms.includes(alg) ? (HASHES.get(alg) ?? null) : null
}

/** RFC 7519 §4.1. Times are whole seconds without tolerance. */
function judgeClaims(claims: Readonly<Record<string, unknown>>, { issuer, audience }: HmacChecks, nowS: number): HmacVerdict {
  const { iss, aud, iat, nbf, exp } = claims
  if (issuer !== undefined && iss !== issuer) return 'unclear'
  if (audience !== undefined && aud !== audience && !(Array.isArray(aud) && aud.includes(audience))) return 'unclear'
  if (iat !== undefined && typeof iat !== 'number') return 'unclear'
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf <= nowS)) return 'unclear'
  if (exp === undefined) return claims
  if (typeof exp !== 'number') return 'unclear'
  return exp <= nowS ? 'expired' : claims
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
