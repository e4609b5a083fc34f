/**
 * The durability port. One journal of batches per actor; the store decides who may append (DESIGN J1).
 *
 * What an adapter owes, and the contract suite in test/store/contract.ts holds it to:
 *
 *  S1 Places. The batches of an actor are numbered 1, 2, 3 … without holes. An append names its place `n` and is taken
 *     only if `n` is the newest place plus one. Of two appends at one place exactly one is committed, whatever the process,
 *     the thread or the time it comes from. Nothing else fences: no lock, no lease, no clock.
 *     The first record of a 'replace' actor may have any place: what was before it is kept nowhere, and a copy must keep its number (copy.ts).
 *  S2 Verdicts are per append. One that is 'taken' does not stop the others of its group.
 *  S3 'committed' means durable: it survives the death of this process and of the machine's power.
 *  S4 Nothing is half there. A group's appends, hints and snapshots are visible together, or each append is whole with its hint
 *     already durable (hints before batches). A reader sees batches without a hole.
 *  S5 The bytes are opaque and returned as given, with their commit id.
 *  S6 A snapshot replaces only one of a smaller `n`; an older one is dropped silently.
 *  S7 Trouble is a StoreError that says whether the group was certainly not applied ('refused') or may have been ('unknown').
 *     An adapter never retries an append under another commit id and never answers from memory what it has not written.
 *  S8 Actors are any well-formed string of 1–520 bytes, `__proto__` and `constructor` included.
 *
 * Nothing is ordered between two calls of `commit` that overlap, except by S1.
 */
export interface Store {
  /** Writes a group in one durable step (S1–S4, S6). Verdicts in the order of `appends`. Rejects with StoreError for the whole group. */
  commit(group: CommitGroup): Promise<CommitResult>

  /**
   * Takes ownership against a busy owner (J2): finds the newest place and appends `makeClaim(claim, newest)` after it
   * without letting another append in between, then returns what `load` would. Safe to repeat after an unknown outcome: another claim is harmless.
   */
  claim(actor: string, claim: Claim): Promise<Loaded>

  /** The newest snapshot and all batches after it, as one consistent view. `null`: nothing was ever written. */
  load(actor: string): Promise<Loaded | null>

  /** One batch by place, for settling an unknown outcome (J4). `null`: the place is empty, or is history that was emptied. For a 'replace' actor: only the newest place. */
  read(actor: string, n: number): Promise<StoredBatch | null>

  /** The newest place of each actor, 0 when there is none: the read proof of D11. The answer is not older than the call. */
  newest(actors: readonly string[]): Promise<number[]>

  /**
   * Batches that hold entries from offset `from` on, oldest first, at most about `maxBytes` and at least one if there is one.
   * Emptied batches (J10) are left out: the caller sees the hole in the offsets.
   */
  history(actor: string, from: number, maxBytes: number): Promise<StoredBatch[]>

  /** Wake-up hints due by `dueBy`, in the order of (due, actor, n), those after `after` if it is given (D5). */
  hints(dueBy: number, limit: number, after?: Hint): Promise<Hint[]>

  /** Returns the value under `key`; when there is none and `create` is given, durably writes that first (one writer wins, all get the winner's). */
  meta(key: string, create?: Uint8Array): Promise<Uint8Array | null>

  /** A number for a node's new life, greater than every one returned before for that name, by any process. Durable. */
  nextGeneration(node: string): Promise<number>

  /** Actors after `after` in the store's order (bytewise), at most `limit`; for `verify --all` and listings. */
  actors(after: string | null, limit: number): Promise<string[]>

  /** Walks one actor's whole journal in order of places, emptied batches included with `bytes: null`; for `verify`. Pages of at most `limit`. */
  walk(actor: string, afterN: number, limit: number): Promise<WalkedBatch[]>

  /** What an operator wants to know; never throws. */
  health(): Promise<StoreHealth>

  /** Finishes what was given to it, then lets go of files and threads. Idempotent. */
  close(): Promise<void>
}

export interface CommitGroup {
  readonly appends: readonly Append[]
  readonly snapshots: readonly SnapshotWrite[]
  /** Hints to delete, by exact key (D5). Deleting one that is not there is not an error. */
  readonly dropHints: readonly Hint[]
  /** Journals whose old batches may be emptied (J10). May be done later, by the adapter, in pieces. */
  readonly trims: readonly Trim[]
}

