/**
 * Probes: events at fixed times to each of a few actors, and Poisson ones to all others, while nodes come and go. Every probe is an ordinary
 * durable event, numbered, from its user's own socket.
 *
 *  B1 Open loop: a probe goes out at its time whatever became of those before, and its latency counts from that *intended* time. The clock is
 *     looked at once a millisecond.
 *  B2 Nothing is thrown away: every (actor, intended time, latency) is kept, and windows are cut out afterwards, when it is known what moved.
 *     A window takes the probes that were *intended* in it.
 *  B3 Times in plans and answers are milliseconds since 1970 (epochMs): several processes name the same moment.
 *  B4 Refusals are counted by code; their latency is not an answer.
 */
import { seeded } from '../../src/base/random.ts'
import { percentiles, type Percentiles } from '../harness/statistics.ts'
import { eventData } from './dialects.ts'
import { pause } from './events.ts'
import type { Fleet } from './fleet.ts'
import { Requests } from './requests.ts'

export interface ProbePlan {
  /** Sockets 0 … probed − 1 are probed, each once in `everyMs`. */
  readonly probed: number
  readonly everyMs: number
  /** Events a second of all other sockets together. */
  readonly backgroundRate: number
  readonly seed: string
}
export interface Window {
  readonly from: number
  readonly to: number
}
export interface ProbeCounts {
  readonly acknowledged: number
  readonly refused: Readonly<Record<string, number>>
}

const SETTLE_TIMEOUT_MS = 30_000
const NEVER = Infinity

export class Probes {
  readonly #fleet: Fleet
  readonly #plan: ProbePlan
  readonly #requests: Requests
  readonly #acknowledged: Float64Array
  readonly #refused: Record<string, number> = {}
  #sockets: Int32Array = new Int32Array(65_536)
  #intended: Float64Array = new Float64Array(65_536)
  #latency: Float64Array = new Float64Array(65_536)
  #length = 0
  #sent = 0
  #timer: NodeJS.Timeout | undefined
  readonly #counts = new Map<number, number>()

  constructor(fleet: Fleet, plan: ProbePlan) {
    this.#fleet = fleet
    this.#plan = plan
    this.#requests = new Requests(fleet.size)
    this.#acknowledged = new Float64Array(fleet.size)
    fleet.onMessage = (socket, message) => this.#message(socket, message)
  }

