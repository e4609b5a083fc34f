import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LATENCY_BUCKETS, latencyBoundMs, LatencyHistogram, quantileMs } from '../../src/admin/latency.ts'
import { Series } from '../../src/admin/series.ts'

describe('LatencyHistogram', () => {
  test('a duration lies between the bound of the bucket before and that of its own', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 100_000, noNaN: true }), (ms) => {
        const histogram = new LatencyHistogram()
        histogram.record(ms)
        const bucket = histogram.counts.indexOf(1)
        expect(ms).toBeLessThanOrEqual(latencyBoundMs(bucket) * (1 + 1e-12))
        if (bucket > 0) expect(ms).toBeGreaterThan(latencyBoundMs(bucket - 1) * (1 - 1e-12))
      }),
    )
  })

  test('counts, sums, and takes what is beyond the last bound', () => {
    const histogram = new LatencyHistogram()
    for (const ms of [1, 2, 1e9]) histogram.record(ms)
    expect(histogram.count).toBe(3)
    expect(histogram.sumMs).toBe(1e9 + 3)
    expect(histogram.counts[LATENCY_BUCKETS - 1]).toBe(1)
  })

  test('a quantile is at most one bucket above the true one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.1, max: 10_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0.5, 0.9, 0.99),
        (all, q) => {
          const histogram = new LatencyHistogram()
          for (const ms of all) histogram.record(ms)
          const sorted = all.toSorted((a, b) => a - b)
          const exact = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] as number
          const found = quantileMs(histogram.counts, q) as number
          expect(found).toBeGreaterThanOrEqual(exact * (1 - 1e-12))
          expect(found).toBeLessThanOrEqual(Math.max(exact * 2 ** 0.25 * (1 + 1e-12), latencyBoundMs(0)))
        },
      ),
    )
  })

  test('of nothing there is no quantile', () => {
    expect(quantileMs(new LatencyHistogram().counts, 0.5)).toBeNull()
  })
})

describe('Series', () => {
  const none = new Float64Array(LATENCY_BUCKETS)

  test('adds up what falls into one step and begins a new point at the next', () => {
    const series = new Series(1000, 10)
    series.add(5000, new Map([['events', 2]]), none)
    series.add(5999, new Map([['events', 3]]), none)
    series.add(
      6000,
      new Map([
        ['events', 7],
        ['refused', 0],
      ]),
      none,
    )
    expect(series.points().map(({ at, counts }) => ({ at, counts }))).toEqual([
      { at: 5000, counts: { events: 5 } },
      { at: 6000, counts: { events: 7 } },
    ])
  })

  test('keeps the newest points only', () => {
    const series = new Series(1000, 3)
    for (let second = 0; second < 10; second++) series.add(second * 1000, new Map([['events', second]]), none)
    expect(series.points().map(({ at }) => at)).toEqual([7000, 8000, 9000])
  })

  test('a wall clock that is set back counts into the newest point', () => {
    const series = new Series(1000, 3)
    series.add(9000, new Map([['events', 1]]), none)
    series.add(2000, new Map([['events', 1]]), none)
    expect(series.points()).toHaveLength(1)
    expect(series.points()[0]?.counts).toEqual({ events: 2 })
  })
})
