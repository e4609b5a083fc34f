/**
 * Actors on the admin port: the paths of the client port (CONTRACT §4), run as `service:admin`, without the app's `authorize`.
 * Whoever reaches this port is an operator; the command line's send, query, watch, inspect and history use it.
 */
import type { Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { parseActorId } from '../actors/actor-id.ts'
import { ERRORS, fail, wireError, type Failure } from '../errors.ts'
import type { AdminParts } from './parts.ts'
import { streamTopic } from './topic-stream.ts'

const SENDER = 'service:admin'

export function actorRoutes(http: Hono, parts: AdminParts): void {
  const { calls, options, members } = parts

  http.get('/v1/actors/:type/:key', async (c) => {
    const actor = actorOf(c)
    if (typeof actor !== 'string') return answerFailure(c, actor)
    const found = await members.inspect(actor)
    if (!found.ok) return answerFailure(c, found)
    if (found.n === 0) return answerFailure(c, fail('not_found', `${actor} has no journal: nothing was ever recorded for it`))
    const { ok: _, ...shown } = found
    return c.json(shown)
  })

  const limited = bodyLimit({
    maxSize: options.httpBodyBytes,
    onError: (c) => answerFailure(c, fail('too_large', `a body has at most ${options.httpBodyBytes} bytes`)),
  })
  http.post('/v1/actors/:type/:key/events', limited, async (c) => {
    const actor = actorOf(c)
    if (typeof actor !== 'string') return answerFailure(c, actor)
    const body: unknown = await c.req.json().catch(() => undefined)
    if (typeof body !== 'object' || body === null || !('type' in body) || typeof body.type !== 'string')
      return answerFailure(c, fail('invalid', 'the body is JSON: {"type": EVENT, "data": …, "key": optional}'))
    const key = ('key' in body ? body.key : undefined) ?? c.req.header('idempotency-key')
    if (key !== undefined && (typeof key !== 'string' || key === '' || key.length > 256))
      return answerFailure(c, fail('invalid', 'key is a text of 1–256 characters'))
    const data = 'data' in body ? body.data : undefined
    const { type } = body
    const outcome = await answered(calls.send.bind(calls), {
      actor,
      type,
      data,
      sender: SENDER,
      ...(key === undefined ? {} : { key: `${SENDER}\u0000${key}` }),
    })
    if (!outcome.ok) return answerFailure(c, outcome)
    const { offset, durable, duplicate } = outcome
    return c.json({ offset, durable, ...(duplicate ? { duplicate } : {}) })
  })

  http.get('/v1/actors/:type/:key/queries/:name', async (c) => {
    const actor = actorOf(c)
    if (typeof actor !== 'string') return answerFailure(c, actor)
    const args = parseArgs(c.req.query('args'))
    if (args === WRONG) return answerFailure(c, fail('invalid', 'args is JSON'))
    const strict = c.req.query('strict') === 'true' || c.req.query('strict') === '1'
    const outcome = await answered(calls.query.bind(calls), { actor, name: c.req.param('name'), args, strict })
    if (!outcome.ok) return answerFailure(c, outcome)
    return c.body(`{"data":${outcome.json},"offset":${outcome.offset}}`, 200, { 'content-type': 'application/json' })
  })

  http.get('/v1/actors/:type/:key/history', async (c) => {
    const actor = actorOf(c)
    if (typeof actor !== 'string') return answerFailure(c, actor)
    const from = whole(c.req.query('from'), 1)
    const limit = whole(c.req.query('limit'), options.historyEntries)
    if (from === null || limit === null || from < 1 || limit < 1)
      return answerFailure(c, fail('invalid', 'from and limit are whole numbers from 1'))
    const outcome = await answered(calls.history.bind(calls), { actor, from, limit: Math.min(limit, options.historyEntries) })
    if (!outcome.ok) return answerFailure(c, outcome)
    const entries = outcome.entries.map(
      ({ offset, type, at, json }) => `{"offset":${offset},"type":${JSON.stringify(type)},"data":${json},"at":${at}}`,
    )
    const more = JSON.stringify({ more: outcome.more, next: outcome.next, oldest: outcome.oldest, journal: outcome.journal })
    return c.body(`{"entries":[${entries.join(',')}],${more.slice(1)}`, 200, { 'content-type': 'application/json' })
  })

  http.get('/v1/actors/:type/:key/topics/:topic', async (c) => {
    const actor = actorOf(c)
    if (typeof actor !== 'string') return answerFailure(c, actor)
    return streamTopic(c, parts, { actor, topic: c.req.param('topic') })
  })
}

export function answerFailure(c: Context, failure: Failure): Response {
  return c.json({ error: wireError(failure) }, ERRORS[failure.code].http as ContentfulStatusCode)
}

/** A call of ActorCalls as a promise; it never rejects, outcomes are values. */
export function answered<Call, Outcome>(ask: (call: Call, done: (outcome: Outcome) => void) => void, call: Call): Promise<Outcome> {
  return new Promise((resolve) => ask(call, resolve))
}

function actorOf(c: Context): string | Failure {
  const id = parseActorId(`${c.req.param('type') ?? ''}/${c.req.param('key') ?? ''}`)
  return 'wrong' in id ? fail('invalid', id.wrong) : `${id.type}/${id.key}`
}

const WRONG: unique symbol = Symbol('not JSON')

function parseArgs(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return WRONG
  }
}

function whole(text: string | undefined, otherwise: number): number | null {
  if (text === undefined) return otherwise
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}
