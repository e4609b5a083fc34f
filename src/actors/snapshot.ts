/**
 * The snapshot: an actor's memory after a durable batch, as bytes (J5). The same header as a batch, so that the one record of
 * a 'replace' actor (J10 'none') is a snapshot; first offset + entries − 1 is the newest offset.
 */
import { asBuffer, HEADER_BYTES, readHeader, unsealed, type BatchHeader, type SealedBatch } from './batch.ts'
import { Dedupe, type DedupeLimits, type DedupeSnapshot } from './dedupe.ts'
import type { ActorDefinition } from './define.ts'
import type { DropTime } from './drop-time.ts'
import { Effects, type EffectsSnapshot } from './effects.ts'
import type { ActorMemory } from './memory.ts'

interface SnapshotBody {
  /** Owner, in a claim of a 'replace' actor. */
  readonly o?: string
  readonly j: string
  readonly v: number
  readonly state?: unknown
  readonly at: number
  readonly dedupe?: DedupeSnapshot
  readonly effects?: EffectsSnapshot
  readonly refused?: number
  /** [name, due, type, data, notBefore][] */
  readonly timers?: readonly (readonly [string, number, string, unknown, number])[]
  readonly marks?: Readonly<Record<string, number>>
}

/** Without a hash: a snapshot is found beside its batch, and named by that one's. Only the record of a 'replace' actor has its own. */
export type EncodedSnapshot = Pick<SealedBatch, 'bytes'>

export type SnapshotHeader = Omit<BatchHeader, 'previous' | 'firstOffset' | 'entries'> & { readonly previous: Uint8Array | null }

/** `dropTime`: by which senders are forgotten (D3). `whole`: for the record of a 'replace' actor, which has no pages beside it. */
export function encodeSnapshot(
  header: SnapshotHeader,
  memory: ActorMemory,
  version: number,
  dropTime: DropTime,
  whole: boolean,
): EncodedSnapshot {
  memory.dedupe?.expire(dropTime.now(), dropTime.mono())
  const { dedupe, effects, timers, marks } = memory
  const body: SnapshotBody = {
    j: memory.journal,
    v: version,
    state: memory.state,
    at: memory.lastAt,
    ...(dedupe !== null && !dedupe.empty && { dedupe: dedupe.snapshot(whole) }),
    ...(effects !== null && { effects: effects.snapshot(), refused: effects.refused }),
    ...(timers !== null &&
      timers.size > 0 && {
        timers: Array.from(timers, ([name, t]) => [name, t.due, t.type, JSON.parse(t.json) as unknown, t.notBefore] as const),
      }),
    ...(marks !== null && { marks: Object.fromEntries(marks) }),
  }
  return { bytes: unsealed({ ...header, firstOffset: memory.offset + 1, entries: 0 }, JSON.stringify(body)) }
}

export type OpenedSnapshot =
  | { readonly kind: 'memory'; readonly memory: ActorMemory; readonly header: BatchHeader; readonly version: number }
  /** A claim of a 'replace' actor that has no state yet. */
  | { readonly kind: 'empty'; readonly journal: string; readonly header: BatchHeader }
  | { readonly kind: 'broken'; readonly why: string }

export function openSnapshot(
  bytes: Uint8Array,
  pages: ReadonlyMap<number, Uint8Array>,
  definition: ActorDefinition,
  limits: DedupeLimits,
): OpenedSnapshot {
  const header = readHeader(bytes)
  if (header === null) return { kind: 'broken', why: 'the snapshot is not of this format' }
  const body = bodyOf(bytes)
  if (body === null) return { kind: 'broken', why: 'the snapshot’s body is not JSON' }
  if (body.v === undefined) return { kind: 'empty', journal: body.j, header }
  const memory: ActorMemory = {
    state: body.state,
    journal: body.j,
    offset: header.firstOffset + header.entries - 1,
    lastAt: body.at,
    dedupe: Dedupe.restore(limits, body.dedupe, pages),
    effects: body.effects === undefined ? null : Effects.restore(body.effects, body.refused ?? 0),
    timers:
      body.timers === undefined
        ? null
        : new Map(body.timers.map(([name, due, type, data, notBefore]) => [name, { due, notBefore, type, json: JSON.stringify(data) }])),
    marks: body.marks === undefined ? null : new Map(Object.entries(body.marks)),
  }
  const wrong = migrate(memory, body.v, definition)
  return wrong === null ? { kind: 'memory', memory, header, version: body.v } : { kind: 'broken', why: wrong }
}

/** The state alone, with its offset; that of `fresh` where there is none yet. Null: it is broken. */
export function openState(
  bytes: Uint8Array,
  definition: ActorDefinition,
  fresh: Pick<ActorMemory, 'state' | 'offset'>,
): Pick<ActorMemory, 'state' | 'offset'> | null {
  const header = readHeader(bytes)
  const body = header === null ? null : bodyOf(bytes)
  if (header === null || body === null) return null
  if (body.v === undefined) return fresh
  const found = { state: body.state, offset: header.firstOffset + header.entries - 1 }
  return migrate(found, body.v, definition) === null ? found : null
}

function bodyOf(bytes: Uint8Array): SnapshotBody | null {
  try {
    return JSON.parse(asBuffer(bytes).toString('utf8', HEADER_BYTES)) as SnapshotBody
  } catch {
    return null
  }
}

/** Returns what is wrong, or null. */
function migrate(memory: Pick<ActorMemory, 'state'>, stored: number, definition: ActorDefinition): string | null {
  for (let version = stored; version < definition.version; version++) {
    const step = definition.migrate.get(version)
    if (step === undefined) return `there is no migrate[${version}] to take the state from version ${version}`
    try {
      memory.state = step(memory.state)
    } catch (error) {
      return `migrate[${version}] threw: ${String(error)}`
    }
  }
  return null
}
