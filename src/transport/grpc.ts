/**
 * Transport over gRPC: the service troupe.v1.Cluster on a server that others may share, and a client for each wire that is dialled.
 * Owns the wires of this node; not the server, which is bound and closed elsewhere.
 */
import type { SecureContext } from 'node:tls'
import type { Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Channel, Peer, Transport, Wire, WireEvents } from '../cluster/transport.ts'
import type { Options } from '../options.ts'
import { acceptedStream, evidenceOf, type IncomingCall } from './accept.ts'
import { isAddress, openStream, type StreamEvents } from './dial.ts'
import { FRAME_OVERHEAD_BYTES, METHODS } from './frames.ts'
import { Handshake } from './handshake.ts'
import type { Side } from './proof.ts'
import { checkSecurity, dialContext, type ClusterSecurity, type Evidence } from './security.ts'
import { StreamWire, type FrameStream } from './stream-wire.ts'

export interface GrpcTransportParts {
  readonly self: Peer
  readonly cluster: string
  readonly security: ClusterSecurity
  /** The host that the server listens on; '' = every address. */
  readonly listenHost: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Pick<Options, 'wireFrameBytes' | 'wireHandshakeMs' | 'wirePingMs'>
}

/** Connections whose other end is not known yet; more are ended at once. */
const STRANGERS_MAX = 256
const STRANGER_LOG_MS = 10_000
const CLOSE_MS = 1000

export class GrpcTransport implements Transport {
  readonly #parts: GrpcTransportParts
  readonly #boot: Uint8Array
  readonly #dialContext: SecureContext | null
  readonly #wires = new Set<StreamWire>()
  readonly #strangers = new Set<StreamWire>()
  #self: Peer
  #accept: ((channel: Channel, wire: Wire) => WireEvents) | null = null
  #closing: Promise<void> | null = null
  #ticker: Timer | null = null
  #allReleased: (() => void) | null = null
  #strangerLogAt = -Infinity
  #strangersUnlogged = 0

  /** Throws OptionError when others could reach the listener and nothing would tell members from strangers, or when certificates are none. */
  constructor(parts: GrpcTransportParts) {
    checkSecurity(parts.security, parts.listenHost)
    this.#dialContext = dialContext(parts.security.tls)
    this.#parts = parts
    this.#self = parts.self
    this.#boot = parts.random.bytes(16)
  }

  dial(address: string, channel: Channel, events: WireEvents): Wire {
    const { options } = this.#parts
    if (this.#closing !== null) return this.#stillborn(events, 'closed', 'this node is closing')
    if (!isAddress(address)) return this.#stillborn(events, 'unreachable', `'${address}' is not HOST:PORT`)
    return this.#wire('dialler', channel, events, (heard) => {
      const stream = openStream(address, channel, this.#dialContext, options.wireFrameBytes, heard)
      return { stream, evidence: () => stream.evidence(), release: () => stream.destroy() }
    })
  }

  listen(accept: (channel: Channel, wire: Wire) => WireEvents): void {
    this.#accept = accept
  }

  become(self: Peer): void {
    this.#self = self
    for (const wire of this.#wires) wire.close()
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#closeAll())
  }

  /** A stream that another node has opened: what the handlers of the service do. */
  take(channel: Channel, call: IncomingCall): void {
    if (this.#accept === null || this.#closing !== null || this.#strangers.size >= STRANGERS_MAX) {
      call.on('error', () => undefined)
      call.emit('error', { code: 14, details: 'this node takes no cluster connections now' })
      return
    }
    const wire = this.#wire('listener', channel, null, (heard) => ({
      stream: acceptedStream(call, heard),
      evidence: () => evidenceOf(call),
      release: () => undefined,
    }))
    if (!wire.over) this.#strangers.add(wire)
  }

  #wire(
    side: Side,
    channel: Channel,
    events: WireEvents | null,
    open: (heard: StreamEvents) => { stream: FrameStream; evidence: () => Evidence; release: () => void },
  ): StreamWire {
    const { clock, random, log, cluster, security, options } = this.#parts
    const { stream, evidence, release } = open({
      received: (frame) => wire.received(frame),
      ended: () => wire.ended(),
      gone: (early, why) => wire.gone(early, why),
    })
    const handshake = new Handshake({
      side,
      channel,
      cluster,
      self: this.#self,
      boot: this.#boot,
      nonce: random.bytes(32),
      security,
      evidence,
    })
    const wire: StreamWire = new StreamWire(
      {
        stream,
        handshake,
        clock,
        log,
        frameBytes: options.wireFrameBytes,
        handshakeMs: options.wireHandshakeMs,
        accept: (accepted) => this.#acceptor(channel, accepted),
        stranger: (why) => this.#stranger(why),
        met: (known) => this.#strangers.delete(known),
        released: (over) => {
          release()
          this.#wires.delete(over)
          if (this.#wires.size === 0) this.#allReleased?.()
        },
      },
      events,
    )
    this.#wires.add(wire)
    this.#keepTicking()
    wire.start()
    return wire
  }

  #acceptor(channel: Channel, wire: Wire): WireEvents {
    if (this.#accept === null) return { opened: () => undefined, message: () => undefined, closed: () => undefined }
    return this.#accept(channel, wire)
  }

  /** Anybody can connect and say nothing: one line for many. */
  #stranger(why: string): void {
    const { clock, log } = this.#parts
    this.#strangersUnlogged++
    if (clock.mono() - this.#strangerLogAt < STRANGER_LOG_MS) return
    this.#strangerLogAt = clock.mono()
    log.warn({ connections: this.#strangersUnlogged, why }, 'connections to the cluster service ended before it was known whose they are')
    this.#strangersUnlogged = 0
  }

  /** One timer for all wires (T7). */
  #keepTicking(): void {
    const { clock, options } = this.#parts
    this.#ticker ??= clock.after(options.wirePingMs, () => {
      this.#ticker = null
      for (const wire of this.#wires) wire.tick(options.wirePingMs)
      if (this.#wires.size > 0) this.#keepTicking()
    })
  }

  async #closeAll(): Promise<void> {
    if (this.#wires.size > 0) {
      const released = new Promise<void>((resolve) => (this.#allReleased = resolve))
      for (const wire of this.#wires) wire.close()
      const limit = this.#parts.clock.after(CLOSE_MS, () => {
        for (const wire of this.#wires) wire.fail('closed', 'this node is closing')
      })
      await released
      limit.cancel()
    }
    this.#ticker?.cancel()
  }

  #stillborn(events: WireEvents, end: 'closed' | 'unreachable', why: string): Wire {
    this.#parts.clock.soon(() => events.closed(end, why))
    return { bufferedBytes: 0, send: () => undefined, close: () => undefined }
  }
}

/** Adds troupe.v1.Cluster to a server, which needs `clusterServerOptions`. */
export function addClusterService(server: Server, transport: GrpcTransport): void {
  const definition: ServiceDefinition = { Gossip: METHODS.gossip, Link: METHODS.data }
  const handlers: UntypedServiceImplementation = {
    Gossip: (call: IncomingCall) => transport.take('gossip', call),
    Link: (call: IncomingCall) => transport.take('data', call),
  }
  server.addService(definition, handlers)
}

/** What the service needs of the server that it shares. */
export function clusterServerOptions(options: Pick<Options, 'wireFrameBytes'>): Readonly<Record<string, number>> {
  return {
    'grpc.max_receive_message_length': options.wireFrameBytes + FRAME_OVERHEAD_BYTES,
    'grpc.max_send_message_length': -1,
    // Connections whose other end is gone without a word.
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.enable_channelz': 0,
  }
}
