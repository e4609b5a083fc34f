/**
 * A commit group as one buffer, for the crossing to the store's thread: encoded here on the thread that commits (about a microsecond
 * a batch), transferred, and read there in place. The frames of each future log row lie together, ready to be written.
 *
 *    0  f64 call number   8  u32 appends   12  u32 bits   16  u32 log rows   20  u32 snapshots   24  u32 drops   28  u32 trims
 *   32  u32 start of the tail             36  u32 0
 *   40  for each append: u32 where its frame starts, u32 0, f64 when its hint is due (NaN: none)
 *       for each log row: u32 start, u32 end
 *       the frames of the log rows, then those of 'replace' records
 *       the tail: drops, snapshots, trims, one after the other
 */
import { hash32 } from '../base/random.ts'
import type { Append, CommitGroup, Hint, SnapshotWrite, Trim } from './store.ts'
import { copyOf, FRAME_HEAD_BYTES, Frames, REPLACE, ROW_BITS_MAX, ROW_BYTES, writeFrame } from './sqlite-frames.ts'

const HEAD_BYTES = 40
const APPEND_BYTES = 16
const ROW_ENTRY_BYTES = 8
export const ACTOR_BYTES_MAX = 520

export function encodeGroup(id: number, group: CommitGroup): ArrayBuffer {
  const { appends, snapshots, dropHints, trims } = group
  const count = appends.length
  const names: (Uint8Array | null)[] | null = namesOf(appends)
  let logBytes = 0
  let recordBytes = 0
  for (let i = 0; i < count; i++) {
    const append = appends[i] as Append
    const bytes = frameBytes(append, names?.[i] ?? null)
    if (append.mode === 'append') logBytes += bytes
    else recordBytes += bytes
  }
  const bits = logBytes <= ROW_BYTES ? 0 : Math.min(ROW_BITS_MAX, Math.ceil(Math.log2(logBytes / ROW_BYTES)))
  const rows = logBytes === 0 ? 0 : 1 << bits
  const table = HEAD_BYTES + count * APPEND_BYTES
  const framesAt = table + rows * ROW_ENTRY_BYTES
  const tailAt = framesAt + logBytes + recordBytes
  const total = tailAt + tailBytes(snapshots, dropHints, trims)
  const bytes = Buffer.allocUnsafeSlow(total)
  const view = new DataView(bytes.buffer)
  view.setFloat64(0, id, true)
  view.setUint32(8, count, true)
  view.setUint32(12, bits, true)
  view.setUint32(16, rows, true)
  view.setUint32(20, snapshots.length, true)
  view.setUint32(24, dropHints.length, true)
  view.setUint32(28, trims.length, true)
  view.setUint32(32, tailAt, true)
  view.setUint32(36, 0, true)
  const cursors = rowStarts(appends, names, rows, framesAt)
  for (let row = 0; row < rows; row++) view.setUint32(table + row * ROW_ENTRY_BYTES, cursors[row] as number, true)
  let recordAt = framesAt + logBytes
  for (let i = 0; i < count; i++) {
    const append = appends[i] as Append
    const name = names?.[i] ?? null
    const keep = append.mode === 'append'
    const row = rows > 1 && keep ? hash32(append.actor) & (rows - 1) : 0
    const at = keep ? (cursors[row] as number) : recordAt
    view.setUint32(HEAD_BYTES + i * APPEND_BYTES, at, true)
    view.setUint32(HEAD_BYTES + i * APPEND_BYTES + 4, 0, true)
    view.setFloat64(HEAD_BYTES + i * APPEND_BYTES + 8, append.hintDue ?? NaN, true)
    const length = writeFrame(bytes, view, at, fieldsOf(append), append.actor, name, append.bytes)
    if (keep) cursors[row] = at + length
    else recordAt += length
  }
  for (let row = 0; row < rows; row++) view.setUint32(table + row * ROW_ENTRY_BYTES + 4, cursors[row] as number, true)
  new TailWriter(bytes, view, tailAt).write(snapshots, dropHints, trims)
  return bytes.buffer as ArrayBuffer
}

function fieldsOf(append: Append): Parameters<typeof writeFrame>[3] {
  const { n, prevRef, firstOffset, entries, commitId, hash } = append
  return { flags: append.mode === 'replace' ? REPLACE : 0, n, prevRef, firstOffset, entries, commitId, hash }
}

/** The names that are not plain ASCII, in UTF-8; null when all are plain. */
function namesOf(appends: readonly Append[]): (Uint8Array | null)[] | null {
  let names: (Uint8Array | null)[] | null = null
  for (let i = 0; i < appends.length; i++) {
    const { actor } = appends[i] as Append
    let plain = actor.length > 0 && actor.length <= ACTOR_BYTES_MAX
    for (let c = 0; plain && c < actor.length; c++) plain = actor.charCodeAt(c) < 0x80
    if (plain) continue
    names ??= Array.from<Uint8Array | null>({ length: appends.length }).fill(null)
    names[i] = checkedName(actor)
  }
  return names
}

/** The name in UTF-8. A caller that gives no well-formed name of 1–520 bytes has a defect (S8). */
export function checkedName(actor: string): Buffer {
  const name = Buffer.from(actor)
  if (name.length === 0 || name.length > ACTOR_BYTES_MAX || !actor.isWellFormed())
    throw new TypeError(`an actor's name is well-formed text of 1 to ${ACTOR_BYTES_MAX} bytes, not ${JSON.stringify(actor.slice(0, 80))}`)
  return name
}

function frameBytes(append: Append, name: Uint8Array | null): number {
  return FRAME_HEAD_BYTES + (name === null ? append.actor.length : name.length) + append.bytes.length
}

