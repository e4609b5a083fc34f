/**
 * The same duties on a real MongoDB: the server that MONGODB_URL names (each test in a database of its own, dropped afterwards; nothing is killed), or a
 * replica set of three made of the `mongod` on the path, which is then also killed and stepped down under load. Says which of them ran.
 */
import { randomUUID } from 'node:crypto'
import { MaxKey, MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mongodbStore } from '../../src/store/mongodb.ts'
import type { MongodbLimits } from '../../src/store/mongodb-options.ts'
import type { Store } from '../../src/store/store.ts'
import { findMongod, RealSet } from '../support/mongo-real.ts'
import { group, Writer } from './builder.ts'
import { storeContract, type Place } from './contract.ts'
import { storeModel } from './model.ts'
import { work } from './mongodb-workload.ts'

const given = process.env['MONGODB_URL']
const mongod = given === undefined ? findMongod() : null
let set: RealSet | null = null
let url = given ?? ''

if (given !== undefined) console.log('MongoDB: the store runs on the server that MONGODB_URL names, and on the protocol server')
else if (mongod !== null) console.log(`MongoDB: the store runs on a replica set of three made of ${mongod}, and on the protocol server`)
else console.log('MongoDB: the store runs on the protocol server alone: MONGODB_URL is not set and no mongod is on the path')

interface RealPlace extends Place {
  readonly database: string
  connect(limits?: Partial<MongodbLimits>): Promise<Store>
}

function realPlace(): Promise<RealPlace> {
  const database = `troupe-test-${randomUUID().slice(0, 13)}`
  const stores: Store[] = []
  return Promise.resolve({
    database,
    connect: async (limits = {}) => {
      const store = await mongodbStore({ url, database, limits })
      stores.push(store)
      return store
    },
    remove: async () => {
      await Promise.all(stores.map((store) => store.close()))
      const client = new MongoClient(url)
      await client.db(database).dropDatabase()
      await client.close()
    },
  })
}

describe.skipIf(given === undefined && mongod === null)('on a real server', () => {
  beforeAll(async () => {
    if (mongod === null) return
    set = await RealSet.start(mongod)
    url = set.url
  }, 120_000)
  afterAll(() => set?.stop())

  storeContract('the MongoDB store', realPlace)
  storeModel('the MongoDB store', realPlace, 20)

  test('20 MB in one batch, beyond what a document takes', async () => {
    const place = await realPlace()
    const store = await place.connect()
    const append = { ...new Writer('user/alice').next(), bytes: new Uint8Array(20_000_000).fill(9) }
    expect((await store.commit(group([append]))).verdicts).toEqual(['committed'])
    expect((await store.read('user/alice', 1))?.bytes.length).toBe(20_000_000)
    await place.remove()
  })

  test('every hot question goes by an index, and looks at no more than it needs', async () => {
    const place = await realPlace()
    const store = await place.connect()
    const alice = new Writer('user/alice')
    for (let i = 0; i < 50; i++) await alice.append(store, 'x', { hintDue: i })
    const bob = new Writer('user/bob')
    for (let i = 0; i < 50; i++) await bob.append(store)
    const client = new MongoClient(url)
    const db = client.db(place.database)
    const above = (n: number): object => ({
      a: 'user/alice',
      _id: { $gt: { a: 'user/alice', n }, $lte: { a: 'user/alice', n: 1e9 } },
      h: { $exists: true },
    })
    const questions: readonly (readonly [what: string, command: object, most: number])[] = [
      ['batches after a snapshot', { find: 'batches', filter: above(40), sort: { _id: 1 }, limit: 500, hint: { _id: 1 } }, 12],
      ['the newest batch', { find: 'batches', filter: above(0), sort: { _id: -1 }, limit: 1, hint: { _id: 1 } }, 2],
      [
        'a read proof',
        { find: 'batches', filter: { _id: { $in: [{ a: 'user/alice', n: 51 }] }, a: { $in: ['user/alice'] } }, hint: { _id: 1 } },
        2,
      ],
      ['a snapshot', { find: 'snapshots', filter: { _id: 'user/alice' } }, 2],
      [
        'hints that are due',
        { find: 'hints', filter: { _id: { $lte: { d: 9, a: new MaxKey() } } }, sort: { _id: 1 }, limit: 256, hint: { _id: 1 } },
        12,
      ],
      ['names of journals', { find: 'batches', filter: { s: { $gt: 'user/a' } }, sort: { s: 1 }, limit: 100 }, 4],
    ]
    for (const [what, command, most] of questions) {
      const { executionStats, queryPlanner } = await db.command({ explain: command, verbosity: 'executionStats' })
      const stages = JSON.stringify(queryPlanner.winningPlan)
      expect([what, /"COLLSCAN"|"SORT"/.test(stages), executionStats.totalKeysExamined <= most]).toEqual([what, false, true])
    }
    await client.close()
    await place.remove()
  })

  test('owners that write against each other in peace', async () => {
    const place = await realPlace()
    const { acknowledged } = await work([await place.connect(), await place.connect()], { actors: 5, each: 100 })
    expect(acknowledged).toBeGreaterThanOrEqual(200)
    await place.remove()
  })

  // Only a set of our own is disturbed.
  test.skipIf(mongod === null).each([
    ['steps down', (real: RealSet) => real.stepDown()],
    ['is killed, and comes back', (real: RealSet) => real.killPrimary()],
  ] as const)(
    'the primary %s under load, three times: what was acknowledged is there, once, and every journal is whole',
    async (_, disturb) => {
      const real = set as RealSet
      const place = await realPlace()
      let next = 50
      const limits = { selectionMs: 5000 }
      const { acknowledged, troubles } = await work([await place.connect(limits), await place.connect(limits)], {
        actors: 5,
        each: 200,
        after: async (so) => {
          if (so < next || next > 150) return
          next += 50
          await disturb(real)
          real.restart()
        },
      })
      expect(acknowledged).toBeGreaterThanOrEqual(400)
      console.log(`MongoDB: ${acknowledged} acknowledged, ${troubles} calls in trouble`)
      await real.primary()
      await place.remove()
    },
    180_000,
  )
})
