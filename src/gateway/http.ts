/**
 * The HTTP side of the client port (CONTRACT §4): the app's own routes first, then Troupe's under `/v1/`, then the app's files.
 * Every failure is `{error:{code,message,retryable}}` with the status of the error table; a handler that throws answers `internal`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener, RequestError } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { fail } from '../errors.ts'
import { appTools } from './app-tools.ts'
import { serveFile } from './files.ts'
import { pathOf, toOriginForm } from './handshake.ts'
import { actorPath, answerActors } from './http-actors.ts'
import { failedAnswer, jsonAnswer } from './http-answer.ts'
import { countBodies } from './http-bytes.ts'
import { callerOf } from './http-caller.ts'
import { comeAgain, isEventSource } from './http-event-stream.ts'
import { streamTopic } from './http-topics.ts'
import type { OutboxKind } from './outbox.ts'
import type { Site } from './site.ts'
import { asError, thrownText } from './thrown.ts'
import { ticketOf } from './welcome.ts'

interface Env {
  Bindings: { incoming: IncomingMessage; outgoing: ServerResponse }
}

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

export function httpFront(site: Site, streams: OutboxKind, filesDir: string | null): RequestListener {
  const http = new Hono<Env>()
  http.use(async (_, next) => {
    site.counters.httpRequests++
    try {
      await next()
    } catch (thrown) {
      // Errors have been answered by `onError`: what comes here is something else that an app threw, which Hono throws on.
      throw asError(thrown)
    }
  })
  site.app.routes?.(http as unknown as Hono, appTools(site))
  http.all('/v1/actors/*', (c) => actors(site, streams, c.env.incoming, c.env.outgoing))
  http.post('/v1/session', (c) => session(site, c.env.incoming))
  http.notFound(async (c) => {
    const path = pathOf(c.env.incoming)
    const { method } = c.req
    if (filesDir !== null && (method === 'GET' || method === 'HEAD') && !path.startsWith('/v1/')) {
      const file = await serveFile(filesDir, { method, path, ifNoneMatch: c.env.incoming.headers['if-none-match'] })
      if (file !== null) return file
    }
    return failedAnswer(fail('not_found', `there is no ${method} ${path.slice(0, 200)} here`))
  })
  http.onError((error, c) => {
    // Hono's own guards say no by throwing: an HTTPException brings its answer, perhaps of the app's own copy of Hono.
    const answer = 'getResponse' in error ? (error.getResponse() as Response | undefined) : undefined
    if (answer !== undefined) return c.newResponse(answer.body, answer)
    site.log.error({ error: error.message }, 'an HTTP route threw')
    return failedAnswer(fail('internal', 'the route failed; the node’s log says more'))
  })
  const listener = getRequestListener(http.fetch as (request: Request, env: unknown) => Promise<Response>, {
    // The platform's own Request and Response stay what they are, for the app.
    overrideGlobalObjects: false,
    errorHandler: (error) => {
      if (error instanceof RequestError) return failedAnswer(fail('invalid', 'not a request that can be understood'))
      site.log.error({ error: thrownText(error) }, 'serving an HTTP request threw')
      return failedAnswer(fail('internal', 'the request failed; the node’s log says more'))
    },
  })
  return (request, response) => {
    toOriginForm(request)
    countBodies(request, response, site.counters)
    void listener(request, response)
  }
}

async function actors(site: Site, streams: OutboxKind, request: IncomingMessage, response: ServerResponse): Promise<Response> {
  const path = actorPath(pathOf(request))
  if (!path.ok) return failedAnswer(path)
  if (path.part !== 'topics' || request.method !== 'GET') return answerActors(site, request, path)
  const caller = await callerOf(site, request)
  const asked = { request, response, actor: path.actor, topic: path.name }
  const failure = caller.ok ? await streamTopic(site, streams, { ...asked, caller }) : caller
  if (failure === null) return RESPONSE_ALREADY_SENT
  return (isEventSource(request) ? comeAgain(site.random, request, failure) : null) ?? failedAnswer(failure)
}

/** A session and its ticket, for clients that cannot send a token with each request (`?ticket=`). A ticket alone gets no other. */
async function session(site: Site, request: IncomingMessage): Promise<Response> {
  const caller = await callerOf(site, request)
  if (!caller.ok) return failedAnswer(caller)
  if (caller.ticketUntil !== undefined) return failedAnswer(fail('unauthenticated', 'a ticket does not get another: come with a token'))
  const { who } = caller
  const ticket = ticketOf(site, caller)
  if (ticket === '') return failedAnswer(fail('too_large', 'sub, actor and claims are too large for a ticket on this server'))
  return jsonAnswer(
    JSON.stringify({
      session: caller.session,
      ticket,
      actor: who.actor ?? '',
      node: site.node,
      expiresAt: who.expiresAt ?? null,
    }),
  )
}
