/**
 * Folding: newest snapshot + the batches after it → memory (DESIGN J8). Pure.
 * Reducers run for the state only; refusals, marks, effects and timers are read from the batches as they were decided.
 */
import type { Loaded } from '../store/store.ts'
import { asBuffer, FLAG_CLAIM, FLAG_CLEAN, hashText, openBatch, previousText, type BatchBody } from './batch.ts'
import { Dedupe, type DedupeLimits } from './dedupe.ts'
import type { ActorDefinition } from './define.ts'
import { Effects } from './effects.ts'
import { freshMemory, type ActorMemory } from './memory.ts'
import { dataOf } from './recorded.ts'
import { openSnapshot, openState } from './snapshot.ts'
import type { TurnContext } from './turn.ts'
import type { ErrorCode } from '../errors.ts'

/** What a source says of its `base` is not recorded: folding keeps every answer that it may still ask for (D3). */
const KEEP_ALL = 1

export interface Folded {
  readonly kind: 'folded'
  readonly memory: ActorMemory
  readonly n: number
  /** Hash of the newest batch, as Latin-1 text; null when there is none. */
  readonly hash: string | null
  readonly ref: number
  /** Epoch of the newest claim. */
  readonly epoch: number
  readonly entriesSince: number
  readonly bytesSince: number
  readonly snapshotBytes: number
  /** The snapshot is of an older version: write a new one (J5). */
  readonly migrated: boolean
  /** Nothing was answered beyond the newest batch (J9). */
  readonly clean: boolean
}

export type FoldOutcome =
  | Folded
  /** A hole, seen while a writer was busy: read again (J5). */
  | { readonly kind: 'again' }
  /** Written by newer code than this node runs (J8). */
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'broken'; readonly why: string }

export interface FoldParts {
  readonly id: string
  readonly key: string
  readonly definition: ActorDefinition
  readonly limits: DedupeLimits
  readonly turn: TurnContext
  /** Journal id for an actor that has none yet. */
  readonly journal: string
}

export function fold(loaded: Loaded | null, parts: FoldParts): FoldOutcome {
  const { definition, key } = parts
  if (loaded === null) return begun(freshMemory(definition, key, parts.journal))
  let memory = freshMemory(definition, key, '')
  let n = 0
  let hash: string | null = null
  let epoch = 0
  let migrated = false
  let snapshotBytes = 0
  let clean = true
  if (loaded.snapshot !== null) {
    const { snapshot } = loaded
    // The one record of a 'replace' actor names its own hash, a snapshot that of its batch: a journal is read only in the mode it was written in.
    hash = asBuffer(snapshot.hash).toString('latin1')
    const written = loaded.batches.length === 0 && isRecord(snapshot.bytes, hash) ? 'none' : 'all'
    if ((written === 'none') !== (definition.history === 'none')) return otherMode(definition, written)
    const opened = openSnapshot(snapshot.bytes, snapshot.pages, definition, parts.limits)
    if (opened.kind === 'broken') return opened
    ;({ n } = snapshot)
    ;({ epoch } = opened.header)
    clean = (opened.header.flags & FLAG_CLEAN) !== 0
    if (opened.kind === 'empty') memory.journal = opened.journal
    else {
      if (opened.version > definition.version) return { kind: 'newer', version: opened.version }
      ;({ memory } = opened)
      migrated = opened.version < definition.version
      snapshotBytes = snapshot.bytes.length
    }
  }
  if (loaded.snapshot === null && definition.history === 'none') return otherMode(definition, 'all')
  let entriesSince = 0
  let bytesSince = 0
  for (const stored of loaded.batches) {
    const opened = openBatch(stored.bytes)
    if (opened === null) return { kind: 'broken', why: `the batch at place ${stored.n} is not of this format` }
    if (stored.n !== n + 1) return { kind: 'again' }
    if (hash !== null && previousText(stored.bytes) !== hash)
      return { kind: 'broken', why: `the batch at place ${stored.n} does not continue the one before: the hash chain is broken` }
    const wrong = foldBatch(memory, opened.body, parts)
    if (wrong !== null) return { kind: 'broken', why: wrong }
    if (opened.header.flags & FLAG_CLAIM) ({ epoch } = opened.header)
    clean = (opened.header.flags & FLAG_CLEAN) !== 0
    n = stored.n
    hash = hashText(stored.bytes)
    entriesSince += opened.header.entries
    bytesSince += stored.bytes.length
  }
  if (n !== loaded.n) return { kind: 'again' }
  return { kind: 'folded', memory, n, hash, ref: loaded.ref, epoch, entriesSince, bytesSince, snapshotBytes, migrated, clean }
}

/** A snapshot carries the hash of its batch as that of the batch before: then it need not be hashed, however large it is. */
function isRecord(bytes: Uint8Array, hash: string): boolean {
  return previousText(bytes) !== hash && hashText(bytes) === hash
}

