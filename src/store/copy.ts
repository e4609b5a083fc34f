/**
 * Copies one store into another, through the port alone: any kind to any kind. Nobody may write to either meanwhile.
 *
 *  1. Batches go as they are, in order: place, commit id, bytes, hash. So the copy has the same chain (J3), and what it lacks is seen from its newest
 *     place alone: an interrupted copy goes on where it stopped, and a complete one has nothing to do.
 *  2. A target that holds another journal of an actor is refused, nothing of that actor is written.
 *  3. Wake-up hints go with their batches (D5); a record of a 'replace' actor, whose older places are gone, takes the earliest of its hints along.
 *  4. Emptied batches (J10) go as empty ones of the same hash and are emptied in the copy once its snapshot is there.
 *  5. Memory is bounded by what is under way, and about 200 bytes a wake-up hint.
 */
import { FLAG_CLAIM, hashOf, openBatch, readHeader } from '../actors/batch.ts'
import type { Append, Hint, Loaded, Store, WalkedBatch } from './store.ts'

/** Values that the nodes of a store share: secrets, and the name that journals begin with. */
export const COPIED_META: readonly string[] = ['store-id', 'ticket-key']

export interface CopyProgress {
  /** Actors looked at, batches and bytes written, actors that had everything already. */
  actors: number
  batches: number
  bytes: number
  complete: number
}

/** Why it stopped, for a person. What was copied stays; once the reason is gone it can be started again. */
export class CopyError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'CopyError'
  }
}

const ACTORS_A_PAGE = 64
const BATCHES_A_PAGE = 64
const BYTES_A_PAGE = 8 * 1024 * 1024
const HINTS_A_PAGE = 1000
const RECORD_STEPS_MAX = 1000

/** `said` is told after each step; it may look at the clock and print. Rejects with CopyError or StoreError. */
export async function copyStore(from: Store, to: Store, said: (progress: CopyProgress) => void = () => undefined): Promise<CopyProgress> {
  const progress: CopyProgress = { actors: 0, batches: 0, bytes: 0, complete: 0 }
  await copyMeta(from, to)
  const hints = await hintsByActor(from)
  const generations = new Generations(to)
  let after: string | null = null
  for (;;) {
    const actors = await from.actors(after, ACTORS_A_PAGE)
    if (actors.length === 0) return progress
    const [wanted, there] = await Promise.all([from.newest(actors), to.newest(actors)])
    const ends = await Promise.allSettled(
      actors.map(async (actor, i) => {
        const copy = new JournalCopy(from, to, actor, hints.get(actor) ?? [], generations, progress)
        await copy.run(there[i] ?? 0, wanted[i] ?? 0)
        progress.actors++
        said(progress)
      }),
    )
    // All of the page have ended: whoever starts again meets nobody.
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    after = actors.at(-1) ?? null
  }
}

async function copyMeta(from: Store, to: Store): Promise<void> {
  for (const key of COPIED_META) {
    const value = await from.meta(key)
    const copied = value === null ? null : await to.meta(key, value)
    if (value !== null && (copied === null || Buffer.compare(value, copied) !== 0))
      throw new CopyError(`the target has another '${key}': nodes have run on it. Copy into an empty store`)
  }
}

/** All of them: the port gives them by due time, and they are needed by actor. */
async function hintsByActor(from: Store): Promise<Map<string, Hint[]>> {
  const all = new Map<string, Hint[]>()
  let last: Hint | undefined
  for (;;) {
    const page = await from.hints(Number.MAX_VALUE, HINTS_A_PAGE, last)
    for (const hint of page) {
      const of = all.get(hint.actor)
      if (of === undefined) all.set(hint.actor, [hint])
      else of.push(hint)
    }
    last = page.at(-1)
    if (last === undefined) return all
  }
}

/** Generations cannot be listed; but claims name their owners with theirs, and the copy must go on above (membership tells lives apart by it). */
class Generations {
  readonly #to: Store
  readonly #wanted = new Map<string, number>()
  readonly #raised = new Map<string, number>()
  #raising: Promise<void> = Promise.resolve()

