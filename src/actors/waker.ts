/**
 * Waking (DESIGN D5): asks the store, again and again, for actors that owe something (a due timer, an undelivered send) and
 * activates them. It never judges a hint by reading: a spurious one is harmless, a missing one is a lost promise.
 */
import type { Hint } from '../store/store.ts'
import type { Host } from './host.ts'

/** An actor that was woken and still has its hints is left alone for this long, so that a broken one is not tried all the time; a newer hint wakes it at once. */
const REST_MS = 5_000
const RESTING_MAX = 100_000

export class Waker {
  readonly #host: Host
  readonly #wake: (hint: Hint) => void
  readonly #resting = new Map<string, { readonly until: number; readonly n: number }>()
  #after: Hint | undefined
  #running = false

  constructor(host: Host, wake: (hint: Hint) => void) {
    this.#host = host
    this.#wake = wake
  }

  start(): void {
    this.#running = true
    this.#scan()
  }

  stop(): void {
    this.#running = false
  }

  #scan(): void {
    if (!this.#running || this.#host.dead) return
    const { wakeBatch } = this.#host.options
    this.#host.store.hints(this.#host.clock.now(), wakeBatch, this.#after).then(
      (hints) => {
        if (!this.#running || this.#host.dead) return
        const now = this.#host.clock.mono()
        // All hints of an actor go together, or each would cost a claim of its own.
        for (const [actor, own] of byActor(hints)) if (this.#rested(actor, own, now)) for (const hint of own) this.#wake(hint)
        // A full page: there are more behind it. Otherwise begin again from the front, where new ones may have come.
        this.#after = hints.length < wakeBatch ? undefined : hints.at(-1)
        this.#later(this.#after === undefined ? this.#host.options.wakeScanMs : 1)
      },
      () => this.#later(this.#host.options.wakeScanMs),
    )
  }

  #rested(actor: string, hints: readonly Hint[], now: number): boolean {
    const n = Math.max(...hints.map((hint) => hint.n))
    const resting = this.#resting.get(actor)
    if (resting !== undefined && resting.until > now && n <= resting.n) return false
    this.#resting.delete(actor)
    this.#resting.set(actor, { until: now + REST_MS, n })
    if (this.#resting.size > RESTING_MAX) for (const oldest of this.#resting.keys()) return this.#resting.delete(oldest)
    return true
  }

  #later(ms: number): void {
    this.#host.clock.after(ms, () => this.#scan())
  }
}

function byActor(hints: readonly Hint[]): Map<string, Hint[]> {
  const grouped = new Map<string, Hint[]>()
  for (const hint of hints) {
    const own = grouped.get(hint.actor)
    if (own === undefined) grouped.set(hint.actor, [hint])
    else own.push(hint)
  }
  return grouped
}
