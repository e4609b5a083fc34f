/**
 * A network in memory: the Transport port for tests, the simulator and users' test kits. Deterministic on the given clock and random source.
 * The duties are kept as a network of streams keeps them: nothing is lost, doubled or out of order while a wire lives; a cut line holds
 * what was sent until it heals or either end finds the silence.
 *
 *     const network = new MemoryNetwork(clock, random, { latencyMs: [1, 5] })
 *     const a = network.transport({ id: 'a', generation: 1, address: 'a:1' })
 *     network.cut('a', 'b'); network.freeze('c'); network.kill('d'); network.heal()
 */
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import {
  WIRE_BUFFER_BYTES,
  WIRE_IDLE_MS,
  type Channel,
  type Peer,
  type Transport,
  type Wire,
  type WireEvents,
} from '../cluster/transport.ts'
import { MemoryEnd, type MemoryLine } from './memory-wire.ts'

export interface MemoryNetworkOptions {
  /** One way. A pair is [least, most]. */
  readonly latencyMs: number | readonly [least: number, most: number]
  /** Longest that silence goes unnoticed; it is noticed after two thirds of it at the least. */
  readonly idleMs: number
  readonly handshakeMs: number
  readonly bufferBytes: number
  readonly frameBytes: number
}

const DEFAULTS: MemoryNetworkOptions = {
  latencyMs: 0,
  idleMs: WIRE_IDLE_MS,
  handshakeMs: 5000,
  bufferBytes: WIRE_BUFFER_BYTES,
  frameBytes: 4 * 1024 * 1024,
}

export interface MemoryMembership {
  readonly cluster?: string
  readonly secret?: string
}

type Accept = (channel: Channel, wire: Wire) => WireEvents

/** One process. */
interface MemoryNode {
  self: Peer
  readonly cluster: string
  readonly secret: string
  phase: 'serving' | 'closing' | 'dead'
  frozen: boolean
  accept: Accept | null
  /** What it will find when it is thawed. */
  readonly held: (() => void)[]
  readonly ends: Set<MemoryEnd>
  allOver: (() => void) | null
}

/** The other end of a line, once it is known. */
interface Other {
  node: MemoryNode | null
}

interface Dial {
  readonly from: MemoryNode
  readonly other: Other
  readonly address: string
  readonly channel: Channel
  readonly end: MemoryEnd
  /** It has reached the other machine. */
  sent?: boolean
}

export class MemoryNetwork {
  readonly #clock: Clock
  readonly #random: Random
  readonly #options: MemoryNetworkOptions
  readonly #byAddress = new Map<string, MemoryNode>()
  /** Who is, or last was, at an address: a line to it can be cut though nobody listens. */
  readonly #hosts = new Map<string, string>()
  /** From and to, by id. */
  readonly #cuts = new Set<string>()
  readonly #delays = new Map<string, number>()
  readonly #dials = new Set<Dial>()
  /** Those that live, and dead ones whose last words are still under way. */
  readonly #nodes = new Set<MemoryNode>()

  constructor(clock: Clock, random: Random, options: Partial<MemoryNetworkOptions> = {}) {
    this.#clock = clock
    this.#random = random
    this.#options = { ...DEFAULTS, ...options }
  }

  /** A process that listens at `self.address`, in the place of one that was killed or closed there. */
  transport(self: Peer, { cluster = 'memory', secret = '' }: MemoryMembership = {}): Transport {
    const node: MemoryNode = {
      self,
      cluster,
      secret,
      phase: 'serving',
      frozen: false,
      accept: null,
      held: [],
      ends: new Set(),
      allOver: null,
    }
    this.#byAddress.set(self.address, node)
    this.#hosts.set(self.address, self.id)
    this.#nodes.add(node)
    return {
      dial: (address, channel, events) => this.#dial(node, address, channel, events),
      listen: (accept) => {
        node.accept = accept
      },
      become: (next) => {
        this.#byAddress.delete(node.self.address)
        node.self = next
        this.#byAddress.set(next.address, node)
        this.#hosts.set(next.address, next.id)
        for (const end of node.ends) end.close()
      },
      close: () => this.#close(node),
    }
  }

