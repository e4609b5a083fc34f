/** A machine between two ends: passes bytes on, or holds them all (a frozen host), or breaks every connection. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export class TcpProxy {
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #target = 0
  #frozen = false
  /** All that passed, both ways, if asked for. */
  readonly passed: Buffer[] = []
  /** That part of it that went to the node. */
  readonly passedTo: Buffer[] = []
  recording = false

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<TcpProxy> {
    const server = createServer({ pauseOnConnect: true })
    const proxy = new TcpProxy(server)
    server.on('connection', (socket) => proxy.#join(socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get connections(): number {
    return this.#pairs.size
  }

  to(port: number): void {
    this.#target = port
  }

  freeze(): void {
    this.#frozen = true
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  thaw(): void {
    this.#frozen = false
    for (const pair of this.#pairs) for (const socket of pair) socket.resume()
  }

  /** Nothing listens any more; all connections are reset. */
  kill(): void {
    this.#server.close()
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy()
  }

  #join(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1')
    const pair = [near, far] as const
    this.#pairs.add(pair)
    for (const [from, to] of [pair, [far, near] as const]) {
      from.setNoDelay()
      from.on('data', (bytes) => {
        if (this.recording) this.passed.push(bytes)
        if (this.recording && from === near) this.passedTo.push(bytes)
        if (!to.write(bytes)) from.pause()
      })
      to.on('drain', () => {
        if (!this.#frozen) from.resume()
      })
      from.on('end', () => to.end())
      from.on('error', () => undefined)
      from.on('close', () => {
        to.destroy()
        this.#pairs.delete(pair)
      })
    }
    if (this.#frozen) far.pause()
    else near.resume()
  }
}
