/** The collections of the MongoDB store on a simulated replica set: the few methods of the driver that it uses, as the commands that the driver sends. */
import { MongoServerError, type Document, type Filter, type FindOptions } from 'mongodb'
import type { Collections, NodeDoc, Rows, Table } from '../../src/store/mongodb-documents.ts'

/** Sends one command. */
export type Ask = (command: Document) => Promise<Document>

const DURABLE = { w: 'majority', j: true } as const

export function tablesOf(ask: Ask): Collections {
  return {
    db: { command: ask },
    batches: tableOf(ask, 'batches'),
    states: tableOf(ask, 'states'),
    snapshots: tableOf(ask, 'snapshots'),
    pages: tableOf(ask, 'pages'),
    parts: tableOf(ask, 'parts'),
    hints: tableOf(ask, 'hints'),
    meta: tableOf(ask, 'meta'),
    nodes: {
      findOneAndUpdate: async (query, update) => {
        const reply = await ask({ findAndModify: 'nodes', query, update, upsert: true, new: true, writeConcern: DURABLE })
        return reply['value'] as NodeDoc | null
      },
    },
  }
}

function tableOf<T extends Document>(ask: Ask, collectionName: string): Table<T> {
  const find = (filter: Filter<T>, options: FindOptions = {}): Rows<T> => rowsOf<T>(ask, collectionName, filter, options)
  return {
    collectionName,
    find,
    findOne: async (filter, options = {}) => (await find(filter, { ...options, limit: 1 }).toArray())[0] ?? null,
    deleteMany: async (filter) => {
      const reply = await ask({ delete: collectionName, deletes: [{ q: filter, limit: 0 }], writeConcern: DURABLE })
      // As the driver throws it.
      if (reply['writeConcernError'] !== undefined) throw new MongoServerError({ message: 'simulated: write concern error', code: 64 })
    },
  }
}

function rowsOf<T>(
  ask: Ask,
  collection: string,
  filter: Document,
  { readConcern, sort, limit, projection, batchSize }: FindOptions,
): Rows<T> {
  const rows = async function* (): AsyncGenerator<T> {
    const level = (readConcern as { readonly level: string } | undefined) ?? { level: 'majority' }
    let reply = await ask({ find: collection, filter, sort, limit, projection, batchSize, readConcern: level })
    yield* reply['cursor']['firstBatch'] as T[]
    for (;;) {
      const id = Number(reply['cursor']['id'])
      if (id === 0) return
      reply = await ask({ getMore: id, collection, batchSize })
      yield* reply['cursor']['nextBatch'] as T[]
    }
  }
  return {
    [Symbol.asyncIterator]: rows,
    toArray: async () => {
      const all: T[] = []
      for await (const row of rows()) all.push(row)
      return all
    },
  }
}
