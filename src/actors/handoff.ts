/**
 * What one owner hands to the next (DESIGN H1): an actor's memory after a durable batch, and its place in the journal, so that the next owner can
 * claim the place after it without reading the store. It is only a shortcut: whoever has it owns nothing before its claim is durable (J2),
 * so a bundle may be lost, come twice or come late. A late one names a place that is taken, and whoever adopted it reads the store like any
 * fenced owner.
 *
 *  - Nothing of it is undecided (J4), and nothing is in it that the batch at place `n` and those before it do not say.
 *  - Senders of sender actors' numbers (D3) are all in it: the new owner takes their pages for changed, and writes them with its next snapshot.
 *  - The old owner's wake-up hints are named, so that the new owner deletes them, by exact key, after its own batch (D5). Until then they stand.
 *  - It is made only of what ended clean (J9): the journal id goes on.
 */
import { guarded } from '../base/guard.ts'
import type { Hint } from '../store/store.ts'
import { parseActorId } from './actor-id.ts'
import { asBuffer, FLAG_CLEAN, readHeader } from './batch.ts'
import { checkState } from './check.ts'
import { dedupeLimits } from './dedupe.ts'
import type { ActorDefinition } from './define.ts'
import type { Folded } from './fold.ts'
import type { Host } from './host.ts'
import type { ActorMemory } from './memory.ts'
import { encodeSnapshot, openSnapshot, type EncodedSnapshot } from './snapshot.ts'

export interface Bundle {
  readonly actor: string
  /** The newest place of the journal; never 0. */
  readonly n: number
  /** Hash of the batch there, 32 bytes. */
  readonly hash: Uint8Array
  /** The store's own note on where that batch lies. */
  readonly ref: number
  /** Epoch of the newest claim. */
  readonly epoch: number
  readonly journal: string
  /** Version of the type that the state is of: an owner with older code cannot take it (J8). */
  readonly version: number
  /** How the journal is written (J10): it is read only as it was written. */
  readonly mode: 'append' | 'replace'
  /** The actor's wake-up hints that the old owner knew (D5). */
  readonly hints: readonly { readonly n: number; readonly due: number }[]
  /** What came since the newest snapshot in the store, and whether that one is of an older version (J5). */
  readonly entriesSince: number
  readonly bytesSince: number
  readonly migrated: boolean
  /** The memory, as snapshot.ts writes it whole. */
  readonly snapshot: Uint8Array
}

interface Actor {
  readonly id: string
  readonly definition: ActorDefinition
  readonly memory: ActorMemory
}

type Place = Omit<Bundle, 'actor' | 'journal' | 'version' | 'mode' | 'snapshot'>

/** The actor's memory as bytes, for a bundle after place `n`; `whole` if they were made already. Null if it cannot be, or is too large to be handed over. */
export function bundled(host: Host, { id, definition, memory }: Actor, at: Place, whole: EncodedSnapshot | null): Bundle | null {
  let bundle: Bundle | null = null
  guarded(host.log, `handing over ${id}`, () => {
    const header = { flags: FLAG_CLEAN, n: at.n, epoch: at.epoch, commitId: host.newCommitId(), previous: at.hash }
    const { bytes } = whole ?? encodeSnapshot(header, memory, definition.version, host.dropTime, true)
    if (bytes.length > host.options.handoffBytes) return
    bundle = { ...at, actor: id, journal: memory.journal, version: definition.version, mode: modeOf(definition), snapshot: bytes }
  })
  return bundle
}

export interface Opened {
  readonly key: string
  readonly definition: ActorDefinition
  readonly folded: Folded
  readonly hints: readonly Hint[]
}

/** What a bundle holds, for an engine that knows these types; null if it cannot be used here. Never throws. */
export function openBundle(host: Host, types: ReadonlyMap<string, ActorDefinition>, bundle: Bundle): Opened | null {
  try {
    return opened(host, types, bundle)
  } catch (error) {
    host.log.warn({}, `a bundle could not be used: ${String(error)}`)
    return null
  }
}

function opened(host: Host, types: ReadonlyMap<string, ActorDefinition>, bundle: Bundle): Opened | null {
  const { actor, n, hash, ref, epoch, journal, snapshot, entriesSince, bytesSince } = bundle
  const parsed = parseActorId(actor)
  const definition = 'wrong' in parsed ? undefined : types.get(parsed.type)
  if ('wrong' in parsed || definition === undefined || bundle.version > definition.version || bundle.mode !== modeOf(definition))
    return null
  if (snapshot.length > host.options.handoffBytes) return null
  if (![n, ref, epoch, entriesSince, bytesSince].every((value) => Number.isSafeInteger(value) && value >= 0)) return null
  const header = readHeader(snapshot)
  if (header === null || n === 0 || header.n !== n || header.epoch !== epoch || !asBuffer(header.previous).equals(hash)) return null
  const found = openSnapshot(snapshot, new Map(), definition, dedupeLimits(host.options, definition))
  if (found.kind !== 'memory' || found.version !== bundle.version || found.memory.journal !== journal) return null
  const { memory } = found
  const hints: Hint[] = []
  for (const { n: place, due } of bundle.hints)
    if (Number.isSafeInteger(place) && Number.isSafeInteger(due)) hints.push({ actor, n: place, due })
  if (host.check) checkState(host, { id: actor, definition }, memory.state)
  const migrated = bundle.migrated || bundle.version < definition.version
  const folded: Folded = {
    kind: 'folded',
    memory,
    n,
    hash: asBuffer(hash).toString('latin1'),
    ref,
    epoch,
    entriesSince,
    bytesSince,
    snapshotBytes: snapshot.length,
    migrated,
    clean: true,
  }
  return { key: parsed.key, definition, folded, hints }
}

function modeOf({ history }: ActorDefinition): Bundle['mode'] {
  return history === 'none' ? 'replace' : 'append'
}

// ── On the wire ──────────────────────────────────────────────────────────────────────────────────────────────────────

const FORMAT = 1
const HEAD_BYTES = 5

/** 1 byte format · 4 bytes length of the head · the head as JSON · the snapshot. */
export function encodeBundle({ snapshot, hash, ...rest }: Bundle): Uint8Array {
  const head = Buffer.from(JSON.stringify({ ...rest, hash: asBuffer(hash).toString('base64') }))
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + head.length + snapshot.length)
  bytes[0] = FORMAT
  bytes.writeUInt32BE(head.length, 1)
  bytes.set(head, HEAD_BYTES)
  bytes.set(snapshot, HEAD_BYTES + head.length)
  return bytes
}

/** null: these bytes are no bundle. `Engine.adopt` judges what is in it. The snapshot is a view of the bytes. */
export function decodeBundle(given: Uint8Array): Bundle | null {
  const bytes = asBuffer(given)
  if (bytes.length < HEAD_BYTES || bytes[0] !== FORMAT) return null
  const end = HEAD_BYTES + bytes.readUInt32BE(1)
  if (end > bytes.length) return null
  try {
    const { hash, ...head } = JSON.parse(bytes.toString('utf8', HEAD_BYTES, end)) as Omit<Bundle, 'hash' | 'snapshot'> & { hash: string }
    return { ...head, hash: Buffer.from(hash, 'base64'), snapshot: bytes.subarray(end) }
  } catch {
    return null
  }
}
