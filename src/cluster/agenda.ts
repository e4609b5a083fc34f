/** What falls due when: at most one time for each key. A heap with lazy removal; a task whose time was moved is skipped when it comes up. */
export interface Due<Task> {
  readonly at: number
  readonly key: string
  readonly task: Task
}

export class Agenda<Task> {
  readonly #live = new Map<string, Due<Task>>()
  #heap: Due<Task>[] = []

  get size(): number {
    return this.#live.size
  }

  set(key: string, at: number, task: Task): void {
    const known = this.#live.get(key)
    if (known?.at === at) return
    const due: Due<Task> = { at, key, task }
    this.#live.set(key, due)
    this.#push(due)
    // Moved and cleared times stay in the heap until they come up: not more of them than live ones.
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#live.size) this.#rebuild()
  }

  has(key: string): boolean {
    return this.#live.has(key)
  }

  clear(key: string): void {
    this.#live.delete(key)
  }

  get nextAt(): number {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#live.get(top.key) === top) return top.at
      this.#pop()
    }
    return Infinity
  }

  /** The next task that is due by `now`, taken off. */
  take(now: number): Task | undefined {
    if (this.nextAt > now) return undefined
    const due = this.#pop() as Due<Task>
    this.#live.delete(due.key)
    return due.task
  }

  /** Puts off all tasks that `which` names. */
  putOff(ms: number, which: (task: Task) => boolean): void {
    for (const [key, due] of this.#live) if (which(due.task)) this.#live.set(key, { ...due, at: due.at + ms })
    this.#rebuild()
  }

  clearAll(): void {
    this.#live.clear()
    this.#heap = []
  }

  #rebuild(): void {
    this.#heap = []
    for (const due of this.#live.values()) this.#push(due)
  }

  #push(due: Due<Task>): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(due)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Due<Task>
      if (above.at <= due.at) break
      heap[at] = above
      at = parent
    }
    heap[at] = due
  }

  #pop(): Due<Task> | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && (heap[child + 1] as Due<Task>).at < (heap[child] as Due<Task>).at) child++
      const below = heap[child] as Due<Task>
      if (last.at <= below.at) break
      heap[at] = below
      at = child
    }
    heap[at] = last
    return top
  }
}
