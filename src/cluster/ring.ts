/**
 * A consistent hash ring: points on a circle of 2³² numbers, each owned by a node. A key belongs to the owner of the first point at or after
 * its hash. The points come from the `hashring` package; it is asked for those of one node at a time, and for nothing else, because more of it
 * is not safe (docs/decisions/0012). The ring is searched in typed arrays of our own.
 *
 * Invariants, each a property of test/cluster/ring.test.ts:
 *  1. A ring is a function of its shares alone: neither their order nor how it was built matters (P1).
 *  2. The points of a node depend on its id and weight alone, and a larger weight only adds points. So a change of one node moves keys
 *     to or from that node only (P2), and a restart, which changes neither, moves nothing (P5).
 *  3. Points ascend; of equal points of two nodes that of the smaller id comes first, and has the keys.
 */
import { hash } from 'node:crypto'
import HashRing from 'hashring'
import { invariant } from '../base/invariant.ts'

/** A node's part of a ring. */
export interface Share {
  readonly id: string
  /** 1–16. Others are brought into that range, by every node alike. */
  readonly weight: number
}

/** Of one unit of weight. More points balance better (each node's part varies by 1/√points) and cost 6 bytes and 0.4 µs of building each. */
export const POINTS_A_WEIGHT = 1024
export const WEIGHT_MAX = 16

/** 32 bits of a SHA-512 each. */
const POINTS_A_DIGEST = 16
/** Points kept of nodes alone, beside those in rings; 4 bytes each. */
const MADE_POINTS_MAX = 128 * 1024
/** Owners are 16-bit numbers. */
const OWNERS_MAX = 65_536

export class Ring {
  /** Sorted by id, in code units. */
  readonly shares: readonly Share[]
  /** Ascending. */
  readonly points: Uint32Array<ArrayBuffer>
  /** Of each point, an index of `shares`. */
  readonly owners: Uint16Array<ArrayBuffer>

  constructor(shares: readonly Share[], points: Uint32Array<ArrayBuffer>, owners: Uint16Array<ArrayBuffer>) {
    this.shares = shares
    this.points = points
    this.owners = owners
  }

  /** Index in `shares` of the owner of a hash; -1 in an empty ring. */
  ownerAt(hash: number): number {
    const at = firstFrom(this.points, hash, this.points.length)
    // After the last point the circle goes on at the first.
    return this.owners[at < this.points.length ? at : 0] ?? -1
  }
}

export const EMPTY_RING: Ring = new Ring([], new Uint32Array(0), new Uint16Array(0))

/**
 * MurmurHash3 (x86, 32 bits, seed 0) of the UTF-16 units, low byte first. All nodes of a cluster must hash alike, in every version: a change
 * here moves every actor. Any text is taken, lone surrogates too. Nothing secret depends on it (docs/decisions/0012).
 */
export function keyHash(text: string): number {
  const units = text.length
  let h = 0
  let i = 0
  for (; i + 1 < units; i += 2) {
    h ^= scrambled(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16))
    h = (h << 13) | (h >>> 19)
    h = (Math.imul(h, 5) + 0xe6546b64) | 0
  }
  if (i < units) h ^= scrambled(text.charCodeAt(i))
  h ^= units * 2
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

function scrambled(block: number): number {
  const k = Math.imul(block, 0xcc9e2d51)
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593)
}

/** Sorted by id, weights whole and in range: what a ring is made of. */
export function normalShares(shares: Iterable<Share>): Share[] {
  const sorted = Array.from(shares, ({ id, weight }) => ({ id, weight: normalWeight(weight) }))
  sorted.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  for (let i = 1; i < sorted.length; i++) invariant(sorted[i]?.id !== sorted[i - 1]?.id, 'a node has one share of a ring')
  invariant(sorted.length <= OWNERS_MAX, `a ring has at most ${OWNERS_MAX} nodes`)
  return sorted
}

/** What comes over the network may be anything; one node with a wrong weight must not stop the others. */
function normalWeight(weight: number): number {
  return weight >= 1 ? Math.min(Math.trunc(weight), WEIGHT_MAX) : 1
}

export function pointCount(shares: readonly Share[]): number {
  return shares.reduce((sum, { weight }) => sum + weight, 0) * POINTS_A_WEIGHT
}

/** Points of normal shares that a ring built on `base` cannot take from it. They are what a build spends its time on. */
export function missingPoints(shares: readonly Share[], base: Ring): number {
  let missing = 0
  let i = 0
  for (const { id, weight } of shares) {
    while (i < base.shares.length && (base.shares[i] as Share).id < id) i++
    const known = base.shares[i]
    if (known?.id !== id || known.weight !== weight) missing += weight
  }
  return missing * POINTS_A_WEIGHT
}

