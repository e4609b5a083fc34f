/**
 * The admin port (CONTRACT §6): health, metrics, members, actors, figures, drain. A Hono app over ports; node.ts binds it.
 * /livez and /readyz are open to every prober; the rest passes guard.ts.
 */
import { Hono } from 'hono'
import { parseActorId } from '../actors/actor-id.ts'
import { hash32 } from '../base/random.ts'
import { fail } from '../errors.ts'
import { actorRoutes, answerFailure, unknownType } from './actor-routes.ts'
import { admit } from './guard.ts'
import { Metrics } from './metrics.ts'
import { page } from './page.ts'
import type { AdminParts } from './parts.ts'
import { Recorder } from './recorder.ts'

export interface Admin {
  readonly http: Hono
  /** Ends its timer. */
  stop(): void
}

const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

export function createAdmin(parts: AdminParts): Admin {
  const recorder = new Recorder(parts)
  const metrics = new Metrics(parts)
  const http = new Hono()
  const viewHash = hash32(`${parts.node.id}@${parts.node.generation}`).toString(16).padStart(8, '0')

  http.onError((error, c) => answerFailure(c, fail('internal', error.message)))
  http.notFound((c) => answerFailure(c, fail('not_found', `the admin port has no ${c.req.method} ${c.req.path}`)))

  http.get('/livez', (c) => c.json({ ok: true }))
  http.get('/readyz', async (c) => {
    const phase = parts.phase()
    const { ok, summary } = await parts.store.health()
    const ready = phase === 'serving' && ok
    return c.json({ ready, phase, store: summary }, ready ? 200 : 503)
  })

  http.use(async (c, next) => {
    const { req } = c
    const refused = admit(
      {
        authorization: req.header('authorization'),
        host: req.header('host'),
        origin: req.header('origin'),
        fetchSite: req.header('sec-fetch-site'),
      },
      parts.token,
    )
    if (refused !== null) return answerFailure(c, refused)
    return next()
  })

  http.get('/', async (c) => {
    c.header('content-security-policy', PAGE_POLICY)
    return c.html(page(parts, recorder.stats(), (await parts.store.health()).summary))
  })
  http.get('/metrics', async (c) => c.body(await metrics.text(), 200, { 'content-type': metrics.contentType }))
  http.get('/v1/stats', (c) => c.json(recorder.stats()))
  http.get('/v1/nodes', (c) => {
    const { id, generation, address, types, version } = parts.node
    const { activations } = parts.engine.stats()
    const phase = parts.phase()
    const member = {
      id,
      generation,
      state: 'alive',
      phase,
      address,
      roles: ['gateway', 'actors'],
      types,
      version,
      actors: activations,
      sockets: parts.gateway().sockets,
    }
    return c.json({ nodes: [member] })
  })
  http.get('/v1/locate', (c) => {
    const id = parseActorId(c.req.query('actor') ?? '')
    if ('wrong' in id) return answerFailure(c, fail('invalid', `?actor=: ${id.wrong}`))
    if (!parts.node.types.includes(id.type)) return answerFailure(c, unknownType(id.type, parts))
    return c.json({ actor: `${id.type}/${id.key}`, owner: parts.node.id, viewHash })
  })
  http.post('/v1/nodes/:id/drain', (c) => {
    const id = c.req.param('id')
    if (id !== parts.node.id) return answerFailure(c, fail('not_found', `there is no node '${id}'; this one is '${parts.node.id}'`))
    parts.drain()
    return c.json({ id, phase: parts.phase() }, 202)
  })
  actorRoutes(http, parts)

  return { http, stop: () => recorder.stop() }
}
