/** The commands of data: what each does, and what the server answers. */
import { BSON, Long, type Document } from 'mongodb'
import type { MongoData, WriteError } from './mongo-data.ts'
import type { Fault } from './mongo-faults.ts'

const ANSWER_BYTES_MAX = 16 * 1024 * 1024
const FIRST_BATCH = 101

export class Commands {
  readonly #data: MongoData
  readonly #cursors = new Map<number, { readonly namespace: string; readonly documents: Document[] }>()
  #nextCursor = 1
  readonly #forbidden: Set<string>

  constructor(data: MongoData, forbidden: Set<string>) {
    this.#data = data
    this.#forbidden = forbidden
  }

  /** null: not a command of data. */
  run(name: string, body: Document, fault: Fault | null): Document | null {
    if (this.#forbidden.has(name)) return { ok: 0, code: 13, codeName: 'Unauthorized', errmsg: `not authorized to execute command ${name}` }
    const namespace = `${body['$db']}.${body[name]}`
    switch (name) {
      case 'insert':
        return this.#insert(namespace, body, fault)
      case 'update':
        return this.#update(namespace, body, fault)
      case 'delete': {
        const deletes = body['deletes'] as Document[]
        return { ok: 1, n: deletes.reduce((n, { q, limit }) => n + this.#data.delete(namespace, q as Document, Number(limit)), 0) }
      }
      case 'findAndModify':
        return this.#findAndModify(namespace, body)
      case 'find':
        return this.#find(namespace, body)
      case 'getMore': {
        const id = Number(body['getMore'])
        return this.#batch(id, 'nextBatch', body['batchSize'] as number | undefined)
      }
      case 'killCursors':
        for (const id of body['cursors'] as unknown[]) this.#cursors.delete(Number(id))
        return { ok: 1 }
      case 'create':
        return this.#data.create(namespace)
          ? { ok: 1 }
          : { ok: 0, code: 48, codeName: 'NamespaceExists', errmsg: `Collection ${namespace} already exists.` }
      case 'createIndexes':
        this.#data.create(namespace)
        this.#data.indexes.set(namespace, body['indexes'] as Document[])
        return { ok: 1 }
      case 'dropDatabase':
        this.#data.drop(`${body['$db']}.`)
        return { ok: 1 }
      case 'listIndexes':
        return this.#cursor(namespace, [{ name: '_id_', key: { _id: 1 } }, ...(this.#data.indexes.get(namespace) ?? [])], 1000)
      case 'listCollections': {
        const own = this.#data.namespaces.filter((one) => one.startsWith(`${body['$db']}.`))
        return this.#cursor(
          `${body['$db']}.$cmd.listCollections`,
          own.map((one) => ({ name: one.slice(one.indexOf('.') + 1), type: 'collection' })),
          1000,
        )
      }
      default:
        return null
    }
  }

  #insert(namespace: string, body: Document, fault: Fault | null): Document {
    const errors: WriteError[] = []
    const documents = body['documents'] as Document[]
    let n = 0
    for (const [index, document] of documents.entries()) {
      const error = failing(fault, index) ?? this.#data.insert(namespace, document, index, BSON.calculateObjectSize(document))
      if (error === null) n++
      else errors.push(error)
      if (error !== null && body['ordered'] !== false) break
    }
    return { ok: 1, n, ...(errors.length > 0 && { writeErrors: errors }) }
  }

  #update(namespace: string, body: Document, fault: Fault | null): Document {
    const errors: WriteError[] = []
    const upserted: Document[] = []
    let n = 0
    for (const [index, statement] of (body['updates'] as Document[]).entries()) {
      const result = failing(fault, index) ?? this.#data.update(namespace, statement, index)
      if ('code' in result) {
        errors.push(result)
        if (body['ordered'] !== false) break
      } else if (result.upserted !== undefined) {
        upserted.push({ index, _id: result.upserted })
        n++
      } else n += result.matched
    }
    return {
      ok: 1,
      n,
      nModified: n - upserted.length,
      ...(upserted.length > 0 && { upserted }),
      ...(errors.length > 0 && { writeErrors: errors }),
    }
  }

  #findAndModify(namespace: string, { query, update, upsert }: Document): Document {
    const result = this.#data.update(namespace, { q: query as Document, u: update as Document, upsert: upsert as boolean }, 0)
    if ('code' in result) return { ok: 0, code: result.code, errmsg: result.errmsg }
    const id: unknown = (query as Document)['_id']
    return { ok: 1, value: this.#data.collection(namespace).get(`s${String(id)}`) }
  }

  #find(namespace: string, body: Document): Document {
    // Whoever runs it has made sure of a majority, or will before the answer leaves.
    const documents = this.#data.find(namespace, body, body['readConcern']?.level === 'linearizable')
    return this.#cursor(namespace, documents, (body['batchSize'] as number | undefined) ?? FIRST_BATCH)
  }

  #cursor(namespace: string, documents: Document[], batchSize: number): Document {
    const id = this.#nextCursor++
    this.#cursors.set(id, { namespace, documents })
    return this.#batch(id, 'firstBatch', batchSize)
  }

  #batch(id: number, field: 'firstBatch' | 'nextBatch', batchSize = Infinity): Document {
    const cursor = this.#cursors.get(id)
    if (cursor === undefined) return { ok: 0, code: 43, codeName: 'CursorNotFound', errmsg: `cursor id ${id} not found` }
    const batch: Document[] = []
    let bytes = 0
    while (cursor.documents.length > 0 && batch.length < batchSize) {
      bytes += BSON.calculateObjectSize(cursor.documents[0] as Document)
      if (batch.length > 0 && bytes > ANSWER_BYTES_MAX) break
      batch.push(cursor.documents.shift() as Document)
    }
    const over = cursor.documents.length === 0
    if (over) this.#cursors.delete(id)
    return { ok: 1, cursor: { id: Long.fromNumber(over ? 0 : id), ns: cursor.namespace, [field]: batch } }
  }
}

function failing(fault: Fault | null, index: number): WriteError | null {
  const code = fault?.documents?.get(index)
  return code === undefined ? null : { index, code, errmsg: `as the test asked: ${code}` }
}
