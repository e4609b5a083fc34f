/** How long things took, in few numbers: counts below each bound, for the admin port to export. */

const BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000] as const

export interface HistogramNumbers {
  readonly boundsMs: readonly number[]
  /** Those at or below each bound, and one more for all above; not cumulative. */
  readonly counts: readonly number[]
  readonly count: number
  readonly sumMs: number
}

export class Histogram {
  readonly #counts: number[] = Array.from({ length: BOUNDS_MS.length + 1 }, () => 0)
  #count = 0
  #sum = 0

  add(ms: number): void {
    let i = 0
    while (i < BOUNDS_MS.length && ms > (BOUNDS_MS[i] as number)) i++
    this.#counts[i] = (this.#counts[i] as number) + 1
    this.#count++
    this.#sum += ms
  }

  numbers(): HistogramNumbers {
    return { boundsMs: BOUNDS_MS, counts: [...this.#counts], count: this.#count, sumMs: this.#sum }
  }
}
