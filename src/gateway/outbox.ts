/**
 * What leaves through one socket (DESIGN D9).
 *
 *  1. Nothing waits here beyond one turn of the event loop and 16 KiB: bytes wait on the socket, which counts them.
 *  2. The first message of a turn is written at once. Those that follow in the same turn are joined into one.
 *  3. Above `softBytes` waiting on the socket the outbox has no room: notes are not given to it any more (they conflate, or are
 *     pulled from history later). Replies still are; their number is bounded by `inflight`.
 *  4. When the socket has taken them, `outlet.roomAgain` is called once.
 */
import type { Clock } from '../base/clock.ts'

/** One form of message: text joined by line feeds, or bytes one after the other. */
export type Message = string | Uint8Array

/** The socket, as an outbox sees it. */
export interface Outlet {
  /** Bytes given to `write` that the socket has not taken yet. */
  readonly waitingBytes: number
  /** The bytes that go on the wire for a message. */
  frame(message: Message): Uint8Array
  /** Calls `taken`, if given, when the socket has taken these bytes and all before them, or has failed. */
  write(bytes: Uint8Array, taken: (() => void) | undefined): void
  /** The outbox has no room from now on. */
  roomGone(): void
  roomAgain(): void
}

/** What the outboxes of one kind of socket share. */
export interface OutboxKind {
  readonly turns: Turns
  readonly softBytes: number
  join(messages: readonly Message[]): Message
}

const JOIN_BYTES_MAX = 16 * 1024

export class Outbox {
  readonly #outlet: Outlet
  readonly #kind: OutboxKind
  #turn = -1
  #pending: Message[] | null = null
  #pendingBytes = 0
  #room = true

  constructor(outlet: Outlet, kind: OutboxKind) {
    this.#outlet = outlet
    this.#kind = kind
  }

  get room(): boolean {
    return this.#room
  }

  /** `framed`: the same message as it goes on the wire, when somebody has it already. */
  push(message: Message, framed?: () => Uint8Array): void {
    const { turns } = this.#kind
    if (this.#turn !== turns.now) {
      this.#turn = turns.begin()
      this.#write(framed === undefined ? this.#outlet.frame(message) : framed())
      return
    }
    if (this.#pending === null) {
      this.#pending = []
      turns.flushAtEnd(this)
    }
    this.#pending.push(message)
    this.#pendingBytes += message.length
    if (this.#pendingBytes >= JOIN_BYTES_MAX) this.flush()
  }

  /** Writes what waits for the end of the turn. */
  flush(): void {
    const pending = this.#pending
    if (pending === null) return
    this.#pending = null
    this.#pendingBytes = 0
    this.#write(this.#outlet.frame(pending.length === 1 ? (pending[0] as Message) : this.#kind.join(pending)))
  }

  /** Forgets what was not written. */
  drop(): void {
    this.#pending = null
    this.#room = false
  }

  #write(bytes: Uint8Array): void {
    if (this.#outlet.waitingBytes + bytes.length <= this.#kind.softBytes) {
      this.#outlet.write(bytes, undefined)
      return
    }
    const gone = this.#room
    this.#room = false
    this.#outlet.write(bytes, () => this.#taken())
    if (gone) this.#outlet.roomGone()
  }

  #taken(): void {
    if (this.#room || this.#outlet.waitingBytes > this.#kind.softBytes) return
    this.#room = true
    this.#outlet.roomAgain()
  }
}

/** Numbers the turns of the event loop in which something was written, and ends them for all outboxes at once. */
export class Turns {
  readonly #clock: Clock
  #now = 0
  #running = false
  #dirty: Outbox[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get now(): number {
    return this.#now
  }

  begin(): number {
    if (!this.#running) {
      this.#running = true
      this.#clock.soon(() => this.#end())
    }
    return this.#now
  }

  flushAtEnd(outbox: Outbox): void {
    this.#dirty.push(outbox)
  }

  #end(): void {
    const dirty = this.#dirty
    this.#running = false
    this.#now++
    if (dirty.length === 0) return
    this.#dirty = []
    for (const outbox of dirty) outbox.flush()
  }
}
