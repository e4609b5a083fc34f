/**
 * A transport for the SDK (the port of src/client/platform.ts) that is cheap enough for ten thousand clients in a process: sockets of node:net with one
 * shared read buffer and frames made by hand, as the fleet has them. Everything above it is the SDK as users have it.
 *
 * A network cut is made here, at the client's end: nothing more is read or written, so what the server sends lies in the kernel, as behind a proxy that
 * stops forwarding; after its time the socket is reset and what lay there is lost.
 */
import { connect, type Socket as NetSocket } from 'node:net'
import type { Socket, SocketEvents, Transport } from '../../src/client/platform.ts'
import { maskedFrame, OPCODE, readFrames } from './frames.ts'

const ADDRESSES = 24
const READ_BUFFER_BYTES = 256 * 1024
const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
const ABNORMAL = 1006
const NO_STATUS = 1005

/** What the bench sees of a client's sockets. */
export interface Watch {
  opening(link: RawLink): void
  message(link: RawLink, message: string): void
  /** `byClient`: the SDK closed it. */
  closed(link: RawLink, byClient: boolean): void
}

/** `index` chooses the loopback address. */
export function rawTransport(index: number, watch: Watch): Transport {
  return (url, subprotocol, events) => {
    const link = new RawLink(new URL(url), subprotocol, index, events, watch)
    watch.opening(link)
    return link
  }
}

export class RawLink implements Socket {
  readonly startedAt: number = performance.now()
  /** Of the subscription's answer on this link; NaN before. */
  liveAt = NaN
  readonly #socket: NetSocket
  readonly #events: SocketEvents
  readonly #watch: Watch
  #rest: Buffer | null = null
  #upgraded = false
  #byClient = false
  #cut = false
  #over = false
  #code = ABNORMAL
  #reason = ''

  constructor(url: URL, subprotocol: string, index: number, events: SocketEvents, watch: Watch) {
    this.#events = events
    this.#watch = watch
    const socket = connect({
      host: url.hostname,
      port: Number(url.port),
      localAddress: `127.0.0.${2 + (index % ADDRESSES)}`,
      noDelay: true,
      onread: { buffer, callback: (length, bytes) => this.#read(bytes as Buffer, length) },
    })
    this.#socket = socket
    socket.on('connect', () =>
      socket.write(
        `GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
      ),
    )
    socket.on('error', () => undefined)
    socket.on('close', () => this.#closed())
  }

  send(data: string | Uint8Array): void {
    if (!this.#cut) this.#socket.write(maskedFrame(OPCODE.text, data as string))
  }

  close(code: number, reason: string): void {
    if (this.#byClient) return
    this.#byClient = true
    const payload = String.fromCharCode(code >> 8, code & 255) + reason
    if (this.#upgraded && !this.#cut) this.#socket.end(maskedFrame(OPCODE.close, payload))
    else this.#socket.destroy()
  }

  /** The network is gone from here on. */
  cut(): void {
    this.#cut = true
    this.#socket.pause()
  }

  /** It is back: what was this connection is not. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  #read(bytes: Buffer, length: number): boolean {
    if (this.#cut || this.#over) return !this.#cut
    let chunk = bytes.subarray(0, length)
    if (this.#rest !== null) {
      chunk = Buffer.concat([this.#rest, chunk])
      this.#rest = null
    }
    let from = 0
    if (!this.#upgraded) {
      const end = chunk.indexOf('\r\n\r\n')
      if (end >= 0) {
        if (!chunk.toString('latin1', 0, 12).startsWith('HTTP/1.1 101')) {
          this.#socket.destroy()
          return true
        }
        from = end + 4
        this.#upgraded = true
        this.#events.opened()
      }
    }
    let used = 0
    if (this.#upgraded) {
      const view = chunk.subarray(from)
      used = readFrames(view, view.length, (opcode, start, end) => this.#frame(opcode, view, start, end))
    }
    if (from + used < chunk.length) this.#rest = Buffer.from(chunk.subarray(from + used))
    return true
  }

  #frame(opcode: number, bytes: Buffer, start: number, end: number): void {
    if (opcode === OPCODE.ping) this.#socket.write(maskedFrame(OPCODE.pong, bytes.toString('latin1', start, end)))
    else if (opcode === OPCODE.close) {
      this.#code = end - start >= 2 ? bytes.readUInt16BE(start) : NO_STATUS
      this.#reason = bytes.toString('utf8', start + 2, end)
      if (!this.#byClient) this.#socket.end(maskedFrame(OPCODE.close, bytes.toString('latin1', start, Math.min(end, start + 2))))
    } else if (opcode === OPCODE.text) {
      const message = bytes.toString('utf8', start, end)
      this.#watch.message(this, message)
      this.#events.message(message)
    }
  }

  #closed(): void {
    if (this.#over) return
    this.#over = true
    this.#watch.closed(this, this.#byClient)
    this.#events.closed(this.#code, this.#reason)
  }
}
