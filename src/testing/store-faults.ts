/** What goes wrong with the store of a world: as often as it is told, or as `fail` says, and how long its calls take. */
import type { Random } from '../base/random.ts'
import type { Fault, StoreCall } from '../store/memory.ts'

/**
 * 'before': the write is refused, certainly not applied. 'after': it is applied, but the answer is lost. 'unknown': the answer is lost, and whether it
 * was applied the seed decides.
 */
export type StoreFailure = 'before' | 'after' | 'unknown'

const KINDS = { before: 'refused', after: 'unknown-after' } as const
const APPLY_MS = 1
const ANSWER_MS = 2

export class StoreFaults {
  readonly #random: Random
  /** Of all calls, that fail: 0 to 1. */
  share: number
  #next: { readonly how: StoreFailure; left: number }[] = []

  constructor(random: Random, share: number) {
    this.#random = random
    this.share = share
  }

  /** The next `times` writes fail so, after those that were asked for before. */
  fail(how: StoreFailure, times: number): void {
    this.#next.push({ how, left: times })
  }

  heal(): void {
    this.share = 0
    this.#next = []
  }

  of(call: StoreCall): Fault {
    const random = this.#random
    const fault = { applyAfterMs: APPLY_MS * random.float(), answerAfterMs: ANSWER_MS * random.float() }
    const how = this.#failure(call)
    if (how === null) return fault
    const kind = how === 'unknown' ? (random.float() < 0.5 ? 'unknown-before' : 'unknown-after') : KINDS[how]
    return { ...fault, kind }
  }

  #failure({ op }: StoreCall): StoreFailure | null {
    // Without a generation no process starts, and that is not what is tried here.
    if (op === 'generation' || op === 'meta') return null
    const [asked] = this.#next
    if (asked !== undefined && (op === 'commit' || op === 'claim')) {
      if (--asked.left <= 0) this.#next.shift()
      return asked.how
    }
    if (this.share === 0 || this.#random.float() >= this.share) return null
    return (['before', 'after', 'unknown'] as const)[Math.floor(this.#random.float() * 3)] ?? 'before'
  }
}
