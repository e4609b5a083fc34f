/**
 * WebSockets at `/v1/ws` (CONTRACT §3). The only file that knows `ws`: it does the handshake, reads frames and closes; messages are
 * written by us, straight to the socket (websocket-frame.ts), which is sound because `ws` writes only control frames, whole, at once.
 *
 *     client                         server
 *       │ GET /v1/ws, Upgrade ───────▶ │  beyond twice a limit of sockets: 503
 *       │ ◀─── 101, subprotocol ────── │  an unknown subprotocol is echoed, or a browser would not see the `bye`
 *       │ ◀─── bye, close ──────────── │  unknown subprotocol, too many sockets, draining
 *       │ connect ───────────────────▶ │  else: Connection
 *
 * Nothing of the request is kept but what `authenticate` may look at, and that only until the welcome.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket as NetSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import { CLOSE } from '../protocol/close-codes.ts'
import { byeFrame } from '../protocol/encode.ts'
import { SUBPROTOCOLS } from '../protocol/frames.ts'
import { Connection } from './connection.ts'
import { handshakeOf, NO_HANDSHAKE, pathOf } from './handshake.ts'
import type { Site, WireForm } from './site.ts'
import type { Socket } from './socket.ts'
import type { wireForms } from './wire-forms.ts'

export const WEBSOCKET_PATH = '/v1/ws'
/** After our half of the closing handshake the client has this long for its own. */
const CLOSE_TIMEOUT_MS = 5_000
const REASON_BYTES_MAX = 123
/** What a full node asks for; clients add their own back-off, so that they do not come all at once. */
const FULL_RETRY_MS = 1_000

const CONNECTION = Symbol('connection')
const OWED = Symbol('owed pong')
type Attached = WebSocket & {
  [CONNECTION]?: Connection
  /** Of the newest ping that came while a pong waits on the socket; null for none yet. Absent: no pong waits. */
  [OWED]?: Buffer | null | undefined
}

export interface WebSocketFront {
  /** Whether this is for us. */
  wants(request: IncomingMessage): boolean
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  close(): void
}

export function webSocketFront(site: Site, forms: ReturnType<typeof wireForms>): WebSocketFront {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: site.options.frameBytes,
    // Answered by hand: not while the client does not read.
    autoPong: false,
    closeTimeout: CLOSE_TIMEOUT_MS,
    handleProtocols: chosen,
  } as ConstructorParameters<typeof WebSocketServer>[0])
  return {
    wants: (request) => pathOf(request) === WEBSOCKET_PATH && request.headers.upgrade?.toLowerCase() === 'websocket',
    upgrade: (request, socket, head) => {
      if (flooded(site)) return refuse(socket, '503 Service Unavailable')
      server.handleUpgrade(request, socket, head, (ws) => accept(site, forms, ws, socket as NetSocket, request))
    },
    close: () => server.close(),
  }
}

/** The hard ceiling: those who would be answered `bye` are sockets too, until they are gone. */
function flooded({ live, options }: Site): boolean {
  const { sockets, unauthenticated, turnedAway } = live
  return sockets.size + turnedAway >= 2 * options.connections || unauthenticated + turnedAway >= 2 * options.unauthenticated
}

/** The first that we know in the client's order, else the first. */
function chosen(offered: ReadonlySet<string>): string | false {
  for (const name of offered) if ((SUBPROTOCOLS as readonly string[]).includes(name)) return name
  return offered.values().next().value ?? false
}

function refuse(socket: Duplex, status: string): void {
  socket.on('error', ignore)
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
}

function accept(site: Site, forms: ReturnType<typeof wireForms>, ws: WebSocket, socket: NetSocket, request: IncomingMessage): void {
  const form = formOf(forms, ws.protocol)
  if (form === null) return sayBye(site, forms.json, ws, CLOSE.protocolError, `unknown subprotocol: ${SUBPROTOCOLS.join(', ')}`)
  if (site.live.draining) return sayBye(site, form, ws, CLOSE.drained, 'this node is going: connect to another')
  const { connections, unauthenticated } = site.options
  if (site.live.sockets.size >= connections) {
    site.counters.overLimit++
    // Not 3504, which is for good: a flood of strangers must log nobody out.
    return sayBye(site, form, ws, CLOSE.busy, `this node has its ${connections} connections: come again, or to another`, FULL_RETRY_MS)
  }
  if (site.live.unauthenticated >= unauthenticated) {
    site.counters.overUnauthenticated++
    return sayBye(site, form, ws, CLOSE.busy, `${unauthenticated} others wait to be let in: come again, or to another node`, FULL_RETRY_MS)
  }
  const handshake = site.auth.readsRequest ? handshakeOf(request) : NO_HANDSHAKE
  ;(ws as Attached)[CONNECTION] = new Connection(site, form, new WebSocketPort(ws, socket), handshake)
  ws.on('message', onMessage)
  ws.on('ping', onPing)
  ws.on('pong', onPong)
  ws.on('close', onClose)
  ws.on('error', ignore)
}

