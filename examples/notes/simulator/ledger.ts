/**
 * The simulator's own book: what was sent and what was acknowledged, a byte an item, and in the end what was found.
 * An item is a number; user, id and content follow from it, so nothing else needs to be kept (items.ts).
 */
export const UNSENT = 0
export const SENT = 1
/** Acknowledged, as new or as a repeat. */
export const ACKED = 2
export const EDITING = 3
export const EDITED = 4
export const DELETING = 5
export const DELETED = 6
/** Refused for good, or given up. */
export const FAILED = 7

export class Ledger {
  #state = new Uint8Array(1024)
  #found = new Uint8Array(1024)
  #live = new Uint8Array(1024)
  #size = 0
  acked = 0

  get size(): number {
    return this.#size
  }

  stateOf(item: number): number {
    return this.#state[item] ?? UNSENT
  }

  set(item: number, state: number): void {
    this.#grow(item)
    if (state === ACKED && (this.#state[item] as number) < ACKED) this.acked++
    this.#state[item] = state
  }

  /** The audit has read it. */
  find(item: number): number {
    this.#grow(item)
    return (this.#found[item] = Math.min(255, (this.#found[item] as number) + 1))
  }

  foundTimes(item: number): number {
    return this.#found[item] ?? 0
  }

  /** A socket was told of it. */
  hear(item: number): number {
    this.#grow(item)
    return (this.#live[item] = Math.min(255, (this.#live[item] as number) + 1))
  }

  heardTimes(item: number): number {
    return this.#live[item] ?? 0
  }

  #grow(item: number): void {
    if (item < this.#size) return
    this.#size = item + 1
    if (item < this.#state.length) return
    const longer = (old: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
      const next = new Uint8Array(Math.max(item + 1, old.length * 2))
      next.set(old)
      return next
    }
    this.#state = longer(this.#state)
    this.#found = longer(this.#found)
    this.#live = longer(this.#live)
  }
}
