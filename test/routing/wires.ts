/**
 * A network of data wires in memory, on virtual time, that does to a message what a test says. Keeps the duties T1–T4 of
 * src/cluster/transport.ts; a wire may be held (nothing arrives, all waits), cut (before or after a message), or its node be down.
 */
import type { Channel, Peer, Transport, Wire, WireEnd, WireEvents } from '../../src/cluster/transport.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'

/** What becomes of a message. 'cut': it is lost and the wire breaks; 'cut-after': it arrives, then the wire breaks; bytes: these arrive instead. */
export type Fate = 'arrives' | 'cut' | 'cut-after' | Uint8Array

export interface Passing {
  readonly from: string
  readonly to: string
  /** Who dialled the wire. */
  readonly dialler: string
  readonly bytes: Uint8Array
}

export class Wires {
  latencyMs = 1
  messageBytesMax = Infinity
  fate: (message: Passing) => Fate = () => 'arrives'
  /** Messages that were sent, for tests that look at batches. */
  sent = 0
  readonly #clock: VirtualClock
  readonly #listening = new Map<string, TestTransport>()
  readonly #pairs = new Set<Pair>()
  readonly #held = new Set<string>()

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  get clock(): VirtualClock {
    return this.#clock
  }

  get open(): number {
    return this.#pairs.size
  }

  join(self: Peer): TestTransport {
    const transport = new TestTransport(this, self)
    this.#listening.set(self.address, transport)
    return transport
  }

  /** The process is gone: who dials it is refused, its wires break. */
  down(id: string): void {
    for (const [address, transport] of this.#listening) if (transport.self.id === id) this.#listening.delete(address)
    this.cut(id)
  }

  /** Breaks the wires of a node, or those between two. */
  cut(one: string, other?: string): void {
    for (const pair of [...this.#pairs]) if (pair.has(one) && (other === undefined || pair.has(other))) pair.break('lost')
  }

  /** From now on nothing that `id` sends or gets arrives, and nothing breaks: a process that is stopped. */
  freeze(id: string): void {
    this.#held.add(id)
  }

  thaw(id: string): void {
    this.#held.delete(id)
    for (const pair of this.#pairs) pair.flow()
  }

  holds(from: string, to: string): boolean {
    return this.#held.has(from) || this.#held.has(to)
  }

  at(address: string): TestTransport | undefined {
    return this.#listening.get(address)
  }

  add(pair: Pair): void {
    this.#pairs.add(pair)
  }

  remove(pair: Pair): void {
    this.#pairs.delete(pair)
  }
}

export class TestTransport implements Transport {
  readonly #wires: Wires
  self: Peer
  accept: (channel: Channel, wire: Wire) => WireEvents = () => ({
    opened: () => undefined,
    message: () => undefined,
    closed: () => undefined,
  })

  constructor(wires: Wires, self: Peer) {
    this.#wires = wires
    this.self = self
  }

  dial(address: string, channel: Channel, events: WireEvents): Wire {
    const pair = new Pair(this.#wires, this, events)
    this.#wires.clock.after(this.#wires.latencyMs, () => {
      const other = this.#wires.at(address)
      if (other === undefined) pair.break('refused')
      else pair.connect(other, channel)
    })
    return pair.near
  }

  listen(accept: (channel: Channel, wire: Wire) => WireEvents): void {
    this.accept = accept
  }

  become(self: Peer): void {
    this.self = self
    this.#wires.cut(self.id)
  }

  close(): Promise<void> {
    this.#wires.down(this.self.id)
    return Promise.resolve()
  }
}

class Pair {
  readonly near: End
  #far: End | null = null
  readonly #wires: Wires
  readonly #dialler: TestTransport
  #over = false

  constructor(wires: Wires, dialler: TestTransport, events: WireEvents) {
    this.#wires = wires
    this.#dialler = dialler
    this.near = new End(this, dialler.self.id, events)
  }

  get messageBytesMax(): number {
    return this.#wires.messageBytesMax
  }

  get dialler(): string {
    return this.#dialler.self.id
  }

  has(id: string): boolean {
    return this.near.id === id || this.#far?.id === id
  }

  connect(other: TestTransport, channel: Channel): void {
    if (this.#over) return
    this.#wires.add(this)
    const far = new End(this, other.self.id, null)
    this.#far = far
    far.events = other.accept(channel, far)
    far.peer = this.#dialler.self
    this.near.peer = other.self
    for (const end of [this.near, far])
      this.#wires.clock.after(this.#wires.latencyMs, () => {
        if (this.#over) return
        end.opened = true
        end.events?.opened(end.peer as Peer)
        this.flow()
      })
  }

  other(end: End): End | null {
    return end === this.near ? this.#far : this.near
  }

  /** Moves what waits, as far as it goes. */
  flow(): void {
    for (const end of [this.near, this.#far]) if (end !== null) this.#flowFrom(end)
  }

  #flowFrom(from: End): void {
    const to = this.other(from)
    if (this.#over || to === null || !from.opened || !to.opened || this.#wires.holds(from.id, to.id)) return
    for (const bytes of from.take()) {
      const fate = this.#wires.fate({ from: from.id, to: to.id, dialler: this.dialler, bytes })
      if (fate === 'cut') return this.break('lost')
      this.#wires.sent++
      this.#wires.clock.after(this.#wires.latencyMs, () => {
        if (this.#over || this.#wires.holds(from.id, to.id)) return
        to.events?.message(typeof fate === 'string' ? bytes : fate)
      })
      if (fate === 'cut-after') {
        this.#wires.clock.after(this.#wires.latencyMs, () => this.break('lost'))
        return
      }
    }
  }

  break(why: WireEnd): void {
    if (this.#over) return
    this.#over = true
    this.#wires.remove(this)
    for (const end of [this.near, this.#far])
      if (end !== null) this.#wires.clock.after(0, () => this.#wires.holds(end.id, end.id) || end.events?.closed(why, `test: ${why}`))
  }
}

class End implements Wire {
  readonly id: string
  readonly #pair: Pair
  events: WireEvents | null
  peer: Peer | null = null
  opened = false
  #waiting: Uint8Array[] = []
  bufferedBytes = 0

  constructor(pair: Pair, id: string, events: WireEvents | null) {
    this.#pair = pair
    this.id = id
    this.events = events
  }

  send(message: Uint8Array): void {
    if (message.length > this.#pair.messageBytesMax) return this.#pair.break('overflow')
    this.#waiting.push(message)
    this.bufferedBytes += message.length
    this.#pair.flow()
  }

  take(): Uint8Array[] {
    const waiting = this.#waiting
    this.#waiting = []
    this.bufferedBytes = 0
    return waiting
  }

  close(): void {
    this.#pair.break('closed')
  }
}
