/**
 * The snapshot: an actor's memory after a durable batch, as bytes (J5). The same header as a batch, so that the one record of
 * a 'replace' actor (J10 'none') is a snapshot; first offset + entries − 1 is the newest offset.
 */
import { asBuffer, HEADER_BYTES, readHeader, sealBatch, type BatchHeader, type SealedBatch } from './batch.ts'
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

export type SnapshotHeader = Omit<BatchHeader, 'previous' | 'firstOffset' | 'entries'> & { readonly previous: Uint8Array | null }

/** `dropTime`: by which senders are forgotten (D3). `whole`: for the record of a 'replace' actor, which has no pages beside it. */
export function encodeSnapshot(
  header: SnapshotHeader,
  memory: ActorMemory,
  version: number,
  dropTime: DropTime,
  whole: boolean,
): SealedBatch {
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
  return sealBatch({ ...header, firstOffset: memory.offset + 1, entries: 0 }, JSON.stringify(body))
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
  let body: SnapshotBody
  try {
    body = JSON.parse(asBuffer(bytes).toString('utf8', HEADER_BYTES)) as SnapshotBody
  } catch {
    return { kind: 'broken', why: 'the snapshot’s body is not JSON' }
  }
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
  return migrate(memory, body.v, definition, header)
}

function migrate(memory: ActorMemory, stored: number, definition: ActorDefinition, header: BatchHeader): OpenedSnapshot {
  for (let version = stored; version < definition.version; version++) {
    const step = definition.migrate.get(version)
    if (step === undefined) return { kind: 'broken', why: `there is no migrate[${version}] to take the state from version ${version}` }
    try {
      memory.state = step(memory.state)
    } catch (error) {
      return { kind: 'broken', why: `migrate[${version}] threw: ${String(error)}` }
    }
  }
  return { kind: 'memory', memory, header, version: stored }
}
