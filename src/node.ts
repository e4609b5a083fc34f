/**
 * The composition root: builds the parts of one node, wires their ports, starts, drains and stops them.
 *
 *   settings ─▶ store ─▶ generation, keys ─▶ rpc port ─▶ member (gossip, router, engine) ─▶ client port (gateway) ─▶ admin port ─▶ joined ─▶ serving
 *
 * 1. A start that fails closes what it had opened, and rejects with a StartError or OptionError for a person.
 * 2. `drain`: not ready any more → others get its actors (H1, H2) while clients are asked to move → the engine finishes and writes what was
 *    taken → it leaves the cluster → ports and store close.
 * 3. `stop` closes everything at once, without writing: what was acknowledged is in the store, the rest was not promised.
 * 4. `closed` resolves once, after either.
 */
import { createAdaptorServer } from '@hono/node-server'
import type { Server } from 'node:http'
import type { ActorCalls } from './actors/calls.ts'
import type { App } from './actors/define.ts'
import { createEngine, type Engine } from './actors/engine.ts'
import { createAdmin } from './admin/admin.ts'
import { LatencyHistogram } from './admin/latency.ts'
import { metered } from './admin/metered.ts'
import type { Phase } from './admin/parts.ts'
import type { Log } from './base/log.ts'
import { systemRandom } from './base/system.ts'
import type { MemberMeta, Role } from './cluster/member.ts'
import { RingCache } from './cluster/ring-cache.ts'
import { RingThreads } from './cluster/ring-builder.ts'
import { createGateway, type Gateway } from './gateway/gateway.ts'
import type { RpcServer } from './gateway/grpc/rpc-server.ts'
import { ClusterAdmin } from './node/cluster-admin.ts'
import { ClusterNode } from './node/cluster-node.ts'
import { warnOfForeignTypes } from './node/foreign-types.ts'
import { LateCalls } from './node/late-calls.ts'
import { clientServer, closeServer, listen } from './node/listeners.ts'
import { OwnFigures } from './node/own-figures.ts'
import { openRpcPort } from './node/rpc-port.ts'
import { settingsOf, type Settings } from './node/settings.ts'
import { SingleAdmin, type ShownAlone } from './node/single-admin.ts'
import { openStore } from './node/store-url.ts'
import { StartError } from './node/start-error.ts'
import { Undo } from './node/undo.ts'
import { troupeVersion } from './node/version.ts'
import type { Options } from './options.ts'
import type { Store } from './store/store.ts'

export interface NodeConfig {
  readonly app: App
  /** Folder that the app's relative paths (`files`) are taken from. */
  readonly appDir?: string
  /** Name of the node; default `node-1`. */
  readonly node?: string
  /** HOST:PORT of the client listener; port 0 = any. Default 127.0.0.1:7000. */
  readonly listen?: string
  /** HOST:PORT of the admin listener, null for none. Default 127.0.0.1:7200. */
  readonly adminListen?: string | null
  /** Asked of everybody on the admin listener; must be given when that is not on loopback. */
  readonly adminToken?: string
  /** `sqlite:DIR`, `mongodb://…`, `memory:`, or a store, which is closed with the node. Default `sqlite:.troupe`. */
  readonly store?: string | Store
  /** `dev`: dev tokens, and folds are checked. Default `start`. */
  readonly mode?: 'dev' | 'start'
  /** `?as=NAME` and `dev:NAME` tokens connect: anybody can be anybody. Default: in `dev`. */
  readonly devTokens?: boolean
  readonly options?: Partial<Options>
  /** Default: pino, JSON lines on standard error. */
  readonly log?: Log
  /** Of the client port: PEM texts, or paths of PEM files. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** The client port may be bound by other processes of this machine too (SO_REUSEPORT); the kernel deals connections out. */
  readonly sharedListen?: boolean
  /** HOST:PORT of the rpc listener, for services and other nodes; null for none, and then no cluster. Default null. */
  readonly rpcListen?: string | null
  /** Of the rpc port. With `ca`, nodes and services show certificates of that authority. */
  readonly rpcTls?: { readonly cert: string; readonly key: string; readonly ca?: string }
  /** HOST:PORT under which other nodes reach the rpc listener; default: as bound. */
  readonly advertise?: string
  /** Name of the cluster; nodes of another are refused. Default `troupe`. */
  readonly cluster?: string
  /** HOST:PORT of nodes to join, asked until one answers and again for ever. */
  readonly join?: readonly string[]
  /** What all nodes of the cluster know: one secret a line, the first is shown, all are taken. Needed beyond loopback, unless there is `rpcTls.ca`. */
  readonly secret?: string
  /** Default both. Without `actors` it owns none; without `gateway` it opens no client port. */
  readonly roles?: readonly Role[]
  /** Its share of the actors, 1–16. Default 1. */
  readonly weight?: number
  /** Shown by `troupe nodes`. */
  readonly labels?: Readonly<Record<string, string>>
}

