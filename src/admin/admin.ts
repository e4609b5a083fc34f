/**
 * The admin port (CONTRACT §6): health, metrics, members, actors, figures, drain. A Hono app over ports; node.ts binds it. Whatever it tells
 * of the cluster, or does to it, is the same at every node; health, /metrics, /v1/stats and the page are of the node that is asked.
 * /livez and /readyz are open to every prober; the rest passes guard.ts.
 */
import { Hono } from 'hono'
import { parseActorId } from '../actors/actor-id.ts'
import { fail } from '../errors.ts'
import { actorRoutes, answerFailure } from './actor-routes.ts'
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
  const { members } = parts

  http.onError((error, c) => answerFailure(c, fail('internal', error.message)))
  http.notFound((c) => answerFailure(c, fail('not_found', `the admin port has no ${c.req.method} ${c.req.path}`)))

  // Which port this is: who has the admin's token asks before showing it.
  http.get('/livez', (c) => c.json({ ok: true, port: 'admin' }))
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
  http.get('/v1/nodes', async (c) => c.json({ node: parts.node.id, nodes: await members.nodes() }))
  http.get('/v1/locate', (c) => {
    const id = parseActorId(c.req.query('actor') ?? '')
    if ('wrong' in id) return answerFailure(c, fail('invalid', `?actor=: ${id.wrong}`))
    const actor = `${id.type}/${id.key}`
    const located = members.locate(actor)
    if (!located.ok) return answerFailure(c, located)
    return c.json({ actor, owner: located.owner, viewHash: located.viewHash })
  })
  http.post('/v1/nodes/:id/drain', async (c) => {
    const id = c.req.param('id')
    const begun = await members.drain(id)
    return begun.ok ? c.json({ id, phase: begun.phase }, 202) : answerFailure(c, begun)
  })
  http.get('/v1/nodes/:id/plan', async (c) => {
    const planned = await members.plan(c.req.param('id'))
    if (!planned.ok) return answerFailure(c, planned)
    const { ok: _, ...shown } = planned
    return c.json(shown)
  })
  http.post('/v1/nodes/:id/remove', (c) => {
    const id = c.req.param('id')
    const removed = members.remove(id)
    return removed.ok ? c.json({ id, state: 'left' }) : answerFailure(c, removed)
  })
  actorRoutes(http, parts)

  return { http, stop: () => recorder.stop() }
}
