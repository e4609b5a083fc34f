/**
 * Who is calling: the app's `authenticate`, its JWT options, or in `dev` anybody who says a name. Gives an identity that was checked, or
 * a failure. An app's function that throws is reported and answered `internal`, never thrown on.
 *
 * Whether the outcome is there at once or later is the app's choice: a synchronous `authenticate` costs no promise.
 */
import { KEY_BYTES_MAX, parseActorId } from '../actors/actor-id.ts'
import type { App, AuthRequest, Identity } from '../actors/define.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { fail, type Failure } from '../errors.ts'
import { foreignPage } from './dev-page.ts'
import { jwtVerifier } from './jwt.ts'
import { thrownText } from './thrown.ts'

export type AuthOutcome = { readonly ok: true; readonly who: Identity } | Failure

export interface AuthParts {
  readonly app: App
  readonly mode: 'dev' | 'start'
  readonly clock: Clock
  readonly log: Log
  /** Largest identity, as JSON: it goes into the ticket, and that into a frame. */
  readonly identityBytes: number
}

type Given = Identity | Failure | null

export class Auth {
  readonly #parts: AuthParts
  readonly #ask: (request: AuthRequest) => Given | Promise<Given>
  /** Whether more than the token is looked at: if not, headers and query need not be kept for it. */
  readonly readsRequest: boolean

  constructor(parts: AuthParts) {
    this.#parts = parts
    this.#ask = asker(parts)
    this.readsRequest = parts.mode === 'dev' || typeof parts.app.authenticate === 'function'
  }

  authenticate(request: AuthRequest): AuthOutcome | Promise<AuthOutcome> {
    const dev = this.#parts.mode === 'dev' ? devIdentity(this.#parts.app, request) : null
    if (dev !== null) return foreignPage(request.headers) ?? unusableName(dev) ?? this.#judge(dev)
    try {
      const given = this.#ask(request)
      if (given === null || given === undefined || !('then' in given)) return this.#judge(given)
      return Promise.resolve(given).then(
        (identity) => this.#judge(identity),
        (error: unknown) => this.#threw(error),
      )
    } catch (error) {
      return this.#threw(error)
    }
  }

  #judge(given: Given): AuthOutcome {
    if (given === null || given === undefined) return fail('unauthenticated', 'the app does not know this token: get a new one')
    if (typeof given !== 'object') return this.#wrong('an identity is an object with a sub, or null')
    if ('ok' in given) {
      // Only our own checks give outcomes: what an app calls `ok` is not ours to guess.
      if (typeof this.#parts.app.authenticate === 'function') return this.#wrong('an identity has no field `ok`; nobody is null')
      return given
    }
    const { sub, actor, expiresAt, claims } = given
    // The sub is put before idempotency keys with a NUL between (D1): it must not hold one itself.
    if (typeof sub !== 'string' || sub === '' || sub.includes('\u0000')) return this.#wrong('sub must be a text without NUL')
    if (actor !== undefined && (typeof actor !== 'string' || 'wrong' in parseActorId(actor))) return this.#wrong('actor must be type/key')
    const fault = this.#ticketFault(sub, claims)
    if (fault !== null) return this.#wrong(fault)
    if (expiresAt === undefined) return { ok: true, who: given }
    if (!Number.isFinite(expiresAt)) return this.#wrong('expiresAt must be ms since 1970')
    return expiresAt <= this.#parts.clock.now() ? fail('expired', 'the token has expired: get a new one') : { ok: true, who: given }
  }

  /** What of an identity a resume ticket could not carry. */
  #ticketFault(sub: string, claims: unknown): string | null {
    const { identityBytes } = this.#parts
    try {
      const json = claims === undefined ? '' : (JSON.stringify(claims) as string | undefined)
      if (json === undefined) return 'claims must be JSON'
      const bytes = Buffer.byteLength(JSON.stringify(sub)) + Buffer.byteLength(json)
      return bytes <= identityBytes
        ? null
        : `sub and claims have ${bytes} bytes as JSON; the limit is ${identityBytes}, a quarter of frameBytes`
    } catch {
      return 'claims must be JSON'
    }
  }

  #wrong(what: string): Failure {
    this.#parts.log.error({ what }, 'authenticate returned a wrong identity')
    return fail('internal', 'the app gave a wrong identity')
  }

  #threw(error: unknown): Failure {
    this.#parts.log.error({ error: thrownText(error) }, 'authenticate threw')
    return fail('internal', 'the app failed to check the token')
  }
}

function asker({ app, mode, clock, log }: AuthParts): (request: AuthRequest) => Given | Promise<Given> {
  const { authenticate } = app
  if (authenticate === undefined) {
    const message =
      mode === 'dev'
        ? 'here everybody is who they say: give the token dev:NAME, or ?as=NAME in the address'
        : 'this app has no authenticate: nobody can connect (`troupe dev` lets in ?as=NAME)'
    return () => fail('unauthenticated', message)
  }
  if (typeof authenticate === 'function') return authenticate
  const verify = jwtVerifier(authenticate.jwt, clock, log)
  return (request) => (request.token === undefined ? fail('unauthenticated', 'a token is needed') : verify(request.token))
}

/** A name that cannot be the key of an actor: the caller's mistake, not the app's. */
function unusableName({ actor }: Identity): Failure | null {
  if (actor === undefined || !('wrong' in parseActorId(actor))) return null
  return fail('invalid', `a dev name (?as=NAME, dev:NAME) has 1–${KEY_BYTES_MAX} bytes of UTF-8, no control characters and no /`)
}

/** `?as=NAME`, or the token `dev:NAME`: in `dev` everybody is who they say (CONTRACT §2). */
function devIdentity(app: App, request: AuthRequest): Identity | null {
  const name =
    request.token?.startsWith('dev:') === true ? request.token.slice(4) : request.token === undefined ? request.query['as'] : undefined
  if (name === undefined || name === '') return null
  const type = app.byType.has('user') ? 'user' : app.byType.keys().next().value
  return { sub: name, actor: `${String(type)}/${name}` }
}
