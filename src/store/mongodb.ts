/**
 * The store on MongoDB, for several machines (DESIGN §1, "MongoDB"): a replica set or a sharded cluster, `w: majority, j: true`, no transactions,
 * no change streams, no secondary reads. How the documents lie: mongodb-documents.ts; appends: mongodb-appends.ts; claims: mongodb-claims.ts.
 *
 *  1. Every call settles once, in bounded time: selection, queue and socket have time-outs, repeats of what is in doubt have `settleMs`.
 *  2. While the database is away every call is refused with reason 'lost', or 'unknown' if something was sent; nothing is kept here meanwhile
 *     but the calls under way, which are bounded. When it is back the next call finds it: nobody has to do anything.
 *  3. After close() every call rejects with reason 'closed'.
 */
import { MaxKey } from 'mongodb'
import type { Clock } from '../base/clock.ts'
import { silentLog, type Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { systemClock, systemRandom } from '../base/system.ts'
import { appendAll } from './mongodb-appends.ts'
import { writeAll } from './mongodb-bulk.ts'
import { claimActor } from './mongodb-claims.ts'
import { BY_ID, checkedActor, collectionsOf } from './mongodb-documents.ts'
import { onLossOfPrimary, patient } from './mongodb-patience.ts'
import { newCounters, reading, type Link } from './mongodb-link.ts'
import { dial, resolveLimits, type MongodbOptions } from './mongodb-options.ts'
import { LargeRecords } from './mongodb-parts.ts'
import { Places } from './mongodb-places.ts'
import { newestPlaces } from './mongodb-proofs.ts'
import { Reads } from './mongodb-reads.ts'
import { setUp } from './mongodb-setup.ts'
import { writeSnapshots } from './mongodb-snapshots.ts'
import { Trims } from './mongodb-trims.ts'
import { DUPLICATE_KEY, failureOf, storeErrorOf } from './mongodb-trouble.ts'
import {
  StoreError,
  type Claim,
  type CommitGroup,
  type CommitResult,
  type Hint,
  type Loaded,
  type Store,
  type StoredBatch,
  type StoreHealth,
  type Verdict,
  type WalkedBatch,
} from './store.ts'

export interface MongodbPorts {
  readonly log?: Log
  readonly clock?: Clock
  readonly random?: Random
}

/** Opens the store, and makes its collections. Rejects with StoreError: 'lost', 'readonly', 'foreign' or 'io', naming the place and what to do. */
export async function mongodbStore(options: MongodbOptions, ports: MongodbPorts = {}): Promise<Store> {
  const limits = resolveLimits(options.limits)
  const { client, database, place, redact } = dial(options, limits)
  const prefix = options.prefix ?? ''
  const at = collectionsOf(client.db(database), prefix)
  const { log = silentLog, clock = systemClock, random = systemRandom } = ports
  try {
    const { wireVersion } = await setUp({
      client,
      at,
      prefix,
      place,
      redact,
      clock,
      openMs: limits.openMs,
      make: options.setUp ?? true,
    })
    if (wireVersion < OLDEST_WIRE_VERSION) log.warn({ store: place }, 'this MongoDB is older than 7.0, with which Troupe is tested')
  } catch (error) {
    await client.close().catch(() => undefined)
    throw error
  }
  const patience = patient(at, limits, clock)
  onLossOfPrimary(client, patience.lost)
  const link: Link = {
    at: patience.at,
    limits,
    clock,
    random,
    log,
    place,
    redact,
    places: new Places(limits.placesKept, random),
    large: new LargeRecords(),
    counters: newCounters(),
  }
  return storeOn(link, () => client.close())
}

/** The store on an open link, whatever is behind its collections; `close` lets go of that. */
export function storeOn(link: Link, close: () => Promise<void>): Store {
  return new MongodbStore(link, close)
}

/** MongoDB 7.0. */
export const OLDEST_WIRE_VERSION = 21
const GENERATION_TRIES = 20

class MongodbStore implements Store {
  readonly #link: Link
  readonly #letGo: () => Promise<void>
  readonly #reads: Reads
  readonly #trims: Trims
  #pending = 0
  #idle: (() => void)[] = []
  #closing: Promise<void> | null = null

  constructor(link: Link, letGo: () => Promise<void>) {
    this.#link = link
    this.#letGo = letGo
    this.#reads = new Reads(link)
    this.#trims = new Trims(link, this.#reads)
  }

  commit({ appends, snapshots, dropHints, trims }: CommitGroup): Promise<CommitResult> {
    return this.#run(async () => {
      // Snapshots are of batches that are durable before (J5), nearly always: one that is of a batch of this very group waits for it.
      const known = snapshots.map(({ actor, n }) => this.#link.places.reaches(actor, n))
      const early = snapshots.filter((_, i) => known[i])
      const late = snapshots.filter((_, i) => !known[i])
      const snapshotting = writeSnapshots(this.#link, early)
      const dropping = this.#dropHints(dropHints)
      const [appended] = await Promise.allSettled([appendAll(this.#link, appends), snapshotting, dropping])
      if (appended.status === 'rejected') throw appended.reason
      const verdicts = appended.value
      try {
        await snapshotting
        await dropping
        await writeSnapshots(this.#link, late)
      } catch (error) {
        throw ofGroup(error, verdicts)
      }
      for (const trim of trims) this.#trims.add(trim)
      return { verdicts, ref: 0 }
    })
  }

  /** By their exact key, whatever commit ids made them (D5). One that stays is found again by the next scan. */
  async #dropHints(hints: readonly Hint[]): Promise<void> {
    if (hints.length === 0) return
    const items = hints.map(({ actor: a, n, due: d }) => ({
      q: { a, _id: { $gte: { d, a, n }, $lt: { d, a, n: n + 1 } } },
      limit: 0,
      ...BY_ID,
    }))
    await writeAll(this.#link, { collection: this.#link.at.hints.collectionName, kind: 'delete', items, bytesOf: () => 400 })
  }

  claim(actor: string, claim: Claim): Promise<Loaded> {
    return this.#run(() => claimActor(this.#link, this.#reads, checkedActor(actor), claim))
  }

  load(actor: string): Promise<Loaded | null> {
    return this.#run(() => this.#reads.load(checkedActor(actor)))
  }

  read(actor: string, n: number): Promise<StoredBatch | null> {
    return this.#run(() => this.#reads.read(actor, n))
  }

  newest(actors: readonly string[]): Promise<number[]> {
    return this.#run(() => newestPlaces(this.#link, this.#reads, actors))
  }

  history(actor: string, from: number, maxBytes: number): Promise<StoredBatch[]> {
    return this.#run(() => this.#reads.history(actor, from, maxBytes))
  }

  hints(dueBy: number, limit: number, after?: Hint): Promise<Hint[]> {
    return this.#run(() => this.#reads.hints(dueBy, limit, after ?? null, new MaxKey()))
  }

  meta(key: string, create?: Uint8Array): Promise<Uint8Array | null> {
    return this.#run(async () => {
      const { meta } = this.#link.at
      const find = async (): Promise<Uint8Array | null> => {
        const found = await reading(this.#link, () => meta.findOne({ _id: metaId(key) }))
        return found === null ? null : new Uint8Array(found.v)
      }
      const value = await find()
      if (value !== null || create === undefined) return value
      const [outcome] = await writeAll(this.#link, {
        collection: meta.collectionName,
        kind: 'insert',
        items: [{ _id: metaId(key), v: create }],
        bytesOf: () => create.length,
      })
      if (outcome === 'refused' || outcome === 'unknown')
        throw new StoreError(outcome, 'lost', `${this.#link.place}: '${key}' could not be written now; the log says why`)
      return find()
    })
  }

  nextGeneration(node: string): Promise<number> {
    return this.#run(async () => {
      for (let tries = 1; ; tries++) {
        try {
          const found = await this.#link.at.nodes.findOneAndUpdate(
            { _id: node },
            { $inc: { v: 1 } },
            { upsert: true, returnDocument: 'after' },
          )
          if (found !== null) return found.v
        } catch (error) {
          // Two made the first one at once; and of an unknown outcome at most a number is lost, which nobody misses.
          const again = isDuplicate(error) || failureOf(error) === 'doubt'
          if (!again || tries >= GENERATION_TRIES) throw storeErrorOf(error, this.#link.place, this.#link.redact, 'unknown')
        }
      }
    })
  }

  actors(after: string | null, limit: number): Promise<string[]> {
    return this.#run(() => this.#reads.actors(after, limit))
  }

  walk(actor: string, afterN: number, limit: number): Promise<WalkedBatch[]> {
    return this.#run(() => this.#reads.walk(actor, afterN, limit))
  }

  async health(): Promise<StoreHealth> {
    const { place, redact, counters } = this.#link
    const own = { ...counters, pending: this.#pending, trimsWaiting: this.#trims.waiting }
    if (this.#closing !== null) return { ok: false, summary: `${place}: closed`, counters: own }
    try {
      const asked = this.#link.clock.mono()
      await this.#link.at.meta.findOne({ _id: metaId('store-id') }, { maxTimeMS: this.#link.limits.selectionMs })
      const ms = Math.ceil(this.#link.clock.mono() - asked)
      return { ok: true, summary: `${place}: ok, answers in ${ms} ms`, counters: own }
    } catch (error) {
      return { ok: false, summary: storeErrorOf(error, place, redact).message, counters: own }
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    await this.#trims.stop()
    await this.#letGo().catch((error: unknown) => this.#link.log.warn({ store: this.#link.place }, `closing failed: ${String(error)}`))
  }

  /** Bounded (promise 6), and none after close(). */
  async #run<T>(call: () => Promise<T>): Promise<T> {
    const { place, limits, redact } = this.#link
    if (this.#closing !== null) throw new StoreError('refused', 'closed', `${place}: the store is closed`)
    if (this.#pending >= limits.pendingMax)
      throw new StoreError('refused', 'busy', `${place}: ${limits.pendingMax} calls are under way; wait for some of them`)
    this.#pending++
    try {
      return await call()
    } catch (error) {
      if (error instanceof StoreError || error instanceof TypeError) throw error
      throw storeErrorOf(error, place, redact, 'unknown')
    } finally {
      if (--this.#pending === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }
}

/** Keys of the callers are apart from those of this adapter. */
function metaId(key: string): string {
  return `key:${key}`
}

/** A snapshot that was refused says nothing of the batches beside it, which may be durable: then the group is not 'refused' (S7). */
function ofGroup(error: unknown, verdicts: readonly Verdict[]): unknown {
  const sure = verdicts.every((verdict) => verdict === 'refused')
  return error instanceof StoreError && error.outcome === 'refused' && !sure
    ? new StoreError('unknown', error.reason, error.message)
    : error
}

function isDuplicate(error: unknown): boolean {
  return error instanceof Error && (error as Error & { readonly code?: unknown }).code === DUPLICATE_KEY
}