function rowStarts(appends: readonly Append[], names: (Uint8Array | null)[] | null, rows: number, start: number): Float64Array {
  const starts = new Float64Array(rows)
  if (rows > 1) {
    for (let i = 0; i < appends.length; i++) {
      const append = appends[i] as Append
      if (append.mode !== 'append') continue
      const row = hash32(append.actor) & (rows - 1)
      starts[row] = (starts[row] as number) + frameBytes(append, names?.[i] ?? null)
    }
  }
  let at = start
  for (let row = 0; row < rows; row++) {
    const bytes = starts[row] as number
    starts[row] = at
    at += bytes
  }
  return starts
}

function tailBytes(snapshots: readonly SnapshotWrite[], drops: readonly Hint[], trims: readonly Trim[]): number {
  let bytes = 0
  for (const { actor } of drops) bytes += 2 + Buffer.byteLength(actor) + 16
  for (const { actor, hash, bytes: body, pages } of snapshots) {
    bytes += 2 + Buffer.byteLength(actor) + 24 + 4 + hash.length + 4 + body.length + 4
    for (const page of pages.values()) bytes += 4 + 4 + page.length
  }
  for (const { actor } of trims) bytes += 2 + Buffer.byteLength(actor) + 8
  return bytes
}

class TailWriter {
  readonly #bytes: Buffer
  readonly #view: DataView
  #at: number

  constructor(bytes: Buffer, view: DataView, at: number) {
    this.#bytes = bytes
    this.#view = view
    this.#at = at
  }

  write(snapshots: readonly SnapshotWrite[], drops: readonly Hint[], trims: readonly Trim[]): void {
    for (const { actor, n, due } of drops) {
      this.#name(actor)
      this.#number(n)
      this.#number(due)
    }
    for (const { actor, n, offset, ref, hash, bytes, pages } of snapshots) {
      this.#name(actor)
      this.#number(n)
      this.#number(offset)
      this.#number(ref)
      this.#blob(hash)
      this.#blob(bytes)
      this.#count(pages.size)
      for (const [page, body] of pages) {
        this.#count(page)
        this.#blob(body)
      }
    }
    for (const { actor, belowOffset } of trims) {
      this.#name(actor)
      this.#number(belowOffset)
    }
  }

  #name(actor: string): void {
    const length = this.#bytes.write(actor, this.#at + 2)
    this.#view.setUint16(this.#at, length, true)
    this.#at += 2 + length
  }

  #number(value: number): void {
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
  }

  #count(value: number): void {
    this.#view.setUint32(this.#at, value, true)
    this.#at += 4
  }

  #blob(value: Uint8Array): void {
    this.#count(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
  }
}

/** The other side: a group read in place. */
export class ReceivedGroup {
  readonly id: number
  readonly count: number
  readonly bits: number
  readonly rows: number
  readonly frames: Frames
  readonly #counts: { readonly snapshots: number; readonly drops: number; readonly trims: number }
  #at: number

  constructor(buffer: ArrayBuffer) {
    this.frames = new Frames(Buffer.from(buffer))
    const { view } = this.frames
    this.id = view.getFloat64(0, true)
    this.count = view.getUint32(8, true)
    this.bits = view.getUint32(12, true)
    this.rows = view.getUint32(16, true)
    this.#counts = { snapshots: view.getUint32(20, true), drops: view.getUint32(24, true), trims: view.getUint32(28, true) }
    this.#at = view.getUint32(32, true)
  }

  frameAt(i: number): number {
    return this.frames.view.getUint32(HEAD_BYTES + i * APPEND_BYTES, true)
  }

  /** NaN: none. */
  hintDue(i: number): number {
    return this.frames.view.getFloat64(HEAD_BYTES + i * APPEND_BYTES + 8, true)
  }

  row(i: number): Buffer {
    const at = HEAD_BYTES + this.count * APPEND_BYTES + i * ROW_ENTRY_BYTES
    return this.frames.bytes.subarray(this.frames.view.getUint32(at, true), this.frames.view.getUint32(at + 4, true))
  }

  /** Drops, snapshots and trims. To be called once. */
  tail(): { readonly dropHints: Hint[]; readonly snapshots: SnapshotWrite[]; readonly trims: Trim[] } {
    const dropHints = times(this.#counts.drops, () => ({ actor: this.#name(), n: this.#number(), due: this.#number() }))
    const snapshots = times(this.#counts.snapshots, () => ({
      actor: this.#name(),
      n: this.#number(),
      offset: this.#number(),
      ref: this.#number(),
      hash: this.#blob(),
      bytes: this.#blob(),
      pages: new Map(times(this.#count(), () => [this.#count(), this.#blob()] as const)),
    }))
    const trims = times(this.#counts.trims, () => ({ actor: this.#name(), belowOffset: this.#number() }))
    return { dropHints, snapshots, trims }
  }

  #name(): string {
    const length = this.frames.view.getUint16(this.#at, true)
    const name = this.frames.bytes.toString('utf8', this.#at + 2, this.#at + 2 + length)
    this.#at += 2 + length
    return name
  }

  #number(): number {
    this.#at += 8
    return this.frames.view.getFloat64(this.#at - 8, true)
  }

  #count(): number {
    this.#at += 4
    return this.frames.view.getUint32(this.#at - 4, true)
  }

  #blob(): Uint8Array {
    const length = this.#count()
    this.#at += length
    return copyOf(this.frames.bytes.subarray(this.#at - length, this.#at))
  }
}

function times<T>(count: number, make: () => T): T[] {
  const made: T[] = []
  for (let i = 0; i < count; i++) made.push(make())
  return made
}
