/**
 * One end of a wire of the in-memory network, and all that is under way from it to the other end.
 *
 *     meeting ──opened──▶ open ──close()──▶ closing ──▶ over
 *        └───────────────────┴──── any end ─────────────▲
 *
 *  1. What is under way arrives in the order sent, each item not before its time and not while the line is blocked (T1).
 *  2. It counts as buffered until it has arrived (T4).
 *  3. An end that is over says so as an item of its own: the other end hears it when the line lets it.
 */
import type { Clock, Timer } from '../base/clock.ts'
import { BoundedQueue } from '../base/queue.ts'
import type { Peer, Wire, WireEnd, WireEvents } from '../cluster/transport.ts'

type Item =
  | { readonly kind: 'opened'; readonly peer: Peer; readonly at: number }
  | { readonly kind: 'message'; readonly bytes: Uint8Array; readonly at: number }
  | { readonly kind: 'end'; readonly end: WireEnd; readonly why: string; readonly at: number }

/** What an end needs of the network. */
export interface MemoryLine {
  readonly clock: Clock
  readonly bufferBytes: number
  readonly frameBytes: number
  readonly handshakeMs: number
  /** How long what is sent now takes. */
  latencyMs(): number
  /** Nothing gets from this end to the other now. */
  blocked(): boolean
  /** Nothing comes to this end now, not even a sign of life. */
  silent(): boolean
  /** How long silence lasts until it is noticed. */
  idleMs(): number
  /** Runs it in a turn of its own once this end's node runs; never, if that is dead. */
  later(run: () => void): void
  /** The user is being told that it is over. */
  over(end: MemoryEnd): void
  /** It is over, and nothing is under way from it any more. */
  settled(end: MemoryEnd): void
}

const CLOSING_MS = 2000
const MESSAGE_COST_BYTES = 64

export class MemoryEnd implements Wire {
  readonly #line: MemoryLine
  readonly #name: string
  #events: WireEvents | null
  #phase: 'meeting' | 'open' | 'closing' | 'over' = 'meeting'
  #other: MemoryEnd | null = null
  #early: Uint8Array[] = []
  #closeWanted = false
  readonly #underWay = new BoundedQueue<Item>(Infinity)
  #head: Item | undefined
  #buffered = 0
  #arrival: Timer | null = null
  #silence: Timer | null = null
  #limit: Timer | null