export interface RunningNode {
  readonly id: string
  /** Of now: a node that was declared dead comes back with its next one. */
  readonly generation: number
  /** `ws://HOST:PORT` (`wss` with TLS), as bound. HTTP is served there too. */
  readonly clientUrl: string | null
  /** HOST:PORT of the rpc listener, as bound. */
  readonly rpcAddress: string | null
  /** `http://HOST:PORT`, as bound. */
  readonly adminUrl: string | null
  /** All actors of the cluster. */
  readonly calls: ActorCalls
  /** Those of this node. */
  readonly engine: Engine
  readonly member: ClusterNode | null
  /** Announces, hands over, moves sockets at a pace, closes. The same promise each time. */
  drain(): Promise<void>
  /** At once. */
  stop(): Promise<void>
  /** Resolves when the node has drained or stopped, whoever asked for it; rejects when it stopped because it could not go on. */
  readonly closed: Promise<void>
}

const DRAIN_GRACE_MS = 1000

/** Starts one node. Rejects with OptionError (a setting is wrong) or StartError (a port, the store or TLS does not work). */
export async function startNode(config: NodeConfig): Promise<RunningNode> {
  const settings = settingsOf(config)
  const undo = new Undo()
  const failed = (error: unknown): void =>
    settings.log.warn({ error: error instanceof Error ? error.message : String(error) }, 'closing failed')
  try {
    return await build(config.app, settings, undo, failed)
  } catch (error) {
    await undo.run(failed)
    throw error
  }
}

async function build(app: App, settings: Settings, undo: Undo, failed: (error: unknown) => void): Promise<RunningNode> {
  const { node: id, log, clock, options } = settings
  const store = typeof settings.store === 'string' ? await openStore(settings.store, log) : settings.store
  undo.add(() => store.close())
  const generation = await store.nextGeneration(id)
  const [ticketKey, storeIdBytes] = await Promise.all([kept(store, 'ticket-key', 32), kept(store, 'store-id', 16)])
  const storeId = Buffer.from(storeIdBytes).toString('base64url')
  const check = settings.mode === 'dev'

  /** For answers under way when a port closes: some after a drain, none otherwise. */
  let graceMs = 0
  let phase: Phase = 'starting'
  const latency = new LatencyHistogram()
  const late = new LateCalls()
  const calls = metered(late, clock, latency)

  const rpc = settings.rpcListen === null ? null : await openRpcPort(settings, settings.rpcListen, generation, calls, undo, () => graceMs)
  let member: ClusterNode | null = null
  let single: Engine | null = null
  let gateway: Gateway | null = null
  const engine = (): Engine => member?.engine ?? (single as Engine)
  const sockets = (): number => gateway?.stats().sockets ?? 0
  const figures = new OwnFigures({ clock, phase: () => phase, engine, sockets })
  undo.add(() => figures.stop())
  let clusterAdmin: ClusterAdmin | null = null
  const closed = Promise.withResolvers<void>()
  closed.promise.catch(() => undefined)
  const close = async (failure?: Error): Promise<void> => {
    phase = 'stopped'
    await undo.run(failed)
    if (failure === undefined) closed.resolve()
    else closed.reject(failure)
  }
  /** Or it has ended before: another has its name, or its membership broke. */
  const joined = async (): Promise<void> => {
    await Promise.race([member?.joined(), closed.promise])
    if (phase === 'stopped') throw new StartError('this node ended before it had joined the cluster; its log says why')
  }
  if (rpc === null) {
    single = createEngine({ app, store, clock, random: systemRandom, log, options, node: id, generation, storeId, check })
    late.serveBy(single)
    undo.add(() => single?.kill())
  } else {
    const rings = new RingCache(new RingThreads(log))
    undo.add(() => rings.close())
    member = new ClusterNode({
      app,
      store,
      transport: rpc.transport,
      rings,
      clock,
      random: systemRandom,
      log,
      options,
      check,
      cluster: settings.cluster,
      node: id,
      generation,
      storeId,
      address: rpc.address,
      meta: metaOf(settings, app),
      seeds: settings.join.filter((seed) => seed !== rpc.address && seed !== rpc.bound),
      asked: (what, json) => clusterAdmin?.asked(what, json) ?? null,
      // Going on would be two processes under one name; what was acknowledged is in the store.
      replaced: (why) => {
        log.error({}, why)
        void close()
      },
      // Nor by a view that nobody can trust. Who started it hears of the error: a supervisor then starts it anew.
      broken: (error) => {
        const { message, stack } = error instanceof Error ? error : new Error(String(error))
        log.error(
          { error: message, stack },
          'what this node knows of the cluster cannot be trusted any more: it stops; what was acknowledged is kept',
        )
        void close(new Error(`the membership of this node broke: ${message}`, { cause: error }))
      },
    })
    late.serveBy(member.calls)
    undo.add(() => member?.close())
    clusterAdmin = new ClusterAdmin({
      member,
      figures,
      drain: () => void drain(),
      kick: (kick) => gateway?.kick(kick) ?? 0,
      sockets: (actor) => gateway?.sockets(actor) ?? 0,
    })
  }

  let drains: Promise<void> | null = null
  const drain = (): Promise<void> => {
    drains ??= (async () => {
      if (phase === 'stopped') return
      phase = 'draining'
      log.info({}, 'drains')
      await drainParts({ gateway, rpc: rpc?.server ?? null, member, engine }, log, failed)
      graceMs = DRAIN_GRACE_MS
      await close()
      log.info({}, 'has drained')
    })()
    return drains
  }

  let clientUrl: string | null = null
  if (settings.roles.includes('gateway')) {
    const server = clientServer(settings.tls)
    gateway = createGateway({
      app,
      calls,
      clock,
      random: systemRandom,
      log,
      options,
      node: id,
      ticketKey,
      mode: settings.devTokens ? 'dev' : 'start',
      server,
      filesDir: settings.filesDir,
      ...(clusterAdmin !== null && { everywhere: clusterAdmin }),
    })
    undo.add(() => closeServer(server, clock, graceMs))
    undo.add(() => gateway?.close())
    const scheme = settings.tls === undefined ? 'ws' : 'wss'
    // Clients come only when it can serve them: alone at once, in a cluster when it has joined.
    if (member !== null) await joined()
    clientUrl = `${scheme}://${await listen(server, settings.listen, 'client', '--listen', settings.sharedListen)}`
  }
  let adminUrl: string | null = null
  if (settings.adminListen !== null) {
    const admin = createAdmin({
      node: {
        id,
        get generation() {
          return member?.generation ?? generation
        },
        address: clientUrl ?? rpc?.address ?? '',
        types: [...app.byType.keys()],
        version: troupeVersion(),
      },
      phase: () => phase,
      engine: { stats: () => engine().stats() },
      members:
        clusterAdmin ??
        new SingleAdmin({
          shown: () => shownAlone(metaOf(settings, app, clientUrl, adminUrl), id, generation),
          engine,
          figures,
          drain: () => void drain(),
        }),
      calls,
      gateway: () => gateway?.stats() ?? { sockets: 0, unauthenticated: 0, counters: {} },
      store,
      latency,
      options,
      clock,
      token: settings.adminToken,
    })
    undo.add(() => admin.stop())
    const adminServer = createAdaptorServer({ fetch: admin.http.fetch, overrideGlobalObjects: false }) as Server
    undo.add(() => closeServer(adminServer, clock, graceMs))
    adminUrl = `http://${await listen(adminServer, settings.adminListen, 'admin', '--admin-listen')}`
  }

  if (member === null) single?.start()
  else {
    // Says where it is reached, and takes its share.
    member.gossip.setMeta(metaOf(settings, app, clientUrl, adminUrl))
    await joined()
    member.serve()
  }
  rpc?.server.ready()
  phase = 'serving'
  const rpcAddress = rpc?.bound ?? null
  warnOfForeignTypes(store, app, log)
  log.info({ generation, client: clientUrl, rpc: rpcAddress, admin: adminUrl, mode: settings.mode }, 'serves')
  return {
    id,
    get generation() {
      return member?.generation ?? generation
    },
    clientUrl,
    rpcAddress,
    adminUrl,
    calls,
    get engine(): Engine {
      return engine()
    },
    member,
    drain,
    stop: () => close(),
    closed: closed.promise,
  }
}