function formOf(forms: ReturnType<typeof wireForms>, protocol: string): WireForm | null {
  switch (protocol) {
    case '':
    case 'troupe.v1.json':
      return forms.json
    case 'troupe.v1.msgpack':
      return forms.msgpack
    case 'troupe.v1.raw':
      return forms.raw
    default:
      return null
  }
}

function sayBye({ live }: Site, form: WireForm, ws: WebSocket, code: number, reason: string, retryAfterMs?: number): void {
  live.turnedAway++
  ws.on('close', () => live.turnedAway--)
  ws.on('error', ignore)
  ws.on('message', ignore)
  ws.send(form.codec.frame(byeFrame(code, reason, retryAfterMs)))
  ws.close(code, shortened(reason))
}

// One set of listeners for all sockets: a closure for each would cost a kilobyte a connection.

function onMessage(this: WebSocket, data: unknown, isBinary: boolean): void {
  ;(this as Attached)[CONNECTION]?.message(data as Buffer, isBinary)
}

function onPing(this: WebSocket, data: Buffer): void {
  const ws = this as Attached
  ws[CONNECTION]?.heard()
  // A client that pings without reading would fill our memory with pongs: only the newest ping need be answered (RFC 6455 §5.5.3).
  if (ws[OWED] === undefined) pong(ws, data)
  else ws[OWED] = Buffer.from(data)
}

/** The next when the socket has taken this one. */
function pong(ws: Attached, data: Buffer): void {
  ws[OWED] = null
  ws.pong(data, false, (error) => {
    const owed = ws[OWED]
    ws[OWED] = undefined
    if (owed !== null && owed !== undefined && error == null) pong(ws, owed)
  })
}

function onPong(this: WebSocket): void {
  ;(this as Attached)[CONNECTION]?.heard()
}

function onClose(this: WebSocket): void {
  ;(this as Attached)[CONNECTION]?.gone()
}

/** `ws` closes by itself after an error, and `close` follows. */
function ignore(): void {}

class WebSocketPort implements Socket {
  readonly #ws: WebSocket
  readonly #socket: NetSocket

  constructor(ws: WebSocket, socket: NetSocket) {
    this.#ws = ws
    this.#socket = socket
  }

  get address(): string {
    return this.#socket.remoteAddress ?? ''
  }

  get waitingBytes(): number {
    return this.#socket.writableLength
  }

  /** Node counts a write as done when all of it is; what the kernel took of one under way, libuv knows. */
  get takenBytes(): number {
    const { bytesWritten, writableLength } = this.#socket
    const { _handle: handle } = this.#socket as { _handle?: { readonly writeQueueSize?: number } | null }
    return bytesWritten - writableLength - (handle?.writeQueueSize ?? 0)
  }

  get readBytes(): number {
    return this.#socket.bytesRead
  }

  write(bytes: Uint8Array, taken: (() => void) | undefined): void {
    if (this.#ws.readyState === this.#ws.OPEN) this.#socket.write(bytes, taken)
  }

  pause(): void {
    this.#ws.pause()
  }

  resume(): void {
    this.#ws.resume()
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, shortened(reason))
  }

  destroy(): void {
    // What was written is still sent.
    this.#socket.destroySoon()
  }

  cut(): void {
    this.#socket.destroy()
  }
}

/** A close reason has at most 123 bytes (RFC 6455 §5.5). */
function shortened(reason: string): string {
  if (Buffer.byteLength(reason) <= REASON_BYTES_MAX) return reason
  return new TextDecoder().decode(Buffer.from(reason).subarray(0, REASON_BYTES_MAX), { stream: true })
}
