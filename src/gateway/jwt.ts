/** Tokens that are JSON Web Tokens (RFC 7519), for an app that says `authenticate: { jwt: … }`. */
import { createRemoteJWKSet, errors, importSPKI, jwtVerify, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions } from 'jose'
import type { Identity, JwtOptions } from '../actors/define.ts'
import { fail, type Failure } from '../errors.ts'

export type JwtVerifier = (token: string) => Promise<Identity | Failure>

/** Throws TypeError for options that cannot work. */
export function jwtVerifier(options: JwtOptions): JwtVerifier {
  const given = [options.secret, options.publicKey, options.jwksUrl].filter((source) => source !== undefined)
  if (given.length !== 1) throw new TypeError('authenticate.jwt needs exactly one of secret, publicKey and jwksUrl')
  const algorithms = [...(options.algorithms ?? (options.secret === undefined ? ['RS256', 'ES256', 'EdDSA'] : ['HS256']))]
  const checks: JWTVerifyOptions = {
    algorithms,
    ...(options.issuer !== undefined && { issuer: options.issuer }),
    ...(options.audience !== undefined && { audience: options.audience }),
  }
  const verify = verifyWith(options, checks)
  return async (token) => {
    try {
      return identityOf((await verify(token)).payload, options.actor ?? 'user/{sub}')
    } catch (error) {
      if (error instanceof errors.JWTExpired) return fail('expired', 'the token has expired: get a new one')
      if (error instanceof errors.JWKSTimeout) return fail('unavailable', 'the key server does not answer: repeat later')
      if (error instanceof errors.JOSEError) return fail('unauthenticated', `the token is not valid: ${error.message}`)
      throw error
    }
  }
}

function verifyWith(options: JwtOptions, checks: JWTVerifyOptions): (token: string) => Promise<{ readonly payload: JWTPayload }> {
  if (options.jwksUrl !== undefined) {
    const keys: JWTVerifyGetKey = createRemoteJWKSet(new URL(options.jwksUrl))
    return (token) => jwtVerify(token, keys, checks)
  }
  if (options.secret !== undefined) {
    const secret = new TextEncoder().encode(options.secret)
    return (token) => jwtVerify(token, secret, checks)
  }
  // A PEM key is imported for one algorithm: once for each that a token names.
  const pem = options.publicKey as string
  const imported = new Map<string, ReturnType<typeof importSPKI>>()
  return (token) =>
    jwtVerify(
      token,
      ({ alg }) => {
        const known = imported.get(alg as string)
        if (known !== undefined) return known
        const key = importSPKI(pem, alg as string)
        imported.set(alg as string, key)
        return key
      },
      checks,
    )
}

function identityOf(claims: JWTPayload, template: string): Identity | Failure {
  if (typeof claims.sub !== 'string' || claims.sub === '') return fail('unauthenticated', 'the token has no sub')
  let missing = ''
  const actor = template.replace(/\{([^}]*)\}/g, (_, name: string) => {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined
    if (typeof value === 'string' || typeof value === 'number') return String(value)
    missing = name
    return ''
  })
  if (missing !== '') return fail('unauthenticated', `the token has no claim '${missing}'`)
  return { sub: claims.sub, actor, claims, ...(claims.exp !== undefined && { expiresAt: claims.exp * 1000 }) }
}
