/** A ring written from the definition, slowly: what src/cluster/ring.ts is compared with. Shares no code with it, nor with the package. */
import { createHash } from 'node:crypto'
import type { Ring, Share } from '../../src/cluster/ring.ts'

/** 16 little-endian numbers of 32 bits from the SHA-512 of `node/ID-i`, for each i below 64 × weight. */
function pointsOf(id: string, weight: number): number[] {
  const points: number[] = []
  for (let i = 0; i < 64 * weight; i++) {
    const digest = createHash('sha512').update(`node/${id}-${i}`, 'utf8').digest()
    for (let word = 0; word < 16; word++) points.push(digest.readUInt32LE(word * 4))
  }
  return points
}

export class OracleRing {
  /** Sorted by point; of equal ones the smaller id first. */
  readonly points: readonly { readonly point: number; readonly id: string }[]

  constructor(shares: readonly Share[]) {
    const all = shares.flatMap(({ id, weight }) => pointsOf(id, weight).map((point) => ({ point, id })))
    this.points = all.sort((a, b) => a.point - b.point || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  }

  ownerOf(key: string): string | undefined {
    return this.ownerAt(oracleHash(key))
  }

  ownerAt(hash: number): string | undefined {
    return (this.points.find(({ point }) => point >= hash) ?? this.points[0])?.id
  }
}

/** MurmurHash3_x86_32, seed 0, over bytes, with exact integers. */
export function murmur3(bytes: Uint8Array): number {
  const mask = 0xffff_ffffn
  const rotated = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (32n - by))) & mask
  const mixed = (k: bigint): bigint => (rotated((k * 0xcc9e2d51n) & mask, 15n) * 0x1b873593n) & mask
  const full = bytes.length - (bytes.length % 4)
  let h = 0n
  for (let i = 0; i < full; i += 4) {
    const block = bytes.subarray(i, i + 4).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
    h = (rotated(h ^ mixed(block), 13n) * 5n + 0xe6546b64n) & mask
  }
  const tail = bytes.subarray(full).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  if (full < bytes.length) h ^= mixed(tail)
  h ^= BigInt(bytes.length)
  h = ((h ^ (h >> 16n)) * 0x85ebca6bn) & mask
  h = ((h ^ (h >> 13n)) * 0xc2b2ae35n) & mask
  return Number(h ^ (h >> 16n))
}

export function oracleHash(text: string): number {
  const bytes = new Uint8Array(text.length * 2)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), true)
  return murmur3(bytes)
}

export function shares(ids: Iterable<string>, weight = 1): Share[] {
  return Array.from(ids, (id) => ({ id, weight }))
}

export function numbered(count: number, prefix = 'node-'): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`)
}

/** Of the whole circle, exactly: the part of each node, 1 in all. */
export function partsOf(ring: Ring): Map<string, number> {
  const parts = new Map<string, number>(ring.shares.map(({ id }) => [id, 0]))
  let before = (ring.points.at(-1) ?? 0) - 2 ** 32
  ring.points.forEach((point, i) => {
    const id = ring.shares[ring.owners[i] as number]?.id as string
    parts.set(id, (parts.get(id) as number) + (point - before) / 2 ** 32)
    before = point
  })
  return parts
}

/** The largest part over the mean of all, each by its weight. */
export function imbalance(ring: Ring): number {
  const weights = ring.shares.reduce((sum, { weight }) => sum + weight, 0)
  const parts = partsOf(ring)
  return Math.max(...ring.shares.map(({ id, weight }) => ((parts.get(id) as number) * weights) / weight))
}

/** Between two rings, over the whole circle and exactly: the part that has another owner, by `FROM>TO`. */
export function movedParts(before: Ring, after: Ring): Map<string, number> {
  const bounds = Float64Array.from([...before.points, ...after.points]).sort()
  const moved = new Map<string, number>()
  let low = (bounds.at(-1) ?? 0) - 2 ** 32
  for (const high of bounds) {
    const from = ownerId(before, high)
    const to = ownerId(after, high)
    if (from !== to && high > low) moved.set(`${from}>${to}`, (moved.get(`${from}>${to}`) ?? 0) + (high - low) / 2 ** 32)
    low = high
  }
  return moved
}

export function ownerId(ring: Ring, hash: number): string | undefined {
  return ring.shares[ring.ownerAt(hash)]?.id
}

export function total(moved: ReadonlyMap<string, number>): number {
  return [...moved.values()].reduce((sum, part) => sum + part, 0)
}
