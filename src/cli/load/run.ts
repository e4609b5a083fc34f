/**
 * An open loop: events are due at instants of a Poisson process, whatever the node does, and latency counts from the instant an
 * event was due, not from when it could be sent. So a node that stalls shows it (G. Tene, "coordinated omission").
 * At most OUTSTANDING_MAX events wait for answers; those that come due beyond are counted as not sent.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { LoadConnection } from './connection.ts'

const OUTSTANDING_MAX = 100_000
const TICK_MS = 1
const TELL_EVERY_MS = 1000

export interface LoadPlan {
  /** ws:// or wss://, with the path. */
  readonly url: string
  readonly connections: number
  /** `{i}` is the connection's number, from 1. */
  readonly token: string
  /** Events a second, over all connections. */
  readonly rate: number
  readonly durationMs: number
  readonly timeoutMs: number
  readonly type: string
  /** JSON text. */
  readonly data: string
}

export interface LoadReport {
  readonly connections: number
  readonly seconds: number
  readonly offeredPerSecond: number
  readonly acceptedPerSecond: number
  readonly sent: number
  readonly accepted: number
  readonly failed: number
  readonly unanswered: number
  readonly notSent: number
  readonly lostConnections: number
  readonly errors: Readonly<Record<string, number>>
  readonly latencyMs: {
    readonly mean: number
    readonly p50: number
    readonly p90: number
    readonly p99: number
    readonly p999: number
    readonly max: number
  } | null
}

export interface Progress {
  connecting(open: number): void
  running(report: LoadReport): void
}

export class Load {
  readonly #plan: LoadPlan
  readonly #clock: Clock
  readonly #random: Random
  readonly #progress: Progress
  readonly #latencyUs: RecordableHistogram = createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 })
  readonly #errors = new Map<string, number>()
  #connections: LoadConnection[] = []
  #opened = 0
  #sent = 0
  #accepted = 0
  #failed = 0
  #unanswered = 0
  #notSent = 0
  #lost = 0
  #outstanding = 0
  #beganMs = 0
  #endedMs: number | null = null
  #quiet: () => void = () => undefined
  #stopped = false

  constructor(plan: LoadPlan, clock: Clock, random: Random, progress: Progress) {
    this.#plan = plan
    this.#clock = clock
    this.#random = random
    this.#progress = progress
  }

  /** Ends the load early; the report is of what was done. */
  stop(): void {
    this.#stopped = true
  }

  /** Rejects if not all connections come about. */
  async run(): Promise<LoadReport> {
    try {
      await this.#connect()
      this.#beganMs = this.#clock.mono()
      await this.#offer()
      this.#endedMs = this.#clock.mono()
      await this.#settle()
      return this.report()
    } finally {
      for (const connection of this.#connections) connection.close()
    }
  }

  report(): LoadReport {
    const seconds = ((this.#endedMs ?? this.#clock.mono()) - this.#beganMs) / 1000
    const ms = (percentile: number): number => round(this.#latencyUs.percentile(percentile) / 1000)
    const { count, mean, max } = this.#latencyUs
    return {
      connections: this.#opened,
      seconds: round(seconds),
      offeredPerSecond: round((this.#sent + this.#notSent) / seconds),
      acceptedPerSecond: round(this.#accepted / seconds),
      sent: this.#sent,
      accepted: this.#accepted,
      failed: this.#failed,
      unanswered: this.#unanswered,
      notSent: this.#notSent,
      lostConnections: this.#lost,
      errors: Object.fromEntries(this.#errors),
      latencyMs:
        count === 0 ? null : { mean: round(mean / 1000), p50: ms(50), p90: ms(90), p99: ms(99), p999: ms(99.9), max: round(max / 1000) },
    }
  }

  /** A few at a time, so that it is not the handshakes that overload the node. */
  async #connect(): Promise<void> {
    const { connections, url, token, timeoutMs } = this.#plan
    let next = 1
    const one = async (): Promise<void> => {
      while (next <= connections && !this.#stopped) {
        const name = token.replaceAll('{i}', String(next++))
        const connection = await LoadConnection.open(url, name, timeoutMs, {
          answered: (intendedMs, failure) => this.#answered(intendedMs, failure),
          lost: (why, unanswered) => this.#lostOne(why, unanswered),
        })
        this.#connections.push(connection)
        this.#opened += 1
        this.#progress.connecting(this.#opened)
      }
    }
    await Promise.all(Array.from({ length: Math.min(64, connections) }, one))
  }

  async #offer(): Promise<void> {
    const { rate, durationMs, type, data } = this.#plan
    const event = `"type":${JSON.stringify(type)},"data":${data}`
    const until = this.#beganMs + durationMs
    let due = this.#beganMs + this.#gapMs(rate)
    let tellAt = this.#beganMs + TELL_EVERY_MS
    while (!this.#stopped) {
      const now = this.#clock.mono()
      for (; due <= now && due < until; due += this.#gapMs(rate)) this.#send(event, due)
      if (now >= tellAt) {
        this.#progress.running(this.report())
        tellAt += TELL_EVERY_MS
      }
      if (due >= until || this.#connections.length === 0) return
      await new Promise<void>((resolve) => this.#clock.after(Math.max(TICK_MS, Math.min(due, tellAt) - now), resolve))
    }
  }

  /** Exponential: the gaps of a Poisson process. */
  #gapMs(rate: number): number {
    return (-Math.log(1 - this.#random.float()) * 1000) / rate
  }

  #send(event: string, dueMs: number): void {
    const connection = this.#connections[Math.floor(this.#random.float() * this.#connections.length)]
    if (connection === undefined || this.#outstanding >= OUTSTANDING_MAX) {
      this.#notSent += 1
      return
    }
    this.#sent += 1
    this.#outstanding += 1
    connection.send(event, dueMs)
  }

  /** Until every answer came, or the time for it is over. */
  async #settle(): Promise<void> {
    if (this.#outstanding > 0) {
      const settled = Promise.withResolvers<void>()
      this.#quiet = settled.resolve
      const timer = this.#clock.after(this.#plan.timeoutMs, settled.resolve)
      await settled.promise
      timer.cancel()
    }
    this.#unanswered += this.#outstanding
  }

  #answered(intendedMs: number, failure: string | null): void {
    this.#outstanding -= 1
    if (failure === null) {
      this.#accepted += 1
      this.#latencyUs.record(Math.max(1, Math.round((this.#clock.mono() - intendedMs) * 1000)))
    } else {
      this.#failed += 1
      this.#count(failure)
    }
    if (this.#outstanding === 0) this.#quiet()
  }

  #lostOne(why: string, unanswered: number): void {
    this.#lost += 1
    this.#unanswered += unanswered
    this.#outstanding -= unanswered
    this.#connections = this.#connections.filter((connection) => connection.open)
    this.#count(why)
    if (this.#outstanding === 0) this.#quiet()
  }

  #count(what: string): void {
    // Texts of errors come from the node: a bounded number of them.
    const name = this.#errors.has(what) || this.#errors.size < 50 ? what : 'other'
    this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1)
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
