/**
 * One wire over one gRPC stream, the same at either end. Owns the handshake, what waits to be sent, and the life:
 *
 *     meeting ──opened──▶ open ──close()──▶ closing ──▶ over
 *        └───────────────────┴──── any end ─────────────▲
 *
 *  1. `closed` is told from a turn of its own, never from inside a call of the user (T2).
 *  2. What waits is counted until the connection has taken it, with a share for the objects that hold it (T4).
 *  3. Silence is counted in ticks at which nothing had come since the last, not in time: a process that slept, or was busy, finds
 *     its input before its second tick (T7).
 *  4. Whatever happens, the stream is cancelled `CLOSING_MS` after the wire was over.
 */
import type { Clock, Timer } from '../base/clock.ts'
import { guarded } from '../base/guard.ts'
import type { Log } from '../base/log.ts'
import { BoundedQueue } from '../base/queue.ts'
import { WIRE_BUFFER_BYTES, type Peer, type Wire, type WireEnd, type WireEvents } from '../cluster/transport.ts'
import type { Control, Frame } from './frames.ts'
import type { Handshake, Step } from './handshake.ts'

/** An end of a gRPC stream. After `cancel` nothing more comes from it. */
export interface FrameStream {
  /** `done` is called in order, once the connection has taken the frame; never if the stream ends first. */
  write(frame: Frame, done: () => void): void
  /** Ends this direction after what was written. */
  end(): void
  cancel(): void
}

export interface StreamWireParts {
  readonly stream: FrameStream
  readonly handshake: Handshake
  readonly clock: Clock
  readonly log: Log
  readonly frameBytes: number
  readonly handshakeMs: number
  /** Whom to tell of a wire that came from elsewhere; asked when it is known who the other end says it is. */
  accept(wire: Wire): WireEvents
  /** A connection ended before that. */
  stranger(why: string): void
  /** The wire is over and its stream ended. */
  released(wire: StreamWire): void
  /** The wire has left the phase in which the other end is unknown. */
  met(wire: StreamWire): void
}

const CLOSING_MS = 2000
const SILENT_TICKS = 2
/** About what a message costs beside its bytes. */
const MESSAGE_COST_BYTES = 64