export interface Append {
  readonly actor: string
  readonly n: number
  /** 16 bytes, unique to this batch; a repeat carries the same (J4). */
  readonly commitId: Uint8Array
  /** Made by actors/batch.ts; for 'replace' a whole snapshot (J10 'none'). */
  readonly bytes: Uint8Array
  /** SHA-256 of `bytes`. */
  readonly hash: Uint8Array
  /** Offset of the batch's first entry and how many it holds. */
  readonly firstOffset: number
  readonly entries: number
  /** 'append': the batch is kept. 'replace': it takes the place of the one before; only the newest is kept. One actor uses one mode for ever. */
  readonly mode: 'append' | 'replace'
  /** The `ref` that came with this actor's last commit, claim or load; 0 for a new actor. */
  readonly prevRef: number
  /** A wake-up hint to make durable no later than the batch: when it is due, ms since 1970; null for none. Its key is (actor, n, due). */
  readonly hintDue: number | null
}

export interface CommitResult {
  readonly verdicts: readonly Verdict[]
  /** An adapter's own note on where the group lies, to be handed back as `prevRef` of each committed actor. */
  readonly ref: number
}

/**
 * 'committed': durable. 'taken': another batch holds the place (or an earlier try of this one: compare commit ids, J4).
 * 'unknown': may or may not be applied; repeat the same bytes. 'refused': certainly not applied; the reason is in the log.
 */
export type Verdict = 'committed' | 'taken' | 'unknown' | 'refused'

export interface SnapshotWrite {
  readonly actor: string
  /** The snapshot is of the state after durable batch `n` (J5). */
  readonly n: number
  /** That batch's hash. */
  readonly hash: Uint8Array
  readonly bytes: Uint8Array
  /** Offset of the newest entry in it. */
  readonly offset: number
  /** The `ref` that came with batch `n`. */
  readonly ref: number
  /** Changed pages of the table of sender actors (D3), by number; pages not named stay as they are. */
  readonly pages: ReadonlyMap<number, Uint8Array>
}

export interface Trim {
  readonly actor: string
  /** Batches whose entries all lie below this offset may lose their bytes; they keep place, commit id and hash. */
  readonly belowOffset: number
}

export interface Claim {
  readonly commitId: Uint8Array
  /** The new owner, as written into the batch: node id and generation. */
  readonly owner: string
  /** Wall time, ms since 1970. */
  readonly at: number
  readonly mode: 'append' | 'replace'
  /** Whether nothing is answered beyond the claim before the next batch is durable: true for durability 'event' (J9). */
  readonly clean: boolean
  /** Journal id for an actor that never had one: the same for all actors of this store, so that it is known before the first write. */
  readonly firstJournal: string
  /** Journal id to use if the actor's last end was not clean (J9). */
  readonly journal: string
}

export interface StoredBatch {
  readonly n: number
  readonly commitId: Uint8Array
  readonly bytes: Uint8Array
}

export interface WalkedBatch {
  readonly n: number
  readonly hash: Uint8Array
  /** null: emptied (J10). */
  readonly bytes: Uint8Array | null
}

export interface StoredSnapshot {
  readonly n: number
  readonly hash: Uint8Array
  readonly bytes: Uint8Array
  readonly pages: ReadonlyMap<number, Uint8Array>
}

export interface Loaded {
  /** Newest place. */
  readonly n: number
  readonly ref: number
  /** For a 'replace' actor the newest record: its `n` is the newest place and its `hash` that of its bytes. */
  readonly snapshot: StoredSnapshot | null
  /** The batches after the snapshot, in order; the last has place `n`. */
  readonly batches: readonly StoredBatch[]
}

export interface Hint {
  readonly actor: string
  readonly n: number
  readonly due: number
}

export interface StoreHealth {
  readonly ok: boolean
  /** Adapter, place and state in one line for a person; never a secret. */
  readonly summary: string
  readonly counters: Readonly<Record<string, number>>
}

/** Why the store did not do what it was asked. The message names the file or address and says what to do. */
export class StoreError extends Error {
  /** 'refused': certainly not applied. 'unknown': may have been. */
  readonly outcome: 'refused' | 'unknown'
  readonly reason: StoreTrouble

  constructor(outcome: 'refused' | 'unknown', reason: StoreTrouble, message: string) {
    super(message)
    this.name = 'StoreError'
    this.outcome = outcome
    this.reason = reason
  }
}

export type StoreTrouble = 'full' | 'readonly' | 'corrupt' | 'foreign' | 'busy' | 'io' | 'closed' | 'lost'
