/**
 * How long an accused member has to refute (Lifeguard, "LHA-Suspicion"). One accuser may be the sick one, so a suspicion starts at `maxMs`;
 * each further accuser who found the same by itself brings it nearer to `minMs`:
 *
 *     timeout = max(min, max − (max − min) · ln(C + 1) / ln(K + 1))      min = α · max(1, log10 N) · T      max = β · min
 *
 * with C accusers beyond the first and K as many as are waited for; with too few members for K others it starts at `min`. Refused
 * connections are evidence of another kind (nothing listens there): confirmed by others they shorten it to one period; silence never does (M7).
 */
import type { GossipOptions } from './gossip-options.ts'

export interface SuspicionTimes {
  readonly minMs: number
  readonly maxMs: number
  /** K: accusers beyond the first who bring it to `minMs`. */
  readonly confirmations: number
  readonly refusedMs: number
  /** Accusers whose connection was refused that bring it to `refusedMs`. */
  readonly refusals: number
}

/** `members`: all that are not known gone, the subject and oneself included. */
export function suspicionTimes(members: number, options: GossipOptions): SuspicionTimes {
  const minMs = options.suspicionMult * Math.max(1, Math.log10(members)) * options.periodMs
  const others = Math.max(0, members - 2)
  const confirmations = others < options.confirmations ? 0 : options.confirmations
  return {
    minMs,
    maxMs: confirmations === 0 ? minMs : options.suspicionMaxMult * minMs,
    confirmations,
    refusedMs: options.periodMs,
    refusals: 1 + Math.min(2, others),
  }
}

export function suspicionTimeoutMs(times: SuspicionTimes, confirmed: number): number {
  if (times.confirmations === 0) return times.minMs
  const share = Math.log(confirmed + 1) / Math.log(times.confirmations + 1)
  return Math.max(times.minMs, times.maxMs - (times.maxMs - times.minMs) * share)
}

/** Who accuses, and whether the connection was refused. */
export interface Accuser {
  readonly id: string
  readonly refused: boolean
}

/** Accusers that a frame carries for one subject, and that a suspicion remembers. */
export const ACCUSERS_MAX = 8

export class Suspicion {
  readonly startedAt: number
  readonly times: SuspicionTimes
  readonly #accusers = new Map<string, boolean>()
  #sleptMs = 0

  constructor(now: number, times: SuspicionTimes) {
    this.startedAt = now
    this.times = times
  }

  get accusers(): Accuser[] {
    return [...this.#accusers].map(([id, refused]) => ({ id, refused }))
  }

  /** Whether this is news: it is passed on then. Only as many are remembered as can matter. */
  accuse({ id, refused }: Accuser): boolean {
    const known = this.#accusers.get(id)
    if (known === true || known === refused) return false
    if (known === undefined && this.#accusers.size >= ACCUSERS_MAX) return false
    this.#accusers.set(id, refused)
    return refused || this.#accusers.size <= this.times.confirmations + 1
  }

  get refused(): boolean {
    let refusals = 0
    for (const refused of this.#accusers.values()) if (refused) refusals++
    return refusals >= this.times.refusals
  }

  /** When the verdict is due. */
  get dueAt(): number {
    if (this.refused) return this.startedAt + this.times.refusedMs
    return this.startedAt + this.#sleptMs + suspicionTimeoutMs(this.times, Math.max(0, this.#accusers.size - 1))
  }

  /** This node slept: a refutation could not be read, nor the accusation be told. That time does not count, up to the longest suspicion. */
  slept(ms: number): void {
    this.#sleptMs = Math.min(this.times.maxMs, this.#sleptMs + ms)
  }
}
