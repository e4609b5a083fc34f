/**
 * All records that a node holds, one for each id, and sums over them.
 *
 *  L1 A record is replaced only by a greater one (M2). It goes only by being forgotten: a dead or left one `retentionMs` after its end.
 *  L2 What is forgotten leaves its generation behind for 24 h: a record of that generation or a lower one is not taken up again.
 *  L3 Everything is bounded: live records by `members`, ended ones and remembered generations by constants. The oldest goes first (M11).
 *  L4 The digest is over what others should hold too: an ended record only in the first half of its retention, and its age travels with it, so
 *     that none goes round for ever between nodes that forget at different times.
 */
import { hash32 } from '../base/random.ts'
import { BUCKETS, type Digest, type Update } from './frames.ts'
import { isTerminal, metaText, type Member, type MemberMeta } from './member.ts'
import type { Suspicion } from './suspicion.ts'

export interface Entry {
  record: Member
  /** This node, or one that it asked, had an answer of this very (id, generation). Until then it is hearsay and serves nothing (M13). */
  verified: boolean
  suspicion: Suspicion | null
  /** This node alone thinks it dead, since then: it could not reach a majority to say so for good (census.ts). null: it does not. */
  presumedAt: number | null
  /** When it died or left, on this node's clock. */
  endedAt: number
  /** Of which start the frames of this (id, generation) are. */
  boot: number | null
  /** The incarnation of our own record that it was last sent. */
  told: number
  /** Long suspicions that it refuted lately, each with its accusers. */
  cycles: { readonly at: number; readonly accusers: readonly string[] }[]
  /** About what its record takes in a frame. */
  bytes: number
  sums: Sums | null
  /** What is told of it, made once for as long as it holds; and the last frame that carries it. */
  update: Update | null
  carried: number
}

interface Sums {
  readonly a: number
  readonly b: number
  readonly bucket: number
}

interface HighWater {
  /** How it ended, without what it said of itself. */
  readonly record: Member
  readonly until: number
}

const NOTHING_SAID: MemberMeta = { roles: [], types: {}, version: '', labels: {}, weight: 1 }

const ENDED_MAX = 10_000
const HIGH_WATER_MAX = 20_000
const HIGH_WATER_MS = 24 * 3_600_000

export class Roster {
  readonly #retentionMs: number
  readonly #entries = new Map<string, Entry>()
  /** Ids of ended records, the one put last at the end. */
  readonly #ended = new Set<string>()
  readonly #highWater = new Map<string, HighWater>()
  readonly buckets: Uint32Array = new Uint32Array(BUCKETS)
  #a = 0
  #b = 0
  #peers: Entry[] | null = null
  #liveIds: string[] | null = null

  constructor(retentionMs: number) {
    this.#retentionMs = retentionMs
  }

  get size(): number {
    return this.#entries.size
  }

  /** Not known gone: they enter all formulas as N. */
  get live(): number {
    return this.#entries.size - this.#ended.size
  }

  /** For the bound on memory. */
  get remembered(): number {
    return this.#highWater.size
  }

  get digest(): Digest {
    return { a: this.#a, b: this.#b }
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id)
  }

  all(): Iterable<Entry> {
    return this.#entries.values()
  }

  ended(): Iterable<string> {
    return this.#ended
  }

  /** Of all live ones, sorted: equal on all nodes that hold the same. */
  get liveIds(): readonly string[] {
    this.#liveIds ??= [...this.#entries.keys()].filter((id) => !this.#ended.has(id)).sort()
    return this.#liveIds
  }

