/**
 * What this process knows of newest places: an actor's journal reaches at least to `n`. Places are never taken back, so what was once
 * seen durable stays true; it may only be old.
 *
 * It saves a read with each append (S1: the place before must be there) and with each read proof (D11). A table of fixed size without names: a slot
 * holds one actor, the newest wins. A name that is taken for another, once in 2^32 lookups, tells a place that is not its own; then an append
 * goes unchecked that its owner knows to be right anyway, and a proof says another place than the owner's, who reads again. Whoever chooses keys must not be able
 * to choose such a name, so the hashes are this process's own.
 */
import { hash32, type Random } from '../base/random.ts'

export interface Known {
  readonly n: number
  readonly mode: 'append' | 'replace'
}

export class Places {
  readonly #names: Uint32Array
  /** Negative for a 'replace' actor, 0 for nothing. */
  readonly #places: Float64Array

  readonly #slotSeed: number
  readonly #nameSeed: number

  constructor(slots: number, random: Random) {
    this.#slotSeed = seedOf(random)
    this.#nameSeed = seedOf(random)
    this.#names = new Uint32Array(slots)
    this.#places = new Float64Array(slots)
  }

  get(actor: string): Known | null {
    const slot = this.#slot(actor)
    const place = this.#places[slot] as number
    if (place === 0 || this.#names[slot] !== hash32(actor, this.#nameSeed)) return null
    return place > 0 ? { n: place, mode: 'append' } : { n: -place, mode: 'replace' }
  }

  /** Is known to reach to place `n`. */
  reaches(actor: string, n: number): boolean {
    return (this.get(actor)?.n ?? 0) >= n
  }

  saw(actor: string, n: number, mode: 'append' | 'replace'): void {
    if (n < 1 || this.reaches(actor, n)) return
    const slot = this.#slot(actor)
    this.#names[slot] = hash32(actor, this.#nameSeed)
    this.#places[slot] = mode === 'append' ? n : -n
  }

  #slot(actor: string): number {
    return hash32(actor, this.#slotSeed) % this.#places.length
  }
}

function seedOf(random: Random): number {
  return Math.floor(random.float() * 2 ** 32)
}
