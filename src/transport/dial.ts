/**
 * A stream to another node: one client with one connection for each wire, so that no wire waits for another's bytes (T5, T6), and no
 * back-off or cached failure of grpc-js lies between a dial and the answer of the other machine.
 */
import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, type SecureContext } from 'node:tls'
import { Client, credentials, Metadata, status, type ChannelCredentials, type ClientDuplexStream, type StatusObject } from '@grpc/grpc-js'
import type { Channel, WireEnd } from '../cluster/transport.ts'
import { FRAME_OVERHEAD_BYTES, METHODS, type Frame } from './frames.ts'
import { isLoopbackPeer, type Evidence } from './security.ts'
import type { FrameStream } from './stream-wire.ts'

export interface StreamEvents {
  received(frame: Frame): void
  /** The other end has ended its direction. */
  ended(): void
  gone(early: WireEnd, why: string): void
}

export interface DialledStream extends FrameStream {
  evidence(): Evidence
  /** Lets go of the connection, at once: a graceful end would wait, for ever, for one that is half open. */
  destroy(): void
}

/** Names of hosts, IPv4, IPv6 in brackets. What a member says of itself goes into a URL: nothing else may. */
const ADDRESS = /^(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\]):\d{1,5}$/i

export function isAddress(address: string): boolean {
  return ADDRESS.test(address) && Number(address.slice(address.lastIndexOf(':') + 1)) <= 65_535
}

export function openStream(
  address: string,
  channel: Channel,
  tls: SecureContext | null,
  frameBytes: number,
  events: StreamEvents,
): DialledStream {
  const line: Line = { sockets: [], over: false }
  const host = { name: address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, ''), matches: false }
  const client = new Client(`dns:${address}`, watched(credentialsOf(tls, host), line), {
    // TLS has no server name for an address (RFC 6066); without this grpc-js would send it.
    ...(isIP(host.name) === 0 ? {} : { 'grpc.ssl_target_name_override': 'node.troupe.invalid' }),
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_channelz': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.service_config_disable_resolution': 1,
    'grpc.max_receive_message_length': frameBytes + FRAME_OVERHEAD_BYTES,
    'grpc.max_send_message_length': -1,
    // Silence is found by the wire itself; this ends a connection whose stream has ended already.
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
  })
  const { path, requestSerialize, responseDeserialize } = METHODS[channel]
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata())
  listenTo(call, address, events)
  let cancelled = false
  return {
    write: (frame, done) => {
      if (!cancelled && call.writable) call.write(frame, done)
    },
    end: () => {
      if (!cancelled && call.writable) call.end()
    },
    cancel: () => {
      cancelled = true
      call.cancel()
    },
    evidence: () => ({
      loopback: isLoopbackPeer(call.getPeer()),
      certificate: call.getAuthContext()?.sslPeerCertificate ?? null,
      hostMatches: host.matches,
    }),
    destroy: () => {
      line.over = true
      client.close()
      for (const socket of line.sockets) socket.destroy()
    },
  }
}

function listenTo(call: ClientDuplexStream<Frame, Frame>, address: string, events: StreamEvents): void {
  let readAll = false
  let well: StatusObject | null = null
  const finish = (): void => {
    if (!readAll || well === null) return
    events.ended()
    events.gone('unreachable', `${address} closed`)
  }
  call.on('data', (frame: Frame) => events.received(frame))
  call.on('end', () => {
    readAll = true
    finish()
  })
  call.on('error', () => undefined) // the status says the same
  call.on('status', (how: StatusObject) => {
    if (how.code === status.OK) {
      well = how
      finish()
    } else events.gone(...meaning(how, address))
  })
}

/** What a failed call means for a wire that was not open yet. grpc-js tells of connections only in words. */
function meaning({ code, details }: StatusObject, address: string): [WireEnd, string] {
  switch (code) {
    case status.UNIMPLEMENTED:
      return ['denied', `what listens at ${address} is no node of a cluster (${details}): is it the rpc port?`]
    case status.PERMISSION_DENIED:
    case status.UNAUTHENTICATED:
      return ['denied', `${address}: ${details}`]
    default:
      if (/\bECONNREFUSED\b/.test(details)) return ['refused', `nothing listens at ${address}`]
      // What Node calls errors of the other end's certificate: CERT_HAS_EXPIRED, DEPTH_ZERO_SELF_SIGNED_CERT, unable to verify …
      if (/certificate|\bCERT_|SELF_SIGNED|UNABLE_TO_/i.test(details))
        return ['denied', `${address}: its certificate is not taken: ${details}`]
      return ['unreachable', `${address}: ${details}`]
  }
}

function credentialsOf(tls: SecureContext | null, host: { readonly name: string; matches: boolean }): ChannelCredentials {
  if (tls === null) return credentials.createInsecure()
  return credentials.createFromSecureContext(tls, {
    // Certificates name nodes; members are dialled at addresses. The handshake compares the name (security.ts, objection).
    checkServerIdentity: (_, certificate) => {
      host.matches = checkServerIdentity(host.name, certificate) === undefined
      return undefined
    },
  })
}

/** What lies under a client: the sockets it has used, and whether it may use more. */
interface Line {
  readonly sockets: Socket[]
  over: boolean
}

/**
 * The same credentials, with a hand on the line. grpc-js closes a connection only gracefully, which needs the other end; and a client that
 * was closed while it waits to try again still tries once more, and keeps what it gets.
 */
function watched(inner: ChannelCredentials, line: Line): ChannelCredentials {
  const createSecureConnector: ChannelCredentials['_createSecureConnector'] = (...args) => {
    const connector = inner._createSecureConnector(...args)
    return {
      // Asked before a socket is opened.
      waitForReady: () => (line.over ? Promise.reject(new Error('the wire is over')) : connector.waitForReady()),
      connect: (socket) => {
        line.sockets.push(socket)
        if (line.over) socket.destroy()
        return connector.connect(socket)
      },
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    }
  }
  return Object.create(inner, { _createSecureConnector: { value: createSecureConnector } }) as ChannelCredentials
}
