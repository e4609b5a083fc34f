/**
 * What is still to be told. One place for each id, and the record itself is looked up when it is sent, so the newest always wins; what was sent
 * least goes first, of those the newest; each is sent `limit` times at most (SWIM: λ · log N times reaches all with high probability; the
 * syncs of sync.ts reach who was missed).
 */
export function transmitLimit(members: number, mult: number): number {
  return mult * Math.ceil(Math.log10(members + 1))
}

interface News {
  readonly id: string
  sent: number
}

export type Accepted = 'sent' | 'skipped' | 'full'

export class Broadcasts {
  readonly #news = new Map<string, News>()
  /** News by how often it was sent, the newest at the end. What was replaced or dropped stays until it is come upon. */
  #levels: News[][] = []

  get size(): number {
    return this.#news.size
  }

  /** From now on it is news again. */
  put(id: string): void {
    const news = { id, sent: 0 }
    this.#news.set(id, news)
    this.#level(0).push(news)
  }

  drop(id: string): void {
    this.#news.delete(id)
    if (this.#news.size === 0) this.#levels = []
  }

  /** Offers news, what was sent least first; what is `sent` counts as sent once more, `full` ends it. */
  take(limit: number, offer: (id: string) => Accepted): void {
    const moved: News[] = []
    for (const level of this.#levels) {
      let end = false
      for (let at = level.length - 1; at >= 0 && !end; at--) {
        const news = level[at] as News
        const accepted = this.#news.get(news.id) === news ? offer(news.id) : 'sent'
        if (accepted === 'full') end = true
        if (accepted !== 'sent') continue
        level.splice(at, 1)
        moved.push(news)
      }
      if (end) break
    }
    for (const news of moved) {
      if (this.#news.get(news.id) !== news) continue
      if (++news.sent < limit) this.#level(news.sent).push(news)
      else this.drop(news.id)
    }
  }

  clear(): void {
    this.#news.clear()
    this.#levels = []
  }

  #level(at: number): News[] {
    while (this.#levels.length <= at) this.#levels.push([])
    return this.#levels[at] as News[]
  }
}