function metaOf({ roles, weight, labels }: Settings, app: App, client: string | null = null, admin: string | null = null): MemberMeta {
  const types = Object.fromEntries([...app.byType].map(([type, { version }]) => [type, version]))
  return { roles, types, version: troupeVersion(), labels, weight, ...(client !== null && { client }), ...(admin !== null && { admin }) }
}

/** A node without others, as a member would be shown. */
function shownAlone(meta: MemberMeta, id: string, generation: number): ShownAlone {
  const { client = '', admin = null } = meta
  return { ...meta, id, generation, address: client, client: meta.client ?? null, admin, types: Object.keys(meta.types) }
}

interface Parts {
  readonly gateway: Gateway | null
  readonly rpc: RpcServer | null
  readonly member: ClusterNode | null
  /** That of the present generation: it may change while actors are handed over. */
  readonly engine: () => Engine
}

/** A part that fails to drain must not keep the engine from writing what it has. */
async function drainParts({ gateway, rpc, member, engine }: Parts, log: Log, failed: (error: unknown) => void): Promise<void> {
  let told = 0
  const handedOver = member?.handOver(({ left, done }) => {
    if (done - told < 1000) return
    told = done
    log.info({ left, done }, 'hands over')
  })
  // Clients and services go while actors go: what they still ask is answered, here or by the new owners.
  await Promise.all([gateway?.drain().catch(failed), rpc?.drain().catch(failed), handedOver?.catch(failed)])
  await engine().drain().catch(failed)
  await member?.leave().catch(failed)
}

/** A secret or name that the first node of a store makes and all others find (D10). */
async function kept(store: Store, key: string, bytes: number): Promise<Uint8Array> {
  const value = await store.meta(key, systemRandom.bytes(bytes))
  if (value === null || value.length !== bytes) throw new TypeError(`the store keeps no usable '${key}'`)
  return value
}
