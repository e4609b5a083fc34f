/**
 * The composition root: builds the parts of one node, wires their ports, starts, drains and stops them.
 *
 *   settings ─▶ store ─▶ generation, keys ─▶ engine ─▶ client port (gateway) ─▶ admin port ─▶ serving
 *
 * 1. A start that fails closes what it had opened, and rejects with a StartError or OptionError for a person.
 * 2. `drain`: not ready any more → clients are asked to move → the engine finishes and writes what was taken → ports and store close.
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
import { createGateway, type Gateway } from './gateway/gateway.ts'
import { clientServer, closeServer, listen } from './node/listeners.ts'
import { settingsOf, type Settings } from './node/settings.ts'
import { openStore } from './node/store-url.ts'
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
  /** `sqlite:DIR`, `memory:`, or a store, which is closed with the node. Default `sqlite:.troupe`. */
  readonly store?: string | Store
  /** `dev`: dev tokens, and folds are checked. Default `start`. */
  readonly mode?: 'dev' | 'start'
  /** `?as=NAME` and `dev:NAME` tokens connect: anybody can be anybody. Default: in `dev`. */
  readonly devTokens?: boolean
  readonly options?: Partial<Options>
  /** Default: pino, JSON lines on standard error. */
  readonly log?: Log
  /** PEM texts, or paths of PEM files. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

export interface RunningNode {
  readonly id: string
  readonly generation: number
  /** `ws://HOST:PORT` (`wss` with TLS), as bound. HTTP is served there too. */
  readonly clientUrl: string
  /** `http://HOST:PORT`, as bound. */
  readonly adminUrl: string | null
  readonly calls: ActorCalls
  readonly engine: Engine
  /** Announces, hands over, moves sockets at a pace, closes. The same promise each time. */
  drain(): Promise<void>
  /** At once. */
  stop(): Promise<void>
  /** Resolves when the node has drained or stopped, whoever asked for it. */
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
  const [ticketKey, storeId] = await Promise.all([kept(store, 'ticket-key', 32), kept(store, 'store-id', 16)])

  const engine = createEngine({
    app,
    store,
    clock,
    random: systemRandom,
    log,
    options,
    node: id,
    generation,
    storeId: Buffer.from(storeId).toString('base64url'),
    check: settings.mode === 'dev',
  })
  undo.add(() => engine.kill())

  /** For answers under way when a port closes: some after a drain, none otherwise. */
  let graceMs = 0
  const latency = new LatencyHistogram()
  const calls = metered(engine, clock, latency)
  const server = clientServer(settings.tls)
  const gateway = createGateway({
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
  })
  undo.add(() => closeServer(server, clock, graceMs))
  undo.add(() => gateway.close())

  let phase: Phase = 'starting'
  let drains: Promise<void> | null = null
  const closed = Promise.withResolvers<void>()
  const close = async (): Promise<void> => {
    phase = 'stopped'
    await undo.run(failed)
    closed.resolve()
  }
  const drain = (): Promise<void> => {
    drains ??= (async () => {
      if (phase === 'stopped') return
      phase = 'draining'
      log.info({}, 'drains')
      await drainParts(gateway, engine, failed)
      graceMs = DRAIN_GRACE_MS
      await close()
      log.info({}, 'has drained')
    })()
    return drains
  }

  const scheme = settings.tls === undefined ? 'ws' : 'wss'
  const clientUrl = `${scheme}://${await listen(server, settings.listen, 'client', '--listen')}`
  let adminUrl: string | null = null
  if (settings.adminListen !== null) {
    const admin = createAdmin({
      node: { id, generation, address: clientUrl, types: [...app.byType.keys()], version: troupeVersion() },
      phase: () => phase,
      engine,
      calls,
      gateway: () => gateway.stats(),
      store,
      latency,
      options,
      clock,
      drain: () => void drain(),
      token: settings.adminToken,
    })
    undo.add(() => admin.stop())
    const adminServer = createAdaptorServer({ fetch: admin.http.fetch, overrideGlobalObjects: false }) as Server
    undo.add(() => closeServer(adminServer, clock, graceMs))
    adminUrl = `http://${await listen(adminServer, settings.adminListen, 'admin', '--admin-listen')}`
  }

  engine.start()
  phase = 'serving'
  log.info({ generation, client: clientUrl, admin: adminUrl, mode: settings.mode }, 'serves')
  return { id, generation, clientUrl, adminUrl, calls, engine, drain, stop: close, closed: closed.promise }
}

/** A gateway that fails to drain must not keep the engine from writing what it has. */
async function drainParts(gateway: Gateway, engine: Engine, failed: (error: unknown) => void): Promise<void> {
  await gateway.drain().catch(failed)
  await engine.drain().catch(failed)
}

/** A secret or name that the first node of a store makes and all others find (D10). */
async function kept(store: Store, key: string, bytes: number): Promise<Uint8Array> {
  const value = await store.meta(key, systemRandom.bytes(bytes))
  if (value === null || value.length !== bytes) throw new TypeError(`the store keeps no usable '${key}'`)
  return value
}
