/**
 * One socket, from opening to its end: handshake, frames, heartbeat. Knows nothing of what came before or comes after it.
 *
 *     SDK                      server
 *      │ ── open (subprotocol) ─▶ │
 *      │ ── connect {ticket} ───▶ │   `opened`
 *      │ ◀── welcome ──────────── │   on.welcome: frames may be sent
 *      │ ◀── ping / pong ───────▶ │
 *      │ ◀── bye, close(code) ─── │   on.ended, exactly once
 *
 * 1. `on.ended` is called exactly once, unless `close` was called first; nothing is called after either.
 * 2. A link is declared dead 10 s after the start without `welcome`, or `pingEveryMs` + 8 s after the last message: the
 *    server pings whenever it has sent nothing for `pingEveryMs`.
 */
import type { ByeFrame, ClientFrame, ConnectFrame, ServerFrame, WelcomeFrame } from '../protocol/frames.ts'
import type { Codec } from './codec.ts'
import type { ClientClock, Socket, Transport } from './platform.ts'

export interface LinkEnd {
  readonly code: number
  readonly reason: string
  /** The server's last word, if it had time for one. */
  readonly bye: ByeFrame | undefined
  readonly welcomed: boolean
  /** `connect` was sent: the server may act on it, though its answer never came. */
  readonly asked: boolean
}

export interface LinkEvents {
  welcome(frame: WelcomeFrame): void
  /** Every other frame but `ping` and `bye`, after `welcome`. */
  frame(frame: ServerFrame): void
  ended(end: LinkEnd): void
}

export interface LinkParts {
  readonly url: string
  readonly connect: ConnectFrame
  readonly transport: Transport
  readonly codec: Codec
  readonly clock: ClientClock
}

const WELCOME_MS_MAX = 10_000
/** Beyond `pingEveryMs`: the time a ping has on its way. */
const PING_GRACE_MS = 8_000
const ABNORMAL = 1006

export class Link {
  readonly #parts: LinkParts
  readonly #on: LinkEvents
  readonly #socket: Socket
  #phase: 'opening' | 'live' | 'over' = 'opening'
  #asked = false
  #bye: ByeFrame | undefined
  #bytesMax = Infinity
  #silenceMsMax = WELCOME_MS_MAX
  #heardAt: number
  #watchdog: { cancel(): void }

  constructor(parts: LinkParts, on: LinkEvents) {
    this.#parts = parts
    this.#on = on
    this.#heardAt = parts.clock.mono()
    this.#watchdog = this.#watch(WELCOME_MS_MAX)
    this.#socket = parts.transport(parts.url, parts.codec.subprotocol, {
      opened: () => {
        if (this.#phase !== 'opening') return
        this.#asked = true
        this.#socket.send(parts.codec.encode(parts.connect))
      },
      message: (data) => this.#message(data),
      closed: (code, reason) => this.#end(code, reason),
    })
  }

  /** False, and nothing sent, when the frame is larger than the server takes: it would close the socket for it. */
  send(frame: ClientFrame): boolean {
    const message = this.#parts.codec.encode(frame)
    if (!fits(message, this.#bytesMax)) return false
    this.#socket.send(message)
    return true
  }

  /** Closes without a further word to `on`. */
  close(code: number, reason: string): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#watchdog.cancel()
    this.#socket.close(code, reason)
  }

  #message(data: string | Uint8Array): void {
    if (this.#phase === 'over') return
    this.#heardAt = this.#parts.clock.mono()
    let frames: readonly ServerFrame[]
    try {
      frames = this.#parts.codec.decode(data)
    } catch {
      return this.#die('the server sent a malformed message')
    }
    for (const frame of frames) this.#frame(frame)
  }

  #frame(frame: ServerFrame): void {
    // An earlier frame of the same message may have ended this link.
    if (this.#phase === 'over') return
    if (frame.t === 'ping') this.#socket.send(this.#parts.codec.encode({ t: 'pong' }))
    else if (frame.t === 'bye') this.#bye = frame
    else if (frame.t === 'welcome') {
      if (this.#phase === 'live') return
      this.#phase = 'live'
      this.#bytesMax = frame.limits.frameBytes
      this.#silenceMsMax = frame.pingEveryMs + PING_GRACE_MS
      this.#watchdog.cancel()
      this.#watchdog = this.#watch(this.#silenceMsMax)
      this.#on.welcome(frame)
    } else if (this.#phase === 'live') this.#on.frame(frame)
  }

  #watch(ms: number): { cancel(): void } {
    return this.#parts.clock.after(ms, () => {
      const leftMs = this.#heardAt + this.#silenceMsMax - this.#parts.clock.mono()
      if (leftMs > 0) this.#watchdog = this.#watch(leftMs)
      else this.#die(this.#phase === 'live' ? 'the server fell silent' : 'no welcome in time')
    })
  }

  #die(reason: string): void {
    if (this.#phase === 'over') return
    this.#socket.close(1000, reason)
    this.#end(ABNORMAL, reason)
  }

  #end(code: number, reason: string): void {
    if (this.#phase === 'over') return
    const welcomed = this.#phase === 'live'
    this.#phase = 'over'
    this.#watchdog.cancel()
    // Hosts do not tell a page why a socket did not open.
    const why = reason !== '' || this.#asked ? reason : `${this.#parts.url} did not open: nothing listens there, or it is no client port`
    this.#on.ended({ code: this.#bye?.code ?? code, reason: this.#bye?.reason ?? why, bye: this.#bye, welcomed, asked: this.#asked })
  }
}

function fits(message: string | Uint8Array, bytesMax: number): boolean {
  if (typeof message !== 'string') return message.byteLength <= bytesMax
  // At most 3 bytes of UTF-8 for a unit of UTF-16: most frames need no counting.
  return message.length * 3 <= bytesMax || new TextEncoder().encode(message).length <= bytesMax
}
