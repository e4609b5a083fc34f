/** What a MongoDB store can be told, with defaults, units and bounds; and the driver's settings that follow from it. Secrets stay in here. */
import { MongoClient, type MongoClientOptions } from 'mongodb'
import { StoreError } from './store.ts'

export interface MongodbOptions {
  /** `mongodb://…` or `mongodb+srv://…`; its path names the database, `troupe` if it names none. May carry user, password, TLS and time limits. */
  readonly url: string
  /** Instead of the one in the URL. */
  readonly database?: string
  /** In front of the names of the collections; default none. For several stores in one database. */
  readonly prefix?: string
  /** Instead of those in the URL, so that they need not stand in a command line. */
  readonly user?: string
  readonly password?: string
  /** Instead of `tls=true`, `tlsCAFile=` and `tlsCertificateKeyFile=` in the URL. */
  readonly tls?: { readonly caFile?: string; readonly certificateKeyFile?: string }
  /** Collections and indexes are made at the start: default true. Without it nothing is written by opening. */
  readonly setUp?: boolean
  readonly limits?: Partial<MongodbLimits>
}

export interface MongodbLimits {
  /** Connections of this process at most: 1–1000. Formula: commands under way at once; a commit uses up to `parallel` of them, reads the rest. */
  readonly poolSize: number
  /** How long a command waits for a connection of the pool, ms: 10–600000. */
  readonly queueMs: number
  /** How long a command waits for a primary, ms: 10–600000. Below the engine's `sendTimeoutMs`, so that senders hear `store_unavailable`. */
  readonly selectionMs: number
  /** How long an answer may take, ms: 10–600000. After it the outcome is unknown. A slow majority counts here. */
  readonly socketMs: number
  /** How long a new connection may take, ms: 10–600000. */
  readonly connectMs: number
  /** How long a node that starts looks for a primary, ms: 1–600000. Longer than `selectionMs`: names are resolved, the first connections made. */
  readonly openMs: number
  /** How long a commit whose outcome is unknown is settled by repeating it before the engine is told 'unknown' (J4), ms: 0–600000. */
  readonly settleMs: number
  /** First wait before such a repeat, ms: 1–60000; doubles up to 1 s. */
  readonly repeatMs: number
  /** Documents of one insert command at most: 1–100000. */
  readonly bulkDocuments: number
  /** Bytes of one insert command at most, but for one document that is longer alone: 64 KiB–12 MiB. */
  readonly bulkBytes: number
  /** Insert commands of one commit under way at once: 1–64. */
  readonly parallel: number
  /** Bytes of a batch, record or snapshot in one document; what is longer is split: 64 KiB–15 MiB (a document holds 16 MiB). */
  readonly documentBytes: number
  /** Longest batch, record or snapshot, in bytes: a longer one is refused: 64 KiB–1 GiB. */
  readonly recordBytes: number
  /** Calls under way at most; the next is refused as 'busy': 1–1000000. */
  readonly pendingMax: number
  /** Actors whose newest place is remembered, 12 bytes each (mongodb-places.ts): 1–2^26. */
  readonly placesKept: number
  /** Journals that wait for being trimmed at most (J10); of more the oldest wait for their next snapshot: 1–1000000. */
  readonly trimsKept: number
}

const KIB = 1024
const MIB = 1024 * KIB

/** Default, least, most. Held equal to docs/mongodb.md by a test. */
export const MONGODB_LIMITS: Readonly<Record<keyof MongodbLimits, readonly [value: number, min: number, max: number]>> = {
  poolSize: [20, 1, 1000],
  queueMs: [2000, 10, 600_000],
  selectionMs: [2000, 10, 600_000],
  socketMs: [10_000, 10, 600_000],
  connectMs: [5000, 10, 600_000],
  openMs: [5000, 1, 600_000],
  settleMs: [4000, 0, 600_000],
  repeatMs: [20, 1, 60_000],
  bulkDocuments: [1000, 1, 100_000],
  bulkBytes: [4 * MIB, 64 * KIB, 12 * MIB],
  parallel: [4, 1, 64],
  documentBytes: [12 * MIB, 64 * KIB, 15 * MIB],
  recordBytes: [256 * MIB, 64 * KIB, 1024 * MIB],
  pendingMax: [100_000, 1, 1_000_000],
  placesKept: [1 << 20, 1, 1 << 26],
  trimsKept: [10_000, 1, 1_000_000],
}

