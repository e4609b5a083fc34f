/**
 * The last number taken from each sender actor (D3): never dropped, so it may grow to millions. Kept in 256 pages beside the
 * snapshot, of which only changed ones are written.
 */
import { hash32 } from '../base/random.ts'

const PAGES = 256

export class SenderPages {
  readonly #last = new Map<string, number>()
  readonly #dirty = new Set<number>()

  get size(): number {
    return this.#last.size
  }

  last(source: string): number {
    return this.#last.get(source) ?? 0
  }

  set(source: string, seq: number): void {
    this.#last.set(source, seq)
    this.#dirty.add(hash32(source) % PAGES)
  }

  all(): [source: string, seq: number][] {
    return [...this.#last]
  }

  /** The pages changed since the last call, encoded. */
  takeDirty(): Map<number, Uint8Array> {
    const pages = new Map<number, Record<string, number>>()
    if (this.#dirty.size === 0) return new Map()
    for (const page of this.#dirty) pages.set(page, Object.create(null) as Record<string, number>)
    for (const [source, seq] of this.#last) {
      const page = pages.get(hash32(source) % PAGES)
      if (page !== undefined) page[source] = seq
    }
    this.#dirty.clear()
    return new Map(Array.from(pages, ([page, rows]) => [page, Buffer.from(JSON.stringify(rows))]))
  }

  static restore(stored: ReadonlyMap<number, Uint8Array>): SenderPages {
    const pages = new SenderPages()
    for (const bytes of stored.values())
      for (const [source, seq] of Object.entries(JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, number>))
        pages.#last.set(source, seq)
    return pages
  }
}