  /** Live and verified ones except `selfId`: whom to tell and to ask. Not those presumed dead. */
  peers(selfId: string): readonly Entry[] {
    this.#peers ??= [...this.#entries.values()].filter(
      ({ record, verified, presumedAt }) => verified && presumedAt === null && !isTerminal(record.liveness) && record.id !== selfId,
    )
    return this.#peers
  }

  /** Something that `peers` depends on was changed in an entry. */
  touched(): void {
    this.#peers = null
  }

  /** The end of the last generation that ended and was forgotten. */
  highWater(id: string): Member | undefined {
    return this.#highWater.get(id)?.record
  }

  /** Takes the record as the newest of its id (L1: the caller compared). */
  put(record: Member, now: number, agedMs = 0): Entry {
    const known = this.#entries.get(record.id)
    const same = known !== undefined && known.record.generation === record.generation
    // An accusation or a refutation changes neither who is there nor whom to ask: with thousands of members the lists are worth keeping.
    const stays = same && isTerminal(known.record.liveness) === isTerminal(record.liveness)
    const entry = known ?? fresh(record)
    if (known !== undefined) this.#withdraw(known)
    if (!same) Object.assign(entry, fresh(record))
    entry.record = record
    entry.update = null
    entry.bytes = 32 + record.id.length + record.address.length + metaText(record.meta).length
    this.#entries.set(record.id, entry)
    if (isTerminal(record.liveness)) {
      entry.endedAt = now - agedMs
      entry.suspicion = null
      entry.presumedAt = null
      this.#ended.delete(record.id)
      this.#ended.add(record.id)
    } else this.#ended.delete(record.id)
    this.#contribute(entry)
    if (!stays) this.#changed()
    for (const oldest of this.#ended) {
      if (this.#ended.size <= ENDED_MAX) break
      this.forget(oldest, now)
    }
    return entry
  }

  forget(id: string, now: number): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#withdraw(entry)
    this.#entries.delete(id)
    this.#ended.delete(id)
    const { record } = entry
    if (isTerminal(record.liveness)) {
      this.#highWater.delete(id)
      this.#highWater.set(id, { record: { ...record, meta: NOTHING_SAID }, until: now + HIGH_WATER_MS })
      for (const oldest of this.#highWater.keys()) {
        if (this.#highWater.size <= HIGH_WATER_MAX) break
        this.#highWater.delete(oldest)
      }
    }
    this.#changed()
  }

  /** Forgets what is old enough; says what. Never `selfId`, which may have slept long while it left. */
  sweep(now: number, selfId: string): string[] {
    const gone: string[] = []
    for (const id of this.#ended) {
      if (id === selfId) continue
      const entry = this.#entries.get(id) as Entry
      const age = now - entry.endedAt
      if (age >= this.#retentionMs) gone.push(id)
      else if (entry.sums !== null && age >= this.#retentionMs / 2) this.#withdraw(entry)
    }
    for (const id of gone) this.forget(id, now)
    // Oldest first, so the first that is to stay ends it.
    for (const [id, { until }] of this.#highWater) {
      if (until > now) break
      this.#highWater.delete(id)
    }
    return gone
  }

  /** Whether others should still be told of it (L4). */
  shared(entry: Entry): boolean {
    return entry.sums !== null
  }

  /** The entries of the buckets named. */
  inBuckets(wanted: (bucket: number) => boolean): Entry[] {
    return [...this.#entries.values()].filter(({ sums }) => sums !== null && wanted(sums.bucket))
  }

  /** Whether a record that is `agedMs` past its end is worth taking. */
  keeps(agedMs: number): boolean {
    return agedMs < this.#retentionMs / 2
  }

  #changed(): void {
    this.#peers = null
    this.#liveIds = null
  }

  #contribute(entry: Entry): void {
    const { id, generation, incarnation, liveness } = entry.record
    const text = `${generation} ${incarnation} ${liveness} ${id}`
    const sums = { a: hash32(text, 11), b: hash32(text, 12), bucket: hash32(id, 13) % BUCKETS }
    entry.sums = sums
    this.#a = (this.#a ^ sums.a) >>> 0
    this.#b = (this.#b + sums.b) >>> 0
    this.buckets[sums.bucket] = ((this.buckets[sums.bucket] ?? 0) + sums.a) >>> 0
  }

  #withdraw(entry: Entry): void {
    const { sums } = entry
    if (sums === null) return
    entry.sums = null
    this.#a = (this.#a ^ sums.a) >>> 0
    this.#b = (this.#b - sums.b) >>> 0
    this.buckets[sums.bucket] = ((this.buckets[sums.bucket] ?? 0) - sums.a) >>> 0
  }
}

function fresh(record: Member): Entry {
  return {
    record,
    verified: false,
    suspicion: null,
    presumedAt: null,
    endedAt: 0,
    boot: null,
    told: 0,
    cycles: [],
    bytes: 0,
    sums: null,
    update: null,
    carried: 0,
  }
}

export function updateOf(entry: Entry, now: number): Update {
  const { record, suspicion, endedAt } = entry
  if (record.liveness !== 'alive')
    return { record, accusers: suspicion?.accusers ?? [], agedMs: isTerminal(record.liveness) ? now - endedAt : 0 }
  entry.update ??= { record, accusers: [], agedMs: 0 }
  return entry.update
}