  /** Nothing gets through between the two, either way. What is under way waits. */
  cut(a: string, b: string): void {
    this.cutOneWay(a, b)
    this.cutOneWay(b, a)
  }

  cutOneWay(from: string, to: string): void {
    this.#cuts.add(pair(from, to))
    this.#look()
  }

  /** Mends the line between the two; without names, all lines and delays. */
  heal(a?: string, b?: string): void {
    if (a === undefined || b === undefined) {
      this.#cuts.clear()
      this.#delays.clear()
    } else {
      this.#cuts.delete(pair(a, b))
      this.#cuts.delete(pair(b, a))
    }
    this.#look()
  }

  /** What is sent between the two from now on takes so much longer. */
  delay(a: string, b: string, ms: number): void {
    this.#delays.set(pair(a, b), ms)
    this.#delays.set(pair(b, a), ms)
  }

  /** The process is stopped (SIGSTOP, a long pause): connections to it hold, nothing is read, said or noticed. */
  freeze(id: string): void {
    for (const node of this.#living(id)) node.frozen = true
    this.#look()
  }

  thaw(id: string): void {
    for (const node of this.#living(id)) {
      node.frozen = false
      for (const run of node.held.splice(0)) this.#clock.soon(() => this.#run(node, run))
    }
    this.#look()
  }

  /** The process is gone at once; its machine still answers: wires to it end `lost`, dials `refused`. For a dead machine, cut it off first. */
  kill(id: string): void {
    for (const node of this.#living(id)) {
      node.phase = 'dead'
      node.frozen = false
      node.held.length = 0
      for (const dial of this.#dials) if (dial.from === node) this.#dials.delete(dial)
      for (const end of node.ends) end.die((items) => Math.floor(this.#random.float() * (items + 1)))
      if (this.#byAddress.get(node.self.address) === node) this.#byAddress.delete(node.self.address)
      if (node.ends.size === 0) this.#nodes.delete(node)
    }
    this.#look()
  }

  /** Living wires, each counted at both ends, and dials. For leaks. */
  get size(): number {
    let size = this.#dials.size
    for (const node of this.#nodes) for (const end of node.ends) if (!end.over) size++
    return size
  }

  #dial(from: MemoryNode, address: string, channel: Channel, events: WireEvents): Wire {
    const other: Other = { node: null }
    const end: MemoryEnd = new MemoryEnd(this.#line(from, other), address, events)
    from.ends.add(end)
    if (from.phase !== 'serving') {
      end.finish('closed', 'this node is closing')
      return end
    }
    const dial: Dial = { from, other, address, channel, end }
    this.#dials.add(dial)
    this.#clock.after(this.#latency(from.self.id, this.#hosts.get(address) ?? address), () => {
      dial.sent = true
      this.#attempt(dial)
    })
    return end
  }

  /** Again whenever something has changed, until it is decided or too late. */
  #attempt(dial: Dial): void {
    const { from, address, channel, end } = dial
    if (dial.sent !== true || from.frozen || !this.#dials.has(dial)) return
    const host = this.#hosts.get(address)
    if (host !== undefined && (this.#cuts.has(pair(from.self.id, host)) || this.#cuts.has(pair(host, from.self.id)))) return
    const node = this.#byAddress.get(address)
    if (node?.frozen === true) return
    this.#dials.delete(dial)
    const back = (finish: () => void): void => {
      this.#clock.after(this.#latency(host ?? address, from.self.id), () => this.#later(from, finish))
    }
    if (node === undefined) return back(() => end.finish('refused', `nothing listens at ${address}`))
    const { accept } = node
    if (accept === null) return back(() => end.finish('unreachable', `${address} takes no cluster connections yet`))
    const listener: MemoryEnd = new MemoryEnd(this.#line(node, { node: from }), `node ${from.self.id}`, null)
    node.ends.add(listener)
    const why = objection(from, node)
    if (why !== null) {
      listener.deny(() => accept(channel, listener), why)
      return back(() => end.finish('denied', `the other end says: ${why}`))
    }
    dial.other.node = node
    end.meet(listener, () => accept(channel, listener), from.self, node.self)
  }

  #line(from: MemoryNode, other: Other): MemoryLine {
    const { idleMs, bufferBytes, frameBytes, handshakeMs } = this.#options
    return {
      clock: this.#clock,
      bufferBytes,
      frameBytes,
      handshakeMs,
      latencyMs: () => this.#latency(from.self.id, other.node?.self.id ?? ''),
      blocked: () => other.node === null || other.node.frozen || this.#cutFrom(from, other.node),
      silent: () => other.node !== null && (other.node.frozen || other.node.phase === 'dead' || this.#cutFrom(other.node, from)),
      idleMs: () => idleMs * (2 + this.#random.float()) * (1 / 3),
      later: (run) => this.#later(from, run),
      over: (end) => this.#over(from, end),
      settled: (end) => {
        from.ends.delete(end)
        if (from.ends.size === 0 && from.phase !== 'serving') this.#nodes.delete(from)
      },
    }
  }

  async #close(node: MemoryNode): Promise<void> {
    if (node.phase !== 'serving') return
    node.phase = 'closing'
    if (this.#byAddress.get(node.self.address) === node) this.#byAddress.delete(node.self.address)
    for (const dial of this.#dials) if (dial.from === node) dial.end.finish('closed', 'this node is closing')
    for (const end of node.ends) end.close()
    if (!living(node)) return
    await new Promise<void>((resolve) => (node.allOver = resolve))
  }

  #over(node: MemoryNode, over: MemoryEnd): void {
    for (const dial of this.#dials) if (dial.end === over) this.#dials.delete(dial)
    const { allOver } = node
    if (allOver !== null && !living(node)) this.#later(node, allOver)
  }

  #look(): void {
    for (const dial of this.#dials) this.#attempt(dial)
    for (const node of this.#nodes) for (const end of node.ends) end.look()
  }

  #living(id: string): MemoryNode[] {
    return [...this.#nodes].filter((node) => node.self.id === id && node.phase !== 'dead')
  }

  #latency(from: string, to: string): number {
    const { latencyMs } = this.#options
    const [least, most] = typeof latencyMs === 'number' ? [latencyMs, latencyMs] : latencyMs
    const base = least === most ? least : least + this.#random.float() * (most - least)
    return this.#delays.size === 0 ? base : base + (this.#delays.get(pair(from, to)) ?? 0)
  }

  #cutFrom(from: MemoryNode, to: MemoryNode): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(pair(from.self.id, to.self.id))
  }

  #later(node: MemoryNode, run: () => void): void {
    this.#clock.soon(() => this.#run(node, run))
  }

  #run(node: MemoryNode, run: () => void): void {
    if (node.phase === 'dead') return
    if (node.frozen) node.held.push(run)
    else run()
  }
}

/** As a real handshake finds it (handshake.ts). */
function objection(dialler: MemoryNode, listener: MemoryNode): string | null {
  const says = (why: string): string => `node ${listener.self.id} does not let node ${dialler.self.id} in: ${why}`
  if (dialler.cluster !== listener.cluster)
    return says(`it belongs to cluster ${JSON.stringify(dialler.cluster)}, this node to ${JSON.stringify(listener.cluster)}`)
  if (dialler === listener) return says('it is this node itself')
  if (dialler.self.id === listener.self.id) return says(`two processes are named ${dialler.self.id}`)
  return dialler.secret === listener.secret ? null : says('its secret is not the one of this node')
}

function living(node: MemoryNode): boolean {
  return [...node.ends].some((end) => !end.over)
}

function pair(from: string, to: string): string {
  return `${from}\0${to}`
}
