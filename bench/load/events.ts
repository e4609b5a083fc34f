/**
 * The event workload: a closed loop, which finds the maximum, and an open loop, which finds the latency under a given rate.
 *
 * E1 The closed loop keeps a number of events unanswered over all users; the next is sent from the callback that read an answer.
 * E2 The open loop sends at Poisson times fixed beforehand and counts latency from the *intended* time, so a server that stalls is charged
 *    for every event that should have been sent meanwhile (G. Tene, "How NOT to Measure Latency": coordinated omission).
 *    It looks at the clock once a millisecond, which adds about 0.6 ms to every system's latency alike.
 * E3 A phase ends when all its events are answered; one that is never answered fails the phase.
 */
import { countCpu, type CpuUse } from '../harness/proc-stat.ts'
import { Samples, type Percentiles } from '../harness/statistics.ts'
import { seeded } from '../../src/base/random.ts'
import { eventData } from './dialects.ts'
import type { Fleet } from './fleet.ts'
import { picker, type Pick } from './picker.ts'
import { Requests } from './requests.ts'

export interface PhasePlan {
  readonly pick: Pick
  readonly seed: string
  /** Sent but not counted, before the measured time: for so long, and at least so many answers (though not longer than two minutes). */
  readonly warmMs: number
  readonly warmEvents: number
  readonly ms: number
  /** Processes whose CPU is counted over the measured time. */
  readonly pids: Readonly<Record<string, number>>
  /** Where events go; null: to the sender's own actor. */
  readonly to: string | null
}
export interface PhaseResult {
  /** Answers a second in the measured time. */
  readonly rate: number
  /** Milliseconds. */
  readonly latency: Percentiles
  readonly cpu: CpuUse
  /** Acknowledged in the whole phase, warm-up included. */
  readonly acknowledged: number
  /** Answered with a refusal. */
  readonly failed: number
  readonly firstFailure: string
}

const SETTLE_TIMEOUT_MS = 60_000
const WARM_TIMEOUT_MS = 120_000

export class EventLoad {
  readonly #fleet: Fleet
  readonly #requests: Requests
  #acknowledged = 0
  #failed = 0
  #firstFailure = ''
  #sent = 0
  #samples: Samples | null = null
  #counted = 0
  #onAnswer: () => void = () => undefined

  constructor(fleet: Fleet) {
    this.#fleet = fleet
    this.#requests = new Requests(fleet.size)
    const { dialect } = fleet
    fleet.onMessage = (socket, message) => {
      const answered = dialect.answered(message)
      if (answered === -1) return
      const request = answered > 0 ? answered : -2 - answered
      const from = this.#requests.answered(request, socket)
      if (answered > 0) this.#acknowledged++
      else {
        this.#failed++
        if (this.#firstFailure === '') this.#firstFailure = message.slice(0, 300)
      }
      if (this.#samples !== null && answered > 0) {
        this.#samples.add(performance.now() - from)
        this.#counted++
      }
      this.#onAnswer()
    }
  }

  async closed(plan: PhasePlan, outstanding: number): Promise<PhaseResult> {
    const pick = picker(plan.pick, this.#fleet.size, plan.seed)
    let going = true
    const next = (): void => {
      if (going) this.#send(pick(), performance.now(), plan.to)
    }
    return this.#phase(plan, () => {
      this.#onAnswer = next
      for (let i = 0; i < outstanding; i++) next()
      return () => (going = false)
    })
  }

  /** `rate`: events a second. */
  async open(plan: PhasePlan, rate: number): Promise<PhaseResult> {
    const pick = picker(plan.pick, this.#fleet.size, plan.seed)
    const random = seeded(`${plan.seed}/arrivals`)
    const gap = (): number => (-Math.log(1 - random.float()) * 1000) / rate
    return this.#phase(plan, () => {
      let due = performance.now() + gap()
      const timer = setInterval(() => {
        const now = performance.now()
        while (due <= now) {
          if (!this.#send(pick(), due, plan.to)) break
          due += gap()
        }
      }, 1)
      return () => clearInterval(timer)
    })
  }

  async #phase(plan: PhasePlan, begin: () => () => void): Promise<PhaseResult> {
    this.#acknowledged = this.#failed = this.#counted = 0
    this.#firstFailure = ''
    const end = begin()
    const warmUntil = performance.now() + WARM_TIMEOUT_MS
    await pause(plan.warmMs)
    while (this.#acknowledged < plan.warmEvents && performance.now() < warmUntil) await pause(10)
    const samples = new Samples()
    const cpu = countCpu({ ...plan.pids, load: process.pid })
    this.#counted = 0
    this.#samples = samples
    const start = performance.now()
    await pause(plan.ms)
    const rate = (this.#counted * 1000) / (performance.now() - start)
    const used = cpu()
    end()
    await this.#settle()
    this.#samples = null
    this.#onAnswer = () => undefined
    return {
      rate,
      latency: samples.percentiles(),
      cpu: used,
      acknowledged: this.#acknowledged,
      failed: this.#failed,
      firstFailure: this.#firstFailure,
    }
  }

  #send(socket: number, from: number, to: string | null): boolean {
    const request = this.#requests.take(socket, from)
    if (request === 0) return false
    const { dialect } = this.#fleet
    const data = eventData(this.#sent++)
    this.#fleet.send(socket, dialect.event(request, data, this.#requests.sequence(request), this.#requests.base(socket), to))
    return true
  }

  async #settle(): Promise<void> {
    const deadline = performance.now() + SETTLE_TIMEOUT_MS
    while (this.#requests.outstanding > 0) {
      if (this.#fleet.lost > 0) throw new Error(`${this.#fleet.lost} sockets were lost, the first: ${this.#fleet.firstLoss}`)
      if (performance.now() > deadline) throw new Error(`${this.#requests.outstanding} events were never answered`)
      await pause(1)
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
