/**
 * The batch: one opaque byte string made by the engine, hashed and stored as is (DESIGN J3). Layout, big-endian:
 *
 *   0  u8   format, 1            1  u8   flags (CLAIM, CLEAN)
 *   2  u48  place n              8  u48  epoch
 *  14  u48  first offset        20  u32  entries
 *  24  16 B commit id           40  32 B SHA-256 of the batch before (zero for the first)
 *  72  JSON, UTF-8: the body, see BatchBody
 *
 * A 'replace' actor (J10 'none') has no batches; its one record is a snapshot with the same header (snapshot.ts).
 */
import { hash as digest } from 'node:crypto'
import type { Claim } from '../store/store.ts'

export const HEADER_BYTES = 72
export const FLAG_CLAIM = 1
/** Nothing was answered beyond this batch (J9): the next claim may keep the journal id. */
export const FLAG_CLEAN = 2
const FORMAT = 1
const COMMIT_ID_AT = 24
const PREVIOUS_AT = 40
const NO_HASH = new Uint8Array(32)

/** One accepted event. Short names: this is written millions of times. */
export type EntryBody = readonly [
  type: string,
  /** JSON, or `{ $bytes: base64 }` for bytes. */
  data: unknown,
  at: number,
  sender: string,
  /** Source and sequence, or key (with sequence 0), that D1 remembers; absent for an event without identity. */
  source?: string,
  seq?: number,
  /** hash32 of type and data. */
  content?: number,
]

/** A final refusal (D2): uses up its sequence without an entry. */
export type RefusalBody = readonly [source: string, seq: number, content: number, code: string, message: string, reason: string, at: number]

/** An effect (D4): number `seq` of this actor to `to`. */
export type EffectBody = readonly [to: string, seq: number, type: string, data: unknown]

export interface BatchBody {
  /** Owner, with FLAG_CLAIM. */
  readonly o?: string
  /** Journal id, where it changes. */
  readonly j?: string
  readonly e?: readonly EntryBody[]
  readonly r?: readonly RefusalBody[]
  /** Topics marked, by name: offset of the newest mark. */
  readonly t?: Readonly<Record<string, number>>
  /** Effects begun. */
  readonly x?: readonly EffectBody[]
  /** Effects finally answered: highest such number a target; and how many of them were refused. */
  readonly d?: readonly (readonly [to: string, seq: number, refused: number])[]
  /** Timers set: name, due, type, data, and the least time of the event where it is not `due`. */
  readonly s?: readonly (readonly [name: string, due: number, type: string, data: unknown, notBefore?: number])[]
  /** Timers gone: cancelled, or fired. */
  readonly c?: readonly string[]
}

export interface BatchHeader {
  readonly flags: number
  readonly n: number
  readonly epoch: number
  readonly firstOffset: number
  readonly entries: number
  readonly commitId: Uint8Array
  readonly previous: Uint8Array
}

export interface SealedBatch {
  readonly bytes: Uint8Array
  readonly hash: Uint8Array
}

export function sealBatch(header: Omit<BatchHeader, 'previous'> & { readonly previous: Uint8Array | null }, body: string): SealedBatch {
  const bytes = unsealed(header, body)
  return { bytes, hash: hashOf(bytes) }
}

/** The same without its hash, for what nothing continues. */
export function unsealed(header: Omit<BatchHeader, 'previous'> & { readonly previous: Uint8Array | null }, body: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + Buffer.byteLength(body))
  writeHeader(bytes, header)
  bytes.write(body, HEADER_BYTES)
  return bytes
}

/** By way of a string: a Buffer of its own for each digest costs as much as the digest. */
export function hashOf(bytes: Uint8Array): Uint8Array {
  return Buffer.from(hashText(bytes), 'latin1')
}

/** As Latin-1 text, which costs less to make and to compare. */
export function hashText(bytes: Uint8Array): string {
  return digest('sha256', bytes, 'binary')
}

/** The hash of the batch before that these bytes, which are a batch, carry; as Latin-1 text. */
export function previousText(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1', PREVIOUS_AT, HEADER_BYTES)
}