  constructor(to: Store) {
    this.#to = to
  }

  saw(owner: string): void {
    const [, node, generation] = /^(.*)@(\d+)$/.exec(owner) ?? []
    if (node !== undefined) this.#wanted.set(node, Math.max(Number(generation), this.#wanted.get(node) ?? 0))
  }

  /** To be waited for before the claims that were seen are written: a copy that is interrupted does not see them again. */
  raise(): Promise<void> {
    // One after the other, or several would raise the same name at once.
    this.#raising = this.#raising.then(async () => {
      for (const [node, wanted] of this.#wanted) {
        let now = this.#raised.get(node) ?? 0
        while (now < wanted) now = await this.#to.nextGeneration(node)
        this.#raised.set(node, now)
      }
    })
    return this.#raising
  }
}

/** One actor. */
class JournalCopy {
  readonly #from: Store
  readonly #to: Store
  readonly #actor: string
  readonly #hints: readonly Hint[]
  readonly #generations: Generations
  readonly #progress: CopyProgress
  #ref = 0
  /** Offset below which everything is emptied. */
  #emptiedBelow = 0

  constructor(from: Store, to: Store, actor: string, hints: readonly Hint[], generations: Generations, progress: CopyProgress) {
    this.#from = from
    this.#to = to
    this.#actor = actor
    this.#hints = hints
    this.#generations = generations
    this.#progress = progress
  }

  async run(there: number, wanted: number): Promise<void> {
    if (there > wanted) throw this.#other(`place ${there}, the source ends at ${wanted}`)
    const record = await this.#record(wanted)
    if (there > 0 && record === null) await this.#compare(there)
    if (there === wanted) this.#progress.complete++
    if (record !== null) return this.#copyRecord(record, there)
    await this.#copyBatches(there, wanted)
    await this.#copySnapshot()
  }

