/** What every route shares: reading a body, knowing the caller, and turning failures into answers (CONTRACT §4: `{ error: { code, message, retryable } }`). */
import type { Context, Handler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { z } from 'zod'
import { ERRORS, TroupeError, type AppTools } from '../../../src/index.ts'
import type { Traffic } from '../traffic.ts'
import type { NotesConfig } from '../config.ts'
import type { Attempts } from '../attempts.ts'
import type { Passwords } from '../passwords.ts'
import type { Bearer, Tokens } from '../tokens.ts'

export interface RouteParts {
  readonly tools: AppTools
  readonly tokens: Tokens
  readonly passwords: Passwords
  readonly attempts: Attempts
  readonly traffic: Traffic
  readonly config: NotesConfig
  readonly now: () => number
}

const BODY_BYTES_MAX = 1024 * 1024

/** The app's own refusals that HTTP has a better word for. */
const NOT_FOUND = new Set(['no_note', 'no_account'])

/** A route that answers with JSON; what it throws becomes the error answer. */
export function json(run: (c: Context) => Promise<unknown>): Handler {
  return async (c) => {
    try {
      return c.json((await run(c)) as object, 200, { 'cache-control': 'no-store' })
    } catch (error) {
      return failed(c, error)
    }
  }
}

export function failed(c: Context, error: unknown): Response {
  if (!(error instanceof TroupeError)) {
    console.error(`${c.req.method} ${c.req.routePath}: ${error instanceof Error ? error.stack : String(error)}`)
    return failed(c, new TroupeError('internal', 'the app failed; its log says more'))
  }
  const { retryAfterMs } = error
  // The rest of the body was not read: nothing more can come on this connection.
  if (error.code === 'too_large') c.header('connection', 'close')
  if (retryAfterMs !== undefined) c.header('retry-after', String(Math.ceil(retryAfterMs / 1000)))
  const status = error.reason !== undefined && NOT_FOUND.has(error.reason) ? 404 : ERRORS[error.code].http
  return c.json({ error: errorOf(error) }, status as ContentfulStatusCode)
}

export function errorOf(error: TroupeError): object {
  const { code, message, retryable, reason, retryAfterMs } = error
  return { code, message, retryable, ...(reason !== undefined && { reason }), ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

/** The body as JSON of this shape. Throws `too_large` or `invalid`, naming the field. */
export async function bodyOf<Shape extends z.ZodType>(c: Context, shape: Shape): Promise<z.output<Shape>> {
  const body = shape.safeParse(await rawBody(c))
  if (body.success) return body.data
  const [first] = body.error.issues
  throw new TroupeError('invalid', `${first?.path.join('.') || 'body'}: ${first?.message ?? 'malformed'}`)
}

export async function rawBody(c: Context): Promise<unknown> {
  const bytes: Uint8Array[] = []
  let size = 0
  for await (const part of c.req.raw.body ?? []) {
    size += part.length
    if (size > BODY_BYTES_MAX) throw new TroupeError('too_large', `a body has at most ${BODY_BYTES_MAX} bytes: send less at once`)
    bytes.push(part)
  }
  try {
    return JSON.parse(Buffer.concat(bytes).toString('utf8')) as unknown
  } catch {
    throw new TroupeError('invalid', 'the body is not JSON')
  }
}

/** The caller by its token alone (tokens.ts, T1); whether the session is open the actor says. */
export function bearerOf(c: Context, { tokens, now }: RouteParts): Bearer {
  const bearer = tokens.read(tokenOf(c), now())
  if (bearer === null) throw new TroupeError('unauthenticated', 'the token is missing, not ours, or past its time: log in')
  return bearer
}

export type Person = Extract<Bearer, { kind: 'person' }> & { readonly name: string }

/** The caller as a person whose session is open: asks the person's actor, every time (tokens.ts, T2). */
export async function personOf(c: Context, parts: RouteParts): Promise<Person> {
  const bearer = bearerOf(c, parts)
  if (bearer.kind !== 'person') throw new TroupeError('denied', 'this is for people, not for providers')
  const open = (await parts.tools.query(`user/${bearer.uid}`, 'validate', { session: bearer.session })) as { readonly name: string } | null
  if (open === null) throw loggedOut()
  parts.traffic.seen(bearer.uid)
  return { ...bearer, name: open.name }
}

export const loggedOut = (): TroupeError => new TroupeError('unauthenticated', 'this session was closed: log in again')

/** `Idempotency-Key` of the request (draft-ietf-httpapi-idempotency-key-header), if it has one. */
export function keyOf(c: Context): string | undefined {
  const key = c.req.header('idempotency-key')
  if (key !== undefined && (key === '' || key.length > 128)) throw new TroupeError('invalid', 'an Idempotency-Key has 1 to 128 characters')
  return key
}

function tokenOf(c: Context): string | undefined {
  return /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
}
