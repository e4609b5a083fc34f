/**
 * The activations of this node by actor, and when they go: idle ones are passivated a few at a time, in the order they are kept.
 * Remembers who was fenced lately: the next activation claims first (J2), and the sooner after a loss the longer it waits,
 * so that two owners do not duel.
 */
import { backoffMs } from '../base/backoff.ts'
import { guarded } from '../base/guard.ts'
import type { Failure } from '../errors.ts'
import type { Activation, Ending } from './activation.ts'
import type { Host } from './host.ts'

const SWEEP_MS = 500
/** Lost actors, and broken ones, that are remembered. */
const REMEMBERED_MAX = 10_000
/** Some round trips of gossip. */
const FIRST_LOSS_MS = 50
const DUEL_FIRST_MS = 100
const DUEL_MAX_MS = 5_000
const FORGIVEN_MS = 30_000
const BROKEN_MS = 1000
const SLICE_MS = 10

interface Loss {
  count: number
  at: number
}

export class Directory {
  readonly #host: Host
  readonly #activations = new Map<string, Activation>()
  readonly #broken = new Map<string, { readonly failure: Failure; readonly until: number }>()
  readonly #losses = new Map<string, Loss>()
  #cursor: Iterator<Activation> | null = null
  #sweeping = false

  constructor(host: Host) {
    this.#host = host
  }

  get size(): number {
    return this.#activations.size
  }

  get(id: string): Activation | undefined {
    return this.#activations.get(id)
  }

  all(): Activation[] {
    return [...this.#activations.values()]
  }

  /** Adds an activation and lets it read; one that was fenced lately, and is to write, claims after a back-off. Reading never claims (J2). */
  add(activation: Activation, to: 'read' | 'write'): void {
    this.#activations.set(activation.id, activation)
    this.#sweepLater()
    const wait = to === 'read' ? null : this.claimWait(activation.id)
    if (wait === null) {
      activation.load(false)
      return
    }
    activation.claimAfter(wait)
  }

  /** Adds an activation that has its memory already (H1). */
  adopt(activation: Activation): void {
    this.#activations.set(activation.id, activation)
    this.#sweepLater()
  }

  /** How long to wait before an actor is claimed, ms, since it was lost to another owner lately; null: it need not be claimed first. */
  claimWait(id: string): number | null {
    const loss = this.#losses.get(id)
    if (loss === undefined || this.#host.clock.mono() - loss.at >= FORGIVEN_MS) return null
    // Also after the first: who lost may have been asleep, and hears meanwhile that it was declared dead (J7).
    return FIRST_LOSS_MS + (loss.count === 1 ? 0 : backoffMs(loss.count - 2, DUEL_FIRST_MS, DUEL_MAX_MS, this.#host.random))
  }

  /** Why an actor could not be activated a moment ago: it is not read and folded again for every request. */
  broken(id: string): Failure | null {
    const known = this.#broken.get(id)
    if (known === undefined) return null
    if (this.#host.clock.mono() < known.until) return known.failure
    this.#broken.delete(id)
    return null
  }

  remove(activation: Activation, why: Ending, failure: Failure | null): void {
    const { id } = activation
    if ((why === 'broken' || why === 'newer') && failure !== null)
      keepNewest(this.#broken, id, { failure, until: this.#host.clock.mono() + BROKEN_MS })
    if (this.#activations.get(id) === activation) this.#activations.delete(id)
    if (why === 'passivated' || why === 'released') this.#losses.delete(id) // it lived in peace: nobody contends for the actor now
    if (why !== 'fenced') return
    const now = this.#host.clock.mono()
    const loss = this.#losses.get(id)
    keepNewest(this.#losses, id, { count: loss !== undefined && now - loss.at < FORGIVEN_MS ? loss.count + 1 : 1, at: now })
  }

  /** For a drain: passivates, idle or not, for some milliseconds, in turn. */
  passivateSome(): void {
    const until = this.#host.clock.mono() + SLICE_MS
    let left = this.#activations.size
    while (left-- > 0 && this.#host.clock.mono() <= until && !this.#host.committer.crowded) {
      this.#cursor ??= this.#activations.values()
      const { value, done } = this.#cursor.next()
      if (done === true) this.#cursor = null
      else guarded(this.#host.log, 'passivating an actor', () => value.passivate(true))
    }
  }

  #sweepLater(): void {
    if (this.#sweeping) return
    this.#sweeping = true
    this.#host.clock.after(SWEEP_MS, () => {
      this.#sweeping = false
      if (!this.#host.dead) this.#sweep()
    })
  }

  /** Looks at a share of all, so that a million activations are gone through in some seconds without a stall. */
  #sweep(): void {
    const share = Math.max(1000, Math.ceil(this.#activations.size / 20))
    this.#cursor ??= this.#activations.values()
    const until = this.#host.clock.mono() + SLICE_MS
    for (let i = 0; i < share; i++) {
      // Snapshots of what goes wait in the committer: no more while it has enough; one, to find out, while the store fails.
      if (this.#host.committer.crowded || (i > 0 && this.#host.committer.failingMs() > 0) || this.#host.clock.mono() > until) break
      const { value, done } = this.#cursor.next()
      if (done === true) {
        this.#cursor = null
        break
      }
      guarded(this.#host.log, 'passivating an actor', () => value.passivate(false))
    }
    if (this.#activations.size > 0) this.#sweepLater()
  }
}

/** Adds one as the newest; the oldest makes room. */
function keepNewest<T>(marks: Map<string, T>, id: string, mark: T): void {
  marks.delete(id)
  marks.set(id, mark)
  for (const oldest of marks.keys()) {
    if (marks.size <= REMEMBERED_MAX) break
    marks.delete(oldest)
  }
}
