/**
 * Throughput and latency over time, in memory of fixed size: three rings of points, fed once a second with the differences
 * of monotonic counters. Pure: the caller brings the instants.
 *
 *   second  120 points of 1 s      hour  120 points of 30 s      day  144 points of 10 min
 */
import { LATENCY_BUCKETS, latencyBoundMs, quantileMs } from './latency.ts'

export const SERIES = {
  second: { stepMs: 1000, points: 120 },
  hour: { stepMs: 30_000, points: 120 },
  day: { stepMs: 600_000, points: 144 },
} as const

export interface SeriesPoint {
  /** Start of the step, ms since 1970. */
  readonly at: number
  /** Differences of the counters over the step; those that did not move are left out. */
  readonly counts: Readonly<Record<string, number>>
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  /** [upper bound in ms or null for the last, count], the empty ones left out. */
  readonly latency: readonly (readonly [number | null, number])[]
}

interface Slot {
  at: number
  counts: Map<string, number>
  latency: Float64Array
}

export class Series {
  readonly #stepMs: number
  readonly #points: number
  readonly #slots: Slot[] = []

  constructor(stepMs: number, points: number) {
    this.#stepMs = stepMs
    this.#points = points
  }

  /** Adds the differences seen at `at`. An instant before the newest step (a wall clock set back) is counted in the newest. */
  add(at: number, counts: ReadonlyMap<string, number>, latency: ArrayLike<number>): void {
    const start = Math.floor(at / this.#stepMs) * this.#stepMs
    let slot = this.#slots.at(-1)
    if (slot === undefined || start > slot.at) {
      slot = { at: start, counts: new Map(), latency: new Float64Array(LATENCY_BUCKETS) }
      this.#slots.push(slot)
      if (this.#slots.length > this.#points) this.#slots.shift()
    }
    for (const [name, count] of counts) if (count !== 0) slot.counts.set(name, (slot.counts.get(name) ?? 0) + count)
    for (let i = 0; i < LATENCY_BUCKETS; i++) slot.latency[i] = (slot.latency[i] as number) + (latency[i] ?? 0)
  }

  points(): SeriesPoint[] {
    return this.#slots.map(({ at, counts, latency }) => ({
      at,
      counts: Object.fromEntries(counts),
      p50Ms: quantileMs(latency, 0.5),
      p99Ms: quantileMs(latency, 0.99),
      latency: latencyPairs(latency),
    }))
  }
}

export function latencyPairs(counts: ArrayLike<number>): (readonly [number | null, number])[] {
  const pairs: (readonly [number | null, number])[] = []
  for (let i = 0; i < counts.length; i++) {
    const bound = latencyBoundMs(i)
    if (counts[i] !== 0) pairs.push([Number.isFinite(bound) ? bound : null, counts[i] as number])
  }
  return pairs
}
