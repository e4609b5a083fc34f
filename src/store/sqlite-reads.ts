/** Reading journals: point reads, and walks back from a batch to the one before it. Every method expects a transaction or is one statement. */
import type Database from 'better-sqlite3'
import { copyOf, EMPTIED, Frames, rowOf } from './sqlite-frames.ts'
import { StoreError, type Hint, type Loaded, type StoredBatch, type StoredSnapshot, type WalkedBatch } from './store.ts'

export interface Place {
  readonly n: number
  readonly ref: number
}

/** A batch where it lies. */
export interface Found {
  readonly n: number
  readonly ref: number
  readonly row: number
  readonly frames: Frames
  readonly at: number
}

interface SnapRow {
  readonly n: number
  readonly offset: number
  readonly hash: Buffer
  readonly bytes: Buffer
}

export class Reads {
  readonly #file: string
  readonly #head: Database.Statement
  readonly #state: Database.Statement
  readonly #log: Database.Statement
  readonly #snap: Database.Statement
  readonly #pages: Database.Statement
  readonly #markByOffset: Database.Statement
  readonly #markByPlace: Database.Statement
  readonly #hints: Database.Statement
  readonly #meta: Database.Statement
  readonly #actors: Database.Statement

  constructor(db: Database.Database, file: string) {
    this.#file = file
    this.#head = db.prepare('SELECT n, ref FROM head WHERE actor = ?')
    this.#state = db.prepare('SELECT frame FROM state WHERE actor = ?').pluck()
    this.#log = db.prepare('SELECT frames FROM log WHERE row = ?').pluck()
    this.#snap = db.prepare('SELECT n, offset, hash, bytes FROM snap WHERE actor = ?')
    this.#pages = db.prepare('SELECT page, bytes FROM page WHERE actor = ?')
    this.#markByOffset = db.prepare('SELECT n, ref FROM mark WHERE actor = ? AND offset >= ? ORDER BY offset, n LIMIT 1')
    this.#markByPlace = db.prepare('SELECT n, ref FROM mark WHERE actor = ? AND n >= ? ORDER BY n LIMIT 1')
    this.#hints = db.prepare('SELECT actor, n, due FROM hint WHERE due <= ? AND (due, actor, n) > (?, ?, ?) ORDER BY due, actor, n LIMIT ?')
    this.#meta = db.prepare('SELECT value FROM meta WHERE key = ?').pluck()
    this.#actors = db
      .prepare('SELECT actor FROM head WHERE actor > ? UNION SELECT actor FROM state WHERE actor > ? ORDER BY actor LIMIT ?')
      .pluck()
  }

