/**
 * What this node sees of the traffic, for the panel on the page: events and pages a second, how long they took, who was here within
 * the last minute. Counted at the app's edge (routes and `authorize`); nothing of it is kept.
 */
const ACTIVE_MS = 60_000
const USERS_MAX = 100_000
const SAMPLES_MAX = 4096

export interface TrafficSecond {
  readonly at: number
  readonly events: number
  readonly pages: number
  /** Time from a route's send to its durable answer, ms; null: none in this second. */
  readonly p50: number | null
  readonly p99: number | null
  readonly activeUsers: number
}

export class Traffic {
  readonly #now: () => number
  readonly #users = new Map<string, number>()
  #events = 0
  #pages = 0
  #samples: number[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  /** A user did something. */
  seen(uid: string): void {
    this.#users.delete(uid)
    this.#users.set(uid, this.#now())
    if (this.#users.size <= USERS_MAX) return
    for (const oldest of this.#users.keys()) {
      this.#users.delete(oldest)
      break
    }
  }

  /** An event came over a socket. */
  event(): void {
    this.#events++
  }

  async timed<Result>(what: 'send' | 'page', run: () => Promise<Result>): Promise<Result> {
    const began = performance.now()
    const result = await run()
    if (what === 'page') this.#pages++
    else {
      this.#events++
      if (this.#samples.length < SAMPLES_MAX) this.#samples.push(performance.now() - began)
    }
    return result
  }

  /** What came since the last call. */
  second(): TrafficSecond {
    const now = this.#now()
    for (const [uid, at] of this.#users) {
      if (at > now - ACTIVE_MS) break // in order of use
      this.#users.delete(uid)
    }
    const sorted = this.#samples.sort((a, b) => a - b)
    const at = (share: number): number | null =>
      sorted.length === 0 ? null : round(sorted[Math.floor(share * (sorted.length - 1))] as number)
    const second = { at: now, events: this.#events, pages: this.#pages, p50: at(0.5), p99: at(0.99), activeUsers: this.#users.size }
    this.#events = 0
    this.#pages = 0
    this.#samples = []
    return second
  }
}

const round = (ms: number): number => Math.round(ms * 100) / 100
