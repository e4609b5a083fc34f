/**
 * The end of every wait for the driver. Its own limits (selection, pool, socket) cover each step by itself, and a promise of its that none of them ends would hold a
 * commit, and all that wait for it, for ever. What came too late is as an answer that was lost: of a write nothing is known (M3), a read is refused.
 */
import { MongoNetworkError, type Document } from 'mongodb'
import type { Clock } from '../base/clock.ts'
import type { Collections, Rows, Table } from './mongodb-documents.ts'
import type { MongodbLimits } from './mongodb-options.ts'

/** Beyond the sum of the driver's limits. */
const GRACE_MS = 1000

export function patient(at: Collections, limits: MongodbLimits, clock: Clock): Collections {
  const limitMs = limits.selectionMs + limits.queueMs + limits.connectMs + limits.socketMs + GRACE_MS
  const within = <T>(asked: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const late = (): void =>
        reject(new MongoNetworkError(`no answer within ${limitMs} ms, though each step of the driver has a shorter limit`))
      const timer = clock.after(limitMs, late)
      asked.then(resolve, reject).finally(() => timer.cancel())
    })
  const table = <T extends Document>(of: Table<T>): Table<T> => ({
    collectionName: of.collectionName,
    find: (filter, options) => rows(of.find(filter, options), within),
    findOne: (filter, options) => within(of.findOne(filter, options)),
    deleteMany: (filter) => within(of.deleteMany(filter)),
  })
  return {
    db: { command: (command) => within(at.db.command(command)) },
    batches: table(at.batches),
    states: table(at.states),
    snapshots: table(at.snapshots),
    pages: table(at.pages),
    parts: table(at.parts),
    hints: table(at.hints),
    meta: table(at.meta),
    nodes: { findOneAndUpdate: (filter, update, options) => within(at.nodes.findOneAndUpdate(filter, update, options)) },
  }
}

/** Each step of a walk has the time of a command. */
function rows<T>(of: Rows<T>, within: <V>(asked: Promise<V>) => Promise<V>): Rows<T> {
  return {
    toArray: () => within(of.toArray()),
    [Symbol.asyncIterator]: () => {
      const walk = of[Symbol.asyncIterator]()
      return {
        next: () => within(walk.next()),
        return: async () => (await walk.return?.()) ?? { done: true, value: undefined },
      }
    },
  }
}
