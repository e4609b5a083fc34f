/**
 * The rings in use, by what they are made of. Actor types with the same nodes share one, and so do views in which those nodes and their weights
 * are the same: a restart, a suspicion, a new address build nothing.
 *
 * Bounded in rings and in points, least recently used first out. A placement keeps its own rings, so what is dropped here only costs a build.
 */
import { buildRing, EMPTY_RING, missingPoints, pointCount, normalShares, type Ring, type Share } from './ring.ts'
import type { RingBuilder } from './ring-builder.ts'

/** Rings kept, or twice those that the newest view needs, if that is more. */
export const RINGS_MAX = 32
/** All rings together; 6 bytes each. The newest is kept whatever its size. */
export const RING_POINTS_MAX: number = 8 * 1024 * 1024
/** Points made at once on the main thread: 16 nodes of weight 1, a few milliseconds. */
export const POINTS_MADE_AT_ONCE = 16_384
/** Points passed over at once on the main thread, made or taken from another ring: 1,280 nodes of weight 1, some ten milliseconds. */
export const POINTS_MERGED_AT_ONCE: number = 1280 * 1024

export class RingCache {
  readonly #builder: RingBuilder
  readonly #rings: Map<string, Ring> = new Map()
  readonly #pointsMax: number
  #points = 0
  readonly #ringsLeast: number
  #ringsMax: number

  constructor(builder: RingBuilder, pointsMax: number = RING_POINTS_MAX, ringsMax: number = RINGS_MAX) {
    this.#builder = builder
    this.#pointsMax = pointsMax
    this.#ringsLeast = ringsMax
    this.#ringsMax = ringsMax
  }

  get size(): number {
    return this.#rings.size
  }

  /** The ring of these shares, in any order. One that is not here is built on the spot: `prepare` it when it may be large. */
  ring(shares: Iterable<Share>): Ring {
    const normal = normalShares(shares)
    const key = keyOf(normal)
    return this.#find(key) ?? this.#keep(key, buildRing(normal, this.#nearest(normal).base))
  }

  /**
   * True: `ring` now has all of these at hand. False: they take time, `later` is called once they are there; until then no other `prepare`.
   * What can be built in a few milliseconds is built at once, so small clusters, and one node more or less of a large one, never wait.
   */
  prepare(sets: Iterable<Iterable<Share>>, later: () => void): boolean {
    const wanted = new Map<string, readonly Share[]>()
    for (const shares of sets) {
      const normal = normalShares(shares)
      wanted.set(keyOf(normal), normal)
    }
    this.#ringsMax = Math.max(this.#ringsLeast, 2 * wanted.size)
    let [made, merged] = [0, 0]
    for (const [key, shares] of wanted) {
      if (this.#find(key) !== undefined) wanted.delete(key)
      else {
        made += this.#nearest(shares).missing
        merged += pointCount(shares)
      }
    }
    if (made <= POINTS_MADE_AT_ONCE && merged <= POINTS_MERGED_AT_ONCE) {
      for (const [key, shares] of wanted) this.#keep(key, buildRing(shares, this.#nearest(shares).base))
      return true
    }
    this.#builder.build([...wanted.values()], (rings) => {
      // Without the builder this thread does it: late, but there is a ring.
      let i = 0
      for (const [key, shares] of wanted) this.#keep(key, rings?.[i++] ?? buildRing(shares, this.#nearest(shares).base))
      later()
    })
    return false
  }

  close(): Promise<void> {
    return this.#builder.close()
  }

  #find(key: string): Ring | undefined {
    const ring = this.#rings.get(key)
    if (ring === undefined) return undefined
    this.#rings.delete(key)
    this.#rings.set(key, ring)
    return ring
  }

  #keep(key: string, ring: Ring): Ring {
    this.#rings.set(key, ring)
    this.#points += ring.points.length
    for (const [oldest, { points }] of this.#rings) {
      if (oldest === key || (this.#rings.size <= this.#ringsMax && this.#points <= this.#pointsMax)) break
      this.#rings.delete(oldest)
      this.#points -= points.length
    }
    return ring
  }

  /** The ring that saves most work when building this one. */
  #nearest(shares: readonly Share[]): { readonly base: Ring; readonly missing: number } {
    let nearest = { base: EMPTY_RING, missing: pointCount(shares) }
    for (const base of this.#rings.values()) {
      const missing = missingPoints(shares, base)
      if (missing < nearest.missing) nearest = { base, missing }
    }
    return nearest
  }
}

function keyOf(shares: readonly Share[]): string {
  return JSON.stringify(shares.map(({ id, weight }) => [id, weight]))
}
