/**
 * The frames that one turn of the event loop writes to a wire, sent as one message at its end; and while such messages follow one another faster than
 * that, those of about a millisecond: each costs tens of microseconds at both ends, whatever is in it.
 */
import type { Clock } from '../base/clock.ts'
import type { Wire } from '../cluster/transport.ts'
import { ByteWriter } from './bytes.ts'
import { BATCH_BYTES, KIND, PART_BYTES } from './link-frames.ts'

const SPACING_MS = 1

export class Batch {
  readonly out: ByteWriter = new ByteWriter()
  readonly #clock: Clock
  readonly #wire: Wire
  /** Writes what belongs to the end of every message. */
  readonly #closing: () => void
  readonly #messageBytes: number
  #scheduled = false
  #sentAt = -Infinity
  #over = false

  /** `wireBytes`: the largest message that the wire takes. */
  constructor(clock: Clock, wire: Wire, wireBytes: number, closing: () => void) {
    this.#clock = clock
    this.#wire = wire
    this.#closing = closing
    this.#messageBytes = Math.min(PART_BYTES, wireBytes)
  }

  /** Bytes that the other end has not taken yet. */
  get waitingBytes(): number {
    return this.#wire.bufferedBytes + this.out.length
  }

  /** To be called after writing to `out`. */
  wrote(): void {
    if (this.out.length >= BATCH_BYTES) this.flush()
    else this.wake()
  }

  /** A message goes out at the end of this turn, or soon after the last one, if only for what `closing` writes. */
  wake(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    const now = (): void => {
      this.#scheduled = false
      this.flush()
    }
    if (this.#clock.mono() - this.#sentAt < SPACING_MS) this.#clock.after(SPACING_MS, now)
    else this.#clock.soon(now)
  }

  flush(): void {
    if (this.#over) return
    this.#closing()
    if (this.out.length === 0) return
    this.#sentAt = this.#clock.mono()
    const message = this.out.take()
    if (message.length <= this.#messageBytes) this.#wire.send(message)
    else for (const part of partsOf(message, this.#messageBytes)) this.#wire.send(part)
  }

  end(): void {
    this.#over = true
  }
}

const PART_HEAD_BYTES = 5

/** A large message as messages of the wire's size. */
export function* partsOf(message: Uint8Array, bytes: number): Generator<Uint8Array, void, undefined> {
  const room = bytes - PART_HEAD_BYTES
  for (let at = 0; at < message.length; at += room) {
    const piece = message.subarray(at, at + room)
    const part = Buffer.allocUnsafe(PART_HEAD_BYTES + piece.length)
    part[0] = at + room < message.length ? KIND.part : KIND.lastPart
    part.writeUInt32LE(piece.length, 1)
    part.set(piece, PART_HEAD_BYTES)
    yield part
  }
}
