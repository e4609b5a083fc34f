/**
 * Three node processes on MongoDB, and what dies under load: the primary, the whole database, an owner, all nodes. On the protocol server as a process of its own,
 * whose answers can be lost on demand; on a replica set made of the `mongod` on the path, where that is; or on the server that MONGODB_URL names: of that nothing
 * is killed.
 */
import { randomUUID } from 'node:crypto'
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, type Client } from '../../src/client/index.ts'
import { cleanUp, troupe } from '../cli/troupe.ts'
import { MongoProcess } from '../support/mongo-process.ts'
import { findMongod, RealSet } from '../support/mongo-real.ts'
import { Load } from './load.ts'
import { actorOf, LIMIT_MS, NodeProcess, place, together, until } from './nodes.ts'

const given = process.env['MONGODB_URL']
const mongod = given === undefined ? findMongod() : null
const protocol = given === undefined && mongod === null
const PENDING_MAX = 64
const AWAY_MS = 10_000

/** The same server, another database. */
function inDatabase(url: string, name: string): string {
  const [, server, query = ''] = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/.exec(url) as unknown as [string, string, string?]
  return `${server}/${name}${query}`
}

const database = `troupe-test-${randomUUID().slice(0, 13)}`
const dir = place()
const clients: Client[] = []
let mongo: MongoProcess | null = null
let set: RealSet | null = null
let url = ''
let [a, b, c] = [] as unknown as [NodeProcess, NodeProcess, NodeProcess]

const server = (): MongoProcess => mongo as MongoProcess

function node(name: string, ...more: string[]): NodeProcess {
  return new NodeProcess(name, dir, ['--store', url, '--option', `pendingEvents=${PENDING_MAX}`, ...more])
}

function client(...nodes: readonly NodeProcess[]): Client {
  const made = connect(
    nodes.map(({ socket }) => socket),
    { token: `dev:client${clients.length}` },
  )
  clients.push(made)
  return made
}

beforeAll(async () => {
  if (protocol) mongo = await MongoProcess.start()
  if (mongod !== null) set = await RealSet.start(mongod)
  url = mongo?.url ?? inDatabase(set?.url ?? (given as string), database)
  a = await node('node-a').ready()
  ;[b, c] = (await Promise.all(['node-b', 'node-c'].map((name) => node(name, '--join', a.rpc).ready()))) as [NodeProcess, NodeProcess]
  await together([a, b, c])
}, 4 * LIMIT_MS)

afterAll(async () => {
  for (const made of clients) made.close()
  cleanUp()
  await mongo?.stop()
  await set?.stop()
  if (given === undefined) return
  const mine = new MongoClient(given)
  await mine.db(database).dropDatabase()
  await mine.close()
})

/** One for each node, so that each has an owner of its own; from the others. */
async function loadsOf(prefix: string): Promise<Load[]> {
  const loads = await Promise.all(
    [a, b, c].map(async ({ name }) => new Load(client(a, c), await actorOf(name, a, prefix), `${prefix}-${name}`, 120_000)),
  )
  await Promise.all(loads.map((load) => load.further(10)))
  return loads
}

/** What was acknowledged is in the journal once, in the order sent; nothing failed, and nothing else is there. */
async function kept(loads: readonly Load[], at: NodeProcess): Promise<void> {
  await Promise.all(loads.map((load) => load.stop()))
  for (const load of loads) {
    expect(load.failed).toEqual([])
    expect(
      await until(
        `the journal of ${load.actor}`,
        () => at.got(load.actor),
        () => true,
      ),
    ).toEqual(load.acked)
  }
}

const on = protocol
  ? 'the protocol server'
  : mongod === null
    ? 'the server that MONGODB_URL names'
    : `a replica set of three made of ${mongod}`
console.log(`MongoDB: the cluster of processes runs on ${on}`)

