/** Makes the batches of one actor for store tests: real ones (actors/batch.ts), each with the hash of the one before (J3). */
import { randomFillSync } from 'node:crypto'
import { hashOf, openBatch, sealBatch } from '../../src/actors/batch.ts'
import type { Append, Claim, CommitGroup, Hint, Loaded, SnapshotWrite, Store, Trim, Verdict } from '../../src/store/store.ts'

export function commitId(): Uint8Array {
  return randomFillSync(new Uint8Array(16))
}

export function group(appends: readonly Append[], more: Partial<CommitGroup> = {}): CommitGroup {
  return { appends, snapshots: [], dropHints: [], trims: [], ...more }
}

export function claimOf(owner = 'node-1', mode: 'append' | 'replace' = 'append'): Claim {
  return { commitId: commitId(), owner, at: 1_700_000_000_000, mode, clean: true, firstJournal: 'journal-1', journal: 'journal-2' }
}

/** One owner's belief about an actor: where its journal ends. */
export class Writer {
  readonly actor: string
  readonly mode: 'append' | 'replace'
  n = 0
  ref = 0
  offset = 0
  previous: Uint8Array | null = null

  constructor(actor: string, mode: 'append' | 'replace' = 'append') {
    this.actor = actor
    this.mode = mode
  }

  /** What an owner knows after loading. */
  static of(actor: string, loaded: Loaded, mode: 'append' | 'replace' = 'append'): Writer {
    const writer = new Writer(actor, mode)
    const newest = loaded.batches.at(-1)?.bytes ?? loaded.snapshot?.bytes
    if (newest !== undefined) {
      const header = openBatch(newest)?.header
      if (header === undefined) throw new Error(`the newest batch of ${actor} is not a batch`)
      writer.previous = hashOf(newest)
      writer.offset = header.firstOffset + header.entries - 1
    }
    writer.n = loaded.n
    writer.ref = loaded.ref
    return writer
  }

  /** The next append; the belief changes only with `done`. */
  next(text = 'x', { entries = 1, hintDue = null }: { readonly entries?: number; readonly hintDue?: number | null } = {}): Append {
    const id = commitId()
    const n = this.n + 1
    const firstOffset = this.offset + 1
    const e = Array.from({ length: entries }, () => ['t', text, 1, ''] as const)
    const sealed = sealBatch({ flags: 0, n, epoch: 1, firstOffset, entries, commitId: id, previous: this.previous }, JSON.stringify({ e }))
    return { actor: this.actor, n, commitId: id, ...sealed, firstOffset, entries, mode: this.mode, prevRef: this.ref, hintDue }
  }

  done(append: Append, ref: number): void {
    this.n = append.n
    this.ref = ref
    this.offset = append.firstOffset + append.entries - 1
    this.previous = append.hash
  }

  snapshot(text = 'state', pages: ReadonlyMap<number, Uint8Array> = new Map()): SnapshotWrite {
    const hash = this.previous ?? new Uint8Array(32)
    return { actor: this.actor, n: this.n, hash, bytes: Buffer.from(text), offset: this.offset, ref: this.ref, pages }
  }

  async append(store: Store, text = 'x', more: { readonly entries?: number; readonly hintDue?: number | null } = {}): Promise<Verdict> {
    const append = this.next(text, more)
    const { verdicts, ref } = await store.commit(group([append]))
    if (verdicts[0] === 'committed') this.done(append, ref)
    return verdicts[0] as Verdict
  }

  async save(store: Store, text = 'state', trims: readonly Trim[] = [], pages: ReadonlyMap<number, Uint8Array> = new Map()): Promise<void> {
    await store.commit(group([], { snapshots: [this.snapshot(text, pages)], trims }))
  }
}

/** Places of the whole journal without holes, hashes over the bytes, and the chain (J3). Returns the number of places. */
export async function verifyJournal(store: Store, actor: string): Promise<number> {
  let n = 0
  let previous: Uint8Array | null = null
  for (;;) {
    const page = await store.walk(actor, n, 100)
    if (page.length === 0) return n
    for (const batch of page) {
      if (batch.n !== n + 1) throw new Error(`${actor}: place ${batch.n} follows ${n}`)
      n = batch.n
      if (batch.bytes !== null) {
        if (!same(hashOf(batch.bytes), batch.hash)) throw new Error(`${actor}: the hash of place ${n} does not fit its bytes`)
        const before: Uint8Array | undefined = openBatch(batch.bytes)?.header.previous
        if (before === undefined || !same(before, previous ?? new Uint8Array(32)))
          throw new Error(`${actor}: place ${n} does not follow ${n - 1}`)
      }
      previous = batch.hash
    }
  }
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

export function textsOf(bytes: Uint8Array): string[] {
  return (openBatch(bytes)?.body.e ?? []).map(([, data]) => String(data))
}

export function hint(actor: string, n: number, due: number): Hint {
  return { actor, n, due }
}
