/** The data of a memory store: what several connections share. Synchronous; keeps the given byte arrays without copying them. */
import { makeClaim } from '../actors/batch.ts'
import type {
  Append,
  Claim,
  CommitGroup,
  CommitResult,
  Hint,
  Loaded,
  SnapshotWrite,
  StoredBatch,
  StoredSnapshot,
  Trim,
  Verdict,
  WalkedBatch,
} from './store.ts'
import { StoreError } from './store.ts'

interface Row {
  readonly n: number
  readonly commitId: Uint8Array
  /** null: emptied (J10). */
  bytes: Uint8Array | null
  readonly hash: Uint8Array
  readonly firstOffset: number
  readonly entries: number
}

interface Journal {
  readonly mode: 'append' | 'replace'
  /** 'append': place n at index n - 1. 'replace': the newest alone. */
  rows: Row[]
  newest: number
  ref: number
  snap: Omit<StoredSnapshot, 'pages'> | null
  pages: Map<number, Uint8Array> | null
  /** Places up to here are emptied. */
  emptied: number
}

/** Told of each batch, and of each new record of a 'replace' actor, in the instant in which it is durable. */
export type Placed = (actor: string, mode: 'append' | 'replace', bytes: Uint8Array) => void

type AppendFault = 'refused' | 'unknown-before' | 'unknown-after' | null

export class MemoryData {
  readonly #journals = new Map<string, Journal>()
  readonly #hints = new Map<string, Hint[]>()
  readonly #meta = new Map<string, Uint8Array>()
  readonly #generations = new Map<string, number>()
  readonly #placed: Placed | null
  #ref = 0
  batches = 0

  constructor(placed: Placed | null = null) {
    this.#placed = placed
  }

  get actorCount(): number {
    return this.#journals.size
  }

  commit({ appends, snapshots, dropHints, trims }: CommitGroup, fault: ((append: Append) => AppendFault) | null): CommitResult {
    const ref = ++this.#ref
    for (const hint of dropHints) this.#dropHint(hint)
    const verdicts: Verdict[] = []
    for (const append of appends) verdicts.push(this.#append(append, ref, fault === null ? null : fault(append)))
    for (const snapshot of snapshots) this.#snapshot(snapshot)
    for (const trim of trims) this.#trim(trim)
    return { verdicts, ref }
  }

  #append(append: Append, ref: number, fault: AppendFault): Verdict {
    if (fault === 'refused') return 'refused'
    if (fault === 'unknown-before') return 'unknown'
    const journal = this.#journals.get(append.actor)
    // The fence (J1). The first record of a 'replace' actor may have any place (S1).
    const next = journal === undefined && append.mode === 'replace' ? append.n : (journal?.newest ?? 0) + 1
    if (append.n !== next) return fault === 'unknown-after' ? 'unknown' : 'taken'
    this.#put(append.actor, journal, append.mode, append, ref)
    if (append.hintDue !== null) this.#addHint({ actor: append.actor, n: append.n, due: append.hintDue })
    return fault === 'unknown-after' ? 'unknown' : 'committed'
  }

