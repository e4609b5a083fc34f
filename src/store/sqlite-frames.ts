/**
 * The frame: one batch as it lies in a `log` row and as it crosses to the store's thread. It is laid out once, on the thread that
 * commits, and written to the disk as it is.
 *
 *    0  u32  length of the whole frame      4  u8  flags     6  u16  bytes of the actor's name
 *    8  f64  place n                       16  f64  ref of the batch before (0: none)
 *   24  f64  first offset                  32  u32  entries  36  u32  bytes of the batch (0 when emptied, J10)
 *   40  16 B commit id                     56  32 B SHA-256  88  the actor's name, then the batch
 *
 * Little-endian. Numbers are doubles: exact to 2^53, and one instruction to read.
 *
 * Refs. A group of many batches is spread over 2^bits log rows by the hash of the actor, so that reading one batch back reads
 * a few KiB and not the whole group. `ref = first row × 64 + bits` therefore names the one row of an actor.
 */
import { hash32 } from '../base/random.ts'

export const FRAME_HEAD_BYTES = 88
/** The batch lost its bytes, not its place, commit id and hash (J10). */
export const EMPTIED = 1
/** The batch was not committed: its place was taken. It lies here only because its neighbours do. */
export const VOID = 2
/** The actor keeps one record (J10 'none'). */
export const REPLACE = 4

/** About as many bytes one log row should hold. */
export const ROW_BYTES: number = 4 * 1024
export const ROW_BITS_MAX = 20

export function refOf(row: number, bits: number): number {
  return row * 64 + bits
}

/** The log row that holds the batch of `actor` in the group at `ref`. */
export function rowOf(ref: number, actor: string): number {
  const bits = ref % 64
  const first = (ref - bits) / 64
  return bits === 0 ? first : first + (hash32(actor) & ((1 << bits) - 1))
}

export interface FrameFields {
  readonly flags: number
  readonly n: number
  readonly prevRef: number
  readonly firstOffset: number
  readonly entries: number
  readonly commitId: Uint8Array
  readonly hash: Uint8Array
}

/** Frames in one piece of memory, read in place. */
export class Frames {
  readonly bytes: Buffer
  readonly view: DataView

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Where the frame of this actor and place starts, or -1. Void frames are not found. */
  find(actor: Buffer, n: number): number {
    const { view, bytes } = this
    for (let at = 0; at + FRAME_HEAD_BYTES <= bytes.length;) {
      const length = view.getUint32(at, true)
      if (length < FRAME_HEAD_BYTES || at + length > bytes.length) return -1
      if (view.getFloat64(at + 8, true) === n && view.getUint16(at + 6, true) === actor.length && (this.flags(at) & VOID) === 0) {
        const name = at + FRAME_HEAD_BYTES
        if (bytes.compare(actor, 0, actor.length, name, name + actor.length) === 0) return at
      }
      at += length
    }
    return -1
  }

  length(at: number): number {
    return this.view.getUint32(at, true)
  }

  flags(at: number): number {
    return this.bytes[at + 4] as number
  }

  addFlag(at: number, flag: number): void {
    this.bytes[at + 4] = this.flags(at) | flag
  }

  actor(at: number): string {
    const name = at + FRAME_HEAD_BYTES
    return this.bytes.toString('utf8', name, name + this.view.getUint16(at + 6, true))
  }

  n(at: number): number {
    return this.view.getFloat64(at + 8, true)
  }

  prevRef(at: number): number {
    return this.view.getFloat64(at + 16, true)
  }

  setPrevRef(at: number, ref: number): void {
    this.view.setFloat64(at + 16, ref, true)
  }

  firstOffset(at: number): number {
    return this.view.getFloat64(at + 24, true)
  }

  entries(at: number): number {
    return this.view.getUint32(at + 32, true)
  }

  payloadBytes(at: number): number {
    return this.view.getUint32(at + 36, true)
  }

  commitId(at: number): Uint8Array {
    return copyOf(this.bytes.subarray(at + 40, at + 56))
  }

  hash(at: number): Uint8Array {
    return copyOf(this.bytes.subarray(at + 56, at + 88))
  }

  /** The batch, in memory of its own. */
  payload(at: number): Uint8Array {
    const start = at + FRAME_HEAD_BYTES + this.view.getUint16(at + 6, true)
    return copyOf(this.bytes.subarray(start, start + this.payloadBytes(at)))
  }

  frame(at: number): Buffer {
    return this.bytes.subarray(at, at + this.length(at))
  }

  /** The same frames, those at `emptied` without their bytes (J10). */
  without(emptied: ReadonlySet<number>): Buffer {
    const parts: Buffer[] = []
    for (let at = 0; at + FRAME_HEAD_BYTES <= this.bytes.length; at += this.length(at)) {
      if (!emptied.has(at)) {
        parts.push(this.frame(at))
        continue
      }
      const kept = Buffer.from(this.bytes.subarray(at, at + FRAME_HEAD_BYTES + this.view.getUint16(at + 6, true)))
      kept.writeUInt32LE(kept.length, 0)
      kept[4] = (kept[4] as number) | EMPTIED
      kept.writeUInt32LE(0, 36)
      parts.push(kept)
    }
    return Buffer.concat(parts)
  }
}

/** Memory of exactly this size: a view into a larger piece would be copied whole when it is sent to another thread. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

/** Writes a frame at `at`; `bytes` must have room. `name` is the actor's name when it is not plain ASCII. Returns its length. */
export function writeFrame(
  to: Uint8Array,
  view: DataView,
  at: number,
  fields: FrameFields,
  actor: string,
  name: Uint8Array | null,
  payload: Uint8Array,
): number {
  if (fields.commitId.length !== 16 || fields.hash.length !== 32)
    throw new TypeError(`the append of ${actor} needs a commit id of 16 bytes and a hash of 32`)
  const nameBytes = name === null ? actor.length : name.length
  const length = FRAME_HEAD_BYTES + nameBytes + payload.length
  view.setUint32(at, length, true)
  to[at + 4] = fields.flags
  to[at + 5] = 0
  view.setUint16(at + 6, nameBytes, true)
  view.setFloat64(at + 8, fields.n, true)
  view.setFloat64(at + 16, fields.prevRef, true)
  view.setFloat64(at + 24, fields.firstOffset, true)
  view.setUint32(at + 32, fields.entries, true)
  view.setUint32(at + 36, payload.length, true)
  to.set(fields.commitId, at + 40)
  to.set(fields.hash, at + 56)
  const start = at + FRAME_HEAD_BYTES
  if (name === null) for (let i = 0; i < nameBytes; i++) to[start + i] = actor.charCodeAt(i)
  else to.set(name, start)
  to.set(payload, start + nameBytes)
  return length
}

/** One frame in memory of its own. */
export function makeFrame(fields: FrameFields, actor: string, payload: Uint8Array): Buffer {
  const name = Buffer.from(actor)
  const bytes = Buffer.allocUnsafeSlow(FRAME_HEAD_BYTES + name.length + payload.length)
  writeFrame(bytes, new DataView(bytes.buffer), 0, fields, actor, name, payload)
  return bytes
}
