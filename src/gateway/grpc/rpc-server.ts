/**
 * The rpc port (CONTRACT §5): services call actors over gRPC, and other nodes reach this one. Builds its parts, drains, stops.
 *
 *     listener ─▶ grpc.Server ─┬─▶ Actors: unary.ts, send-stream.ts, subscribe-stream.ts, history-stream.ts ─▶ ActorCalls
 *     (bound by the caller)    ├─▶ Health, reflection
 *                              └─▶ whatever `addService` brings: the node-to-node services
 *
 *  1. Health says NOT_SERVING until `ready`, and again, before anything else, in `drain`.
 *  2. `drain` ends the streams of services, each when what it took is answered; single calls are served until `stop`. It leaves the services of
 *     others alone.
 *  3. `stop` lets answers under way out for `graceMs`, then ends every connection. Idempotent.
 */
import { Server, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { service as healthService } from 'grpc-health-check'
import { createServer, type Server as Listener, type Socket } from 'node:net'
import type { ActorCalls } from '../../actors/calls.ts'
import type { App } from '../../actors/define.ts'
import type { Clock } from '../../base/clock.ts'
import { Deadlines } from '../../base/deadline.ts'
import type { Log } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { Options } from '../../options.ts'
import { Auth } from '../auth.ts'
import { freshCounters } from '../counters.ts'
import { Upstreams } from '../upstreams.ts'
import { Callers } from './callers.ts'
import { rpcCredentials, type RpcTls } from './certificate.ts'
import { Health } from './health.ts'
import { HEALTH_PACKAGE } from './health-package.ts'
import { historyHandler } from './history-stream.ts'
import { ACTORS_PACKAGE, actorsService, SERVICE_NAME } from './messages.ts'
import { addReflection } from './reflection.ts'
import { GOING, type RpcCounters, type RpcLive, type RpcSite } from './rpc-site.ts'
import { sendStreamHandler } from './send-stream.ts'
import { subscribeHandler } from './subscribe-stream.ts'
import { queryHandler, sendHandler } from './unary.ts'

export interface RpcServerParts {
  readonly app: App
  readonly calls: ActorCalls
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  /** `dev`: tokens `dev:NAME` are taken. */
  readonly mode: 'dev' | 'start'
  /** Null: plain. */
  readonly tls: RpcTls | null
  /** Default true. */
  readonly reflection?: boolean
}

export interface RpcStats {
  readonly connections: number
  /** Calls and streams of services that are open. */
  readonly calls: number
  readonly streams: number
  readonly upstreams: number
  readonly counters: Readonly<RpcCounters>
}

export interface RpcServer {
  /** To be bound by the caller; whatever connects is served. */
  readonly listener: Listener
  /** For services that share the port. They may be added at any time. */
  readonly server: Server
  addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void
  /** The node serves: health says so. */
  ready(): void
  /** Resolves when the streams of services have ended: within `drainSpreadMs` / 4 + `sendTimeoutMs`. The same promise each time. */
  drain(): Promise<void>
  stop(graceMs: number): Promise<void>
  stats(): RpcStats
}

/** The envelope that other nodes put around `wireFrameBytes`. */
const ENVELOPE_BYTES = 1024
const PACE_MS = 50
/** The ending of streams is spread over this part of the time that clients have to go. */
const RETIRE_PART = 1 / 4

/** Throws TypeError when the app's JWT options cannot work, and what node:tls throws of certificates. */
export function createRpcServer(parts: RpcServerParts): RpcServer {
  const { app, calls, clock, random, log, options, mode } = parts
  const live: RpcLive = { calls: 0, answerBytes: 0, draining: false, streams: new Set() }
  const upstreams = new Upstreams({ calls, clock, random, options, counters: freshCounters() })
  const auth = new Auth({ app, mode, clock, log, identityBytes: Math.floor(options.frameBytes / 4) })
  const counters: RpcCounters = { sends: 0, queries: 0, subscribes: 0, histories: 0, notes: 0, gaps: 0, slow: 0, overLimit: 0 }
  const site: RpcSite = {
    calls,
    clock,
    log,
    options,
    callers: new Callers(app, auth, log),
    upstreams,
    deadlines: new Deadlines(clock, log),
    counters,
    live,
  }
  const server = new Server({
    // A message over rpcMessageBytes gets a typed answer; far beyond, gRPC's own.
    'grpc.max_receive_message_length': Math.max(2 * options.rpcMessageBytes, options.wireFrameBytes + ENVELOPE_BYTES),
    'grpc.max_concurrent_streams': options.rpcConnectionStreams,
    'grpc.keepalive_time_ms': options.rpcPingMs,
    'grpc.keepalive_timeout_ms': options.rpcPongMs,
    'grpc.enable_channelz': 0,
  })
  server.addService(actorsService(options.rpcMessageBytes), {
    Send: sendHandler(site),
    SendStream: sendStreamHandler(site),
    Query: queryHandler(site),
    Subscribe: subscribeHandler(site),
    History: historyHandler(site),
  } as unknown as UntypedServiceImplementation)
  const health = new Health([SERVICE_NAME])
  server.addService(healthService, health.implementation)
  if (parts.reflection !== false) addReflection(server, { ...ACTORS_PACKAGE, ...HEALTH_PACKAGE })

  const sockets = new Set<Socket>()
  const listener = listenerOf(server, parts, sockets)
  let drains: Promise<void> | null = null
  let stops: Promise<void> | null = null
  return {
    listener,
    server,
    addService: (definition, implementation) => server.addService(definition, implementation),
    ready: () => {
      health.serving = true
    },
    drain: () => {
      live.draining = true
      health.serving = false
      drains ??= drainStreams(site)
      return drains
    },
    stop: (graceMs) => {
      live.draining = true
      health.serving = false
      stops ??= stop(site, { server, listener, sockets }, graceMs)
      return stops
    },
    stats: () => ({
      connections: sockets.size,
      calls: live.calls,
      streams: live.streams.size,
      upstreams: upstreams.size,
      counters: { ...counters },
    }),
  }
}

/** A listener of our own: grpc-js has no limit of connections, and tells nobody of their ends. */
function listenerOf(server: Server, { options, tls, log }: RpcServerParts, sockets: Set<Socket>): Listener {
  const injector = server.createConnectionInjector(rpcCredentials(tls, options.connectTimeoutMs))
  const listener = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', (error) => log.info({ error: error.message }, 'a connection to the rpc port failed'))
    injector.injectConnection(socket)
  })
  listener.maxConnections = options.rpcConnections
  return listener
}

