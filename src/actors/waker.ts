/**
 * Waking (DESIGN D5): asks the store, again and again, for actors that owe something (a due timer, an undelivered send) and
 * activates them. It never judges a hint by reading: a spurious one is harmless, a missing one is a lost promise.
 */
import type { Hint } from '../store/store.ts'
import type { Arrivals } from './engine.ts'
import type { Host } from './host.ts'

/** A hint that woke its actor and is still there rests for this long, so that a broken actor is not tried all the time. */
const REST_MS = 5_000
const LOOK_MS = 5
const RESTING_MAX = 100_000

export interface WakerParts {
  /** Whether an actor is this node's to wake. The hints of others are theirs; each scan asks anew. */
  isOurs(actor: string): boolean
  readonly arrivals: Arrivals | null
  wake(hint: Hint): void
}

export class Waker {
  readonly #host: Host
  readonly #parts: WakerParts
  /** Actors that another node is asked for before they are woken. */
  readonly #awaited = new Set<string>()
  /** Hints that woke their actors lately, and until when they rest. */
  readonly #resting = new Map<string, number>()
  #after: Hint | undefined
  #running = false

  constructor(host: Host, parts: WakerParts) {
    this.#host = host
    this.#parts = parts
  }

  start(): void {
    this.#running = true
    this.#scan()
  }

  stop(): void {
    this.#running = false
  }

  /** Now, or when the node that may still have the actor was asked for it: to read it from the store would fence that node, though it lives (H1). */
  wake(actor: string, hints: readonly Hint[]): void {
    const { arrivals } = this.#parts
    if (arrivals?.awaited(actor) !== true) {
      for (const hint of hints) this.#parts.wake(hint)
      return
    }
    if (this.#awaited.has(actor)) return
    this.#awaited.add(actor)
    void arrivals.here(actor).then((here) => {
      this.#awaited.delete(actor)
      if (here && this.#running && !this.#host.dead) for (const hint of hints) this.#parts.wake(hint)
    })
  }

  #scan(): void {
    if (!this.#running || this.#host.dead) return
    const { wakeBatch } = this.#host.options
    let over = false
    const limit = this.#host.clock.after(this.#host.options.activationTimeoutMs, () => {
      over = true
      this.#scan()
    })
    this.#host.store.hints(this.#host.clock.now(), wakeBatch, this.#after).then(
      (hints) => {
        limit.cancel()
        if (over || !this.#running || this.#host.dead) return
        const now = this.#host.clock.mono()
        // All hints of an actor go together, or each would cost a claim of its own.
        for (const [actor, own] of byActor(hints))
          if (this.#parts.isOurs(actor) && this.#mayWake(actor) && this.#rested(own, now)) this.wake(actor, own)
        // A full page: there are more behind it. Otherwise begin again from the front, where new ones may have come.
        this.#after = hints.length < wakeBatch ? undefined : hints.at(-1)
        if (this.#after === undefined) this.#later(this.#host.options.wakeScanMs)
        else this.#whenLoaded(now)
      },
      () => {
        limit.cancel()
        if (!over) this.#later(this.#host.options.wakeScanMs)
      },
    )
  }

  /** What is asked for already is not asked for again; of many, later scans find the others. */
  #mayWake(actor: string): boolean {
    if (this.#awaited.has(actor)) return false
    return this.#awaited.size < this.#host.options.wakeBatch || this.#parts.arrivals?.awaited(actor) !== true
  }

  /** Whether any of an actor's hints is new or has rested; then all of them rest from now. */
  #rested(hints: readonly Hint[], now: number): boolean {
    const keys = hints.map(({ actor, n, due }) => `${n} ${due} ${actor}`)
    if (keys.every((key) => (this.#resting.get(key) ?? -Infinity) > now)) return false
    for (const key of keys) {
      this.#resting.delete(key)
      this.#resting.set(key, now + REST_MS)
    }
    for (const oldest of this.#resting.keys()) {
      if (this.#resting.size <= RESTING_MAX) break
      this.#resting.delete(oldest)
    }
    return true
  }

  /** After a crash many actors owe something at once: the next page waits for this one, and as long again, so that clients are served between. */
  #whenLoaded(begunAt: number): void {
    this.#host.clock.after(LOOK_MS, () => {
      if (!this.#running || this.#host.dead) return
      if (this.#host.reading.count > 0 && this.#host.clock.mono() - begunAt < this.#host.options.wakeScanMs) this.#whenLoaded(begunAt)
      else this.#later(Math.min(this.#host.options.wakeScanMs, this.#host.clock.mono() - begunAt))
    })
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
