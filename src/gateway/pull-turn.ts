/**
 * Whose turn it is to pull from history, among the subscriptions of one subscriber: one page at a time for all of them, because the first
 * page may take all the room there is, and the others would be read for nothing (D9).
 *
 *  1. Who wants to pull and may not stands in line; who has had a page goes to its end.
 *  2. Who leaves the turn tells the first in line, which takes it, if there is room, or keeps its place until there is.
 */
export interface Puller {
  /** It may be its turn. */
  roomAgain(): void
}

export class PullTurn {
  readonly #line = new Set<Puller>()
  #current: Puller | null = null

  /** Whether it may ask for a page now; else it stands in line. */
  take(puller: Puller): boolean {
    this.#line.add(puller)
    if (this.next !== puller) return false
    this.#line.delete(puller)
    this.#current = puller
    return true
  }

  /** It has its page, or wants none any more. Idempotent; wakes nobody. */
  leave(puller: Puller): void {
    this.#line.delete(puller)
    if (this.#current === puller) this.#current = null
  }

  /** Puts it at the end of the line, unless it stands there. */
  queue(puller: Puller): void {
    this.#line.add(puller)
  }

  /** Who may take the turn, which is free. */
  get next(): Puller | undefined {
    return this.#current === null ? this.#line.values().next().value : undefined
  }
}
