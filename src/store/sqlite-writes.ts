/**
 * Writing: one transaction a group, one for all claims that came together. Each starts with BEGIN IMMEDIATE (the fence reads and
 * writes under one lock) and ends in COMMIT with the WAL synced (S3). What fails before COMMIT is certainly not applied.
 */
import type Database from 'better-sqlite3'
import { makeClaim } from '../actors/batch.ts'
import { makeFrame, refOf, REPLACE, VOID } from './sqlite-frames.ts'
import type { ReceivedGroup } from './sqlite-group.ts'
import { COMMITTED, TAKEN } from './sqlite-messages.ts'
import type { Reads } from './sqlite-reads.ts'
import { storeErrorOf, type Phase } from './sqlite-trouble.ts'
import { StoreError, type Claim, type Hint, type Loaded, type SnapshotWrite } from './store.ts'

/** A mark is noted when the last lies this many places back. */
const MARK_PLACES = 32

export interface Written {
  readonly ref: number
  readonly verdicts: Uint8Array | null
}

export class Writes {
  readonly #db: Database.Database
  readonly #file: string
  readonly #reads: Reads
  readonly #begin: Database.Statement
  readonly #commit: Database.Statement
  readonly #nextRow: Database.Statement
  readonly #insertLog: Database.Statement
  readonly #insertHead: Database.Statement
  readonly #moveHead: Database.Statement
  readonly #insertState: Database.Statement
  readonly #moveState: Database.Statement
  readonly #insertHint: Database.Statement
  readonly #dropHint: Database.Statement
  readonly #putSnap: Database.Statement
  readonly #putPage: Database.Statement
  readonly #putMark: Database.Statement
  readonly #putMeta: Database.Statement
  readonly #generation: Database.Statement
  readonly #rewriteLog: Database.Statement

