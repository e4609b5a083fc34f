/** What is counted while a run goes on: latencies by operation, retries and failures by code, outages, and who waited through a fault. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

export const OPERATIONS = ['register', 'load', 'provide', 'page', 'add', 'edit', 'delete', 'live', 'away'] as const
export type Operation = (typeof OPERATIONS)[number]

export interface OperationReport {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
}

/** A fault, and the longest that anybody waited who was waiting while it lasted. */
export interface Window {
  readonly from: number
  until: number
  longestMs: number
}

const OUTAGE_MS = 1000
/** Waits of the load that a fault may be to blame for. */
const WAITS: ReadonlySet<Operation> = new Set(['provide', 'page', 'add', 'edit', 'delete'])
const WINDOWS_MAX = 8

export class Tally {
  readonly #histograms: Record<Operation, RecordableHistogram>
  readonly retries: Record<string, number> = {}
  readonly failures: Record<string, number> = {}
  /** Times without any acknowledgement though some were due, in s since the live phase began. */
  readonly outages: { readonly fromS: number; readonly seconds: number }[] = []
  /** Sends that the SDK rejected, by code: its own repeats had not absorbed what happened. */
  readonly rejected: Record<string, number> = {}
  #windows: readonly Window[] = []

  constructor() {
    const each = OPERATIONS.map((name) => [name, createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 })] as const)
    this.#histograms = Object.fromEntries(each) as Record<Operation, RecordableHistogram>
  }

  /** Counted from the time it should have been sent, so that a stall is seen by all who waited behind it. */
  done(operation: Operation, intended: number, now: number = performance.now()): void {
    this.#histograms[operation].record(Math.max(1, Math.round((now - intended) * 1000)))
    if (this.#windows.length === 0 || !WAITS.has(operation)) return
    for (const window of this.#windows)
      if (intended < window.until && now > window.from) window.longestMs = Math.max(window.longestMs, now - Math.max(intended, window.from))
  }

  /** From now on, until its `until` is set: and on for those who began to wait before that. */
  watch(): Window {
    const window = { from: performance.now(), until: Infinity, longestMs: 0 }
    this.#windows = [...this.#windows.slice(1 - WINDOWS_MAX), window]
    return window
  }

  count(operation: Operation): number {
    return this.#histograms[operation].count
  }

  retry(code: string): void {
    this.retries[code] = (this.retries[code] ?? 0) + 1
  }

  gaveUp(code: string): void {
    this.rejected[code] = (this.rejected[code] ?? 0) + 1
  }

  failure(operation: Operation, code: string): void {
    const name = `${operation}:${code}`
    this.failures[name] = (this.failures[name] ?? 0) + 1
  }

  /** Called with the time of the last acknowledgement when the next comes. */
  gap(began: number, lastAck: number, now: number): void {
    if (now - lastAck >= OUTAGE_MS) this.outages.push({ fromS: round((lastAck - began) / 1000), seconds: round((now - lastAck) / 1000) })
  }

  report(operation: Operation): OperationReport {
    const histogram = this.#histograms[operation]
    const at = (percentile: number): number => (histogram.count === 0 ? 0 : round(histogram.percentile(percentile) / 1000))
    return {
      count: histogram.count,
      p50Ms: at(50),
      p99Ms: at(99),
      p999Ms: at(99.9),
      maxMs: histogram.count === 0 ? 0 : round(histogram.max / 1000),
    }
  }
}

export const round = (value: number): number => Math.round(value * 100) / 100