/**
 * The ring of these normal shares. From `base` come the points of the nodes that are in both with the same weight, so that one node more or
 * less costs one pass over the arrays; the result is the same on any base.
 */
export function buildRing(shares: readonly Share[], base: Ring = EMPTY_RING): Ring {
  const { fresh, kept } = compare(shares, base)
  const size = pointCount(shares)
  const points = new Uint32Array(size)
  const owners = new Uint16Array(size)
  let end = takeKept(base, kept, points, owners)
  invariant(end + fresh.length === size, 'every node has all its points')
  // Merged in place, from the back: what lies after a fresh point moves up in one piece.
  for (let i = fresh.length - 1; i >= 0; i--) {
    const marker = fresh[i] as number
    const point = Math.floor(marker / OWNERS_MAX)
    const owner = marker % OWNERS_MAX
    let at = firstFrom(points, point, end)
    while (at < end && points[at] === point && (owners[at] as number) < owner) at++
    if (at < end) {
      points.copyWithin(at + i + 1, at, end)
      owners.copyWithin(at + i + 1, at, end)
    }
    points[at + i] = point
    owners[at + i] = owner
    end = at
  }
  return new Ring(shares, points, owners)
}

/** Copies what stays of the base, under its owners' new numbers, to the beginning; their order is the same. Returns how many. */
function takeKept(base: Ring, kept: Int32Array, points: Uint32Array, owners: Uint16Array): number {
  const from = base.owners
  let end = 0
  if (kept.includes(-1)) {
    for (let i = 0; i < from.length; i++) {
      const owner = kept[from[i] as number] as number
      if (owner < 0) continue
      points[end] = base.points[i] as number
      owners[end++] = owner
    }
    return end
  }
  points.set(base.points)
  for (; end < from.length; end++) owners[end] = kept[from[end] as number] as number
  return end
}

/** Index of the first of `points` below `end` that is not smaller; `end` if all are. */
function firstFrom(points: Uint32Array, value: number, end: number): number {
  let low = 0
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((points[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}

/** Several rings, each built on the one before: the points of a node are made once. */
export function buildRings(sets: readonly (readonly Share[])[]): Ring[] {
  const rings: Ring[] = []
  for (const shares of sets) rings.push(buildRing(shares, rings.at(-1)))
  return rings
}

/**
 * fresh: sorted markers (point × 65,536 + owner: 48 bits, exact in a double, and ordering ties by id) of what the base does not have.
 * kept: of each owner in the base its index in the new ring, or -1.
 */
function compare(shares: readonly Share[], base: Ring): { readonly fresh: Float64Array; readonly kept: Int32Array } {
  const before = new Map(base.shares.map(({ id }, i) => [id, i]))
  const kept = new Int32Array(base.shares.length).fill(-1)
  const fresh = new Float64Array(missingPoints(shares, base))
  let at = 0
  shares.forEach(({ id, weight }, owner) => {
    const known = before.get(id)
    if (known !== undefined && base.shares[known]?.weight === weight) kept[known] = owner
    else for (const point of made.points(id, weight)) fresh[at++] = point * OWNERS_MAX + owner
  })
  invariant(at === fresh.length, 'every new node has all its points')
  return { fresh: fresh.sort(), kept }
}

/**
 * The points of nodes met before, oldest out first: a node that comes back has those that it had, and the processes of one test, each with rings
 * of its own, ask for the same.
 */
class MadePoints {
  readonly #byShare = new Map<string, Uint32Array>()
  #count = 0

  points(id: string, weight: number): Uint32Array {
    const key = `${weight} ${id}`
    let points = this.#byShare.get(key)
    if (points !== undefined) return points
    points = Uint32Array.from(pointsOf(id, weight))
    this.#byShare.set(key, points)
    this.#count += points.length
    for (const [oldest, { length }] of this.#byShare) {
      if (this.#count <= MADE_POINTS_MAX) break
      this.#byShare.delete(oldest)
      this.#count -= length
    }
    return points
  }
}

const made = new MadePoints()

/**
 * The package's ring of one node. `vnodes` is given and differs from 'vnode count', else it computes the number in floating point and loses a
 * point at some sizes. The prefix keeps ids such as `__proto__` or `12` out of the keys of its plain objects, where they mean something else.
 */
function pointsOf(id: string, weight: number): readonly number[] {
  const name = `node/${id}`
  const vnodes = (weight * POINTS_A_WEIGHT) / POINTS_A_DIGEST
  const ring = new HashRing({ [name]: { vnodes } }, sha512, { replicas: POINTS_A_DIGEST, 'vnode count': 1, 'max cache size': 1 })
  // Its types say an array; it is a record without a prototype.
  return (ring.points([name]) as unknown as Readonly<Record<string, readonly number[]>>)[name] ?? []
}

function sha512(text: string): Buffer {
  return hash('sha512', text, 'buffer')
}
