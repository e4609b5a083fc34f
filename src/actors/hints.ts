/**
 * The wake-up hints of one actor, as its writer knows them (DESIGN D5).
 *
 *  - A hint goes with the batch that needs it; its key is (actor, place of that batch, due).
 *  - It is dropped only after a later durable batch of the own epoch after which nothing is owed, or nothing so early.
 *  - One that this writer did not write is never relied on, even if it would do: whoever wrote it may be about to delete it.
 */
import type { Append, Hint } from '../store/store.ts'

/** More are found again by the next scan. */
const STALE_MAX = 16

/** The store's side. */
export interface HintDrops {
  drop(hint: Hint): void
}

export class Hints {
  readonly #store: HintDrops
  #own: Hint | null = null
  #stale: Hint[] | null = null
  /** When the actor must wake as the newest durable batch says: what was answered since may be owed again after a crash. */
  #durablyOwed: number | null = null

  constructor(store: HintDrops) {
    this.#store = store
  }

  /** What was read owes this. With an own claim at `ownN` (else 0) hints before it are dropped if nothing is owed. Says whether some are left. */
  read(owed: number | null, ownN: number): boolean {
    this.#durablyOwed = owed
    if (owed !== null || ownN === 0) return this.#stale !== null
    for (const hint of this.#stale ?? []) if (hint.n < ownN) this.#store.drop(hint)
    this.#stale = null
    return false
  }

  /** The hint that a batch after which `owed` is owed must carry: when there is none or it is too late; at the end also when it is too early. */
  neededFor(owed: number | null, closing: boolean): number | null {
    if (owed === null) return null
    if (this.#own === null || this.#own.due > owed) return owed
    return closing && this.#own.due < owed ? owed : null
  }

  /** Whether the actor may leave memory with these hints in the store. A reader (`epoch` 0) has none of its own to mend. */
  right(owed: number | null, epoch: number): boolean {
    if (this.#stale !== null) return false
    return this.#own === null ? owed === null || epoch === 0 : owed !== null && this.#own.due >= owed
  }

  /** Those that are in the store as far as this writer knows: for the next owner (H1). */
  known(): Pick<Hint, 'n' | 'due'>[] {
    return [...(this.#own === null ? [] : [this.#own]), ...(this.#stale ?? [])].map(({ n, due }) => ({ n, due }))
  }

  /** A batch is durable, after which `owed` is owed. */
  committed({ actor, n, hintDue }: Append, owed: number | null): void {
    this.#durablyOwed = owed
    const before = this.#own
    if (hintDue !== null) this.#own = { actor, n, due: hintDue }
    else if (owed === null) this.#own = null
    if (before !== null && before !== this.#own) this.#store.drop(before)
    for (const hint of this.#stale ?? []) if (hint.n < n) this.#store.drop(hint)
    this.#stale = null
  }

  /** The scanner found this hint in the store. `ownN`: the newest durable batch of the own epoch when nothing is under way, else 0. */
  found(hint: Hint, ownN: number, inFlight: Append | null): void {
    const same = (other: Hint): boolean => other.n === hint.n && other.due === hint.due
    if ((this.#own !== null && same(this.#own)) || (inFlight?.n === hint.n && inFlight.hintDue === hint.due)) return
    const covered = this.#durablyOwed === null || (this.#own !== null && this.#own.due <= this.#durablyOwed)
    if (hint.n < ownN && covered) {
      this.#store.drop(hint)
      return
    }
    this.#stale ??= []
    if (this.#stale.length < STALE_MAX && !this.#stale.some(same)) this.#stale.push(hint)
  }
}
