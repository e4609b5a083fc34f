/**
 * What is on the simulated disk: a whole Store without time and without faults, as plain synchronous functions, and the ledger of
 * every batch that ever became durable. Adapters may forget (J10); the ledger never does: the checks read it.
 */
import { hashOf, makeClaim, openBatch, readHeader, type BatchBody, type BatchHeader } from '../../src/actors/batch.ts'
import type {
  Append,
  Claim,
  CommitGroup,
  Hint,
  Loaded,
  SnapshotWrite,
  StoredBatch,
  StoredSnapshot,
  Trim,
  Verdict as AppendVerdict,
  WalkedBatch,
} from '../../src/store/store.ts'

export interface LedgerBatch {
  readonly actor: string
  readonly n: number
  readonly commitId: Uint8Array
  readonly bytes: Uint8Array
  readonly hash: Uint8Array
  readonly firstOffset: number
  readonly entries: number
  readonly mode: 'append' | 'replace'
  readonly header: BatchHeader
  /** null for the record of a 'replace' actor. */
  readonly body: BatchBody | null
  readonly by: string
  readonly atUs: number
  /** Journal id after this batch; '' where the ledger cannot tell ('replace'). */
  readonly journal: string
  emptied: boolean
}

export interface ActorRecord {
  readonly actor: string
  readonly mode: 'append' | 'replace'
  /** By place, from 1. */
  readonly batches: LedgerBatch[]
  snapshot: StoredSnapshot | null
  ref: number
  readonly hints: Map<string, Hint>
}

export interface DataWatcher {
  /** Is about to take its place. */
  appending(append: Append, record: ActorRecord): void
  applied(batch: LedgerBatch, record: ActorRecord): void
  snapshot(write: SnapshotWrite, record: ActorRecord | undefined): void
  /** After a whole group, for each actor it touched. */
  touched(record: ActorRecord): void
}

