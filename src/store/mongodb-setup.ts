/** Opening: connect, look at what is there, make collections and index. Each refusal is one line that names the place and says what to do. */
import { MongoError, MongoNetworkError, MongoServerError, MongoServerSelectionError, type MongoClient } from 'mongodb'
import type { Clock } from '../base/clock.ts'
import { COLLECTIONS, type DriverCollections } from './mongodb-documents.ts'
import { isPassing, storeErrorOf } from './mongodb-trouble.ts'
import { StoreError } from './store.ts'

const NAMESPACE_EXISTS = 48
/** In `meta`: the layout of the documents. */
const LAYOUT_KEY = 'layout'
const LAYOUT = 1
const AGAIN_MS = 50

export interface Topology {
  readonly kind: 'replica set' | 'sharded cluster' | 'standalone'
  readonly setName: string | null
  /** Of the server's wire protocol: 21 is MongoDB 7.0, 25 is 8.0. */
  readonly wireVersion: number
  /** The server's clock, ms since 1970. */
  readonly time: number
}

export async function topologyOf(client: MongoClient): Promise<Topology> {
  const hello = await client.db('admin').command({ hello: 1 })
  const setName = typeof hello['setName'] === 'string' ? hello['setName'] : null
  const kind = hello['msg'] === 'isdbgrid' ? 'sharded cluster' : setName === null ? 'standalone' : 'replica set'
  const time = hello['localTime'] instanceof Date ? hello['localTime'].getTime() : 0
  return { kind, setName, wireVersion: Number(hello['maxWireVersion'] ?? 0), time }
}

export interface Setup {
  readonly client: MongoClient
  readonly at: DriverCollections
  readonly prefix: string
  readonly place: string
  readonly redact: (text: string) => string
  readonly clock: Clock
  readonly openMs: number
  /** Whether anything may be written. */
  readonly make: boolean
}

/**
 * Rejects with StoreError. The first look at a set may take longer than one later (names are resolved, connections made), or meet an election: all
 * of it may be done again, for `openMs`.
 */
export async function setUp(setup: Setup): Promise<Topology> {
  const { clock, openMs, place, redact } = setup
  const until = clock.mono() + openMs
  for (;;)
    try {
      return await trySetUp(setup)
    } catch (error) {
      if (!passes(error) || clock.mono() >= until) throw storeErrorOf(error, place, redact)
      await new Promise<void>((resolve) => void clock.after(AGAIN_MS, resolve))
    }
}

function passes(error: unknown): boolean {
  if (error instanceof MongoServerSelectionError) return true
  // A pool that is smaller than what is made at once, and its first connections are not there yet.
  if (error instanceof MongoError && error.name === 'MongoWaitQueueTimeoutError') return true
  if (error instanceof MongoNetworkError) return !error.hasErrorLabel('HandshakeError')
  return error instanceof MongoServerError && isPassing(Number(error.code))
}

async function trySetUp(setup: Setup): Promise<Topology> {
  const { client, place } = setup
  await client.connect()
  const topology = await topologyOf(client)
  if (topology.kind === 'standalone')
    throw new StoreError(
      'refused',
      'foreign',
      `${place}: this is a single server, where a majority means nothing. Start mongod with --replSet NAME and run rs.initiate()`,
    )
  await checkLayout(setup)
  if (setup.make) await makeCollections(setup)
  return topology
}

/** A database that a newer version laid out is left alone. */
async function checkLayout({ at, place, make }: Setup): Promise<void> {
  const found = await at.meta.findOne({ _id: LAYOUT_KEY })
  const layout = found?.v[0] ?? null
  if (layout !== null && layout !== LAYOUT)
    throw new StoreError(
      'refused',
      'foreign',
      `${place}: its documents have layout ${layout}, this version of Troupe knows ${LAYOUT}. Update Troupe, or choose another database`,
    )
  if (layout === null && make)
    await at.meta.insertOne({ _id: LAYOUT_KEY, v: Buffer.from([LAYOUT]) }).catch((error: unknown) => {
      // Another node was first.
      if (!(error instanceof MongoServerError && error.code === 11000)) throw error
    })
}

/** All `_id`s are the keys that are asked for; the one further index lists journals by their first place, and costs nothing for the others. */
async function makeCollections({ at, prefix }: Setup): Promise<void> {
  await Promise.all(
    COLLECTIONS.map((name) =>
      at.db.command({ create: `${prefix}${name}` }).catch((error: unknown) => {
        if (!(error instanceof MongoServerError && error.code === NAMESPACE_EXISTS)) throw error
      }),
    ),
  )
  await at.batches.createIndex({ s: 1 }, { name: 'journals', sparse: true })
}
