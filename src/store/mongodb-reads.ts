/**
 * Reading journals. Majority reads show only what stays; what must also be the newest (a load, a read proof: D11) is read `linearizable`: the server
 * answers after it has made sure of a majority that it still was the primary. Readers see batches only, not places held for a claim.
 */
import type { Filter } from 'mongodb'
import { BY_ID, own, damaged, type BatchDoc, type SnapshotDoc, type StateDoc } from './mongodb-documents.ts'
import { reading, type Link } from './mongodb-link.ts'
import { wholeBytes } from './mongodb-parts.ts'
import type { Known } from './mongodb-places.ts'
import type { Hint, Loaded, StoredBatch, StoredSnapshot, WalkedBatch } from './store.ts'

/** Several documents at once under one acknowledgement of the majority: each is looked up by `_id`, and batches only ever come. */
export const NEWEST = { readConcern: { level: 'linearizable' } } as const
/** Batches of one question; and so much that it may come in several answers, of which only the first says that it was the newest. */
const PAGE = 500
const PAGE_BYTES = 4 * 1024 * 1024
const TRIES = 8
const HISTORY_PAGE = 64
/** Above all places. */
const LAST = Number.MAX_SAFE_INTEGER

export class Reads {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  get #newest(): typeof NEWEST & { readonly maxTimeMS: number } {
    // Without a majority a linearizable read would wait for ever.
    return { ...NEWEST, maxTimeMS: this.#link.limits.socketMs }
  }

  /** `atLeast`: a place that is known to be there, as of an own claim. */
  load(actor: string, atLeast = 0): Promise<Loaded | null> {
    return reading(this.#link, async () => {
      for (let tries = 1; ; tries++) {
        // What is remembered may be of another name (mongodb-places.ts): the second look goes without.
        const loaded = await this.#tryLoad(actor, tries === 1 ? this.#link.places.get(actor)?.mode : undefined)
        if (loaded !== 'again' && (loaded?.n ?? 0) >= atLeast) return loaded
        // Seen while a snapshot and its trims went by; what stays so is damaged.
        if (tries >= TRIES) throw damaged(this.#link.place, actor, atLeast)
      }
    })
  }

  async #tryLoad(actor: string, known: Known['mode'] | undefined): Promise<Loaded | null | 'again'> {
    const { at, places } = this.#link
    const [snapshot, state] = await Promise.all([
      known === 'replace' ? null : at.snapshots.findOne({ _id: actor }),
      known === 'append' ? null : at.states.findOne({ _id: actor }, this.#newest),
    ])
    if (state !== null) return this.#loadedState(actor, state)
    if (known === 'replace') return 'again'
    const after = snapshot?.n ?? 0
    const docs = await this.#after(actor, after)
    if (docs.length === 0 && snapshot === null) return null
    const batches: StoredBatch[] = []
    for (const doc of docs) {
      const batch = doc._id.n === after + batches.length + 1 ? await this.batchOf(doc) : null
      if (batch === null) return 'again'
      batches.push(batch)
    }
    const stored = snapshot === null ? null : await this.#snapshotOf(actor, snapshot)
    if (snapshot !== null && stored === null) return 'again'
    const n = batches.at(-1)?.n ?? after
    places.saw(actor, n, 'append')
    return { n, ref: 0, snapshot: stored, batches }
  }

  async #loadedState(actor: string, { n, c, h, b, p }: StateDoc): Promise<Loaded | 'again'> {
    const bytes = await wholeBytes(this.#link.at, { a: actor, n, c }, b, p)
    if (bytes === null) return 'again'
    this.#link.places.saw(actor, n, 'replace')
    return { n, ref: 0, snapshot: { n, hash: own(h), bytes, pages: new Map() }, batches: [] }
  }