describe('a cluster on MongoDB', { timeout: 4 * LIMIT_MS }, () => {
  test.skipIf(!protocol)(
    'the primary dies under load, and the answers to what it had applied with it; then the next steps down',
    async () => {
      const loads = await loadsOf('primary')
      const { dropped } = await server().tell({ do: 'count' })
      await server().tell({ do: 'dropAnswers', times: 3 })
      await until(
        'answers are lost',
        () => server().tell({ do: 'count' }),
        (now) => now.dropped === dropped + 3,
      )
      await server().tell({ do: 'dropAnswers', times: 2 })
      await server().tell({ do: 'killPrimary', lose: true })
      await Promise.all(loads.map((load) => load.further(10)))
      await server().tell({ do: 'stepDown', lose: true })
      await Promise.all(loads.map((load) => load.further(10)))
      await server().tell({ do: 'back' })
      await kept(loads, c)
      const inDoubt = await Promise.all([a, b, c].map((each) => each.metric('troupe_store_in_doubt')))
      expect(Math.max(...inDoubt)).toBeGreaterThan(0)
    },
  )

  test.skipIf(!protocol)(
    'the database is away for ten seconds: sends are refused or wait, within bounds, and it goes on by itself',
    async () => {
      const loads = await loadsOf('away')
      const own = await Promise.all([a, b, c].map(({ name }) => actorOf(name, a, 'refused')))
      const begun = performance.now()
      await server().tell({ do: 'away' })
      // More than may wait: it comes at once, before anybody knows that the database is away.
      const flood = Array.from({ length: 4 * PENDING_MAX }, (_, i) => a.post(own[0] as string, `flood-${i}`, `flood-${i}`))
      const pending: number[] = []
      const refusals = await until(
        'refusals at every node, for as long as the database is away',
        async () => {
          pending.push(...(await Promise.all([a, b, c].map((each) => each.metric('troupe_pending_events')))))
          return Promise.all([a, b, c].map((each, i) => each.post(own[i] as string, `late-${pending.length}`, `late-${pending.length}`)))
        },
        (answers) => answers.every(({ status }) => status === 503) && performance.now() - begun > AWAY_MS,
      )
      for (const { body } of refusals) expect(body).toMatchObject({ error: { code: 'store_unavailable', retryable: true } })
      expect(Math.max(...pending)).toBeLessThanOrEqual(PENDING_MAX)
      expect((await a.ask('/livez')).status).toBe(200)
      await server().tell({ do: 'back' })
      await Promise.all(loads.map((load) => load.further(10)))
      await kept(loads, c)
      // None of the flood was lost that was acknowledged, and none doubled.
      const answers = await Promise.all(flood)
      const acknowledged = answers.flatMap(({ status }, i) => (status === 200 ? [`flood-${i}`] : []))
      for (const { status, body } of answers) if (status !== 200) expect(body).toMatchObject({ error: { retryable: true } })
      const got = await a.got(own[0] as string)
      expect(new Set(got).size).toBe(got.length)
      expect(got).toEqual(expect.arrayContaining(acknowledged))
    },
  )

  test.skipIf(mongod === null)('the primary of a real set is killed under load, and comes back; then the next steps down', async () => {
    const real = set as RealSet
    const loads = await loadsOf('primary')
    await real.killPrimary()
    await Promise.all(loads.map((load) => load.further(10)))
    real.restart()
    await real.stepDown()
    await Promise.all(loads.map((load) => load.further(10)))
    await kept(loads, c)
  })

  test('a node frozen for longer than a suspicion comes back as its next generation', async () => {
    const loads = await loadsOf('frozen')
    const before = (await a.node('node-b'))?.generation as number
    // In the middle of its commits: on MongoDB it holds nothing up.
    b.running.signal('SIGSTOP')
    await until(
      'node-b is given up',
      () => a.node('node-b'),
      (shown) => shown?.state === 'dead' && shown.presumed !== true,
    )
    await Promise.all(loads.map((load) => load.further(10)))
    b.running.signal('SIGCONT')
    await until(
      'node-b is back',
      () => a.node('node-b'),
      (shown) => shown?.state === 'alive' && shown.phase === 'serving' && shown.generation > before,
    )
    await together([a, b, c])
    await Promise.all(loads.map((load) => load.further(10)))
    await kept(loads, b)
  })

  test('an owner is killed under load', async () => {
    const loads = await loadsOf('killed')
    b.running.signal('SIGKILL')
    await Promise.all(loads.map((load) => load.further(10)))
    await kept(loads, c)
  })

  test('another is drained under load, and ends with 0', async () => {
    const loads = await Promise.all(
      [a, c].map(async ({ name }) => new Load(client(c, a), await actorOf(name, a, 'drained'), `drained-${name}`, 120_000)),
    )
    await Promise.all(loads.map((load) => load.further(10)))
    expect(await troupe(['drain', 'node-c', '--url', c.admin])).toMatchObject({ code: 0 })
    expect(await c.running.exit).toBe(0)
    await Promise.all(loads.map((load) => load.further(10)))
    await kept(loads, a)
  })

  test('the last one is killed too, and what was acknowledged is there when it is back: every chain is whole', async () => {
    const loads = ['one', 'two'].map((name) => new Load(client(a), `list/last-${name}`, name, 120_000))
    await Promise.all(loads.map((load) => load.further(10)))
    a.running.signal('SIGKILL')
    await a.running.exit
    const acked = loads.map((load) => [...load.acked])
    for (const made of clients) made.close()
    await Promise.all(loads.map((load) => load.stop()))
    const next = await node('node-a').ready()
    for (const [i, load] of loads.entries()) {
      const got = await until(
        'the journal',
        () => next.got(load.actor),
        () => true,
      )
      expect(got.slice(0, acked[i]?.length)).toEqual(acked[i])
      // One may have been under way: it is there once, or not at all.
      expect(got.length).toBeLessThanOrEqual((acked[i]?.length ?? 0) + 1)
    }
    expect(await troupe(['verify', '--all', '--store', url], { cwd: dir })).toMatchObject({ code: 0 })
    next.running.signal('SIGTERM')
    expect(await next.running.exit).toBe(0)
  })
})
