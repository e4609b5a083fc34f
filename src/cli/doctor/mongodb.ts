/** Checks of a MongoDB store: can it be reached, is it safe, is it fast enough; and the commands that shard it. Changes nothing. */
import type { Clock } from '../../base/clock.ts'
import { COLLECTIONS } from '../../store/mongodb-documents.ts'
import { dial, resolveLimits } from '../../store/mongodb-options.ts'
import { OLDEST_WIRE_VERSION } from '../../store/mongodb.ts'
import { topologyOf, type Topology } from '../../store/mongodb-setup.ts'
import { storeErrorOf } from '../../store/mongodb-trouble.ts'
import { lineOf } from '../failure.ts'
import { fail, ok, warn, type Finding } from './finding.ts'

const CLOCK_MS_MAX = 500
const ANSWER_MS_MAX = 20
const MEMBERS_MIN = 3

type Client = ReturnType<typeof dial>['client']

export async function mongodbChecks(url: string, clock: Clock): Promise<Finding[]> {
  let dialled: ReturnType<typeof dial>
  try {
    dialled = dial({ url }, resolveLimits())
  } catch (error) {
    return [fail('mongodb', lineOf(error), 'mend --store')]
  }
  const { client, database, place, redact } = dialled
  try {
    await client.connect()
    const asked = clock.mono()
    const topology = await topologyOf(client)
    const [now, ms] = [clock.now(), clock.mono() - asked]
    return [
      ok('mongodb', place),
      topologyFinding(topology),
      ...(await membersFinding(client)),
      version(topology),
      latency(ms),
      clockFinding(topology.time, now, ms),
      await writeConcern(client),
      await indexes(client, database),
      sharding(topology, database),
    ]
  } catch (error) {
    return [fail('mongodb', lineOf(storeErrorOf(error, place, redact)), 'a node would not start on it')]
  } finally {
    await client.close().catch(() => undefined)
  }
}

export function topologyFinding({ kind, setName }: Topology): Finding {
  if (kind === 'standalone')
    return fail('topology', 'a single server', 'a majority of one is no majority: start mongod with --replSet NAME and run rs.initiate()')
  return ok('topology', setName === null ? kind : `${kind} ${setName}`)
}

async function membersFinding(client: Client): Promise<Finding[]> {
  const hello = await client.db('admin').command({ hello: 1 })
  const hosts = (hello['hosts'] as string[] | undefined)?.length ?? null
  if (hosts === null) return []
  return hosts >= MEMBERS_MIN
    ? [ok('members', `${hosts} that hold data`)]
    : [warn('members', `${hosts} that hold data`, 'with fewer than three the loss of one stops all writes: add members that hold data')]
}

export function version({ wireVersion }: Topology): Finding {
  const found = `wire version ${wireVersion} (${wireVersion >= 25 ? '8.0 or newer' : wireVersion >= OLDEST_WIRE_VERSION ? '7.0 or newer' : 'before 7.0'})`
  return wireVersion >= OLDEST_WIRE_VERSION
    ? ok('version', found)
    : fail('version', found, 'Troupe is tested with MongoDB 7 and 8: update the servers')
}

function latency(ms: number): Finding {
  const found = `answers in ${ms.toFixed(1)} ms`
  return ms <= ANSWER_MS_MAX
    ? ok('distance', found)
    : warn('distance', found, 'every acknowledged event waits for at least twice this: run the nodes near the primary')
}

/** Nothing is decided by clocks; but timers fire by the nodes' and people read both in logs. */
export function clockFinding(serverTime: number, now: number, roundMs: number): Finding {
  if (serverTime === 0) return warn('clock difference', 'the server does not say its time', 'compare the clocks yourself (timedatectl)')
  const difference = Math.max(0, Math.abs(serverTime - now) - roundMs)
  const found = `${Math.round(difference)} ms between this machine and the server`
  return difference <= CLOCK_MS_MAX
    ? ok('clock difference', found)
    : warn('clock difference', found, 'turn on NTP on both (timedatectl set-ntp true)')
}

/** The store names its own concern with every write; the default is what else writes there. */
async function writeConcern(client: Client): Promise<Finding> {
  try {
    const { defaultWriteConcern } = await client.db('admin').command({ getDefaultRWConcern: 1 })
    const w: unknown = (defaultWriteConcern as { w?: unknown } | undefined)?.w
    const found = `the store writes with w: majority, j: true; the servers’ default is w: ${String(w ?? 'majority')}`
    return w === undefined || w === 'majority'
      ? ok('write concern', found)
      : warn(
          'write concern',
          found,
          "let tools be as safe: db.adminCommand({ setDefaultRWConcern: 1, defaultWriteConcern: { w: 'majority' } })",
        )
  } catch (error) {
    return ok('write concern', `the store writes with w: majority, j: true (the servers’ default cannot be read: ${lineOf(error)})`)
  }
}

async function indexes(client: Client, database: string): Promise<Finding> {
  const names = new Set((await client.db(database).listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name))
  const missing = COLLECTIONS.filter((name) => !names.has(name))
  if (missing.length === COLLECTIONS.length) return ok('collections', `none yet in ${database}; the first node makes them`)
  if (missing.length > 0) return warn('collections', `${missing.join(', ')} missing`, 'a node makes them when it starts')
  const journals = (await client.db(database).collection('batches').listIndexes().toArray()).some(
    ({ key }) => (key as { s?: unknown }).s !== undefined,
  )
  return journals
    ? ok('collections', `${names.size} in ${database}, with their index`)
    : warn('collections', 'the index of batches.s is missing', 'a node makes it when it starts; without it verify --all is slow')
}

/** By the actor, so that all of one lies on one shard, where `_id` is unique: that is the fence. */
export function shardCommands(database: string): string {
  const byActor = ['batches', 'pages', 'parts', 'hints'].map((name) => `sh.shardCollection('${database}.${name}', { a: 'hashed' })`)
  const byId = ['states', 'snapshots'].map((name) => `sh.shardCollection('${database}.${name}', { _id: 'hashed' })`)
  return [`sh.enableSharding('${database}')`, ...byActor, ...byId].join('; ')
}

function sharding({ kind }: Topology, database: string): Finding {
  return ok(
    'sharding',
    kind === 'sharded cluster' ? `if not done yet: ${shardCommands(database)}` : `when one set is not enough: ${shardCommands(database)}`,
  )
}
