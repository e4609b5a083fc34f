/**
 * How often a password may be tried for one name on one node: ten at once, then one every 30 s. A try is taken before the password
 * is looked at, so that tries side by side count too, and given back when it was right. Bounded: of 10,000 names the one longest
 * untried is forgotten.
 */
const BURST = 10
const REFILL_MS = 30_000
const NAMES_MAX = 10_000

export class Attempts {
  readonly #now: () => number
  /** Name → tries left, and when that was so. In order of use. */
  readonly #left = new Map<string, { readonly tries: number; readonly at: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** 0: go on. Otherwise how long to wait. */
  take(name: string): number {
    const now = this.#now()
    const known = this.#left.get(name)
    const tries = known === undefined ? BURST : Math.min(BURST, known.tries + (now - known.at) / REFILL_MS)
    if (tries < 1) return Math.ceil((1 - tries) * REFILL_MS)
    this.#left.delete(name)
    this.#left.set(name, { tries: tries - 1, at: now })
    if (this.#left.size > NAMES_MAX)
      for (const oldest of this.#left.keys()) {
        this.#left.delete(oldest)
        break
      }
    return 0
  }

  /** It was right. */
  giveBack(name: string): void {
    this.#left.delete(name)
  }
}
