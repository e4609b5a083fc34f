/** A bounded first-in-first-out queue. `push` says no instead of growing. Amortised O(1) at both ends. */
export class BoundedQueue<T> {
  readonly limit: number
  #items: (T | undefined)[] = []
  #head = 0

  constructor(limit: number) {
    this.limit = limit
  }

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): boolean {
    if (this.length >= this.limit) return false
    this.#items.push(item)
    return true
  }

  /** Back to the front, whence it was taken: whatever the limit. */
  unshift(item: T): void {
    if (this.#head > 0) this.#items[--this.#head] = item
    else this.#items.unshift(item)
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Empties the queue and returns what was in it, oldest first. */
  drain(): T[] {
    const rest = this.#items.slice(this.#head) as T[]
    this.#items = []
    this.#head = 0
    return rest
  }
}
