/** One socket of the load generator: connects, sends events, matches answers. Speaks the JSON wire of CONTRACT §3. */
import WebSocket from 'ws'
import type { ByeFrame, ServerFrame } from '../../protocol/frames.ts'

export interface LoadEvents {
  /** `failure`: an error code, or null. `intendedMs` as given to `send`. */
  answered(intendedMs: number, failure: string | null): void
  /** Once, after a connection that was open; with the sends that had no answer. */
  lost(why: string, unanswered: number): void
}

export class LoadConnection {
  readonly #socket: WebSocket
  readonly #on: LoadEvents
  readonly #waiting = new Map<number, number>()
  #id = 0
  #over = false

  private constructor(socket: WebSocket, on: LoadEvents) {
    this.#socket = socket
    this.#on = on
    socket.on('message', (data: Buffer) => this.#message(data))
    socket.on('error', () => undefined)
    socket.on('close', (code, reason) => this.#lost(`closed ${code}${reason.length === 0 ? '' : ` ${reason.toString()}`}`))
  }

  /** Resolves when the node said `welcome`; rejects with why not. */
  static open(url: string, token: string, timeoutMs: number, on: LoadEvents): Promise<LoadConnection> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, 'troupe.v1.json', { handshakeTimeout: timeoutMs, perMessageDeflate: false })
      socket.once('open', () => socket.send(JSON.stringify({ t: 'connect', token, client: 'troupe-load' })))
      socket.once('error', (error) => reject(error))
      socket.once('close', (code) => reject(new Error(`closed with ${code} before welcome`)))
      socket.once('message', (data: Buffer) => {
        const first = JSON.parse(data.toString().split('\n')[0] as string) as ServerFrame
        socket.removeAllListeners()
        if (first.t === 'welcome') return resolve(new LoadConnection(socket, on))
        socket.on('error', () => undefined)
        socket.terminate()
        return reject(new Error(first.t === 'bye' ? byeText(first) : `the node answered ${first.t} to connect`))
      })
    })
  }

  get outstanding(): number {
    return this.#waiting.size
  }

  get open(): boolean {
    return !this.#over
  }

  /** `event` is the frame without `t` and `id`, as JSON text of an object's inside. */
  send(event: string, intendedMs: number): void {
    const id = ++this.#id
    this.#waiting.set(id, intendedMs)
    this.#socket.send(`{"t":"send","id":${id},${event}}`)
  }

  close(): void {
    this.#over = true
    this.#socket.close(1000)
  }

  #message(data: Buffer): void {
    for (const line of data.toString().split('\n')) {
      if (line === '') continue
      const frame = JSON.parse(line) as ServerFrame
      if (frame.t === 'reply') this.#reply(frame)
      else if (frame.t === 'ping') this.#socket.send('{"t":"pong"}')
      else if (frame.t === 'bye') this.#lost(byeText(frame))
    }
  }

  #reply(frame: Extract<ServerFrame, { t: 'reply' }>): void {
    const intendedMs = this.#waiting.get(frame.id)
    if (intendedMs === undefined) return
    this.#waiting.delete(frame.id)
    this.#on.answered(intendedMs, frame.ok ? null : frame.error.code)
  }

  #lost(why: string): void {
    if (this.#over) return
    this.#over = true
    const unanswered = this.#waiting.size
    this.#waiting.clear()
    this.#on.lost(why, unanswered)
  }
}

function byeText({ code, reason }: ByeFrame): string {
  return `bye ${code}: ${reason}`
}
