/** Feeds the series of /v1/stats: once a second the differences of all counters and of the latency histogram. */
import type { Timer } from '../base/clock.ts'
import { LATENCY_BUCKETS, quantileMs } from './latency.ts'
import type { AdminParts } from './parts.ts'
import { latencyPairs, Series, SERIES, type SeriesPoint } from './series.ts'

const EVERY_MS = 1000

export interface Stats {
  readonly node: string
  readonly startedAt: number
  readonly uptimeMs: number
  readonly phase: string
  readonly activations: number
  readonly pendingEvents: number
  readonly sockets: number
  readonly unauthenticated: number
  /** Since the start. */
  readonly totals: Readonly<Record<string, number>>
  readonly latency: {
    readonly count: number
    readonly p50Ms: number | null
    readonly p99Ms: number | null
    readonly p999Ms: number | null
    readonly buckets: readonly (readonly [number | null, number])[]
  }
  readonly second: readonly SeriesPoint[]
  readonly hour: readonly SeriesPoint[]
  readonly day: readonly SeriesPoint[]
}

export class Recorder {
  readonly #parts: AdminParts
  readonly #startedAt: number
  readonly #startedMono: number
  readonly #second = new Series(SERIES.second.stepMs, SERIES.second.points)
  readonly #hour = new Series(SERIES.hour.stepMs, SERIES.hour.points)
  readonly #day = new Series(SERIES.day.stepMs, SERIES.day.points)
  #counters = new Map<string, number>()
  #latency = new Float64Array(LATENCY_BUCKETS)
  #timer: Timer

  constructor(parts: AdminParts) {
    this.#parts = parts
    this.#startedAt = parts.clock.now()
    this.#startedMono = parts.clock.mono()
    this.#timer = parts.clock.after(EVERY_MS, () => this.#tick())
  }

  stop(): void {
    this.#timer.cancel()
  }

  stats(): Stats {
    const { engine, gateway, latency, node, phase, clock } = this.#parts
    const { activations, pendingEvents } = engine.stats()
    const { sockets, unauthenticated } = gateway()
    return {
      node: node.id,
      startedAt: this.#startedAt,
      uptimeMs: Math.round(clock.mono() - this.#startedMono),
      phase: phase(),
      activations,
      pendingEvents,
      sockets,
      unauthenticated,
      totals: Object.fromEntries(this.#read()),
      latency: {
        count: latency.count,
        p50Ms: quantileMs(latency.counts, 0.5),
        p99Ms: quantileMs(latency.counts, 0.99),
        p999Ms: quantileMs(latency.counts, 0.999),
        buckets: latencyPairs(latency.counts),
      },
      second: this.#second.points(),
      hour: this.#hour.points(),
      day: this.#day.points(),
    }
  }

  #tick(): void {
    const counters = this.#read()
    const moved = new Map<string, number>()
    for (const [name, value] of counters) {
      const before = this.#counters.get(name) ?? 0
      // Fewer than before: the engine is a new one (the node was declared dead and came back), and counts from nought.
      moved.set(name, value < before ? value : value - before)
    }
    const spread = new Float64Array(LATENCY_BUCKETS)
    const { counts } = this.#parts.latency
    for (let i = 0; i < LATENCY_BUCKETS; i++) spread[i] = (counts[i] as number) - (this.#latency[i] as number)
    const at = this.#parts.clock.now()
    for (const series of [this.#second, this.#hour, this.#day]) series.add(at, moved, spread)
    this.#counters = counters
    this.#latency = counts.slice()
    this.#timer = this.#parts.clock.after(EVERY_MS, () => this.#tick())
  }

  /** Engine counters by their names, the gateway's as `gateway.name`: bytes are `gateway.bytesIn` and `gateway.bytesOut`. */
  #read(): Map<string, number> {
    const all = new Map(Object.entries(this.#parts.engine.stats().counters))
    for (const [name, value] of Object.entries(this.#parts.gateway().counters)) all.set(`gateway.${name}`, value)
    return all
  }
}
