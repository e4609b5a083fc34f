/** What many runs came to: seeds, virtual time and failures of each kind, and how often rare paths were taken. Grows with the kinds and the names, not with the runs. */
import type { RunAsked, RunResult } from './run.ts'

interface Sums {
  seeds: number
  virtualMs: number
  failed: number
}

export class Tally {
  readonly #kinds = new Map<string, Sums>()
  readonly #counts = new Map<string, number>()

  get seeds(): number {
    return this.#total('seeds')
  }

  get virtualMs(): number {
    return this.#total('virtualMs')
  }

  get failed(): number {
    return this.#total('failed')
  }

  add({ violation, virtualMs, counts }: RunResult, { kind = 'engine', store = 'plain' }: Pick<RunAsked, 'kind' | 'store'>): void {
    const name = store === 'plain' ? kind : `${kind} on ${store}`
    const sums = this.#kinds.get(name) ?? { seeds: 0, virtualMs: 0, failed: 0 }
    this.#kinds.set(name, sums)
    sums.seeds++
    sums.virtualMs += virtualMs
    if (violation !== null) sums.failed++
    for (const [what, count] of Object.entries(counts)) this.#counts.set(what, (this.#counts.get(what) ?? 0) + count)
  }

  count(what: string): number {
    return this.#counts.get(what) ?? 0
  }

  /** In one line, as it is after so many ms of real time. */
  line(realMs: number): string {
    const speed = Math.round(this.virtualMs / realMs)
    return `${this.seeds} seeds, ${hours(this.virtualMs)} virtual hours, ${speed} x real time, ${this.failed} failed`
  }

  /** The end: a line a kind, and all together. */
  summary(realMs: number): string {
    const kinds = [...this.#kinds].sort(([a], [b]) => (a < b ? -1 : 1))
    const rows = kinds.map(
      ([name, { seeds, virtualMs, failed }]) => `  ${name}: ${seeds} seeds, ${hours(virtualMs)} virtual hours, ${failed} failed`,
    )
    return [`${(realMs / 60_000).toFixed(1)} minutes: ${this.line(realMs)}`, ...rows].join('\n')
  }

  /** What really happened, by name. */
  countsText(): string {
    return [...this.#counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => `  ${name.slice(0, 100).padEnd(28)} ${count}`)
      .join('\n')
  }

  #total(field: keyof Sums): number {
    let total = 0
    for (const sums of this.#kinds.values()) total += sums[field]
    return total
  }
}

function hours(ms: number): string {
  return (ms / 3_600_000).toFixed(2)
}
