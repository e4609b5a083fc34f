/**
 * More than a server can: Poisson events at a rate that it cannot take, on sockets that keep to what `welcome` says (`limits.inflight`: at most so many unanswered). An event whose
 * socket has that many is not sent: its client would hold it back. Events carry neither number nor key, so a refusal of one is nothing to the next.
 *
 * The last sockets are probes: one event in 5 ms over all of them together, before, while and after, from the intended time.
 */
import { seeded } from '../../src/base/random.ts'
import { countCpu, residentBytes, type CpuUse } from '../harness/proc-stat.ts'
import { percentiles, Samples, type Percentiles } from '../harness/statistics.ts'
import { DIALECTS, eventData } from './dialects.ts'
import { pause } from './events.ts'
import type { Fleet } from './fleet.ts'

export interface OverloadPlan {
  readonly probes: number
  readonly window: number
  /** Events a second. `null`: a closed loop of `outstanding`, which finds the maximum. */
  readonly rate: number | null
  readonly outstanding: number
  readonly warmMs: number
  readonly ms: number
  readonly seed: string
  readonly pids: Readonly<Record<string, number>>
}
export interface OverloadResult {
  readonly offered: number
  /** Answered with ok, a second. */
  readonly goodput: number
  /** By code, a second. */
  readonly refused: Readonly<Record<string, number>>
  /** Not sent because their socket had its share, a second. */
  readonly heldBack: number
  readonly probes: Percentiles
  readonly cpu: CpuUse
  /** Resident bytes of the server: after a third of the time, and at the most after that. */
  readonly resident: { readonly third: number; readonly most: number }
  /** After the last event: until the probes of 200 ms were all below `normalMs` again; PATIENCE_MS if they never were. */
  readonly normalAfterMs: number
}

const PROBE_MS = 5
const LOOK_MS = 200
const RESIDENT_MS = 250
const PATIENCE_MS = 30_000
const NOTHING = -1

export class Overload {
  readonly #fleet: Fleet
  readonly #unanswered: Uint16Array
  /** By request number, where its latency counts from; NOTHING: it is no probe. */
  readonly #asked = new Map<number, number>()
  #requests = 0
  #good = 0
  #heldBack = 0
  #offered = 0
  #refused: Record<string, number> = {}
  /** Intended time and latency of each probe. */
  #probes: [number, number][] = []
  #next: () => void = () => undefined

  constructor(fleet: Fleet) {
    this.#fleet = fleet
    this.#unanswered = new Uint16Array(fleet.size)
    fleet.onMessage = (socket, message) => this.#answered(socket, message)
  }

  /** `normalMs`: what probes take in health; null while nobody knows. */
  async run(plan: OverloadPlan, normalMs: number | null): Promise<OverloadResult> {
    const senders = this.#fleet.size - plan.probes
    const random = seeded(plan.seed)
    let probe = 0
    let going = true
    const start = performance.now()
    const gap = (): number => (-Math.log(1 - random.float()) * 1000) / (plan.rate ?? 1)
    let due = plan.rate === null ? Infinity : start + gap()
    this.#probes = []
    this.#next = () => {
      if (going && plan.rate === null) this.#send(Math.floor(random.float() * senders), NOTHING)
    }
    const timer = setInterval(() => {
      const now = performance.now()
      for (let at = start; (at = start + probe * PROBE_MS) <= now; probe++) this.#send(senders + (probe % plan.probes), at)
      for (; going && due <= now; due += gap()) {
        this.#offered++
        const socket = Math.floor(random.float() * senders)
        if ((this.#unanswered[socket] as number) >= plan.window) this.#heldBack++
        else this.#send(socket, NOTHING)
      }
    }, 1)
    if (plan.rate === null) for (let i = 0; i < plan.outstanding; i++) this.#next()
    await pause(plan.warmMs)
    this.#good = this.#heldBack = this.#offered = 0
    this.#refused = {}
    const from = performance.now()
    const cpu = countCpu({ ...plan.pids, load: process.pid })
    const sizes: number[] = []
    while (performance.now() - from < plan.ms) {
      await pause(Math.min(RESIDENT_MS, plan.ms))
      sizes.push(residentBytes(plan.pids['server'] as number))
    }
    const used = cpu()
    const to = performance.now()
    const a = (count: number): number => (count * 1000) / (to - from)
    const [goodput, heldBack, offered] = [a(this.#good), a(this.#heldBack), a(this.#offered)]
    const refused = Object.fromEntries(Object.entries(this.#refused).map(([code, count]) => [code, a(count)]))
    const measured = this.#probes.filter(([at]) => at >= from && at < to).map(([, ms]) => ms)
    going = false
    this.#next = () => undefined
    const normalAfterMs = normalMs === null ? NaN : await this.#normal(to, normalMs)
    clearInterval(timer)
    await this.#settled()
    const third = Math.floor(sizes.length / 3)
    return {
      offered,
      goodput,
      refused,
      heldBack,
      probes: percentiles(Float64Array.from(measured)),
      cpu: used,
      resident: { third: sizes[third] ?? NaN, most: Math.max(...sizes.slice(third)) },
      normalAfterMs,
    }
  }

  /** The end of the first LOOK_MS after `since` of which every probe was answered in time. */
  async #normal(since: number, normalMs: number): Promise<number> {
    for (const until = performance.now() + PATIENCE_MS; performance.now() < until;) {
      await pause(LOOK_MS / 2)
      for (let from = since; from + LOOK_MS + normalMs < performance.now(); from += LOOK_MS / 4) {
        const samples = new Samples()
        for (const [at, ms] of this.#probes) if (at >= from && at < from + LOOK_MS) samples.add(ms)
        // One in five milliseconds: an unanswered one is missing here.
        const { max, samples: count } = samples.percentiles()
        if (count >= LOOK_MS / PROBE_MS - 1 && max <= normalMs) return from + LOOK_MS - since
      }
    }
    return PATIENCE_MS
  }

  async #settled(): Promise<void> {
    for (const until = performance.now() + PATIENCE_MS; this.#asked.size > 0; await pause(5)) {
      if (this.#fleet.lost > 0) throw new Error(`${this.#fleet.lost} sockets were lost, the first: ${this.#fleet.firstLoss}`)
      if (performance.now() > until) throw new Error(`${this.#asked.size} events were never answered`)
    }
  }

  #send(socket: number, from: number): void {
    const request = ++this.#requests
    this.#asked.set(request, from)
    this.#unanswered[socket] = (this.#unanswered[socket] as number) + 1
    this.#fleet.send(socket, `{"t":"send","id":${request},"type":"ev","data":${eventData(request)}}`)
  }

  #answered(socket: number, message: string): void {
    const answered = DIALECTS.troupe.answered(message)
    if (answered === -1) return
    const request = answered > 0 ? answered : -2 - answered
    const from = this.#asked.get(request) ?? NOTHING
    this.#asked.delete(request)
    this.#unanswered[socket] = (this.#unanswered[socket] as number) - 1
    if (from !== NOTHING) this.#probes.push([from, answered > 0 ? performance.now() - from : Infinity])
    else if (answered > 0) this.#good++
    else {
      const code = /"code":"(\w+)"/.exec(message)?.[1] ?? 'without a code'
      this.#refused[code] = (this.#refused[code] ?? 0) + 1
    }
    this.#next()
  }
}
