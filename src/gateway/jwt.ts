/**
 * Tokens that are JSON Web Tokens (RFC 7519), for an app that says `authenticate: { jwt: … }`. Keys are imported once, here.
 * With a secret the outcome is there at once (jwt-hmac.ts); public keys and key servers are `jose`'s, and take promises.
 */
import { createPublicKey } from 'node:crypto'
import {
  createRemoteJWKSet,
  type CryptoKey,
  errors,
  importSPKI,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose'
import { parseActorId } from '../actors/actor-id.ts'
import type { Identity, JwtOptions } from '../actors/define.ts'
import type { Clock } from '../base/clock.ts'
import { type Log, silentLog } from '../base/log.ts'
import { fail, type Failure } from '../errors.ts'
import { hmacJudge } from './jwt-hmac.ts'

export type JwtVerifier = (token: string) => Identity | Failure | Promise<Identity | Failure>

type Verify = (token: string, checks: JWTVerifyOptions) => Promise<{ readonly payload: JWTPayload }>
type IdentityOf = (claims: JWTPayload) => Identity | Failure

const EXPIRED = fail('expired', 'the token has expired: get a new one')
const FORGED = fail('unauthenticated', 'the token is not valid: signature verification failed')
const NO_KEYS = fail('unavailable', 'the keys that tokens are checked with cannot be had now: repeat later')

/** Of a set, for a token that does not say which: so much work may one token make. */
const KEYS_TRIED_MAX = 8

/** What `jose` says of a token that was judged. All else it throws is of the way to the keys, and says nothing of the token. */
const OF_TOKEN = [
  errors.JWSSignatureVerificationFailed,
  errors.JWTClaimValidationFailed,
  errors.JWTInvalid,
  errors.JWSInvalid,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
] as const

/** Throws TypeError for options that cannot work. */
export function jwtVerifier(options: JwtOptions, clock: Pick<Clock, 'now'>, log: Log = silentLog): JwtVerifier {
  const given = [options.secret, options.publicKey, options.jwksUrl].filter((source) => source !== undefined)
  if (given.length !== 1) throw new TypeError('authenticate.jwt needs exactly one of secret, publicKey and jwksUrl')
  if (options.secret === '') throw new TypeError('authenticate.jwt.secret is empty: anybody could sign with it')
  const algorithms = [...(options.algorithms ?? (options.secret === undefined ? ['RS256', 'ES256', 'EdDSA'] : ['HS256']))]
  const identityOf = identityFrom(options.actor ?? 'user/{sub}')
  const later = verifyLater(options, algorithms, clock, log, identityOf)
  const { secret, issuer, audience } = options
  if (secret === undefined) return later
  const judge = hmacJudge({ secret, algorithms, issuer, audience })
  return (token) => {
    const verdict = judge(token, clock.now())
    switch (verdict) {
      case 'expired':
        return EXPIRED
      case 'forged':
        return FORGED
      case 'unclear':
        return later(token)
      default:
        return identityOf(verdict)
    }
  }
}

function verifyLater(
  options: JwtOptions,
  algorithms: string[],
  clock: Pick<Clock, 'now'>,
  log: Log,
  identityOf: IdentityOf,
): (token: string) => Promise<Identity | Failure> {
  const verify = verifyWith(options)
  const { issuer, audience } = options
  const checks = { algorithms, ...(issuer !== undefined && { issuer }), ...(audience !== undefined && { audience }) }
  return async (token) => {
    try {
      return identityOf((await verify(token, { ...checks, currentDate: new Date(clock.now()) })).payload)
    } catch (error) {
      if (error instanceof errors.JWTExpired) return EXPIRED
      if (OF_TOKEN.some((kind) => error instanceof kind))
        return fail('unauthenticated', `the token is not valid: ${(error as errors.JOSEError).message}`)
      if (options.jwksUrl === undefined) throw error
      // Also of a key that is not there: it may be new, and `jose` asks for new ones every 30 s. Not logged: anybody can name one.
      if (!(error instanceof errors.JWKSNoMatchingKey))
        log.warn({ error: error instanceof Error ? error.message : String(error) }, 'the keys that tokens are checked with cannot be had')
      return NO_KEYS
    }
  }
}

function verifyWith(options: JwtOptions): Verify {
  if (options.jwksUrl !== undefined) {
    return verifyWithSet(createRemoteJWKSet(new URL(options.jwksUrl)))
  }
  if (options.secret !== undefined) {
    const secret = new TextEncoder().encode(options.secret)
    return (token, checks) => jwtVerify(token, secret, checks)
  }
  // A PEM key is imported for one algorithm: once for each that a token names.
  const pem = publicPem(options.publicKey as string)
  const imported = new Map<string, ReturnType<typeof importSPKI>>()
  const keyFor: JWTVerifyGetKey = ({ alg }) => {
    const known = imported.get(alg as string)
    if (known !== undefined) return known
    const key = importSPKI(pem, alg as string).catch(() => {
      throw new errors.JOSEAlgNotAllowed(`the key is not one for ${alg}`)
    })
    imported.set(alg as string, key)
    return key
  }
  return (token, checks) => jwtVerify(token, keyFor, checks)
}

/**
 * With the keys of a server. A token need not say which of them signed it (RFC 7515 §4.1.4): then each that could have is tried, at most
 * `KEYS_TRIED_MAX`. If none did, the set may be an old one, and is asked for again, as often as `jose` asks for an unknown key.
 */
function verifyWithSet(keys: ReturnType<typeof createRemoteJWKSet>): Verify {
  const verify: Verify = async (token, checks) => {
    try {
      return await jwtVerify(token, keys, checks)
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
      return verifyWithAny(error, token, checks)
    }
  }
  return async (token, checks) => {
    try {
      return await verify(token, checks)
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed) || keys.coolingDown) throw error
      await keys.reload()
      return verify(token, checks)
    }
  }
}

