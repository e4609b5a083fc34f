/**
 * The gossip wires of a node: one to each peer, whoever dialled it.
 *
 *  K1 Of two wires of a pair, that of the lower id serves; who dialled the other closes it. Every open wire is read until it ends.
 *  K2 At most DIALS_MAX dials are under way, each for DIAL_MS: a dead peer holds back nobody for long. What waits for a dial is bounded, the oldest
 *     goes first: gossip may lose frames.
 *  K3 After a failed dial an address rests, at random up to a doubling bound. `ask` (paced by its caller) does not wait for that.
 *  K4 A peer that sends more than FRAMES_PER_SECOND is not listened to beyond it; what is malformed is counted and dropped.
 */
import { backoffMs } from '../base/backoff.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { decodeFrame } from './frame-codec.ts'
import type { Frame } from './frames.ts'
import type { Peer, Transport, Wire, WireEnd, WireEvents } from './transport.ts'

const DIALS_MAX = 8
const DIALS_WAITING_MAX = 4096
const DIAL_MS = 2000
const WAITING_FRAMES_MAX = 32
const REST_FIRST_MS = 100
const REST_MAX_MS = 2000
const RESTING_MAX = 8192
const FRAMES_PER_SECOND = 200
const FRAMES_BURST = 400
const WIRES_OF_A_PEER_MAX = 4
/** A peer that takes nothing gets nothing more until it does. */
const BUFFERED_BYTES_MAX: number = 1024 * 1024

export interface LinkEvents {
  frame(peer: Peer, frame: Frame, reply: (bytes: Uint8Array) => void): void
  /** The last wire to this member ended, or it could not be dialled. */
  closed(id: string, address: string, end: WireEnd): void
  /** Somebody at this address is not of this cluster, or not who they say. */
  denied(address: string, why: string): void
}

export interface LinkCounters {
  framesIn: number
  framesOut: number
  malformed: number
  overRate: number
  unsent: number
}

interface OpenWire {
  readonly wire: Wire
  readonly peer: Peer
  /** The address that this node dialled; null: the other one dialled. */
  readonly dialled: string | null
}

interface OpenPeer {
  wires: OpenWire[]
  tokens: number
  filledAt: number
}

interface Dial {
  readonly address: string
  /** For whom; null: whoever is there. */
  id: string | null
  waiting: Uint8Array[]
  wire: Wire | null
  timer: Timer | null
}

export class Links {
  readonly counters: LinkCounters = { framesIn: 0, framesOut: 0, malformed: 0, overRate: 0, unsent: 0 }
  readonly #selfId: string
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #random: Random
  readonly #events: LinkEvents
  readonly #peers = new Map<string, OpenPeer>()
  /** By address; those without a wire wait for their turn, in order. */
  readonly #dials = new Map<string, Dial>()
  #dialling = 0
  readonly #resting = new Map<string, { failures: number; until: number }>()
  #stopped = false

  constructor(selfId: string, transport: Transport, clock: Clock, random: Random, events: LinkEvents) {
    this.#selfId = selfId
    this.#transport = transport
    this.#clock = clock
    this.#random = random
    this.#events = events
  }