  /** All batches after a place, in order; the last answer was the newest when it was given. */
  async #after(actor: string, place: number): Promise<BatchDoc[]> {
    const docs: BatchDoc[] = []
    for (;;) {
      const after = docs.at(-1)?._id.n ?? place
      const page = await this.#link.at.batches
        .find(this.#between(actor, after, LAST), { ...this.#newest, ...BY_ID, sort: { _id: 1 }, limit: PAGE, batchSize: PAGE })
        .toArray()
      docs.push(...page)
      if (page.length < PAGE && page.reduce((sum, { b }) => sum + (b?.length ?? 0), 0) < PAGE_BYTES) return docs
    }
  }

  #between(actor: string, after: number, last: number): Filter<BatchDoc> {
    return { a: actor, _id: { $gt: { a: actor, n: after }, $lte: { a: actor, n: last } }, h: { $exists: true } }
  }

  /** null: emptied, or a piece of it is not there. */
  async batchOf({ _id: { a, n }, c, b, p }: BatchDoc): Promise<StoredBatch | null> {
    if (b === undefined) return null
    const bytes = await wholeBytes(this.#link.at, { a, n, c }, b, p)
    return bytes === null ? null : { n, commitId: own(c), bytes }
  }

  /** null: a page or piece has gone since, because there is a newer snapshot. */
  async #snapshotOf(a: string, { n, h, b, p, v = {} }: SnapshotDoc): Promise<StoredSnapshot | null> {
    const versions = Object.entries(v).map(([page, version]) => ({ a, p: Number(page), n: version }))
    const pages = new Map<number, Uint8Array>()
    if (versions.length > 0)
      for await (const { _id, b: page } of this.#link.at.pages.find({ a, _id: { $in: versions } }, BY_ID)) pages.set(_id.p, own(page))
    const bytes = pages.size === versions.length ? await wholeBytes(this.#link.at, { a, n, c: h }, b, p) : null
    return bytes === null ? null : { n, hash: own(h), bytes, pages }
  }

  /** The newest batch; null when there is none. */
  async tail(actor: string, newest = false): Promise<BatchDoc | null> {
    const [doc] = await this.#link.at.batches
      .find(this.#between(actor, 0, LAST), { ...(newest && this.#newest), ...BY_ID, sort: { _id: -1 }, limit: 1 })
      .toArray()
    if (doc !== undefined) this.#link.places.saw(actor, doc._id.n, 'append')
    return doc ?? null
  }

  read(actor: string, n: number): Promise<StoredBatch | null> {
    return reading(this.#link, async () => {
      const { at, places } = this.#link
      const batch = async (): Promise<StoredBatch | null> => {
        const doc = await at.batches.findOne({ _id: { a: actor, n }, a: actor, h: { $exists: true } })
        if (doc === null) return null
        places.saw(actor, n, 'append')
        return this.batchOf(doc)
      }
      const record = places.get(actor)?.mode === 'replace'
      const found = record ? null : await batch()
      if (found !== null) return found
      const state = await at.states.findOne({ _id: actor })
      if (state === null) return record ? batch() : null
      if (state.n !== n) return null
      const bytes = await wholeBytes(at, { a: actor, n, c: state.c }, state.b, state.p)
      return bytes === null ? null : { n, commitId: own(state.c), bytes }
    })
  }

  history(actor: string, from: number, maxBytes: number): Promise<StoredBatch[]> {
    return reading(this.#link, async () => {
      const batches: StoredBatch[] = []
      const after = await this.#placeBefore(actor, from)
      // An answer of the server holds 16 MiB at most, and no further one is asked for than is wanted.
      const docs = this.#link.at.batches.find(
        { ...this.#between(actor, after, LAST), e: { $gt: 0 }, b: { $exists: true } },
        { ...BY_ID, sort: { _id: 1 }, batchSize: HISTORY_PAGE },
      )
      let bytes = 0
      for await (const doc of docs) {
        const batch = await this.batchOf(doc)
        if (batch === null) continue
        batches.push(batch)
        bytes += batch.bytes.length
        if (bytes >= maxBytes) break
      }
      return batches
    })
  }

  /**
   * The last place of which no entry has offset `from` or more: ends never fall, so it is found by asking for a few places between those known,
   * again and again. No index is kept for it: five questions in a million batches.
   */
  async #placeBefore(actor: string, from: number): Promise<number> {
    const newest = await this.tail(actor)
    let low = 0
    let high = newest?._id.n ?? 0
    if (newest !== null && newest.l <= from) return high
    while (high - low > 1) {
      const step = Math.max(1, Math.ceil((high - low) / 16))
      const ids: { a: string; n: number }[] = []
      for (let n = low + step; n < high; n += step) ids.push({ a: actor, n })
      const docs = await this.#link.at.batches.find({ a: actor, _id: { $in: ids } }, { ...BY_ID, projection: { l: 1 } }).toArray()
      if (docs.length < ids.length) throw damaged(this.#link.place, actor, high)
      for (const { _id, l } of docs) {
        if (l <= from) low = Math.max(low, _id.n)
        else high = Math.min(high, _id.n)
      }
    }
    return low
  }

  walk(actor: string, afterN: number, limit: number): Promise<WalkedBatch[]> {
    return reading(this.#link, async () => {
      const docs =
        limit < 1
          ? []
          : await this.#link.at.batches.find(this.#between(actor, afterN, LAST), { ...BY_ID, sort: { _id: 1 }, limit }).toArray()
      const walked: WalkedBatch[] = []
      for (const doc of docs) {
        const batch = await this.batchOf(doc)
        if (batch === null && doc.b !== undefined) throw damaged(this.#link.place, actor, doc._id.n)
        walked.push({ n: doc._id.n, hash: own(doc.h), bytes: batch?.bytes ?? null })
      }
      if (walked.length > 0 || limit < 1) return walked
      const state = await this.#link.at.states.findOne({ _id: actor })
      if (state === null || state.n <= afterN) return walked
      const loaded = await this.load(actor)
      return loaded?.snapshot == null ? walked : [{ n: loaded.n, hash: loaded.snapshot.hash, bytes: loaded.snapshot.bytes }]
    })
  }

  hints(dueBy: number, limit: number, after: Hint | null, above: unknown): Promise<Hint[]> {
    return reading(this.#link, async () => {
      const found: Hint[] = []
      let last = after
      while (found.length < limit) {
        const wanted = limit - found.length
        const low = last === null ? {} : { $gte: { d: last.due, a: last.actor, n: last.n + 1 } }
        const docs = await this.#link.at.hints
          .find({ _id: { ...low, $lte: { d: dueBy, a: above } } as never }, { ...BY_ID, sort: { _id: 1 }, limit: wanted })
          .toArray()
        for (const { _id } of docs) {
          const hint = { actor: _id.a, n: _id.n, due: _id.d }
          // Of two owners at one place each has its own.
          if (last === null || last.due !== hint.due || last.actor !== hint.actor || last.n !== hint.n) found.push(hint)
          last = hint
        }
        if (docs.length < wanted) break
      }
      return found
    })
  }

  /** Journals by their first place, records by their name; both in the order of bytes. */
  actors(after: string | null, limit: number): Promise<string[]> {
    return reading(this.#link, async () => {
      const [journals, records] = await Promise.all([
        this.#link.at.batches
          .find({ s: after === null ? { $exists: true } : { $gt: after } }, { projection: { _id: 0, s: 1 }, sort: { s: 1 }, limit })
          .toArray(),
        this.#link.at.states
          .find(after === null ? {} : { _id: { $gt: after } }, { projection: { _id: 1 }, sort: { _id: 1 }, limit })
          .toArray(),
      ])
      const names = new Set([...journals.map(({ s }) => s as string), ...records.map(({ _id }) => _id)])
      return Array.from(names)
        .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        .slice(0, limit)
    })
  }
}