  head(actor: string): Place | null {
    return (this.#head.get(actor) as Place | undefined) ?? null
  }

  /** The record of a 'replace' actor. */
  record(actor: string): Frames | null {
    const frame = this.#state.get(actor) as Buffer | undefined
    return frame === undefined ? null : new Frames(frame)
  }

  snapPlace(actor: string): number {
    return (this.#snap.get(actor) as SnapRow | undefined)?.n ?? 0
  }

  frames(row: number): Frames | null {
    const stored = this.#log.get(row) as Buffer | undefined
    return stored === undefined ? null : new Frames(stored)
  }

  /** The batch at place `n`, which lies in the group `ref`; null if it is not there. */
  find(actor: string, n: number, ref: number): Found | null {
    const row = rowOf(ref, actor)
    const frames = this.frames(row)
    if (frames === null) return null
    const at = frames.find(Buffer.from(actor), n)
    return at < 0 ? null : { n, ref, row, frames, at }
  }

  /** Visits batches from `from` back to the place `downTo`, newest first, until `visit` says false. */
  walkBack(actor: string, from: Place, downTo: number, visit: (found: Found) => boolean): void {
    let ref = from.ref
    for (let n = from.n; n >= downTo && n > 0; n--) {
      const found = this.find(actor, n, ref)
      if (found === null) throw this.#damaged(actor, n)
      if (!visit(found)) return
      ref = found.frames.prevRef(found.at)
    }
  }

  /** The nearest known place at or after `n`: a mark, else the head. Null when the journal ends before. */
  near(actor: string, n: number): Place | null {
    const mark = this.#markByPlace.get(actor, n) as Place | undefined
    if (mark !== undefined) return mark
    const head = this.head(actor)
    return head !== null && head.n >= n ? head : null
  }

  load(actor: string): Loaded | null {
    const head = this.head(actor)
    if (head === null) return this.#loadRecord(actor)
    const snapshot = this.#snapshot(actor)
    const after = snapshot?.n ?? 0
    if (after > head.n) throw this.#damaged(actor, after)
    const batches: StoredBatch[] = []
    this.walkBack(actor, head, after + 1, (found) => {
      const batch = batchOf(found)
      if (batch === null) throw this.#damaged(actor, found.n)
      batches.push(batch)
      return true
    })
    return { n: head.n, ref: head.ref, snapshot, batches: batches.reverse() }
  }

  #loadRecord(actor: string): Loaded | null {
    const record = this.record(actor)
    if (record === null) return null
    const n = record.n(0)
    return { n, ref: 0, snapshot: { n, hash: record.hash(0), bytes: record.payload(0), pages: this.#pagesOf(actor) }, batches: [] }
  }

  #snapshot(actor: string): StoredSnapshot | null {
    const snap = this.#snap.get(actor) as SnapRow | undefined
    if (snap === undefined) return null
    return { n: snap.n, hash: own(snap.hash), bytes: own(snap.bytes), pages: this.#pagesOf(actor) }
  }

  #pagesOf(actor: string): Map<number, Uint8Array> {
    const rows = this.#pages.all(actor) as { readonly page: number; readonly bytes: Buffer }[]
    return new Map(rows.map(({ page, bytes }) => [page, own(bytes)]))
  }

  /** The newest batch, for a claim: it is never emptied. */
  newestBatch(actor: string, head: Place): Found {
    const found = this.find(actor, head.n, head.ref)
    if (found === null || (found.frames.flags(found.at) & EMPTIED) !== 0) throw this.#damaged(actor, head.n)
    return found
  }

  read(actor: string, n: number): StoredBatch | null {
    const start = this.near(actor, n)
    if (start === null) {
      const record = this.record(actor)
      return record !== null && record.n(0) === n ? { n, commitId: record.commitId(0), bytes: record.payload(0) } : null
    }
    let batch: StoredBatch | null = null
    this.walkBack(actor, start, n, (found) => {
      if (found.n === n) batch = batchOf(found)
      return true
    })
    return batch
  }

  newest(actors: readonly string[]): number[] {
    return actors.map((actor) => this.head(actor)?.n ?? this.record(actor)?.n(0) ?? 0)
  }

  history(actor: string, from: number, maxBytes: number): StoredBatch[] {
    const head = this.head(actor)
    const batches: StoredBatch[] = []
    if (head === null) return batches
    let bytes = 0
    let below = 1
    let end = (this.#markByOffset.get(actor, from) as Place | undefined) ?? head
    for (;;) {
      for (const batch of this.#stretch(actor, end, below, from, maxBytes - bytes)) {
        bytes += batch.bytes.length
        batches.push(batch)
        if (bytes >= maxBytes) return batches
      }
      if (end.n >= head.n) return batches
      below = end.n + 1
      end = this.near(actor, below) ?? head
    }
  }

  /** Batches with entries from offset `from` on, places `below` to `end`, oldest first. Of more than `maxBytes` the newest are let go while reading. */
  #stretch(actor: string, end: Place, below: number, from: number, maxBytes: number): StoredBatch[] {
    const back: StoredBatch[] = []
    let first = 0
    let bytes = 0
    this.walkBack(actor, end, below, (found) => {
      const { frames, at } = found
      const batch = batchOf(found)
      if (batch === null) return false
      if (frames.entries(at) > 0 && frames.firstOffset(at) + frames.entries(at) > from) {
        back.push(batch)
        bytes += batch.bytes.length
        while (bytes - (back[first] as StoredBatch).bytes.length >= maxBytes && first < back.length - 1)
          bytes -= (back[first++] as StoredBatch).bytes.length
        if (first > 1024) {
          back.splice(0, first)
          first = 0
        }
      }
      return frames.firstOffset(at) > from
    })
    return back.slice(first).reverse()
  }

  walk(actor: string, afterN: number, limit: number): WalkedBatch[] {
    const head = this.head(actor)
    if (head === null) {
      const record = this.record(actor)
      return record === null || record.n(0) <= afterN || limit < 1
        ? []
        : [{ n: record.n(0), hash: record.hash(0), bytes: record.payload(0) }]
    }
    const last = Math.min(head.n, afterN + limit)
    const start = last > afterN ? this.near(actor, last) : null
    const walked: WalkedBatch[] = []
    if (start === null) return walked
    this.walkBack(actor, start, afterN + 1, (found) => {
      if (found.n <= last) walked.push({ n: found.n, hash: found.frames.hash(found.at), bytes: batchOf(found)?.bytes ?? null })
      return true
    })
    return walked.reverse()
  }

  hints(dueBy: number, limit: number, after: Hint | null): Hint[] {
    const { due, actor, n } = after ?? { due: -Number.MAX_SAFE_INTEGER, actor: '', n: 0 }
    return this.#hints.all(dueBy, due, actor, n, limit) as Hint[]
  }

  meta(key: string): Uint8Array | null {
    const value = this.#meta.get(key) as Buffer | undefined
    return value === undefined ? null : own(value)
  }

  actors(after: string | null, limit: number): string[] {
    return this.#actors.all(after ?? '', after ?? '', limit) as string[]
  }

  #damaged(actor: string, n: number): StoreError {
    return new StoreError(
      'refused',
      'corrupt',
      `${this.#file}: batch ${n} of ${actor} is missing or damaged. Keep a copy of the file and restore it from a backup`,
    )
  }
}

function batchOf({ n, frames, at }: Found): StoredBatch | null {
  return (frames.flags(at) & EMPTIED) !== 0 ? null : { n, commitId: frames.commitId(at), bytes: frames.payload(at) }
}

/** A value of the database, in memory of exactly its size, ready to cross to another thread. */
function own(value: Buffer): Uint8Array {
  return value.buffer.byteLength === value.length ? new Uint8Array(value.buffer) : copyOf(value)
}