function otherMode({ type, history }: ActorDefinition, written: string): FoldOutcome {
  const now = typeof history === 'object' ? 'keep' : history
  return {
    kind: 'broken',
    why: `it was written with history '${written}', and '${type}' now has '${now}': its entries would be lost; give the type a new name, or its old mode`,
  }
}

function begun(memory: ActorMemory): Folded {
  return {
    kind: 'folded',
    memory,
    n: 0,
    hash: null,
    ref: 0,
    epoch: 0,
    entriesSince: 0,
    bytesSince: 0,
    snapshotBytes: 0,
    migrated: false,
    clean: true,
  }
}

/**
 * The state alone, for who compares two folds: neither the hash chain is followed nor what was remembered, sent and set restored.
 * Null: it cannot be folded.
 */
export function foldState(loaded: Loaded | null, parts: FoldParts): { readonly state: unknown } | null {
  const { definition, key } = parts
  let memory: Pick<ActorMemory, 'state' | 'offset'> | null = freshMemory(definition, key, '')
  const snapshot = loaded?.snapshot ?? null
  if (snapshot !== null) memory = openState(snapshot.bytes, definition, memory)
  if (memory === null) return null
  for (const { bytes } of loaded?.batches ?? []) {
    const opened = openBatch(bytes)
    if (opened === null || runEntries(memory, opened.body, parts, null) !== null) return null
  }
  return memory
}

/** Applies one batch; returns what is wrong, or null. */
function foldBatch(memory: ActorMemory, body: BatchBody, parts: FoldParts): string | null {
  if (body.j !== undefined) memory.journal = body.j
  const wrong = runEntries(memory, body, parts, memory)
  if (wrong !== null) return wrong
  for (const [source, seq, content, code, message, reason, at] of body.r ?? [])
    dedupeOf(memory, parts.limits).remember(source, { seq, content, offset: 0, refusal: { code: code as ErrorCode, message, reason } }, at)
  foldRest(memory, body)
  return null
}

/** Runs the reducers; `whole` also remembers who sent what, and when. Returns what is wrong, or null. */
function runEntries(
  memory: Pick<ActorMemory, 'state' | 'offset'>,
  body: BatchBody,
  { definition, id, key, turn, limits }: FoldParts,
  whole: ActorMemory | null,
): string | null {
  for (const [type, recorded, at, sender, source, seq, content] of body.e ?? []) {
    const offset = memory.offset + 1
    const event = definition.events.get(type)
    if (event === undefined)
      return `offset ${offset}: '${definition.type}' (version ${definition.version}) no longer has the event '${type}'`
    const outcome = turn.run(definition, event, { id, key, now: at, wall: at, offset, sender }, memory.state, dataOf(recorded), true)
    if (outcome.kind !== 'next') {
      const why = outcome.kind === 'threw' ? `threw: ${String(outcome.error)}` : `refused: ${outcome.reason}`
      return `offset ${offset}: the reducer of '${type}' (version ${definition.version}) took this event before and now ${why}`
    }
    memory.state = outcome.state
    memory.offset = offset
    if (whole === null) continue
    whole.lastAt = at
    if (source !== undefined)
      dedupeOf(whole, limits).remember(source, { seq: seq ?? 0, content: content ?? 0, offset, refusal: null }, at, KEEP_ALL)
  }
  return null
}

/** The state after more entries that are not in the store yet; or what is wrong. For reading a state anew under an open batch. */
export function foldEntries(
  state: unknown,
  entries: readonly {
    readonly offset: number
    readonly type: string
    readonly at: number
    readonly json: string
    readonly sender: string
  }[],
  { definition, id, key, turn }: FoldParts,
): { readonly state: unknown } | { readonly wrong: string } {
  let next = state
  for (const { offset, type, at, json, sender } of entries) {
    const event = definition.events.get(type)
    if (event === undefined) return { wrong: `there is no event '${type}'` }
    const outcome = turn.run(definition, event, { id, key, now: at, wall: at, offset, sender }, next, dataOf(JSON.parse(json)), true)
    if (outcome.kind !== 'next') return { wrong: `offset ${offset}: the reducer of '${type}' is not pure: it took this event before` }
    next = outcome.state
  }
  return { state: next }
}

function foldRest(memory: ActorMemory, body: BatchBody): void {
  if (body.t !== undefined) for (const [topic, offset] of Object.entries(body.t)) (memory.marks ??= new Map()).set(topic, offset)
  if (body.x !== undefined) for (const [to, seq, type, data] of body.x) (memory.effects ??= new Effects()).restoreOne(to, seq, type, data)
  if (body.d !== undefined) for (const [to, seq, refused] of body.d) memory.effects?.done(to, seq, refused)
  if (body.c !== undefined) for (const name of body.c) memory.timers?.delete(name)
  for (const [name, due, type, data, notBefore = due] of body.s ?? [])
    (memory.timers ??= new Map()).set(name, { due, notBefore, type, json: JSON.stringify(data) })
}

function dedupeOf(memory: ActorMemory, limits: DedupeLimits): Dedupe {
  memory.dedupe ??= new Dedupe(limits)
  return memory.dedupe
}