  constructor(db: Database.Database, file: string, reads: Reads) {
    this.#db = db
    this.#file = file
    this.#reads = reads
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
    this.#nextRow = db.prepare('SELECT coalesce(max(row), 0) + 1 FROM log').pluck()
    this.#insertLog = db.prepare('INSERT INTO log(row, frames) VALUES (?, ?)')
    this.#insertHead = db.prepare('INSERT INTO head(actor, n, ref) VALUES (?, 1, ?) ON CONFLICT DO NOTHING')
    this.#moveHead = db.prepare('UPDATE head SET n = n + 1, ref = ? WHERE actor = ? AND n = ? AND ref = ?')
    this.#insertState = db.prepare('INSERT INTO state(actor, n, frame) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
    this.#moveState = db.prepare('UPDATE state SET n = n + 1, frame = ? WHERE actor = ? AND n = ?')
    this.#insertHint = db.prepare('INSERT INTO hint(due, actor, n) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
    this.#dropHint = db.prepare('DELETE FROM hint WHERE due = ? AND actor = ? AND n = ?')
    this.#putSnap = db.prepare(
      'INSERT INTO snap(actor, n, offset, hash, bytes) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = excluded.n, offset = excluded.offset, hash = excluded.hash, bytes = excluded.bytes WHERE excluded.n > snap.n',
    )
    this.#putPage = db.prepare('INSERT INTO page(actor, page, bytes) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET bytes = excluded.bytes')
    this.#putMark = db.prepare(
      'INSERT INTO mark(actor, n, offset, ref) SELECT ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM mark WHERE actor = ? AND n > ?)',
    )
    this.#putMeta = db.prepare('INSERT INTO meta(key, value) VALUES (?, ?) ON CONFLICT DO NOTHING')
    this.#generation = db
      .prepare('INSERT INTO generation(node, value) VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value')
      .pluck()
    this.#rewriteLog = db.prepare('UPDATE log SET frames = ? WHERE row = ?')
  }

  /**
   * Runs `work` in a transaction. `begin` gets past the lock (sqlite-lock.ts). After a failure nothing is open, and the
   * StoreError says whether anything may have been applied (S7).
   */
  transaction<T>(begin: (attempt: () => void) => void, work: () => T): T {
    let phase: Phase = 'before'
    try {
      begin(() => void this.#begin.run())
      const result = work()
      phase = 'commit'
      this.#commit.run()
      return result
    } catch (error) {
      // SQLite itself rolls back after some errors.
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK')
      throw storeErrorOf(error, this.#file, phase)
    }
  }

  /** Within a transaction: drops, appends with their hints, then snapshots. */
  group(group: ReceivedGroup, drops: readonly Hint[], snapshots: readonly SnapshotWrite[]): Written {
    for (const { actor, n, due } of drops) this.#dropHint.run(due, actor, n)
    const first = group.rows === 0 ? 0 : (this.#nextRow.get() as number)
    const ref = group.rows === 0 ? 0 : refOf(first, group.bits)
    let verdicts: Uint8Array | null = null
    let kept = 0
    for (let i = 0; i < group.count; i++) {
      const { frames } = group
      const at = group.frameAt(i)
      const actor = frames.actor(at)
      const replace = (frames.flags(at) & REPLACE) !== 0
      if (replace ? this.#advanceState(group, at, actor) : this.#advanceHead(group, at, actor, ref)) {
        if (!replace) kept++
        const due = group.hintDue(i)
        if (!Number.isNaN(due)) this.#insertHint.run(due, actor, frames.n(at))
      } else {
        frames.addFlag(at, VOID)
        verdicts ??= new Uint8Array(group.count).fill(COMMITTED)
        verdicts[i] = TAKEN
      }
    }
    for (let row = 0; kept > 0 && row < group.rows; row++) {
      const bytes = group.row(row)
      if (bytes.length > 0) this.#insertLog.run(first + row, bytes)
    }
    for (const snapshot of snapshots) this.#snapshot(snapshot)
    return { ref, verdicts }
  }

  /** The fence (J1): the head is compared and set. False: the place is taken. */
  #advanceHead(group: ReceivedGroup, at: number, actor: string, ref: number): boolean {
    const { frames } = group
    const n = frames.n(at)
    if (n === 1) {
      frames.setPrevRef(at, 0)
      return this.#insertHead.run(actor, ref).changes === 1
    }
    if (this.#moveHead.run(ref, actor, n - 1, frames.prevRef(at)).changes === 1) return true
    // The place may be right and only the caller's ref old, as after an unknown outcome was settled by reading (J4): the link is mended here.
    const head = this.#reads.head(actor)
    if (head === null || head.n !== n - 1) return false
    frames.setPrevRef(at, head.ref)
    return this.#moveHead.run(ref, actor, n - 1, head.ref).changes === 1
  }

  #advanceState(group: ReceivedGroup, at: number, actor: string): boolean {
    const n = group.frames.n(at)
    const frame = group.frames.frame(at)
    // The first record may have any place (S1).
    return this.#moveState.run(frame, actor, n - 1).changes === 1 || this.#insertState.run(actor, n, frame).changes === 1
  }

  /** J5: replaces only a smaller `n`, and only for a batch that is there. */
  #snapshot({ actor, n, offset, hash, bytes, ref, pages }: SnapshotWrite): void {
    const head = this.#reads.head(actor)
    if (head === null || head.n < n) return
    if (this.#putSnap.run(actor, n, offset, hash, bytes).changes === 0) return
    for (const [page, body] of pages) this.#putPage.run(actor, page, body)
    const known = head.n === n ? head.ref : ref
    if (head.n === n || (ref > 0 && this.#reads.find(actor, n, ref) !== null))
      this.#putMark.run(actor, n, offset, known, actor, n - MARK_PLACES)
  }

  /** Within a transaction (J2): nothing can be appended between finding the newest place and taking the next. */
  claim(actor: string, claim: Claim): Loaded {
    try {
      if (claim.mode === 'replace') this.#claimRecord(actor, claim)
      else this.#claimJournal(actor, claim)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      throw new StoreError('refused', 'corrupt', `${this.#file}: ${actor} cannot be claimed: ${error.message}`)
    }
    const loaded = this.#reads.load(actor)
    if (loaded === null) throw new StoreError('refused', 'corrupt', `${this.#file}: the claim of ${actor} is not there`)
    return loaded
  }

  #claimJournal(actor: string, claim: Claim): void {
    const head = this.#reads.head(actor)
    const newest = head === null ? null : this.#reads.newestBatch(actor, head)
    const made = makeClaim(claim, newest === null ? null : { n: newest.n, bytes: newest.frames.payload(newest.at) })
    const row = this.#nextRow.get() as number
    const ref = refOf(row, 0)
    const { n, hash, firstOffset } = made
    const fields = { flags: 0, n, prevRef: head?.ref ?? 0, firstOffset, entries: 0, commitId: claim.commitId, hash }
    this.#insertLog.run(row, makeFrame(fields, actor, made.bytes))
    if (head === null) this.#insertHead.run(actor, ref)
    else this.#moveHead.run(ref, actor, n - 1, head.ref)
  }

  #claimRecord(actor: string, claim: Claim): void {
    const record = this.#reads.record(actor)
    const made = makeClaim(claim, record === null ? null : { n: record.n(0), bytes: record.payload(0) })
    const { n, hash, firstOffset } = made
    const entries = record?.entries(0) ?? 0
    const frame = makeFrame({ flags: REPLACE, n, prevRef: 0, firstOffset, entries, commitId: claim.commitId, hash }, actor, made.bytes)
    if (record === null) this.#insertState.run(actor, n, frame)
    else this.#moveState.run(frame, actor, n - 1)
  }

  createMeta(key: string, value: Uint8Array): Uint8Array {
    this.#putMeta.run(key, value)
    return this.#reads.meta(key) as Uint8Array
  }

  nextGeneration(node: string): number {
    return this.#generation.get(node) as number
  }

  rewriteLog(row: number, frames: Buffer): void {
    this.#rewriteLog.run(frames, row)
  }
}
