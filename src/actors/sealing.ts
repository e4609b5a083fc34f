/**
 * Sealing: an open batch becomes bytes (DESIGN J3), with its claim if the writer has none (J2), the snapshot that is due (J5) and the
 * wake-up hint it needs (D5). What waits at its gate goes with it. Nothing joins it afterwards.
 */
import type { Append } from '../store/store.ts'
import { FLAG_CLAIM, FLAG_CLEAN, hashOf, sealBatch, type SealedBatch } from './batch.ts'
import type { ActorDefinition } from './define.ts'
import type { Draft, DraftEntry, GateItem } from './draft.ts'
import type { Effect } from './effects.ts'
import type { Hints } from './hints.ts'
import type { Host } from './host.ts'
import { owedAt, type ActorMemory, type Timer } from './memory.ts'
import { encodeSnapshot, type EncodedSnapshot, type SnapshotHeader } from './snapshot.ts'

/** A batch on its way to the store. */
export interface Flight {
  readonly append: Append
  readonly epoch: number
  readonly gate: GateItem[]
  readonly entries: readonly DraftEntry[]
  readonly marks: ReadonlyMap<string, number> | null
  readonly effects: readonly Effect[] | null
  readonly timers: ReadonlyMap<string, Timer | null> | null
  /** The memory's newest offset when it was sealed. */
  readonly offset: number
  readonly snapshot: EncodedSnapshot | null
  readonly pages: ReadonlyMap<number, Uint8Array> | null
  /** When the actor must wake, as of this batch; null for never. */
  readonly owed: number | null
  /** When its first entry was taken, and when it was sealed; monotonic. */
  readonly openedAt: number
  readonly begunAt: number
  readonly closing: boolean
  /** Some try of it had an unknown outcome: it may be applied, even later. */
  inDoubt: boolean
}

/** Where the batch goes and under whose claim. */
export interface SealAt {
  readonly n: number
  /** Hash of the batch before, as Latin-1 text; null for the first. */
  readonly hash: string | null
  readonly ref: number
  /** 0: this batch is the claim. */
  readonly epoch: number
  /** The activation ends with it (J9). */
  readonly closing: boolean
  readonly hints: Hints
  snapshotDue(entries: number, bytes: number): boolean
}

interface Sealer {
  readonly id: string
  readonly definition: ActorDefinition
  readonly memory: ActorMemory
}

/** Throws what JSON throws for a state that it cannot carry. */
export function sealDraft(host: Host, { id, memory, definition }: Sealer, draft: Draft, at: SealAt): Flight {
  const { n, closing } = at
  const claiming = at.epoch === 0
  const clean = definition.durability === 'event' || closing
  const header: SnapshotHeader = {
    flags: (claiming ? FLAG_CLAIM : 0) | (clean ? FLAG_CLEAN : 0),
    n,
    epoch: claiming ? n : at.epoch, // J2
    commitId: host.newCommitId(),
    previous: at.hash === null ? null : Buffer.from(at.hash, 'latin1'),
  }
  const entries = draft.entries.length
  const firstOffset = memory.offset - entries + 1
  const replaces = definition.history === 'none'
  const sealed = replaces
    ? hashed(encodeSnapshot(header, memory, definition.version, host.dropTime, true))
    : sealBatch({ ...header, firstOffset, entries }, draft.body(claiming ? host.owner : null, n === 1 ? memory.journal : null))
  const snapshot = at.snapshotDue(entries, sealed.bytes.length)
    ? encodeSnapshot({ ...header, previous: sealed.hash }, memory, definition.version, host.dropTime, false)
    : null
  const owed = owedAt(memory)
  const hintDue = at.hints.neededFor(owed, closing)
  const { commitId } = header
  const mode = replaces ? 'replace' : 'append'
  return {
    append: { actor: id, n, commitId, bytes: sealed.bytes, hash: sealed.hash, firstOffset, entries, mode, prevRef: at.ref, hintDue },
    epoch: header.epoch,
    gate: draft.gate,
    entries: draft.entries,
    marks: draft.marks,
    effects: draft.effects,
    timers: draft.timers,
    offset: memory.offset,
    snapshot,
    pages: snapshot === null ? null : (memory.dedupe?.takeDirtyPages() ?? null),
    owed,
    openedAt: draft.begunAt,
    begunAt: host.clock.mono(),
    closing,
    inDoubt: false,
  }
}

function hashed({ bytes }: EncodedSnapshot): SealedBatch {
  return { bytes, hash: hashOf(bytes) }
}
