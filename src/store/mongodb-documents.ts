/**
 * The documents of the MongoDB store, a collection each. `a` is the actor: the shard key (docs/mongodb.md), beside `_id` because a hashed shard
 * key must be a field of its own, and because then all of an actor lies on one shard, where `_id` is unique: `_id` is the fence (J1).
 *
 *   batches    {_id: {a, n}, a, c, h, e, l, b}      a batch: commit id, hash, entries, offset after its last, bytes. `s: a` with place 1 (listing).
 *                                                  `p`: bytes go on in `parts`. No `b`: emptied (J10). No `h`: a place held for a claim
 *                                                  (mongodb-claims.ts), which is no batch yet and which readers do not see
 *   states     {_id: a, n, c, h, e, b}              the one record of a 'replace' actor (J10 'none'); `r`: a claim is about to replace it;
 *                                                  `f`: it was large once, there may be pieces of earlier ones
 *   snapshots  {_id: a, n, o, h, b, v}              `v`: the place whose page is the newest, by page; `x`: places up to it are emptied
 *   pages      {_id: {a, p, n}, a, b}               page p as of the snapshot of place n
 *   parts      {_id: {a, n, c, i}, a, b}            what does not fit into one document
 *   hints      {_id: {d, a, n, c}, a}               due, actor, place, commit id: in the order in which they are asked for (D5)
 *   meta       {_id: key, v}, nodes {_id: node, v}  values under a key; generations
 */
import type { Abortable, Collection, Db, Document, Filter, FindOptions } from 'mongodb'
import { StoreError } from './store.ts'

export interface PlaceId {
  readonly a: string
  readonly n: number
}

export interface BatchDoc {
  readonly _id: PlaceId
  readonly a: string
  readonly c: Uint8Array
  readonly h: Uint8Array
  readonly e: number
  readonly l: number
  readonly b?: Uint8Array
  readonly p?: number
  readonly s?: string
}

/** A place held for a claim. */
export interface HeldDoc {
  readonly _id: PlaceId
  readonly a: string
  readonly r: Uint8Array
}

export interface StateDoc {
  readonly _id: string
  readonly n: number
  readonly c: Uint8Array
  readonly h: Uint8Array
  readonly e: number
  readonly b: Uint8Array
  readonly p?: number
  readonly f?: true
}

export interface SnapshotDoc {
  readonly _id: string
  readonly n: number
  readonly o: number
  readonly h: Uint8Array
  readonly b: Uint8Array
  readonly p?: number
  readonly v?: Readonly<Record<string, number>>
  readonly x?: number
}

export interface PageDoc {
  readonly _id: { readonly a: string; readonly p: number; readonly n: number }
  readonly a: string
  readonly b: Uint8Array
}

export interface PartDoc {
  readonly _id: { readonly a: string; readonly n: number; readonly c: Uint8Array; readonly i: number }
  readonly a: string
  readonly b: Uint8Array
}

export interface HintDoc {
  readonly _id: { readonly d: number; readonly a: string; readonly n: number; readonly c: Uint8Array }
  readonly a: string
}

export interface MetaDoc {
  readonly _id: string
  readonly v: Uint8Array
}

export interface NodeDoc {
  readonly _id: string
  readonly v: number
}

/** What the store needs of a collection of the driver's: so narrow that the simulator can put a replica set of its own behind it. */
export interface Table<T extends Document> {
  readonly collectionName: string
  find(filter: Filter<T>, options?: FindOptions & Abortable): Rows<T>
  findOne(filter: Filter<T>, options?: FindOptions & Abortable): Promise<T | null>
  deleteMany(filter: Filter<T>): Promise<unknown>
}

export interface Rows<T> extends AsyncIterable<T> {
  toArray(): Promise<T[]>
}

export interface NodeTable {
  findOneAndUpdate(
    filter: { readonly _id: string },
    update: { readonly $inc: { readonly v: 1 } },
    options: { readonly upsert: true; readonly returnDocument: 'after' },
  ): Promise<NodeDoc | null>
}

/** Majority reads, from the primary: what they show stays. */
export interface Collections {
  /** Rejects with the errors of the driver: whether anything was sent is read from them (mongodb-trouble.ts). */
  readonly db: { command(command: Document, options?: Abortable): Promise<Document> }
  readonly batches: Table<BatchDoc>
  readonly states: Table<StateDoc>
  readonly snapshots: Table<SnapshotDoc>
  readonly pages: Table<PageDoc>
  readonly parts: Table<PartDoc>
  readonly hints: Table<HintDoc>
  readonly meta: Table<MetaDoc>
  readonly nodes: NodeTable
}

/** The driver's own, in which collections and indexes can be made too. */
export interface DriverCollections extends Collections {
  readonly db: Db
  readonly batches: Collection<BatchDoc>
  readonly states: Collection<StateDoc>
  readonly snapshots: Collection<SnapshotDoc>
  readonly pages: Collection<PageDoc>
  readonly parts: Collection<PartDoc>
  readonly hints: Collection<HintDoc>
  readonly meta: Collection<MetaDoc>
  readonly nodes: Collection<NodeDoc>
}

/**
 * Questions and statements that name `_id` and the actor go by `_id`: on a sharded cluster the hashed shard key would do as well, and would read all of an
 * actor; which of the two the planner takes is not left to what it measured last.
 */
export const BY_ID = { hint: { _id: 1 } } as const

export const COLLECTIONS = ['batches', 'states', 'snapshots', 'pages', 'parts', 'hints', 'meta', 'nodes'] as const

export function collectionsOf(db: Db, prefix: string): DriverCollections {
  const options = { readConcern: { level: 'majority' }, writeConcern: { w: 'majority', j: true } } as const
  return {
    db,
    batches: db.collection(`${prefix}batches`, options),
    states: db.collection(`${prefix}states`, options),
    snapshots: db.collection(`${prefix}snapshots`, options),
    pages: db.collection(`${prefix}pages`, options),
    parts: db.collection(`${prefix}parts`, options),
    hints: db.collection(`${prefix}hints`, options),
    meta: db.collection(`${prefix}meta`, options),
    nodes: db.collection(`${prefix}nodes`, options),
  }
}

const ACTOR_BYTES_MAX = 520

/** S8. */
export function checkedActor(actor: string): string {
  if (actor === '' || Buffer.byteLength(actor) > ACTOR_BYTES_MAX || !actor.isWellFormed())
    throw new TypeError(`an actor's name is a well-formed string of 1 to ${ACTOR_BYTES_MAX} bytes`)
  return actor
}

/** Memory of its own: the driver's are views of whole replies. */
export function own(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

export function damaged(place: string, actor: string, n: number): StoreError {
  return new StoreError(
    'refused',
    'corrupt',
    `${place}: batch ${n} of ${actor} is missing or damaged. Keep a copy of the database and restore it from a backup`,
  )
}