export class StreamWire implements Wire {
  readonly #parts: StreamWireParts
  readonly #costs = new BoundedQueue<number>(Infinity)
  #phase: 'meeting' | 'open' | 'closing' | 'over' = 'meeting'
  #events: WireEvents | null = null
  /** Sent before it was open. */
  #early: Uint8Array[] = []
  #buffered = 0
  #closeWanted = false
  #peer: Peer | null = null
  #heard = false
  #silentTicks = 0
  #timer: Timer | null = null
  #released = false
  readonly #written = (): void => {
    this.#buffered -= this.#costs.shift() ?? 0
  }

  /** `events`: who dialled; null for a wire that came from elsewhere. */
  constructor(parts: StreamWireParts, events: WireEvents | null) {
    this.#parts = parts
    this.#events = events
  }

  get bufferedBytes(): number {
    return this.#buffered
  }

  get over(): boolean {
    return this.#phase === 'over'
  }

  /** Begins the handshake. */
  start(): void {
    const { clock, handshake, handshakeMs } = this.#parts
    this.#timer = clock.after(handshakeMs, () => this.fail('unreachable', `no answer within ${handshakeMs} ms`))
    this.#control(handshake.start())
  }

  send(message: Uint8Array): void {
    if (this.#phase === 'over' || this.#phase === 'closing' || this.#closeWanted) return
    if (message.length > this.#parts.frameBytes)
      return this.fail('overflow', `a message of ${message.length} bytes is over the limit of ${this.#parts.frameBytes} (wireFrameBytes)`)
    const cost = message.length + MESSAGE_COST_BYTES
    if (this.#buffered + cost > WIRE_BUFFER_BYTES)
      return this.fail('overflow', `${this.#buffered} bytes wait: ${this.#who()} does not take them`)
    this.#buffered += cost
    if (this.#phase === 'meeting') this.#early.push(message)
    else this.#write(message, cost)
  }

  close(): void {
    if (this.#phase === 'meeting') this.#closeWanted = true
    if (this.#phase !== 'open') return
    this.#phase = 'closing'
    this.#control([{ kind: 'close' }])
    this.#parts.stream.end()
    this.#timer = this.#parts.clock.after(CLOSING_MS, () => this.fail('closed', 'closed here; the other end did not answer in time'))
  }

  /** Once each `wirePingMs`. */
  tick(periodMs: number): void {
    if (this.#phase !== 'open') return
    this.#silentTicks = this.#heard ? 0 : this.#silentTicks + 1
    this.#heard = false
    if (this.#silentTicks >= SILENT_TICKS)
      return this.fail('lost', `nothing came from ${this.#who()} for more than ${SILENT_TICKS * periodMs} ms`)
    this.#control([{ kind: 'ping' }])
  }

  received(frame: Frame): void {
    this.#heard = true
    switch (this.#phase) {
      case 'meeting':
        return this.#step(this.#parts.handshake.take(frame))
      case 'open':
        return this.#message(frame)
      case 'closing':
      case 'over':
        return
    }
  }

  /** Nothing more will come. A broken connection may look like this, so it is not a close: that is a frame. */
  ended(): void {
    switch (this.#phase) {
      case 'meeting':
        return this.#over('unreachable', 'the other end closed before it said who it is', 'cancel')
      case 'open':
        return this.#over('lost', `the connection to ${this.#who()} broke`, 'cancel')
      case 'closing':
        return this.#over('closed', 'closed here', 'end')
      case 'over':
        return
    }
  }

  /** The stream is gone; nothing can be written or will come. Before it was open, `early` says what that means. */
  gone(early: WireEnd, why: string): void {
    if (this.#phase === 'meeting') this.#over(early, why, 'none')
    else if (this.#phase === 'open') this.#over('lost', why, 'none')
    else if (this.#phase === 'closing') this.#over('closed', 'closed here', 'none')
    this.#release()
  }

  /** Ends it at once, from this side. */
  fail(end: WireEnd, why: string): void {
    if (this.#phase !== 'over') this.#over(this.#phase === 'closing' ? 'closed' : end, why, 'cancel')
    else if (!this.#released) {
      this.#parts.stream.cancel()
      this.#release()
    }
  }

  #step(step: Step): void {
    switch (step.kind) {
      case 'wait':
        return this.#control(step.send)
      case 'open':
        this.#control(step.send)
        return this.#opened(step.peer)
      case 'denied':
        this.#control(step.send)
        this.#user()
        return this.#over('denied', step.why, 'end')
      case 'broken':
        return this.#over('denied', `the other end does not speak as a node does: ${step.why}`, 'cancel')
    }
  }

  #opened(peer: Peer): void {
    this.#timer?.cancel()
    this.#phase = 'open'
    this.#peer = peer
    this.#parts.met(this)
    for (const message of this.#early.splice(0)) this.#write(message, message.length + MESSAGE_COST_BYTES)
    if (this.#closeWanted) return this.close()
    const events = this.#user()
    guarded(this.#parts.log, 'a wire that opened', () => events.opened(peer))
  }

  #message(frame: Frame): void {
    if (frame instanceof Uint8Array) {
      const events = this.#user()
      return guarded(this.#parts.log, 'a message of a wire', () => events.message(frame))
    }
    switch (frame.kind) {
      case 'ping':
        return
      case 'close':
        return this.#over('closed', `${this.#who()} closed`, 'end')
      case 'malformed':
        return this.fail('lost', `${this.#who()} sent garbage: ${frame.why}`)
      case 'denied':
        return this.#over('denied', `${this.#who()} says: ${frame.why}`, 'end')
      case 'hello':
      case 'proof':
        return this.fail('lost', `${this.#who()} sent a ${frame.kind} after the handshake`)
    }
  }

  #write(frame: Frame, cost: number): void {
    this.#costs.push(cost)
    this.#parts.stream.write(frame, this.#written)
  }

  #control(frames: readonly Control[]): void {
    for (const frame of frames) this.#write(frame, 0)
  }

  #user(): WireEvents {
    return (this.#events ??= this.#parts.accept(this))
  }

  #who(): string {
    return this.#peer === null ? 'the other end' : `node ${this.#peer.id}`
  }

  /** The one way out. */
  #over(end: WireEnd, why: string, stream: 'end' | 'cancel' | 'none'): void {
    const { clock, log, stranger } = this.#parts
    this.#timer?.cancel()
    this.#timer = null
    if (this.#phase === 'meeting') this.#parts.met(this)
    this.#phase = 'over'
    this.#early = []
    this.#buffered = 0
    this.#costs.drain()
    const events = this.#events
    const said: WireEnd = this.#closeWanted ? 'closed' : end
    if (events !== null) clock.soon(() => guarded(log, 'a wire that closed', () => events.closed(said, why)))
    else stranger(why)
    if (stream === 'cancel') {
      this.#parts.stream.cancel()
      this.#release()
    } else if (stream === 'end') {
      this.#parts.stream.end()
      this.#timer = clock.after(CLOSING_MS, () => this.fail(end, why))
    }
  }

  #release(): void {
    if (this.#released) return
    this.#released = true
    this.#timer?.cancel()
    this.#timer = null
    this.#parts.released(this)
  }
}