  /** `name`: of the other end, for sentences. */
  constructor(line: MemoryLine, name: string, events: WireEvents | null) {
    this.#line = line
    this.#name = name
    this.#events = events
    this.#limit = this.#timer(line.handshakeMs, () => {
      if (this.#phase === 'meeting') this.finish('unreachable', `${name}: no answer within ${line.handshakeMs} ms`)
    })
  }

  get bufferedBytes(): number {
    return this.#buffered
  }

  get over(): boolean {
    return this.#phase === 'over'
  }

  /** Joins the two ends: the listener's is open now, the dialler's when the answer has come. */
  meet(listener: MemoryEnd, accept: () => WireEvents, dialling: Peer, listening: Peer): void {
    this.#other = listener
    listener.#other = this
    listener.#put({ kind: 'opened', peer: listening, at: listener.#due() })
    listener.#events = accept()
    listener.#open(dialling)
  }

  send(message: Uint8Array): void {
    if (this.#phase === 'over' || this.#phase === 'closing' || this.#closeWanted) return
    const { frameBytes, bufferBytes } = this.#line
    if (message.length > frameBytes)
      return this.finish('overflow', `a message of ${message.length} bytes is over the limit of ${frameBytes}`)
    const cost = message.length + MESSAGE_COST_BYTES
    if (this.#buffered + cost > bufferBytes)
      return this.finish('overflow', `${this.#buffered} bytes wait: ${this.#name} does not take them`)
    this.#buffered += cost
    if (this.#phase === 'meeting') this.#early.push(message)
    else this.#put({ kind: 'message', bytes: message, at: this.#due() })
  }

  close(): void {
    if (this.#phase === 'meeting') this.#closeWanted = true
    if (this.#phase !== 'open') return
    this.#phase = 'closing'
    this.#put({ kind: 'end', end: 'closed', why: `closed by the other end`, at: this.#due() })
    this.#limit = this.#timer(CLOSING_MS, () => this.finish('closed', 'closed here; the other end did not answer in time'))
  }

  /** The listener's end of a wire that is not to be. */
  deny(accept: () => WireEvents, why: string): void {
    this.#events = accept()
    this.finish('denied', why)
  }

  /** Over, at once; the other end hears of it as soon as the line lets it. */
  finish(end: WireEnd, why: string): void {
    if (this.#phase === 'over') return
    const wasClosing = this.#phase === 'closing'
    this.#leave()
    this.#clear()
    this.#put({ kind: 'end', end: 'lost', why: `${why} (at the other end)`, at: this.#due() })
    this.#told(wasClosing ? 'closed' : end, why)
  }

  /** The process of this end is gone; of what was under way only the first `kept` items still arrive. */
  die(keep: (items: number) => number): void {
    const wasOver = this.#phase === 'over'
    this.#leave()
    if (wasOver) return
    const items = this.#underWay.drain()
    if (this.#head !== undefined) items.unshift(this.#head)
    this.#head = undefined
    for (const item of items.slice(0, keep(items.length))) this.#put(item)
    this.#put({ kind: 'end', end: 'lost', why: `the process of the other end is gone`, at: this.#due() })
    if (this.#head === undefined) this.#line.settled(this)
  }

  /** The line may have changed. */
  look(): void {
    this.#arm()
    if (this.#phase !== 'open' || !this.#line.silent()) {
      this.#silence?.cancel()
      this.#silence = null
      return
    }
    this.#silence ??= this.#timer(this.#line.idleMs(), () => {
      this.#silence = null
      if (this.#phase === 'open' && this.#line.silent()) this.finish('lost', `nothing came from ${this.#name} for too long`)
    })
  }

  #open(peer: Peer): void {
    this.#limit?.cancel()
    this.#phase = 'open'
    for (const bytes of this.#early.splice(0)) this.#put({ kind: 'message', bytes, at: this.#due() })
    if (this.#closeWanted) return this.close()
    this.look()
    this.#events?.opened(peer)
  }

  #arrive(item: Item): void {
    switch (item.kind) {
      case 'opened':
        if (this.#phase === 'meeting') this.#open(item.peer)
        return
      case 'message':
        if (this.#phase === 'open') this.#events?.message(item.bytes)
        return
      case 'end':
        if (this.#phase === 'over') return
        this.#ended(item.end, item.why)
        return
    }
  }

  #ended(end: WireEnd, why: string): void {
    // What this end had closed is closed, however the other end puts it.
    const said = this.#phase === 'closing' ? 'closed' : end
    this.#leave()
    this.#clear()
    // The answer that an end which closed waits for.
    if (end === 'closed') this.#put({ kind: 'end', end: 'closed', why: 'closed here', at: this.#due() })
    this.#told(said, why)
  }

  #told(end: WireEnd, why: string): void {
    const said = this.#closeWanted ? 'closed' : end
    const events = this.#events
    this.#line.later(() => events?.closed(said, why))
    this.#line.over(this)
    if (this.#head === undefined) this.#line.settled(this)
  }

  #leave(): void {
    this.#phase = 'over'
    this.#early = []
    this.#limit?.cancel()
    this.#silence?.cancel()
    this.#silence = null
  }

  #clear(): void {
    this.#underWay.drain()
    this.#head = undefined
    this.#buffered = 0
    // What comes next overtakes what was given up.
    this.#arrival?.cancel()
    this.#arrival = null
  }

  #due(): number {
    return this.#line.clock.mono() + this.#line.latencyMs()
  }

  #put(item: Item): void {
    if (this.#phase === 'over' && this.#other === null) return
    if (this.#head === undefined) this.#head = item
    else this.#underWay.push(item)
    this.#arm()
  }

  #arm(): void {
    const head = this.#head
    if (head === undefined || this.#other === null || this.#arrival !== null || this.#line.blocked()) return
    this.#arrival = this.#line.clock.after(Math.max(0, head.at - this.#line.clock.mono()), () => {
      this.#arrival = null
      this.#move()
    })
  }

  /** Not guarded: who throws in a callback is heard by who drives the clock; the rest goes on at the next look. */
  #move(): void {
    const now = this.#line.clock.mono()
    try {
      while (this.#head !== undefined && this.#head.at <= now && !this.#line.blocked()) {
        const item = this.#head
        this.#head = this.#underWay.shift()
        if (item.kind === 'message') this.#buffered -= item.bytes.length + MESSAGE_COST_BYTES
        if (this.#other !== null) this.#other.#arrive(item)
      }
    } finally {
      this.#arm()
      if (this.#phase === 'over' && this.#head === undefined) this.#line.settled(this)
    }
  }

  #timer(ms: number, run: () => void): Timer {
    return this.#line.clock.after(ms, () => this.#line.later(run))
  }
}