/** Throws a StoreError that names the limit. */
export function resolveLimits(given: Partial<MongodbLimits> = {}): MongodbLimits {
  const limits: Record<string, number> = {}
  for (const [name, [value, min, max]] of Object.entries(MONGODB_LIMITS)) {
    const wanted = given[name as keyof MongodbLimits] ?? value
    if (!Number.isInteger(wanted) || wanted < min || wanted > max)
      throw new StoreError('refused', 'io', `MongoDB store: ${name} is ${wanted}; it must be a whole number from ${min} to ${max}`)
    limits[name] = wanted
  }
  return limits as unknown as MongodbLimits
}

export interface Dialled {
  readonly client: MongoClient
  readonly database: string
  /** Scheme, user, hosts and database: for messages and logs, never with a password. */
  readonly place: string
  /** Takes secrets out of a text of the driver's. */
  readonly redact: (text: string) => string
}

/** The driver's client for these options, not yet connected. Throws a StoreError of one line when the URL is wrong. */
export function dial(options: MongodbOptions, limits: MongodbLimits): Dialled {
  const { url } = options
  const redact = redacting(url, options.password)
  const given: MongoClientOptions = {
    ...(options.user !== undefined && { auth: { username: options.user, password: options.password ?? '' } }),
    ...(options.tls !== undefined && {
      tls: true,
      ...(options.tls.caFile !== undefined && { tlsCAFile: options.tls.caFile }),
      ...(options.tls.certificateKeyFile !== undefined && { tlsCertificateKeyFile: options.tls.certificateKeyFile }),
    }),
    appName: 'troupe',
    maxPoolSize: limits.poolSize,
    maxConnecting: Math.min(limits.poolSize, 4),
    waitQueueTimeoutMS: limits.queueMs,
    serverSelectionTimeoutMS: limits.selectionMs,
    socketTimeoutMS: limits.socketMs,
    connectTimeoutMS: limits.connectMs,
    // Repeats are our own (mongodb-bulk.ts): then every failure says whether anything was sent. Reading again is harmless.
    retryWrites: false,
    retryReads: true,
    readPreference: 'primary',
    ignoreUndefined: true,
    promoteBuffers: true,
  }
  try {
    const client = new MongoClient(url, given)
    const database = options.database ?? (client.options.dbName === 'test' && !namesDatabase(url) ? 'troupe' : client.options.dbName)
    const user = client.options.credentials?.username
    const hosts = client.options.srvHost ?? client.options.hosts.map(String).join(',')
    return { client, database, place: `mongodb://${user ? `${user}@` : ''}${hosts}/${database}`, redact }
  } catch (error) {
    const said = redact(error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ')
    throw new StoreError(
      'refused',
      'io',
      `MongoDB store: the connection string is wrong: ${said}. It looks like mongodb://USER:PASSWORD@HOST:27017,HOST:27017/DATABASE?replicaSet=NAME`,
    )
  }
}

function namesDatabase(url: string): boolean {
  return /^mongodb(\+srv)?:\/\/[^/]+\/[^?]+/.test(url)
}

/** The password as it stands in the URL, decoded, and as given apart. */
function redacting(url: string, password: string | undefined): (text: string) => string {
  const userInfo = /^[^:]+:\/\/([^/?]*)@/.exec(url)?.[1] ?? ''
  const inUrl = userInfo.includes(':') ? userInfo.slice(userInfo.indexOf(':') + 1) : ''
  const secrets = new Set([password ?? '', inUrl, decoded(inUrl), url].filter((secret) => secret !== ''))
  return (text) => {
    let clean = text
    for (const secret of secrets) clean = clean.replaceAll(secret, '***')
    return clean
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
