/**
 * The gateway: everything on the client port of a node. Builds its parts, attaches to a shared HTTP server, drains, closes.
 *
 *     http.Server ──upgrade──▶ server.ts ─▶ connection.ts ─▶ requests.ts ─▶ ActorCalls
 *          └──────request───▶ http.ts ───▶ http-*.ts ──────────────────────▶    │
 *                                              subscription.ts ◀─ upstreams.ts ◀┘ notes
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ActorCalls } from '../actors/calls.ts'
import type { App } from '../actors/define.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Options } from '../options.ts'
import { Auth } from './auth.ts'
import { Connection } from './connection.ts'
import { freshCounters, type GatewayCounters } from './counters.ts'
import { drainSockets, endAll } from './drain.ts'
import { toOriginForm } from './handshake.ts'
import { httpFront, type RequestListener } from './http.ts'
import { kickHere, type Everywhere, type Kick } from './kick.ts'
import { Turns, type OutboxKind } from './outbox.ts'
import { Presence } from './presence.ts'
import { Rights } from './rights.ts'
import { webSocketFront, type WebSocketFront } from './server.ts'
import type { LiveSet, Site } from './site.ts'
import type { Handshake } from './session.ts'
import { SessionIds } from './session-ids.ts'
import type { Socket } from './socket.ts'
import { Tickets } from './tickets.ts'
import { asPlainRequest } from './unwanted-upgrade.ts'
import { Upstreams } from './upstreams.ts'
import { Wheel } from './wheel.ts'
import { wireForms } from './wire-forms.ts'

export interface GatewayParts {
  readonly app: App
  readonly calls: ActorCalls
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  /** Name of the node, told to clients. */
  readonly node: string
  /** Signs resume tickets; the same on all nodes of a cluster. At least 16 bytes. */
  readonly ticketKey: Uint8Array
  readonly mode: 'dev' | 'start'
  /** HTTP or HTTPS; listening is the caller's. The gateway takes its `request` and `upgrade` events. */
  readonly server: Server
  /** Folder of static files. */
  readonly filesDir: string | null
  /** Sockets of the whole cluster, for the app's tools. Absent: this node is alone. */
  readonly everywhere?: Everywhere
}

export interface GatewayStats {
  /** Connections and event streams, also those not yet welcomed or closing. */
  readonly sockets: number
  /** Of these, the connections that have not been welcomed. */
  readonly unauthenticated: number
  readonly sessions: number
  readonly subscriptions: number
  readonly upstreams: number
  readonly counters: Readonly<GatewayCounters>
}

export interface Gateway {
  stats(): GatewayStats
  /** Open here, of those whose own actor this is. */
  sockets(actor: string): number
  /** Ends sockets of this node, and says how many. */
  kick(kick: Kick): number
  /** A JSON client that comes by another way than the server: over a network in memory. */
  connect(socket: Socket, handshake: Handshake): Pick<Connection, 'message' | 'gone'>
  /**
   * Asks all clients to go within `drainSpreadMs`, then closes who is left, each when its requests are answered, and after `sendTimeoutMs`
   * whatever is. Resolves when all are gone.
   */
  drain(): Promise<void>
  /** Closes everything now and leaves the server. Idempotent. */
  close(): Promise<void>
}

const TICKS_PER_PERIOD = 20
const TICK_MS_MAX = 250

/** Throws TypeError when the app's JWT options or the ticket key cannot work. */
export function createGateway(parts: GatewayParts): Gateway {
  const { app, clock, log, options, server } = parts
  const counters = freshCounters()
  const live: LiveSet = {
    sessions: 0,
    subscriptions: 0,
    draining: false,
    sockets: new Set(),
    unauthenticated: 0,
    turnedAway: 0,
    presence: new Presence(),
  }
  const wheel = new Wheel(clock, tickMsOf(options))
  const upstreams = new Upstreams({ calls: parts.calls, clock, random: parts.random, options, counters })
  const site: Site = {
    app,
    calls: parts.calls,
    clock,
    random: parts.random,
    log,
    options,
    node: parts.node,
    auth: new Auth({ app, mode: parts.mode, clock, log, identityBytes: Math.floor(options.frameBytes / 4) }),
    tickets: new Tickets(parts.ticketKey),
    sessionIds: new SessionIds(parts.random),
    rights: new Rights(app, log),
    upstreams,
    wheel,
    counters,
    live,
    everywhere: parts.everywhere ?? null,
    periods: {
      ping: wheel.ticks(options.pingEveryMs),
      grace: wheel.ticks(options.pongGraceMs),
      slow: wheel.ticks(options.slowConsumerMs),
      connect: wheel.ticks(options.connectTimeoutMs),
      auth: wheel.ticks(options.authTimeoutMs),
      tickMs: wheel.tickMs,
    },
  }
  const turns = new Turns(clock)
  const streams: OutboxKind = { turns, softBytes: options.outboxSoftBytes, join: (texts) => texts.join('') }
  const forms = wireForms(turns, options.outboxSoftBytes)
  const sockets = webSocketFront(site, forms)
  const detach = attach(server, httpFront(site, streams, parts.filesDir), sockets, options)
  return {
    stats: () => ({
      sockets: live.sockets.size,
      unauthenticated: live.unauthenticated,
      sessions: live.sessions,
      subscriptions: live.subscriptions,
      upstreams: upstreams.size,
      counters: { ...counters },
    }),
    sockets: (actor) => live.presence.count(actor),
    kick: (kick) => kickHere(site, kick),
    connect: (socket, handshake) => new Connection(site, forms.json, socket, handshake),
    drain: () => drainSockets(site),
    close: async () => {
      live.draining = true
      endAll(site)
      sockets.close()
      wheel.stop()
      detach()
    },
  }
}

/** Fine enough for the shortest period, coarse enough to cost nothing. */
function tickMsOf(options: Options): number {
  const shortest = Math.min(
    options.pingEveryMs,
    options.pongGraceMs,
    options.slowConsumerMs,
    options.connectTimeoutMs,
    options.authTimeoutMs,
  )
  return Math.max(5, Math.min(TICK_MS_MAX, Math.floor(shortest / TICKS_PER_PERIOD)))
}

function attach(server: Server, onRequest: RequestListener, sockets: WebSocketFront, options: Options): () => void {
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    toOriginForm(request)
    if (sockets.wants(request)) sockets.upgrade(request, socket, head)
    else asPlainRequest(server, request, socket, head)
  }
  // Beyond the sockets that are answered `bye`, the kernel's answer must do.
  server.maxConnections = 2 * options.connections
  server.headersTimeout = options.connectTimeoutMs
  server.on('request', onRequest)
  server.on('upgrade', onUpgrade)
  return () => {
    server.off('request', onRequest)
    server.off('upgrade', onUpgrade)
  }
}
