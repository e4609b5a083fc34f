/**
 * The data of a replica set as its primary has them, and what of it a majority has. A write that is not replicated is remembered until it is, with all
 * before it (`commit`), or the primary is lost (`rollBack`): the server's own rule that an acknowledged write has all before it on a majority too.
 */
import type { Document } from 'mongodb'
import { compare, isOperators, keyOf, matches, updated, upserted } from './mongo-match.ts'

export interface WriteError {
  readonly index: number
  readonly code: number
  readonly errmsg: string
}

interface Stored {
  readonly document: Document
}

/** One change of one document, as in an oplog. */
export interface Change {
  readonly namespace: string
  readonly key: string
  readonly before: Document | null
  readonly after: Document | null
  /** Whose it is. */
  readonly by: string
}

/** One collection: documents by `_id`, and beside that by `a`, which nearly every question names. */
class Collection {
  readonly documents = new Map<string, Stored>()
  readonly #byActor = new Map<unknown, Map<string, Stored>>()

  get(key: string): Document | null {
    return this.documents.get(key)?.document ?? null
  }

  put(key: string, document: Document | null): void {
    const before = this.documents.get(key)
    if (before !== undefined) this.#byActor.get(before.document['a'])?.delete(key)
    if (document === null) {
      this.documents.delete(key)
      return
    }
    const stored = { document }
    this.documents.set(key, stored)
    const actor: unknown = document['a']
    if (typeof actor !== 'string') return
    const of = this.#byActor.get(actor)
    if (of === undefined) this.#byActor.set(actor, new Map([[key, stored]]))
    else of.set(key, stored)
  }

  /** Those that may match. */
  *candidates(filter: Document): Iterable<[string, Document]> {
    const { _id: id, a } = filter
    const ids: unknown[] | null = id === undefined ? null : !isOperators(id) ? [id] : ((id['$in'] as unknown[] | undefined) ?? null)
    if (ids !== null) {
      for (const key of new Set(ids.map(keyOf))) {
        const document = this.get(key)
        if (document !== null) yield [key, document]
      }
      return
    }
    const from = typeof a === 'string' ? (this.#byActor.get(a) ?? new Map<string, Stored>()) : this.documents
    const outside = typeof a === 'string' && id !== undefined ? outsideOf(id as Document) : () => false
    for (const [key, { document }] of from) if (!outside(document['_id'] as Document)) yield [key, document]
  }
}

/** Cheaply, what is certainly out of a range of ids of one actor: by the number after its name. The rest is compared in full. */
function outsideOf(range: Document): (id: Document) => boolean {
  const low = (range['$gt'] ?? range['$gte']) as Document | undefined
  const high = (range['$lt'] ?? range['$lte']) as Document | undefined
  const [, field] = Object.keys(low ?? high ?? {})
  if (field === undefined) return () => false
  const [from, to] = [Number(low?.[field] ?? -Infinity), Number(high?.[field] ?? Infinity)]
  return (id) => Object.keys(id)[1] === field && (Number(id[field]) < from || Number(id[field]) > to)
}

const DOCUMENT_BYTES_MAX = 16 * 1024 * 1024

export class MongoData {
  readonly #collections = new Map<string, Collection>()
  readonly indexes = new Map<string, Document[]>()
  /** Unreplicated writes, oldest first. */
  #shaky: Change[] = []
  /** How many changes a majority has. */
  #committed = 0
  /** Whose the next changes are; for whoever watches. */
  writer = ''
  /** Is told of each change that a majority has, in their order. */
  watcher: ((change: Change) => void) | null = null

  collection(namespace: string): Collection {
    let collection = this.#collections.get(namespace)
    if (collection === undefined) this.#collections.set(namespace, (collection = new Collection()))
    return collection
  }