async function drainStreams({ live, clock, log, options }: RpcSite): Promise<void> {
  const pause = (): Promise<void> => new Promise((resolve) => void clock.after(PACE_MS, resolve))
  log.info({ streams: live.streams.size }, 'draining streams of services')
  const steps = Math.max(1, Math.floor((options.drainSpreadMs * RETIRE_PART) / PACE_MS))
  const leaving = [...live.streams]
  const each = Math.ceil(leaving.length / steps)
  for (let at = 0; at < leaving.length; at += each) {
    if (at > 0) await pause()
    for (const stream of leaving.slice(at, at + each)) stream.retire(GOING)
  }
  const end = clock.mono() + options.sendTimeoutMs
  while (live.streams.size > 0 && clock.mono() < end) await pause()
  if (live.streams.size === 0) return
  log.warn({ streams: live.streams.size, afterMs: options.sendTimeoutMs }, 'streams of services that did not end in time are cut')
  for (const stream of [...live.streams]) stream.cut()
}

async function stop(
  { live, clock }: RpcSite,
  { server, listener, sockets }: { readonly server: Server; readonly listener: Listener; readonly sockets: ReadonlySet<Socket> },
  graceMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => void listener.close(() => resolve()))
  for (const stream of [...live.streams]) stream.retire(GOING)
  const end = clock.mono() + graceMs
  // Clients that hear of it go to another node with their next call, and repeat what they could not send.
  server.tryShutdown(() => undefined)
  while (sockets.size > 0 && clock.mono() < end) await new Promise<void>((resolve) => void clock.after(PACE_MS, resolve))
  server.forceShutdown()
  for (const socket of sockets) socket.destroy()
  await closed
}