  /** The one record of a 'replace' actor; null for a journal. */
  async #record(wanted: number): Promise<Loaded | null> {
    const [first] = await this.#from.walk(this.#actor, 0, 1)
    if (first === undefined) throw new CopyError(`${this.#actor}: the source lists it and has no journal of it`)
    if (first.n === 1 && wanted > 1) return null
    const loaded = await this.#from.load(this.#actor)
    const bytes = loaded?.snapshot?.bytes
    const same = bytes !== undefined && first.bytes !== null && Buffer.compare(bytes, first.bytes) === 0
    return same ? loaded : null
  }

  async #compare(n: number): Promise<void> {
    const [[mine], [its]] = await Promise.all([this.#from.walk(this.#actor, n - 1, 1), this.#to.walk(this.#actor, n - 1, 1)])
    if (mine === undefined || its === undefined || Buffer.compare(mine.hash, its.hash) !== 0)
      throw this.#other(`another batch at place ${n}`)
  }

  #other(what: string): CopyError {
    return new CopyError(`${this.#actor}: the target holds ${what}: it is not a copy of the source. Copy into an empty store`)
  }

  async #copyBatches(there: number, wanted: number): Promise<void> {
    let n = there
    let limit = 4
    while (n < wanted) {
      const page = await this.#from.walk(this.#actor, n, Math.min(limit, wanted - n))
      if (page.length === 0)
        throw new CopyError(`${this.#actor}: batch ${n + 1} is missing in the source: run 'troupe verify ${this.#actor}'`)
      await this.#append(page.map((batch) => this.#appendOf(batch)))
      n = (page.at(-1) as WalkedBatch).n
      const longest = Math.max(1, ...page.map(({ bytes }) => bytes?.length ?? 0))
      limit = Math.max(1, Math.min(BATCHES_A_PAGE, limit * 2, Math.floor(BYTES_A_PAGE / longest)))
    }
  }

  #appendOf({ n, hash, bytes }: WalkedBatch): Append {
    const common = { actor: this.#actor, n, hash, mode: 'append', prevRef: this.#ref, hintDue: this.#hintAt(n) } as const
    // Nobody asks for the commit id of a batch that was emptied.
    if (bytes === null) return { ...common, commitId: new Uint8Array(16), bytes: new Uint8Array(0), firstOffset: 1, entries: 0 }
    const header = readHeader(bytes)
    if (header === null) throw new CopyError(`${this.#actor}: batch ${n} is not a batch of this format: run 'troupe verify ${this.#actor}'`)
    if (Buffer.compare(hashOf(bytes), hash) !== 0)
      throw new CopyError(`${this.#actor}: batch ${n} is damaged in the source: run 'troupe verify ${this.#actor}'`)
    const { commitId, firstOffset, entries, flags } = header
    if ((flags & FLAG_CLAIM) !== 0) this.#generations.saw(openBatch(bytes)?.body.o ?? '')
    if (this.#emptiedBelow === 0) this.#emptiedBelow = firstOffset
    return { ...common, commitId: Uint8Array.from(commitId), bytes, firstOffset, entries }
  }

  #hintAt(n: number): number | null {
    const due = this.#hints.filter((hint) => hint.n === n).map((hint) => hint.due)
    return due.length === 0 ? null : Math.min(...due)
  }

  async #append(appends: readonly Append[]): Promise<void> {
    await this.#generations.raise()
    const { verdicts, ref } = await this.#to.commit({ appends, snapshots: [], dropHints: [], trims: [] })
    this.#ref = ref
    verdicts.forEach((verdict, i) => {
      const append = appends[i] as Append
      if (verdict === 'taken') throw new CopyError(`${this.#actor}: somebody else writes to the target: stop its nodes, and start again`)
      if (verdict !== 'committed')
        throw new CopyError(`${this.#actor}: the target did not take batch ${append.n} (${verdict}): start again`)
      this.#progress.batches++
      this.#progress.bytes += append.bytes.length
    })
  }

  /** Always given: the target drops what it has already (S6). */
  async #copySnapshot(): Promise<void> {
    const loaded = await this.#from.load(this.#actor)
    const snapshot = loaded?.snapshot ?? null
    if (snapshot === null) return
    const header = readHeader(snapshot.bytes)
    const offset = header === null ? 0 : header.firstOffset + header.entries - 1
    const below = this.#emptiedBelow > 0 ? this.#emptiedBelow : await this.#firstKept()
    await this.#to.commit({
      appends: [],
      snapshots: [{ actor: this.#actor, ...snapshot, offset, ref: this.#ref }],
      dropHints: [],
      trims: below > 1 ? [{ actor: this.#actor, belowOffset: below }] : [],
    })
  }

  /** Of a copy that was interrupted: offset of the first batch that is not emptied. */
  async #firstKept(): Promise<number> {
    const [batch] = await this.#from.history(this.#actor, 1, 1)
    return batch === undefined ? 1 : (readHeader(batch.bytes)?.firstOffset ?? 1)
  }

  /** Of the record only the newest place is kept: it is written at that, or, over an older one of an earlier copy, step by step. */
  async #copyRecord({ n, snapshot }: Loaded, there: number): Promise<void> {
    if (snapshot === null || there === n) return this.#compare(n)
    const header = readHeader(snapshot.bytes)
    if (header === null) throw new CopyError(`${this.#actor}: its record is not of this format: run 'troupe verify ${this.#actor}'`)
    if (there > 0 && n - there > RECORD_STEPS_MAX) throw this.#other(`a record of place ${there}, the source’s has ${n}`)
    this.#generations.saw(openBatch(snapshot.bytes)?.body.o ?? '')
    const { commitId, firstOffset, entries } = header
    const { bytes, hash } = snapshot
    const hintDue = this.#hints.length === 0 ? null : Math.min(...this.#hints.map(({ due }) => due))
    const append = {
      actor: this.#actor,
      commitId: Uint8Array.from(commitId),
      bytes,
      hash,
      firstOffset,
      entries,
      mode: 'replace',
      prevRef: 0,
      hintDue,
    } as const
    for (let at = there === 0 ? n : there + 1; at <= n; at++) await this.#append([{ ...append, n: at }])
  }
}