export function writeHeader(bytes: Buffer, header: Omit<BatchHeader, 'previous'> & { readonly previous: Uint8Array | null }): void {
  bytes[0] = FORMAT
  bytes[1] = header.flags
  bytes.writeUIntBE(header.n, 2, 6)
  bytes.writeUIntBE(header.epoch, 8, 6)
  bytes.writeUIntBE(header.firstOffset, 14, 6)
  bytes.writeUInt32BE(header.entries, 20)
  bytes.set(header.commitId, COMMIT_ID_AT)
  bytes.set(header.previous ?? NO_HASH, PREVIOUS_AT)
}

/** The header, or null if these bytes are not a batch. */
export function readHeader(given: Uint8Array): BatchHeader | null {
  if (given.length < HEADER_BYTES || given[0] !== FORMAT) return null
  const bytes = asBuffer(given)
  return new StoredHeader(bytes)
}

/** Its byte strings are views, made when they are asked for: folding asks for neither. */
class StoredHeader implements BatchHeader {
  readonly flags: number
  readonly n: number
  readonly epoch: number
  readonly firstOffset: number
  readonly entries: number
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.flags = bytes[1] as number
    this.n = bytes.readUIntBE(2, 6)
    this.epoch = bytes.readUIntBE(8, 6)
    this.firstOffset = bytes.readUIntBE(14, 6)
    this.entries = bytes.readUInt32BE(20)
    this.#bytes = bytes
  }

  get commitId(): Uint8Array {
    return this.#bytes.subarray(COMMIT_ID_AT, PREVIOUS_AT)
  }

  get previous(): Uint8Array {
    return this.#bytes.subarray(PREVIOUS_AT, HEADER_BYTES)
  }
}

/** Header and body, or null if these bytes are not a batch. */
export function openBatch(bytes: Uint8Array): { readonly header: BatchHeader; readonly body: BatchBody } | null {
  const header = readHeader(bytes)
  if (header === null) return null
  try {
    return { header, body: JSON.parse(asBuffer(bytes).toString('utf8', HEADER_BYTES)) as BatchBody }
  } catch {
    return null
  }
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export interface MadeClaim extends SealedBatch {
  readonly n: number
  readonly firstOffset: number
}

/**
 * The claim a store appends after `newest` (J2), for `Store.claim`. Pure: adapters call it between finding the newest place and
 * writing the next. `newest` is the newest batch of the actor (or its one record, for 'replace'), with its bytes as stored; null when there is none.
 */
export function makeClaim(claim: Claim, newest: { readonly n: number; readonly bytes: Uint8Array } | null): MadeClaim {
  const n = (newest?.n ?? 0) + 1
  if (claim.mode === 'replace' && newest !== null) return reclaimRecord(claim, n, newest.bytes)
  const before = newest === null ? null : readHeader(newest.bytes)
  if (newest !== null && before === null) throw new TypeError(`the newest batch (place ${newest.n}) is not a batch of this format`)
  const firstOffset = before === null ? 1 : before.firstOffset + before.entries
  const clean = before !== null && (before.flags & FLAG_CLEAN) !== 0
  const body: BatchBody = clean ? { o: claim.owner } : { o: claim.owner, j: newest === null ? claim.firstJournal : claim.journal }
  const sealed = sealBatch(
    {
      flags: flagsOf(claim),
      n,
      epoch: n,
      firstOffset,
      entries: 0,
      commitId: claim.commitId,
      previous: newest === null ? null : hashOf(newest.bytes),
    },
    JSON.stringify(body),
  )
  return { ...sealed, n, firstOffset }
}

/**
 * A 'replace' actor is claimed by writing its record again under the next place and the new epoch. The body stays as it is,
 * but for a new journal id after an end that was not clean (J9).
 */
function reclaimRecord(claim: Claim, n: number, record: Uint8Array): MadeClaim {
  const before = readHeader(record)
  if (before === null) throw new TypeError('the record is not of this format')
  const old = asBuffer(record).toString('utf8', HEADER_BYTES)
  const clean = (before.flags & FLAG_CLEAN) !== 0
  const body = clean ? old : JSON.stringify({ ...(JSON.parse(old) as object), j: claim.journal })
  const { firstOffset, entries } = before
  const { commitId } = claim
  const sealed = sealBatch({ flags: flagsOf(claim), n, epoch: n, firstOffset, entries, commitId, previous: hashOf(record) }, body)
  return { ...sealed, n, firstOffset }
}

function flagsOf(claim: Claim): number {
  return claim.clean ? FLAG_CLAIM | FLAG_CLEAN : FLAG_CLAIM
}
