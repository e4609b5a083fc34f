/** Medians, ranges, percentiles. */

export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
  readonly rounds: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? at(sorted, middle) : (at(sorted, middle - 1) + at(sorted, middle)) / 2
  return { median, low: at(sorted, 0), high: at(sorted, sorted.length - 1), rounds: sorted.length }
}

/** Ratios of what two systems did in the same round: less noisy than the ratio of their medians. */
export function ratioByRound(ours: readonly number[], theirs: readonly number[]): Spread {
  return spread(ours.map((value, round) => value / (theirs[round] ?? NaN)))
}

export interface Percentiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  readonly samples: number
}

/** Of the first `length` values; nearest rank. Sorts them. */
export function percentiles(values: Float64Array, length: number = values.length): Percentiles {
  const sorted = values.subarray(0, length).sort()
  const rank = (p: number): number => sorted[Math.max(0, Math.ceil(p * length) - 1)] ?? NaN
  return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), p999: rank(0.999), max: rank(1), samples: length }
}

/** Values appended without limit but that of memory: doubles. */
export class Samples {
  #values: Float64Array = new Float64Array(1024)
  #length = 0

  add(value: number): void {
    if (this.#length === this.#values.length) {
      const wider = new Float64Array(this.#values.length * 2)
      wider.set(this.#values)
      this.#values = wider
    }
    this.#values[this.#length++] = value
  }

  percentiles(): Percentiles {
    return percentiles(this.#values, this.#length)
  }
}

function at(sorted: readonly number[], index: number): number {
  return sorted[index] ?? NaN
}
