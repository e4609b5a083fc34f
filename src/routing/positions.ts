/**
 * The newest (journal, epoch, offset) that this node has got of each actor that somebody here follows (D8). Kept for some time after the last
 * subscription has ended, since a new one usually follows: then what a superseded owner says is known for what it is.
 */

export interface Position {
  readonly actor: string
  journal: string
  epoch: number
  offset: number
  /** Subscriptions that use it. */
  users: number
}

const UNUSED_MAX = 10_000

export class Positions {
  readonly #all = new Map<string, Position>()
  /** Those without users, the longest unused first. */
  readonly #unused = new Set<Position>()

  get size(): number {
    return this.#all.size
  }

  use(actor: string): Position {
    let position = this.#all.get(actor)
    if (position === undefined) {
      position = { actor, journal: '', epoch: 0, offset: 0, users: 0 }
      this.#all.set(actor, position)
    }
    position.users++
    this.#unused.delete(position)
    return position
  }

  leave(position: Position): void {
    if (--position.users > 0) return
    if (position.journal === '') {
      this.#all.delete(position.actor)
      return
    }
    this.#unused.add(position)
    for (const oldest of this.#unused) {
      if (this.#unused.size <= UNUSED_MAX) break
      this.#unused.delete(oldest)
      this.#all.delete(oldest.actor)
    }
  }
}

/** Said by an owner that another one has superseded since. Of another journal nothing can be told. */
export function superseded(position: Position, said: { readonly journal: string; readonly epoch: number }): boolean {
  return said.journal === position.journal && said.epoch < position.epoch
}

export function advance(position: Position, said: { readonly journal: string; readonly epoch: number; readonly offset: number }): void {
  if (said.journal !== position.journal) {
    position.journal = said.journal
    position.epoch = said.epoch
    position.offset = said.offset
    return
  }
  if (said.epoch > position.epoch) position.epoch = said.epoch
  if (said.offset > position.offset) position.offset = said.offset
}