  #put(
    actor: string,
    found: Journal | undefined,
    mode: 'append' | 'replace',
    { n, commitId, bytes, hash, firstOffset, entries }: Omit<Row, 'bytes'> & { readonly bytes: Uint8Array },
    ref: number,
  ): void {
    const row: Row = { n, commitId, bytes, hash, firstOffset, entries }
    const journal = found ?? { mode, rows: [], newest: 0, ref: 0, snap: null, pages: null, emptied: 0 }
    if (found === undefined) this.#journals.set(actor, journal)
    if (journal.mode === 'replace') journal.rows[0] = row
    else journal.rows.push(row)
    journal.newest = n
    journal.ref = ref
    this.batches++
    this.#placed?.(actor, mode, bytes)
  }

  #snapshot({ actor, n, hash, bytes, pages }: SnapshotWrite): void {
    const journal = this.#journals.get(actor)
    // J5: only over a smaller one, and only of a batch that is there.
    if (journal === undefined || journal.mode === 'replace' || journal.newest < n || (journal.snap?.n ?? 0) >= n) return
    journal.snap = { n, hash, bytes }
    for (const [page, body] of pages) (journal.pages ??= new Map<number, Uint8Array>()).set(page, body)
  }

  /** Never the newest batch (a claim needs it), nor what no snapshot covers (a load needs it). */
  #trim({ actor, belowOffset }: Trim): void {
    const journal = this.#journals.get(actor)
    if (journal === undefined || journal.mode === 'replace') return
    const last = Math.min(journal.snap?.n ?? 0, journal.newest - 1)
    while (journal.emptied < last) {
      const row = journal.rows[journal.emptied] as Row
      if (row.firstOffset + row.entries > belowOffset) return
      row.bytes = null
      journal.emptied++
    }
  }

  claim(actor: string, claim: Claim): Loaded {
    const journal = this.#journals.get(actor)
    const newest = journal?.rows.at(-1)
    const made = makeClaim(claim, newest === undefined ? null : { n: newest.n, bytes: newest.bytes as Uint8Array })
    const entries = claim.mode === 'replace' ? (newest?.entries ?? 0) : 0
    this.#put(actor, journal, claim.mode, { ...made, commitId: claim.commitId, entries }, ++this.#ref)
    return this.load(actor) as Loaded
  }

  load(actor: string): Loaded | null {
    const journal = this.#journals.get(actor)
    if (journal === undefined) return null
    const { rows, newest: n, ref, snap } = journal
    const pages = new Map(journal.pages ?? [])
    if (journal.mode === 'replace') {
      const { hash, bytes } = rows[0] as Row
      return { n, ref, snapshot: { n, hash, bytes: bytes as Uint8Array, pages }, batches: [] }
    }
    const batches = rows.slice(snap?.n ?? 0).map((row) => {
      const batch = batchOf(row)
      if (batch === null) throw new StoreError('refused', 'corrupt', `batch ${row.n} of ${actor} is missing`)
      return batch
    })
    return { n, ref, snapshot: snap === null ? null : { ...snap, pages }, batches }
  }

  newest(actor: string): number {
    return this.#journals.get(actor)?.newest ?? 0
  }

  #row(actor: string, n: number): Row | undefined {
    const journal = this.#journals.get(actor)
    if (journal?.mode === 'replace') return journal.newest === n ? journal.rows[0] : undefined
    return journal?.rows[n - 1]
  }

  read(actor: string, n: number): StoredBatch | null {
    const row = this.#row(actor, n)
    return row === undefined ? null : batchOf(row)
  }

  history(actor: string, from: number, maxBytes: number): StoredBatch[] {
    const journal = this.#journals.get(actor)
    const batches: StoredBatch[] = []
    if (journal === undefined || journal.mode === 'replace') return batches
    const { rows } = journal
    // The first row that ends after `from`; ends never fall.
    let low = journal.emptied
    let high = rows.length
    while (low < high) {
      const middle = (low + high) >> 1
      const row = rows[middle] as Row
      if (row.firstOffset + row.entries > from) high = middle
      else low = middle + 1
    }
    let bytes = 0
    for (let i = low; i < rows.length && (bytes < maxBytes || batches.length === 0); i++) {
      const row = rows[i] as Row
      const batch = row.entries === 0 ? null : batchOf(row)
      if (batch === null) continue
      batches.push(batch)
      bytes += batch.bytes.length
    }
    return batches
  }

  walk(actor: string, afterN: number, limit: number): WalkedBatch[] {
    const journal = this.#journals.get(actor)
    const rows =
      journal?.mode === 'append'
        ? journal.rows.slice(afterN, afterN + limit)
        : (journal?.rows ?? []).filter(({ n }) => n > afterN).slice(0, limit)
    return rows.map(({ n, hash, bytes }) => ({ n, hash, bytes }))
  }

  #addHint(hint: Hint): void {
    const of = this.#hints.get(hint.actor)
    if (of === undefined) this.#hints.set(hint.actor, [hint])
    else if (!of.some(({ n, due }) => n === hint.n && due === hint.due)) of.push(hint)
  }

  #dropHint({ actor, n, due }: Hint): void {
    const of = this.#hints.get(actor)
    if (of === undefined) return
    const left = of.filter((hint) => hint.n !== n || hint.due !== due)
    if (left.length === 0) this.#hints.delete(actor)
    else this.#hints.set(actor, left)
  }

  hints(dueBy: number, limit: number, after: Hint | null): Hint[] {
    const found: Hint[] = []
    for (const of of this.#hints.values())
      for (const hint of of) if (hint.due <= dueBy && (after === null || compareHints(hint, after) > 0)) found.push(hint)
    return found.sort(compareHints).slice(0, limit)
  }

  meta(key: string, create: Uint8Array | null): Uint8Array | null {
    const value = this.#meta.get(key)
    if (value !== undefined || create === null) return value ?? null
    this.#meta.set(key, create)
    return create
  }

  nextGeneration(node: string): number {
    const next = (this.#generations.get(node) ?? 0) + 1
    this.#generations.set(node, next)
    return next
  }

  actors(after: string | null, limit: number): string[] {
    const names: string[] = []
    for (const actor of this.#journals.keys()) if (after === null || compareNames(actor, after) > 0) names.push(actor)
    return names.sort(compareNames).slice(0, limit)
  }
}

function batchOf({ n, commitId, bytes }: Row): StoredBatch | null {
  return bytes === null ? null : { n, commitId, bytes }
}

function compareHints(a: Hint, b: Hint): number {
  return a.due - b.due || compareNames(a.actor, b.actor) || a.n - b.n
}

/** Bytewise in UTF-8, which is the order of code points; the order of UTF-16 units differs above U+D7FF. */
function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? swapped(x) - swapped(y) : x - y
  }
  return a.length - b.length
}

/** Surrogates stand for code points above all others. */
function swapped(unit: number): number {
  return unit <= 0xdfff ? unit + 0x10000 : unit
}
