/**
 * A histogram of durations with buckets of equal ratio: four to an octave (each bound is 2^¼ = 1.19 times the one before),
 * from 1/16 ms to about 16 s. Recording costs one logarithm and no allocation. After HdrHistogram (G. Tene), much reduced.
 */
const PER_OCTAVE = 4
const FIRST_MS = 1 / 16
const OCTAVES = 18
/** The last bucket takes everything above. */
export const LATENCY_BUCKETS: number = PER_OCTAVE * OCTAVES + 1

/** Upper bound of a bucket in ms; Infinity for the last. */
export function latencyBoundMs(bucket: number): number {
  return bucket >= LATENCY_BUCKETS - 1 ? Infinity : FIRST_MS * 2 ** (bucket / PER_OCTAVE)
}

export class LatencyHistogram {
  readonly counts: Float64Array = new Float64Array(LATENCY_BUCKETS)
  count = 0
  sumMs = 0

  record(ms: number): void {
    const bucket = ms <= FIRST_MS ? 0 : Math.min(LATENCY_BUCKETS - 1, Math.ceil(Math.log2(ms / FIRST_MS) * PER_OCTAVE))
    this.counts[bucket] = (this.counts[bucket] as number) + 1
    this.count += 1
    this.sumMs += ms
  }
}

/** Upper bound (ms) of the bucket that holds the given quantile (0–1) of `counts`; null when they are empty. */
export function quantileMs(counts: ArrayLike<number>, quantile: number): number | null {
  let total = 0
  for (let i = 0; i < counts.length; i++) total += counts[i] as number
  if (total === 0) return null
  let seen = 0
  for (let i = 0; i < counts.length; i++) {
    seen += counts[i] as number
    if (seen >= quantile * total && seen > 0) return Math.min(latencyBoundMs(i), latencyBoundMs(LATENCY_BUCKETS - 2))
  }
  return latencyBoundMs(LATENCY_BUCKETS - 2)
}
