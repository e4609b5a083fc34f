/**
 * The last number taken from each sender actor (D3): never dropped, so it may grow to millions. Kept in 1,024 pages beside the
 * snapshot, of which only changed ones are written.
 */
import { hash32 } from '../base/random.ts'

const PAGES = 1024

export class SenderPages {
  readonly #pages = new Map<number, Map<string, number>>()
  readonly #dirty = new Set<number>()
  size: number = 0

  last(source: string): number {
    return this.#pages.get(pageOf(source))?.get(source) ?? 0
  }

  set(source: string, seq: number): void {
    const number = pageOf(source)
    let page = this.#pages.get(number)
    if (page === undefined) this.#pages.set(number, (page = new Map()))
    if (!page.has(source)) this.size++
    page.set(source, seq)
    this.#dirty.add(number)
  }

  all(): [source: string, seq: number][] {
    return [...this.#pages.values()].flatMap((page) => [...page])
  }

  /** The pages changed since the last call, encoded. */
  takeDirty(): Map<number, Uint8Array> {
    const encoded = new Map<number, Uint8Array>()
    for (const number of this.#dirty) encoded.set(number, Buffer.from(JSON.stringify([...(this.#pages.get(number) ?? [])])))
    this.#dirty.clear()
    return encoded
  }

  changed(pages: Iterable<number>): void {
    for (const number of pages) if (this.#pages.has(number)) this.#dirty.add(number)
  }

  static restore(stored: ReadonlyMap<number, Uint8Array>): SenderPages {
    const pages = new SenderPages()
    for (const bytes of stored.values())
      for (const [source, seq] of JSON.parse(Buffer.from(bytes).toString('utf8')) as [string, number][]) pages.set(source, seq)
    pages.#dirty.clear()
    return pages
  }
}

function pageOf(source: string): number {
  return hash32(source) % PAGES
}