/** Gives the keys as they are imported, without those that cannot be. What a key says of a token that it signed is the last word. */
async function verifyWithAny(candidates: AsyncIterable<CryptoKey>, token: string, checks: JWTVerifyOptions): ReturnType<Verify> {
  let tried = 0
  for await (const key of candidates) {
    try {
      return await jwtVerify(token, key, checks)
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
    }
    if (++tried === KEYS_TRIED_MAX) break
  }
  throw new errors.JWSSignatureVerificationFailed()
}

/** The key in the form that `jose` takes. */
function publicPem(given: string): string {
  try {
    return createPublicKey(given).export({ type: 'spki', format: 'pem' }).toString()
  } catch (error) {
    throw new TypeError('authenticate.jwt.publicKey is not a public key in PEM', { cause: error })
  }
}

/** `template` taken apart once: `{claim}` in it is replaced. */
function identityFrom(template: string): IdentityOf {
  // Texts, and between them names of claims.
  const pieces = template.split(/\{([^}]*)\}/)
  if ('wrong' in parseActorId(pieces.map((piece, at) => (at % 2 === 1 ? 'x' : piece)).join('')))
    throw new TypeError(`authenticate.jwt.actor '${template}' is not type/key, as in user/{sub}`)
  return (claims) => {
    const { sub, exp } = claims
    if (typeof sub !== 'string' || sub === '') return fail('unauthenticated', 'the token has no sub')
    let actor = pieces[0] as string
    for (let at = 1; at < pieces.length; at += 2) {
      const name = pieces[at] as string
      const value = Object.hasOwn(claims, name) ? claims[name] : undefined
      if (typeof value !== 'string' && typeof value !== 'number') return fail('unauthenticated', `the token has no claim '${name}'`)
      actor += `${value}${pieces[at + 1] as string}`
    }
    // As whoever signed it named nobody: a user whose name cannot be a key is told so, and not to come again and again.
    if (sub.includes('\u0000') || 'wrong' in parseActorId(actor)) return fail('unauthenticated', 'the claims of the token name no actor')
    return exp === undefined ? { sub, actor, claims } : { sub, actor, claims, expiresAt: exp * 1000 }
  }
}