  start(): void {
    const { probed, everyMs, backgroundRate, seed } = this.#plan
    const random = seeded(seed)
    const others = this.#fleet.size - probed
    const gap = (): number => (others === 0 || backgroundRate === 0 ? NEVER : (-Math.log(1 - random.float()) * 1000) / backgroundRate)
    const start = performance.now()
    let probe = 0
    let due = start + gap()
    this.#timer = setInterval(() => {
      const now = performance.now()
      for (let at = start; (at = start + (probe * everyMs) / probed) <= now; probe++) this.#send(probe % probed, at)
      for (; due <= now; due += gap()) this.#send(probed + Math.floor(random.float() * others), due)
    }, 1)
  }

  /** Sends no more, and resolves when all are answered. */
  async stop(): Promise<ProbeCounts> {
    clearInterval(this.#timer)
    const deadline = performance.now() + SETTLE_TIMEOUT_MS
    while (this.#requests.outstanding > 0) {
      if (this.#fleet.lost > 0) throw new Error(`${this.#fleet.lost} sockets were lost, the first: ${this.#fleet.firstLoss}`)
      if (performance.now() > deadline) throw new Error(`${this.#requests.outstanding} probes were never answered`)
      await pause(5)
    }
    return { acknowledged: this.#acknowledged.reduce((sum, count) => sum + count, 0), refused: this.#refused }
  }

  /** Of each probed actor, the longest latency of its probes in the window. */
  waits({ from, to }: Window): Float64Array {
    const longest = new Float64Array(this.#plan.probed)
    this.#each({ from, to }, (socket, latency) => {
      if (socket < longest.length && latency > (longest[socket] as number)) longest[socket] = latency
    })
    return longest
  }

  /** Of all probes of those actors in the window. */
  latency({ from, to, sockets }: Window & { readonly sockets: readonly number[] }): Percentiles {
    const wanted = new Set(sockets)
    const values: number[] = []
    this.#each({ from, to }, (socket, latency) => {
      if (wanted.has(socket)) values.push(latency)
    })
    return percentiles(Float64Array.from(values))
  }

  /** Of each probed actor, how long after that moment the first answer came to a probe intended after it; NaN: none did. */
  firstAnswers(after: number): Float64Array {
    const first = new Float64Array(this.#plan.probed).fill(NaN)
    const from = after - performance.timeOrigin
    for (let i = 0; i < this.#length; i++) {
      const socket = this.#sockets[i] as number
      const intended = this.#intended[i] as number
      if (socket >= first.length || intended < from) continue
      const answered = intended + (this.#latency[i] as number) - from
      if (!((first[socket] as number) <= answered)) first[socket] = answered
    }
    return first
  }

  /** Asks every actor how many events it has, and throws unless each has exactly those that were acknowledged to its user. */
  async recorded(): Promise<Float64Array> {
    const { size } = this.#fleet
    this.#counts.clear()
    for (let socket = 0; socket < size; socket++) this.#fleet.send(socket, '{"t":"query","id":1,"name":"count","strict":true}')
    const deadline = performance.now() + SETTLE_TIMEOUT_MS
    while (this.#counts.size < size) {
      if (performance.now() > deadline) throw new Error(`${size - this.#counts.size} of ${size} actors did not say what they have`)
      await pause(5)
    }
    for (let socket = 0; socket < size; socket++)
      if (this.#counts.get(socket) !== this.#acknowledged[socket])
        throw new Error(
          `user/u${socket} was acknowledged ${String(this.#acknowledged[socket])} events and has ${String(this.#counts.get(socket))}`,
        )
    return this.#acknowledged
  }

  #each({ from, to }: Window, run: (socket: number, latency: number) => void): void {
    const begin = from - performance.timeOrigin
    const end = to - performance.timeOrigin
    for (let i = 0; i < this.#length; i++) {
      const intended = this.#intended[i] as number
      if (intended >= begin && intended < end) run(this.#sockets[i] as number, this.#latency[i] as number)
    }
  }

  #send(socket: number, from: number): void {
    const request = this.#requests.take(socket, from)
    if (request === 0) throw new Error('too many probes are unanswered: the machine does not take this load now (--size makes it smaller)')
    const { dialect } = this.#fleet
    const sequence = this.#requests.sequence(request)
    this.#fleet.send(socket, dialect.event(request, eventData(this.#sent++), sequence, this.#requests.base(socket), null))
  }

  #message(socket: number, message: string): void {
    if (message.startsWith('{"t":"reply","id":1,"ok":true,"data":')) {
      this.#counts.set(socket, (JSON.parse(message) as { data: number }).data)
      return
    }
    const answered = this.#fleet.dialect.answered(message)
    if (answered === -1) return
    const request = answered > 0 ? answered : -2 - answered
    const from = this.#requests.answered(request, socket)
    if (answered < 0) {
      const code = /"code":"(\w+)"/.exec(message)?.[1] ?? 'unknown'
      this.#refused[code] = (this.#refused[code] ?? 0) + 1
      return
    }
    this.#acknowledged[socket] = (this.#acknowledged[socket] as number) + 1
    if (this.#length === this.#sockets.length) this.#widen()
    this.#sockets[this.#length] = socket
    this.#intended[this.#length] = from
    this.#latency[this.#length++] = performance.now() - from
  }

  #widen(): void {
    const twice = this.#length * 2
    const sockets = new Int32Array(twice)
    const intended = new Float64Array(twice)
    const latency = new Float64Array(twice)
    sockets.set(this.#sockets)
    intended.set(this.#intended)
    latency.set(this.#latency)
    this.#sockets = sockets
    this.#intended = intended
    this.#latency = latency
  }
}
