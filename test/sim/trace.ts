/**
 * What happened, in order: the newest lines in a ring, and a running hash over all of them. Two runs of one seed must have
 * equal hashes; the ring is printed when a property fails.
 */
const RING = 400

type Part = string | number | boolean | null | undefined

export class Trace {
  #ring: (readonly [atUs: number, parts: readonly Part[]])[] = []
  #next = 0
  #a = 0x9dc5
  #b = 0x1b3
  count = 0

  add(atUs: number, parts: readonly Part[]): void {
    this.count++
    this.#mix(atUs % 0x8000_0000)
    for (const part of parts) {
      if (typeof part === 'number') this.#mix(part | 0)
      else {
        const text = String(part)
        for (let i = 0; i < text.length; i++) this.#a = Math.imul(this.#a ^ text.charCodeAt(i), 0x01000193)
        this.#mix(text.length)
      }
    }
    this.#ring[this.#next] = [atUs, parts]
    this.#next = (this.#next + 1) % RING
  }

  #mix(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x85ebca6b)
    this.#b = (Math.imul(this.#b ^ (this.#a >>> 15), 0xc2b2ae35) + word) | 0
  }

  /** 64 bits, as hex. */
  get hash(): string {
    return (this.#a >>> 0).toString(16).padStart(8, '0') + (this.#b >>> 0).toString(16).padStart(8, '0')
  }

  /** The newest lines, oldest first. */
  lines(): string[] {
    const ordered = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)]
    return ordered.map(([atUs, parts]) => `${(atUs / 1000).toFixed(3).padStart(11)} ms  ${parts.map(String).join(' ')}`)
  }
}