export class SimData {
  readonly actors: Map<string, ActorRecord> = new Map()
  readonly #meta = new Map<string, Uint8Array>()
  readonly #generations = new Map<string, number>()
  readonly #nowUs: () => number
  watcher: DataWatcher | null = null
  #ref = 0

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs
  }

  hintCount(): number {
    let count = 0
    for (const record of this.actors.values()) count += record.hints.size
    return count
  }

  nextRef(): number {
    return ++this.#ref
  }

  newestOf(actor: string): number {
    return this.actors.get(actor)?.batches.length ?? 0
  }

  /** One append, whole or not at all (S1). With `hintFirst` its hint is durable before, and stays when the place is taken. */
  append(append: Append, by: string, ref: number, hintFirst: boolean): AppendVerdict {
    if (hintFirst) this.putHint(append)
    const record = this.#record(append.actor, append.mode)
    if (record.batches.length + 1 !== append.n) return 'taken'
    this.watcher?.appending(append, record)
    this.#add(record, append, by)
    record.ref = ref
    if (!hintFirst) this.putHint(append)
    return 'committed'
  }

  putHint(append: Pick<Append, 'actor' | 'n' | 'hintDue' | 'mode'>): void {
    if (append.hintDue === null) return
    const hint = { actor: append.actor, n: append.n, due: append.hintDue }
    this.#record(append.actor, append.mode).hints.set(hintKey(hint), hint)
  }

  /** The rest of a group, after its appends. */
  finish(group: CommitGroup): void {
    for (const write of group.snapshots) this.#snapshot(write)
    for (const hint of group.dropHints) this.actors.get(hint.actor)?.hints.delete(hintKey(hint))
    for (const trim of group.trims) this.#trim(trim)
    const touched = new Set<string>()
    for (const { actor } of group.appends) touched.add(actor)
    for (const { actor } of group.dropHints) touched.add(actor)
    for (const actor of touched) {
      const record = this.actors.get(actor)
      if (record !== undefined) this.watcher?.touched(record)
    }
  }

  claim(actor: string, claim: Claim, by: string): Loaded {
    const record = this.#record(actor, claim.mode)
    const newest = record.batches.at(-1)
    const made = makeClaim(claim, newest === undefined ? null : { n: newest.n, bytes: newest.bytes })
    const entries = claim.mode === 'replace' && newest !== undefined ? newest.entries : 0
    this.#add(record, { ...made, actor, commitId: claim.commitId, mode: claim.mode, entries }, by)
    record.ref = this.nextRef()
    return this.load(actor) as Loaded
  }

  load(actor: string): Loaded | null {
    const record = this.actors.get(actor)
    const newest = record?.batches.at(-1)
    if (record === undefined || newest === undefined) return null
    const { n } = newest
    if (record.mode === 'replace') {
      const pages = record.snapshot?.pages ?? new Map<number, Uint8Array>()
      return { n, ref: record.ref, snapshot: { n, hash: newest.hash, bytes: newest.bytes, pages }, batches: [] }
    }
    const { snapshot } = record
    const batches = record.batches.slice(snapshot?.n ?? 0).map(stored)
    return { n, ref: record.ref, snapshot, batches }
  }

  read(actor: string, n: number): StoredBatch | null {
    const record = this.actors.get(actor)
    const batch = record?.batches[n - 1]
    if (record === undefined || batch === undefined || batch.emptied) return null
    return record.mode === 'replace' && n !== record.batches.length ? null : stored(batch)
  }

  history(actor: string, from: number, maxBytes: number): StoredBatch[] {
    const record = this.actors.get(actor)
    if (record === undefined || record.mode === 'replace') return []
    const found: StoredBatch[] = []
    let bytes = 0
    for (const batch of record.batches) {
      if (batch.emptied || batch.entries === 0 || batch.firstOffset + batch.entries <= from) continue
      if (found.length > 0 && bytes + batch.bytes.length > maxBytes) break
      bytes += batch.bytes.length
      found.push(stored(batch))
    }
    return found
  }

  hints(dueBy: number, limit: number, after?: Hint): Hint[] {
    const due: Hint[] = []
    for (const record of this.actors.values())
      for (const hint of record.hints.values()) if (hint.due <= dueBy && (after === undefined || hintOrder(after, hint) < 0)) due.push(hint)
    return due.sort(hintOrder).slice(0, limit)
  }

  meta(key: string, create?: Uint8Array): Uint8Array | null {
    const value = this.#meta.get(key)
    if (value !== undefined || create === undefined) return value ?? null
    this.#meta.set(key, create)
    return create
  }

  nextGeneration(node: string): number {
    const next = (this.#generations.get(node) ?? 0) + 1
    this.#generations.set(node, next)
    return next
  }

  list(after: string | null, limit: number): string[] {
    const names = [...this.actors.values()].filter(({ batches }) => batches.length > 0).map(({ actor }) => Buffer.from(actor))
    const from = after === null ? null : Buffer.from(after)
    return names
      .filter((name) => from === null || Buffer.compare(name, from) > 0)
      .sort(Buffer.compare)
      .slice(0, limit)
      .map((name) => name.toString())
  }

  walk(actor: string, afterN: number, limit: number): WalkedBatch[] {
    const record = this.actors.get(actor)
    if (record === undefined) return []
    const kept = record.mode === 'replace' ? record.batches.slice(-1).filter(({ n }) => n > afterN) : record.batches.slice(afterN)
    return kept.slice(0, limit).map(({ n, hash, bytes, emptied }) => ({ n, hash, bytes: emptied ? null : bytes }))
  }

  #record(actor: string, mode: 'append' | 'replace'): ActorRecord {
    let record = this.actors.get(actor)
    if (record === undefined) {
      record = { actor, mode, batches: [], snapshot: null, ref: 0, hints: new Map() }
      this.actors.set(actor, record)
    }
    return record
  }

  #add(
    record: ActorRecord,
    made: Pick<Append, 'actor' | 'n' | 'commitId' | 'bytes' | 'hash' | 'firstOffset' | 'entries' | 'mode'>,
    by: string,
  ): void {
    const opened = made.mode === 'append' ? openBatch(made.bytes) : null
    const header = opened?.header ?? readHeader(made.bytes) ?? noHeader(made.bytes)
    const body = opened?.body ?? null
    const journal = body?.j ?? record.batches.at(-1)?.journal ?? ''
    const { actor, n, commitId, hash, firstOffset, entries, mode } = made
    // A copy (Buffer's `slice` is none): the disk does not change when its writer changes his buffer.
    const bytes = Buffer.from(made.bytes)
    const batch: LedgerBatch = {
      actor,
      n,
      commitId,
      bytes,
      hash,
      firstOffset,
      entries,
      mode,
      header,
      body,
      by,
      atUs: this.#nowUs(),
      journal,
      emptied: false,
    }
    record.batches.push(batch)
    this.watcher?.applied(batch, record)
  }

  #snapshot(write: SnapshotWrite): void {
    const record = this.actors.get(write.actor)
    this.watcher?.snapshot(write, record)
    if (record === undefined || write.n > record.batches.length) return
    const before = record.snapshot
    if (before !== null && before.n >= write.n) return
    const pages = new Map(before?.pages)
    for (const [number, page] of write.pages) pages.set(number, Buffer.from(page))
    record.snapshot = { n: write.n, hash: write.hash, bytes: Buffer.from(write.bytes), pages }
  }

  #trim({ actor, belowOffset }: Trim): void {
    const record = this.actors.get(actor)
    if (record === undefined || record.mode === 'replace') return
    // The newest batch stays, whatever is asked: the next claim is made from it. So does what no snapshot covers.
    const limit = Math.min(record.batches.length - 1, record.snapshot?.n ?? 0)
    for (let i = 0; i < limit; i++) {
      const batch = record.batches[i] as LedgerBatch
      if (batch.firstOffset + batch.entries <= belowOffset) batch.emptied = true
    }
  }
}

export function hintKey({ actor, n, due }: Hint): string {
  return `${n} ${due} ${actor}`
}

function hintOrder(a: Hint, b: Hint): number {
  return a.due - b.due || Buffer.compare(Buffer.from(a.actor), Buffer.from(b.actor)) || a.n - b.n
}

function stored({ n, commitId, bytes }: LedgerBatch): StoredBatch {
  return { n, commitId, bytes }
}

/** Garbage in the header is found by the check 'one-log', not here. */
function noHeader(bytes: Uint8Array): BatchHeader {
  const none = hashOf(bytes)
  return { flags: 0, n: -1, epoch: -1, firstOffset: -1, entries: -1, commitId: none, previous: none }
}
