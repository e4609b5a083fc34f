/**
 * Many WebSocket clients in one process, made so that the client is not what is measured: one shared read buffer, no object of ours
 * per socket beyond a closure, frames made by hand. They connect from several loopback addresses, for one has 28,000 ports.
 *
 * F1 A socket is `connecting` until its system's handshake is done, then `open`; messages reach `onMessage` only when open.
 * F2 A socket that ends though nobody asked is counted in `lost`, and its reason kept for the report.
 */
import { connect, type Socket } from 'node:net'
import type { Dialect } from './dialects.ts'
import { maskedFrame, OPCODE, readFrames } from './frames.ts'

const ADDRESSES = 24
const READ_BUFFER_BYTES = 256 * 1024
const UPGRADED = /^HTTP\/1\.1 101 /

export interface FleetPlan {
  readonly dialect: Dialect
  readonly ports: readonly number[]
  readonly sockets: number
  /** The user of a socket. */
  readonly name: (socket: number) => string
  /** Handshakes under way at once. */
  readonly concurrency: number
}

export class Fleet {
  readonly dialect: Dialect
  onMessage: (socket: number, message: string) => void = () => undefined
  lost = 0
  firstLoss = ''
  #sockets: (Socket | undefined)[] = []
  #open: Uint8Array = new Uint8Array(0)
  #rest: Map<number, Buffer> = new Map()
  #buffer: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  #closing = false

  constructor(dialect: Dialect) {
    this.dialect = dialect
    Buffer.poolSize = 1024 * 1024
  }

  get size(): number {
    return this.#sockets.length
  }

  /** Opens all sockets; resolves with how long it took and how long each handshake did. Rejects when one fails. */
  open(plan: FleetPlan): Promise<{ readonly ms: number; readonly handshakesMs: Float64Array }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ ms: number; handshakesMs: Float64Array }>()
    this.#sockets = Array.from({ length: plan.sockets })
    this.#open = new Uint8Array(plan.sockets)
    const handshakesMs = new Float64Array(plan.sockets)
    const start = performance.now()
    let next = 0
    let done = 0
    const more = (): void => {
      if (next >= plan.sockets) return
      const socket = next++
      const from = performance.now()
      this.#connect(plan, socket, (error) => {
        if (error !== null) return reject(error)
        handshakesMs[socket] = performance.now() - from
        if (++done === plan.sockets) resolve({ ms: performance.now() - start, handshakesMs })
        else more()
      })
    }
    for (let i = 0; i < Math.min(plan.concurrency, plan.sockets); i++) more()
    return promise
  }

  send(socket: number, message: string): void {
    this.#sockets[socket]?.write(maskedFrame(OPCODE.text, message))
  }

  /** Ends all sockets with a reset, which leaves no TIME_WAIT behind. */
  async close(): Promise<void> {
    this.#closing = true
    const open = this.#sockets.filter((socket) => socket !== undefined && !socket.destroyed) as Socket[]
    await Promise.all(open.map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()).resetAndDestroy())))
    this.#sockets = []
    this.#rest.clear()
    this.#closing = false
  }

  #connect(plan: FleetPlan, index: number, done: (error: Error | null) => void): void {
    const { dialect } = plan
    const name = plan.name(index)
    let upgraded = false
    const socket = connect({
      host: '127.0.0.1',
      port: plan.ports[index % plan.ports.length] as number,
      localAddress: `127.0.0.${2 + (index % ADDRESSES)}`,
      noDelay: true,
      onread: {
        buffer: this.#buffer,
        callback: (length, bytes) => {
          let chunk = bytes as Buffer
          let size = length
          const rest = this.#rest.get(index)
          if (rest !== undefined) {
            chunk = Buffer.concat([rest, chunk.subarray(0, length)])
            size = chunk.length
            this.#rest.delete(index)
          }
          let from = 0
          if (!upgraded) {
            from = this.#upgrade(chunk.subarray(0, size), socket)
            upgraded = from > 0
            if (upgraded) {
              const greeting = dialect.greet(name)
              if (greeting !== null) this.send(index, greeting)
            }
          }
          const view = from === 0 ? chunk : chunk.subarray(from)
          const used = upgraded
            ? readFrames(view, size - from, (opcode, start, end) => this.#frame(index, opcode, view, start, end, done))
            : 0
          if (from + used < size) this.#rest.set(index, Buffer.from(chunk.subarray(from + used, size)))
          return true
        },
      },
    })
    this.#sockets[index] = socket
    socket.on('connect', () => {
      const subprotocol = dialect.subprotocol === null ? '' : `Sec-WebSocket-Protocol: ${dialect.subprotocol}\r\n`
      socket.write(
        `GET ${dialect.path(name)} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${subprotocol}\r\n`,
      )
    })
    socket.on('error', (error) => this.#ended(index, error.message, done))
    socket.on('close', () => this.#ended(index, 'closed by the server', done))
  }

  /** Bytes of the response's head, 0 while it is not whole. */
  #upgrade(chunk: Buffer, socket: Socket): number {
    const end = chunk.indexOf('\r\n\r\n')
    if (end < 0) return 0
    const head = chunk.toString('latin1', 0, end)
    if (!UPGRADED.test(head)) socket.destroy(new Error(`the upgrade was answered ${head.slice(0, 200)}`))
    return end + 4
  }

  #frame(index: number, opcode: number, bytes: Buffer, start: number, end: number, done: (error: Error | null) => void): void {
    if (opcode === OPCODE.ping) {
      this.#sockets[index]?.write(maskedFrame(OPCODE.pong, bytes.toString('latin1', start, end)))
      return
    }
    if (opcode === OPCODE.close) {
      const code = end - start >= 2 ? bytes.readUInt16BE(start) : 1005
      this.#ended(index, `closed with ${code} ${bytes.toString('utf8', start + 2, end)}`, done)
      return
    }
    const message = bytes.toString('latin1', start, end)
    // A message may hold several frames, one a line (CONTRACT §3); the other systems' messages have no line ends.
    if (message.includes('\n')) for (const line of message.split('\n')) this.#message(index, line, done)
    else this.#message(index, message, done)
  }

  #message(index: number, message: string, done: (error: Error | null) => void): void {
    const pong = this.dialect.pong(message)
    if (pong !== null) return this.send(index, pong)
    if (this.#open[index] === 1) return this.onMessage(index, message)
    try {
      const step = this.dialect.greeted(message)
      if (step === 'wait') return
      if (step === 'open') {
        this.#open[index] = 1
        done(null)
      } else this.send(index, step.send)
    } catch (error) {
      this.#ended(index, error instanceof Error ? error.message : String(error), done)
    }
  }

  #ended(index: number, why: string, done: (error: Error | null) => void): void {
    if (this.#closing || this.#sockets[index] === undefined) return
    this.#sockets[index].destroy()
    this.#sockets[index] = undefined
    this.lost++
    if (this.firstLoss === '') this.firstLoss = why
    if (this.#open[index] === 0) done(new Error(`socket ${index}: ${why}`))
  }
}
