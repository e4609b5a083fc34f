/**
 * The end of every wait for the driver. Its own limits (selection, pool, socket) cover each step by itself, and a promise of its that none of them ends would hold a
 * commit, and all that wait for it, for ever. There is such a promise: in 7.9, what is written to a socket that is just closing waits for a 'drain' that never comes
 * (`writeCommand`; seen at the death of a primary). So a server that is lost shortens the patience with all that was asked until a moment after: which of it went
 * to that server the driver does not say. What came too late is as an answer that was lost: of a write nothing is known (M3), a read is refused.
 */
import { MongoNetworkError, type Document, type MongoClient } from 'mongodb'
import type { Clock, Timer } from '../base/clock.ts'
import type { Collections, Rows, Table } from './mongodb-documents.ts'
import type { MongodbLimits } from './mongodb-options.ts'

/** Beyond the driver's limits. */
const GRACE_MS = 1000

export interface Patience {
  readonly at: Collections
  /** To be told when the connections to the primary are given up. */
  readonly lost: () => void
}

export function patient(to: Collections, limits: MongodbLimits, clock: Clock): Patience {
  const longMs = limits.selectionMs + limits.queueMs + limits.connectMs + limits.socketMs + GRACE_MS
  // Whoever waits for a primary meanwhile is told so by the driver first.
  const shortMs = limits.selectionMs + GRACE_MS
  const under = new Set<() => void>()
  let lostAt = -Infinity

  /** `gone` makes the driver give up too: else the connection would count as in use for ever. */
  const within = <T>(asked: Promise<T>, gone?: AbortController): Promise<T> =>
    new Promise((resolve, reject) => {
      let timer: Timer | null = null
      const over = (): void => {
        timer?.cancel()
        under.delete(hurry)
      }
      const late = (ms: number): void => {
        over()
        reject(new MongoNetworkError(`no answer within ${ms} ms, though each step of the driver has a shorter limit`))
        gone?.abort()
      }
      let end = Infinity
      const give = (ms: number): void => {
        if (clock.mono() + ms >= end) return
        end = clock.mono() + ms
        timer?.cancel()
        timer = clock.after(ms, () => late(ms))
      }
      const hurry = (): void => give(shortMs)
      under.add(hurry)
      give(clock.mono() - lostAt < GRACE_MS ? shortMs : longMs)
      asked.then(resolve, reject).finally(over)
    })

  const table = <T extends Document>(of: Table<T>): Table<T> => ({
    collectionName: of.collectionName,
    find: (filter, options) => {
      const gone = new AbortController()
      return rows(of.find(filter, { ...options, signal: gone.signal }), (asked) => within(asked, gone))
    },
    findOne: (filter, options) => {
      const gone = new AbortController()
      return within(of.findOne(filter, { ...options, signal: gone.signal }), gone)
    },
    deleteMany: (filter) => within(of.deleteMany(filter)),
  })

  const at: Collections = {
    db: {
      command: (command) => {
        const gone = new AbortController()
        return within(to.db.command(command, { signal: gone.signal }), gone)
      },
    },
    batches: table(to.batches),
    states: table(to.states),
    snapshots: table(to.snapshots),
    pages: table(to.pages),
    parts: table(to.parts),
    hints: table(to.hints),
    meta: table(to.meta),
    nodes: { findOneAndUpdate: (filter, update, options) => within(to.nodes.findOneAndUpdate(filter, update, options)) },
  }

  const lost = (): void => {
    lostAt = clock.mono()
    for (const hurry of under) hurry()
  }
  return { at, lost }
}

/** Not of a secondary: a majority is slowest just then, and nothing was asked of it. */
export function onLossOfPrimary(client: MongoClient, lost: () => void): void {
  const roles = new Map<string, string>()
  client.on('topologyDescriptionChanged', ({ newDescription: { servers } }) => {
    for (const address of roles.keys()) if (!servers.has(address)) roles.delete(address)
    for (const [address, { type }] of servers) if (type !== 'Unknown') roles.set(address, type)
  })
  client.on('connectionPoolCleared', ({ address }) => {
    if (roles.get(address) !== 'RSSecondary') lost()
  })
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