  /** False: it was there. */
  create(namespace: string): boolean {
    if (this.#collections.has(namespace)) return false
    this.collection(namespace)
    return true
  }

  drop(prefix: string): void {
    for (const namespace of this.namespaces.filter((one) => one.startsWith(prefix))) {
      this.#collections.delete(namespace)
      this.indexes.delete(namespace)
    }
  }

  get namespaces(): string[] {
    return [...this.#collections.keys()]
  }

  get shaky(): boolean {
    return this.#shaky.length > 0
  }

  /** How many changes the primary has made. */
  get position(): number {
    return this.#committed + this.#shaky.length
  }

  get committed(): number {
    return this.#committed
  }

  /** A majority has it, up to a position: default all. */
  commit(upTo: number = this.position): void {
    const changes = this.#shaky.splice(0, Math.max(0, upTo - this.#committed))
    this.#committed += changes.length
    if (this.watcher !== null) for (const change of changes) this.watcher(change)
  }

  /** The primary is lost before it could replicate what is beyond a position: default all that no majority has. */
  rollBack(to: number = this.#committed): void {
    const lost = this.#shaky.splice(Math.max(0, to - this.#committed))
    for (const { namespace, key, before } of lost.reverse()) this.collection(namespace).put(key, before)
  }

  /** The same data apart, as a member has them that was cut off: nobody watches it. */
  fork(): MongoData {
    const fork = new MongoData()
    for (const [namespace, { documents }] of this.#collections)
      for (const [key, { document }] of documents) fork.collection(namespace).put(key, document)
    fork.#shaky = [...this.#shaky]
    fork.#committed = this.#committed
    return fork
  }

  #put(namespace: string, key: string, document: Document | null): void {
    const collection = this.collection(namespace)
    this.#shaky.push({ namespace, key, before: collection.get(key), after: document, by: this.writer })
    collection.put(key, document)
  }

  insert(namespace: string, document: Document, index: number, bytes: number): WriteError | null {
    if (bytes > DOCUMENT_BYTES_MAX)
      return { index, code: 10334, errmsg: `object to insert too large. size in bytes: ${bytes}, max size: ${DOCUMENT_BYTES_MAX}` }
    const key = keyOf(document['_id'])
    if (this.collection(namespace).get(key) !== null) return duplicate(namespace, index)
    this.#put(namespace, key, document)
    return null
  }

  update(namespace: string, statement: Document, index: number): WriteError | { readonly matched: number; readonly upserted: unknown } {
    const { q, u, multi, upsert } = statement as { q: Document; u: Document; multi?: boolean; upsert?: boolean }
    const found = [...this.#matching(namespace, q)]
    if (found.length > 0) {
      const chosen = multi === true ? found : found.slice(0, 1)
      for (const [key, document] of chosen) this.#put(namespace, key, updated(document, u))
      return { matched: chosen.length, upserted: undefined }
    }
    if (upsert !== true) return { matched: 0, upserted: undefined }
    const document = upserted(q, u)
    const key = keyOf(document['_id'])
    if (this.collection(namespace).get(key) !== null) return duplicate(namespace, index)
    this.#put(namespace, key, document)
    return { matched: 0, upserted: document['_id'] }
  }

  delete(namespace: string, filter: Document, limit: number): number {
    const found = [...this.#matching(namespace, filter)].slice(0, limit === 0 ? undefined : limit)
    for (const [key] of found) this.#put(namespace, key, null)
    return found.length
  }

  *#matching(namespace: string, filter: Document): Iterable<[string, Document]> {
    for (const [key, document] of this.collection(namespace).candidates(filter)) if (matches(document, filter)) yield [key, document]
  }

  /** What a majority has of it, in order; `local`: what the primary has. */
  find(namespace: string, { filter = {}, sort, limit = 0, projection }: Document, local = false): Document[] {
    const chosen: Document[] = []
    const overlay = local ? new Map<string, Document | null>() : this.#unseen(namespace)
    for (const [key, document] of this.#matching(namespace, filter as Document)) if (!overlay.has(key)) chosen.push(document)
    for (const document of overlay.values()) if (document !== null && matches(document, filter as Document)) chosen.push(document)
    const [by] = Object.entries((sort as Record<string, number> | undefined) ?? {})
    if (by !== undefined) chosen.sort((a, b) => compare(a[by[0]], b[by[0]]) * by[1])
    const cut = limit > 0 ? chosen.slice(0, limit as number) : chosen
    return projection === undefined ? cut : cut.map((document) => projected(document, projection as Document))
  }

  /** What a majority has instead of what the primary has. */
  #unseen(namespace: string): Map<string, Document | null> {
    const unseen = new Map<string, Document | null>()
    for (const change of this.#shaky) if (change.namespace === namespace && !unseen.has(change.key)) unseen.set(change.key, change.before)
    return unseen
  }
}

function duplicate(namespace: string, index: number): WriteError {
  return { index, code: 11000, errmsg: `E11000 duplicate key error collection: ${namespace} index: _id_` }
}

/** Inclusions only. */
function projected(document: Document, projection: Document): Document {
  const names = Object.entries(projection).flatMap(([name, wanted]) => (wanted ? [name] : []))
  const some: Document = projection['_id'] === 0 ? {} : { _id: document['_id'] }
  for (const name of names) if (name !== '_id' && document[name] !== undefined) some[name] = document[name]
  return some
}
