/**
 * What the committer gives again, and how much of it at once (C4): batches whose commit failed. A store that is well again takes them in few steps: one,
 * two, four … together, each step after a success. One that is not is asked with half as many after each failure. What failed alone just after the store
 * took something is to blame itself: from then on it is tried by itself, so that it spoils no group, and no more often than all the others.
 */
export class Suspects<T> {
  /** To be given again, oldest first. */
  readonly #waiting = new Set<T>()
  /** Those that are tried by themselves; of `#loners` those whose time has come. */
  readonly #alone = new Set<T>()
  readonly #loners = new Set<T>()
  #together = 1
  #lonerWasLast = false

  get size(): number {
    return this.#waiting.size + this.#alone.size
  }

  /** Their time has come again. */
  add(members: readonly T[]): void {
    for (const member of members) (this.#loners.has(member) ? this.#alone : this.#waiting).add(member)
  }

  /** Of whom the next commit is, and how many; null: not of suspects. `othersWait`: there is something else to write. */
  turn(othersWait: boolean): { readonly from: Set<T>; readonly limit: number } | null {
    const loner = this.#alone.size > 0 && !(this.#lonerWasLast && (this.#waiting.size > 0 || othersWait))
    this.#lonerWasLast = loner
    if (loner) return { from: this.#alone, limit: 1 }
    return this.#waiting.size === 0 ? null : { from: this.#waiting, limit: this.#together }
  }

  /** A commit of these went well. */
  settled(members: readonly T[], most: number): void {
    for (const member of members) this.#loners.delete(member)
    this.#together = Math.min(most, 2 * this.#together)
  }

  /** None of these was taken. `wasWell`: the commit before went well. */
  failed(members: readonly T[], wasWell: boolean): void {
    const [only] = members
    if (members.length === 1 && wasWell) this.#loners.add(only as T)
    // A group larger than what goes together was not of suspects: how many of it are to blame is not known.
    this.#together = members.length > this.#together ? 1 : Math.max(1, members.length >> 1)
  }

  /** It will not be given again. */
  forget(member: T): void {
    this.#loners.delete(member)
  }
}