  get wires(): number {
    let count = 0
    for (const { wires } of this.#peers.values()) count += wires.length
    return count
  }

  send(id: string, address: string, bytes: Uint8Array): void {
    const open = this.#serving(id)
    if (open !== undefined) return this.#write(open.wire, bytes)
    const rest = this.#resting.get(address)
    if (rest !== undefined && rest.until > this.#clock.mono()) this.counters.unsent++
    else this.#dial(address, id, bytes)
  }

  ask(address: string, bytes: Uint8Array): void {
    for (const { wires } of this.#peers.values())
      for (const { wire, peer, dialled } of wires) if (dialled === address || peer.address === address) return this.#write(wire, bytes)
    this.#dial(address, null, bytes)
  }

  /** The events of a wire that another node opens. */
  accept(wire: Wire): WireEvents {
    let open: OpenWire | null = null
    return {
      opened: (peer) => {
        open = { wire, peer, dialled: null }
        this.#opened(open)
      },
      message: (bytes) => {
        if (open !== null) this.#message(open, bytes)
      },
      closed: (end) => {
        if (open !== null) this.#closed(open, end)
      },
    }
  }

  /** Closes the wires to a member that has ended. */
  drop(id: string): void {
    for (const { wire } of this.#peers.get(id)?.wires ?? []) wire.close()
  }

  /** Forgets all wires and dials (`Transport.become` has closed them). */
  reset(): void {
    this.#peers.clear()
    this.#resting.clear()
    for (const dial of this.#dials.values()) {
      dial.timer?.cancel()
      dial.wire?.close()
    }
    this.#dials.clear()
    this.#dialling = 0
  }

  stop(): void {
    this.#stopped = true
    for (const { wires } of this.#peers.values()) for (const { wire } of wires) wire.close()
    this.reset()
  }

  #write(wire: Wire, bytes: Uint8Array): void {
    if (wire.bufferedBytes > BUFFERED_BYTES_MAX) {
      this.counters.unsent++
      return
    }
    this.counters.framesOut++
    wire.send(bytes)
  }

  /** K1. Both ends choose alike. */
  #serving(id: string): OpenWire | undefined {
    const wires = this.#peers.get(id)?.wires
    if (wires === undefined) return undefined
    const newest = Math.max(...wires.map(({ peer }) => peer.generation))
    const usable = wires.filter(({ peer }) => peer.generation === newest)
    const lowerDials = this.#selfId < id
    return usable.find(({ dialled }) => (dialled !== null) === lowerDials) ?? usable[0]
  }

  #dial(address: string, id: string | null, bytes: Uint8Array): void {
    const known = this.#dials.get(address)
    if (known !== undefined) {
      known.id ??= id
      if (known.waiting.length >= WAITING_FRAMES_MAX) {
        known.waiting.shift()
        this.counters.unsent++
      }
      known.waiting.push(bytes)
      return
    }
    if (this.#stopped || this.#dials.size >= DIALS_WAITING_MAX) {
      this.counters.unsent++
      return
    }
    this.#dials.set(address, { address, id, waiting: [bytes], wire: null, timer: null })
    this.#dialNext()
  }

  #dialNext(): void {
    for (const dial of this.#dials.values()) {
      if (this.#dialling >= DIALS_MAX) return
      if (dial.wire !== null) continue
      this.#dialling++
      let open: OpenWire | null = null
      const wire = this.#transport.dial(dial.address, 'gossip', {
        opened: (peer) => {
          if (!this.#ends(dial)) return wire.close()
          this.#resting.delete(dial.address)
          open = { wire, peer, dialled: dial.address }
          this.#opened(open)
          for (const bytes of dial.waiting) this.#write(wire, bytes)
        },
        message: (bytes) => {
          if (open !== null) this.#message(open, bytes)
        },
        closed: (end, why) => {
          if (open !== null) this.#closed(open, end)
          else this.#failed(dial, end, why)
        },
      })
      dial.wire = wire
      dial.timer = this.#clock.after(DIAL_MS, () => {
        this.#failed(dial, 'unreachable', `no answer in ${DIAL_MS} ms`)
        wire.close()
      })
    }
  }

  /** Ends a dial that is still one; false: it had ended. */
  #ends(dial: Dial): boolean {
    if (this.#dials.get(dial.address) !== dial) return false
    dial.timer?.cancel()
    this.#dials.delete(dial.address)
    this.#dialling--
    this.#clock.soon(() => this.#dialNext())
    return true
  }

  #failed(dial: Dial, end: WireEnd, why: string): void {
    if (!this.#ends(dial)) return
    this.counters.unsent += dial.waiting.length
    const failures = this.#resting.get(dial.address)?.failures ?? 0
    const restMs = backoffMs(failures, REST_FIRST_MS, REST_MAX_MS, this.#random)
    this.#resting.delete(dial.address)
    this.#resting.set(dial.address, { failures: failures + 1, until: this.#clock.mono() + restMs })
    for (const oldest of this.#resting.keys()) {
      if (this.#resting.size <= RESTING_MAX) break
      this.#resting.delete(oldest)
    }
    if (end === 'denied') this.#events.denied(dial.address, why)
    if (dial.id !== null) this.#events.closed(dial.id, dial.address, end)
  }

  #opened(open: OpenWire): void {
    const { id } = open.peer
    let peer = this.#peers.get(id)
    if (peer === undefined) {
      peer = { wires: [], tokens: FRAMES_BURST, filledAt: this.#clock.mono() }
      this.#peers.set(id, peer)
    }
    peer.wires.push(open)
    if (peer.wires.length > WIRES_OF_A_PEER_MAX) peer.wires.shift()?.wire.close()
    // A wire of an earlier generation stays: if a process is still at its other end, it is to be told that its time is over.
    const serving = this.#serving(id)
    for (const { wire, dialled } of peer.wires) if (wire !== serving?.wire && dialled !== null) wire.close()
  }

  #closed(open: OpenWire, end: WireEnd): void {
    const { id, address } = open.peer
    const peer = this.#peers.get(id)
    if (peer === undefined || !peer.wires.includes(open)) return
    peer.wires = peer.wires.filter((wire) => wire !== open)
    if (peer.wires.length > 0) return
    this.#peers.delete(id)
    this.#events.closed(id, address, end)
  }

  #message(open: OpenWire, bytes: Uint8Array): void {
    const peer = this.#peers.get(open.peer.id)
    if (this.#stopped || peer === undefined || !peer.wires.includes(open)) return
    // K4. A bucket that fills by FRAMES_PER_SECOND.
    const now = this.#clock.mono()
    peer.tokens = Math.min(FRAMES_BURST, peer.tokens + ((now - peer.filledAt) * FRAMES_PER_SECOND) / 1000)
    peer.filledAt = now
    if (peer.tokens < 1) {
      this.counters.overRate++
      return
    }
    peer.tokens--
    const decoded = decodeFrame(bytes)
    if (!decoded.ok) {
      this.counters.malformed++
      return
    }
    this.counters.framesIn++
    this.#events.frame(open.peer, decoded.frame, (answer) => this.#write(open.wire, answer))
  }
}
