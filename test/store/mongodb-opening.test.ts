/** Opening a MongoDB store: one clear line for each thing that is wrong, and never a secret in it; what is made; and what the options bound. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { mongodbStore } from '../../src/store/mongodb.ts'
import { MONGODB_LIMITS, type MongodbOptions } from '../../src/store/mongodb-options.ts'
import type { Store } from '../../src/store/store.ts'
import { MongoServer, type MongoServerOptions } from '../support/mongo-server.ts'
import { Writer } from './builder.ts'

const SECRET = 'p4ss:w/rd@é'
const servers: MongoServer[] = []
const stores: Store[] = []
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()))
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function serve(options: MongoServerOptions = {}): Promise<MongoServer> {
  const server = await MongoServer.start(options)
  servers.push(server)
  return server
}

async function open(options: MongodbOptions): Promise<Store> {
  const store = await mongodbStore(options)
  stores.push(store)
  return store
}

/** For what is not there: nobody waits for it. */
// Long enough that a refused connection is heard of on a busy machine too.
const SOON = { openMs: 1, selectionMs: 2000 }

async function line(options: MongodbOptions): Promise<string> {
  const error: unknown = await open(options).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ name: 'StoreError', outcome: 'refused' })
  const { message } = error as Error
  expect(message).not.toMatch(/\n/)
  for (const secret of [SECRET, encodeURIComponent(SECRET)]) expect(message).not.toContain(secret)
  return message
}

const withUser = (url: string, user: string, password: string): string =>
  url.replace('mongodb://', `mongodb://${user}:${encodeURIComponent(password)}@`)

describe('what is wrong is said in one line without secrets', () => {
  test.each([
    ['mongodb://', /connection string is wrong/],
    [`mongodb://alice:${SECRET}@db/troupe`, /connection string is wrong/],
    [`mongodb://alice:${encodeURIComponent(SECRET)}@db.example:27017/troupe?retryReeds=true`, /connection string is wrong.*retryreeds/i],
    [
      `mongodb://alice:${encodeURIComponent(SECRET)}@127.0.0.1:1/troupe`,
      /^mongodb:\/\/alice@127\.0\.0\.1:1\/troupe: no primary answers\. Check host and port/,
    ],
    ['mongodb://no-such-host.invalid/troupe', /no primary answers/],
  ])('%s', async (url, wanted) => {
    expect(await line({ url, limits: SOON })).toMatch(wanted)
  })

  test('a wrong password, a wrong user, none at all; right ones are let in, from the URL or from options', async () => {
    const server = await serve({ user: 'alice', password: SECRET })
    for (const [user, password] of [
      ['alice', 'guess'],
      ['bob', SECRET],
    ] as const)
      expect(await line({ url: withUser(server.url('&authSource=admin'), user, password) })).toMatch(/user or password/i)
    expect(await line({ url: server.url() })).toMatch(/Give it the role readWrite/)
    for (const options of [
      { url: withUser(server.url('&authSource=admin'), 'alice', SECRET) },
      { url: server.url('&authSource=admin'), user: 'alice', password: SECRET },
    ]) {
      const store = await open(options)
      expect(await new Writer(`user/${stores.length}`).append(store)).toBe('committed')
      expect((await store.health()).summary).not.toContain(SECRET)
    }
  })

  test('a single server, a set without a primary, a user without rights, a layout of a newer version', async () => {
    expect(await line({ url: (await serve({ standalone: true })).url() })).toMatch(/--replSet NAME and run rs\.initiate/)
    const headless = await serve()
    headless.headless()
    expect(await line({ url: headless.url(), limits: SOON })).toMatch(/a majority of its members is up/)
    const strict = await serve()
    strict.forbidden.add('create')
    expect(await line({ url: strict.url() })).toMatch(/readWrite/)
    const newer = await serve()
    newer.data.insert('troupe.meta', { _id: 'layout', v: Buffer.from([9]) }, 0, 0)
    newer.data.commit()
    expect(await line({ url: newer.url() })).toMatch(/layout 9, this version of Troupe knows 1/)
  })

  test('limits out of bounds, by name', async () => {
    for (const [name, [, min, max]] of Object.entries(MONGODB_LIMITS))
      for (const wrong of [min - 1, max + 1, min + 0.5])
        expect(await line({ url: 'mongodb://127.0.0.1:1', limits: { [name]: wrong } })).toContain(`${name} is ${wrong}`)
  })
})

test('collections and the index are made once, under the names asked for, by nodes that start together', async () => {
  const server = await serve()
  await Promise.all([
    open({ url: server.url(), prefix: 'a_' }),
    open({ url: server.url(), prefix: 'a_' }),
    open({ url: server.url(), database: 'other' }),
  ])
  const names = ['batches', 'hints', 'meta', 'nodes', 'pages', 'parts', 'snapshots', 'states']
  expect(server.data.namespaces.filter((name) => name.startsWith('troupe.')).sort()).toEqual(names.map((name) => `troupe.a_${name}`))
  expect(server.data.namespaces.filter((name) => name.startsWith('other.')).sort()).toEqual(names.map((name) => `other.${name}`))
  expect(server.data.indexes.get('troupe.a_batches')).toMatchObject([{ key: { s: 1 }, sparse: true }])
})

test('a node that starts while the primary changes waits for the next', async () => {
  const server = await serve()
  server.faults.next('create', { error: { code: 10107 }, after: () => server.stepDown() })
  server.faults.next('find', { answer: 'drop' }, 3)
  expect((await (await open({ url: server.url() })).health()).ok).toBe(true)
})

test('opened only to be looked at, nothing is made', async () => {
  const server = await serve()
  const store = await open({ url: server.url(), setUp: false })
  expect(await store.actors(null, 10)).toEqual([])
  expect(server.seen.filter(({ name }) => name !== 'find')).toEqual([])
})

test('docs/mongodb.md names every limit with its default', () => {
  const docs = readFileSync(join(import.meta.dirname, '../../docs/mongodb.md'), 'utf8')
  for (const [name, [value]] of Object.entries(MONGODB_LIMITS)) expect(docs).toMatch(new RegExp(`\\| \`${name}\` +\\| ${value} +\\|`))
})
