/** A binary heap of events on (time, tie). Cancelled events stay in it until their time comes and are then skipped. */
export interface Scheduled {
  /** Virtual microseconds. */
  readonly at: number
  /** Order among events of one instant. */
  readonly tie: number
  /** null: cancelled. */
  run: (() => void) | null
}

export class EventHeap {
  #items: Scheduled[] = []

  get size(): number {
    return this.#items.length
  }

  peek(): Scheduled | undefined {
    return this.#items[0]
  }

  push(item: Scheduled): void {
    const items = this.#items
    let i = items.length
    items.push(item)
    while (i > 0) {
      const parent = (i - 1) >> 1
      const above = items[parent] as Scheduled
      if (!before(item, above)) break
      items[i] = above
      i = parent
    }
    items[i] = item
  }

  pop(): Scheduled | undefined {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (top === undefined || last === undefined || items.length === 0) return top
    let i = 0
    const half = items.length >> 1
    while (i < half) {
      let child = 2 * i + 1
      if (child + 1 < items.length && before(items[child + 1] as Scheduled, items[child] as Scheduled)) child++
      const below = items[child] as Scheduled
      if (!before(below, last)) break
      items[i] = below
      i = child
    }
    items[i] = last
    return top
  }
}

function before(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.tie < b.tie)
}
