/**
 * mongodb: the workload of P1 on the embedded store and on MongoDB, in the same rounds on the same machine. On the server that MONGODB_URL names, or on a replica
 * set of three made of the `mongod` on the path: then three members share the disk and the processors with the node, so read the ratio as a lower bound.
 * Never on the protocol server of the tests: that would measure the tests.
 */
import { MongoClient } from 'mongodb'
import { findMongod, RealSet } from '../test/support/mongo-real.ts'
import { inRounds, Sheet, Unavailable, usableSystems, type Bench } from './harness/bench.ts'
import { measureEvents, type EventSizes } from './p1.ts'

const FULL: EventSizes = { sockets: 10_000, warmMs: 3000, closedMs: 5000, openMs: 8000, outstanding: [64, 256, 1024] }
const QUICK: EventSizes = { sockets: 40, warmMs: 20, closedMs: 100, openMs: 100, outstanding: [16] }
const LOOK_MS = 5000

export const mongodb: Bench = {
  name: 'mongodb',
  about: 'durable events on the embedded store and on MongoDB (MONGODB_URL, or mongod on the path)',
  run: async (options) => {
    const sheet = new Sheet('mongodb')
    const server = await serverAtHand(options.say)
    const before = process.env['MONGODB_URL']
    process.env['MONGODB_URL'] = server.url
    try {
      const systems = await usableSystems(options, ['troupe', 'troupe-mongodb'])
      await inRounds(options, systems, (system, round) =>
        measureEvents(options, system, round, options.quick ? QUICK : FULL, { picks: ['uniform', 'zipf'], user: null, to: null }, sheet),
      )
      return sheet.rows()
    } finally {
      if (before === undefined) delete process.env['MONGODB_URL']
      else process.env['MONGODB_URL'] = before
      await server.leave()
    }
  },
}

interface Server {
  readonly url: string
  /** Drops what this run made. */
  leave(): Promise<void>
}

async function serverAtHand(say: (line: string) => void): Promise<Server> {
  const given = process.env['MONGODB_URL']
  if (given !== undefined && given !== '') return look(given, say, () => Promise.resolve())
  const mongod = findMongod()
  if (mongod === null)
    throw new Unavailable(
      'there is no MongoDB: set MONGODB_URL=mongodb://HOST,HOST,HOST/?replicaSet=NAME to a replica set that may be written to, or put mongod (7 or 8) on the path',
    )
  const set = await RealSet.start(mongod)
  return look(set.url, say, () => set.stop())
}

async function look(url: string, say: (line: string) => void, stop: () => Promise<void>): Promise<Server> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: LOOK_MS })
  const admin = client.db('admin')
  const namesNow = async (): Promise<string[]> => {
    const { databases } = (await admin.command({ listDatabases: 1, nameOnly: true })) as unknown as { databases: { name: string }[] }
    return databases.map(({ name }) => name).filter((name) => name.startsWith('bench-'))
  }
  try {
    const { version, gitVersion } = await admin.command({ buildInfo: 1 })
    const hello = await admin.command({ hello: 1 })
    if (gitVersion === undefined)
      throw new Unavailable('MONGODB_URL names the protocol server of the tests: figures of it mean nothing. Name a real one')
    if (hello['setName'] === undefined && hello['msg'] !== 'isdbgrid')
      throw new Unavailable(
        'MONGODB_URL names a single server: Troupe needs a replica set. Start mongod with --replSet NAME and run rs.initiate()',
      )
    say(`MongoDB ${version}, ${hello['msg'] === 'isdbgrid' ? 'a sharded cluster' : `a set of ${(hello['hosts'] as unknown[]).length}`}`)
    const there = new Set(await namesNow())
    return {
      url,
      leave: async () => {
        for (const name of await namesNow()) if (!there.has(name)) await client.db(name).dropDatabase()
        await client.close()
        await stop()
      },
    }
  } catch (error) {
    await client.close()
    await stop()
    if (error instanceof Unavailable) throw error
    const said = (error instanceof Error ? error.message : String(error)).replaceAll(url, '***').replace(/\s+/g, ' ')
    throw new Unavailable(`MongoDB does not answer: ${said}. Check MONGODB_URL; it must be a replica set that can be reached from here`)
  }
}
