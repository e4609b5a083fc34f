/** A NodeConfig with defaults filled in and everything checked that can be checked before anything is opened. */
import { resolve } from 'node:path'
import { systemClock } from '../base/system.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { NodeConfig } from '../node.ts'
import { OptionError, resolveOptions, type Options } from '../options.ts'
import type { App } from '../actors/define.ts'
import type { Role } from '../cluster/member.ts'
import type { Store } from '../store/store.ts'
import { readSecrets } from '../transport/security.ts'
import { authority, isLoopback, parseAddress, type Address } from './address.ts'
import type { TlsFiles } from './listeners.ts'
import { pinoLog } from './pino-log.ts'

export interface Settings {
  readonly node: string
  readonly listen: Address
  readonly adminListen: Address | null
  readonly adminToken: string | null
  readonly store: string | Store
  readonly mode: 'dev' | 'start'
  readonly devTokens: boolean
  readonly options: Options
  readonly filesDir: string | null
  readonly log: Log
  readonly clock: Clock
  readonly tls: TlsFiles | undefined
  /** Of a client port that several processes share. */
  readonly sharedListen: boolean
  readonly app: App
  readonly cluster: string
  readonly rpcListen: Address | null
  readonly rpcTls: RpcTlsFiles | null
  readonly advertise: Address | null
  /** HOST:PORT each. */
  readonly join: readonly string[]
  readonly secrets: readonly Uint8Array[]
  readonly roles: readonly Role[]
  readonly weight: number
  readonly labels: Readonly<Record<string, string>>
}

export interface RpcTlsFiles extends TlsFiles {
  /** The authority of the nodes' and services' certificates. */
  readonly ca?: string
}

const KNOWN = [
  'app',
  'appDir',
  'node',
  'listen',
  'adminListen',
  'adminToken',
  'store',
  'mode',
  'devTokens',
  'options',
  'log',
  'tls',
  'sharedListen',
  'cluster',
  'rpcListen',
  'rpcTls',
  'advertise',
  'join',
  'secret',
  'roles',
  'weight',
  'labels',
] as const

/** Throws OptionError, naming what is wrong. */
export function settingsOf(config: NodeConfig): Settings {
  for (const name of Object.keys(config))
    if (!(KNOWN as readonly string[]).includes(name))
      throw new OptionError(`startNode: there is no setting '${name}'; known are ${KNOWN.join(', ')}`)
  if (config.app?.troupe !== 'app') throw new OptionError('startNode: app must be what app({ actors: … }) returned')
  const node = config.node ?? 'node-1'
  if (!/^[a-z0-9][a-z0-9_.-]{0,62}$/i.test(node)) throw new OptionError(`node '${node}': a name is up to 63 letters, digits, _ . or -`)
  const mode = config.mode ?? 'start'
  const adminListen = config.adminListen === null ? null : address('adminListen', config.adminListen ?? '127.0.0.1:7200')
  const adminToken = config.adminToken ?? null
  if (adminToken !== null && !/^[\x21-\x7e]{8,}$/.test(adminToken))
    throw new OptionError('adminToken must be 8 or more printable ASCII characters without spaces')
  if (adminListen !== null && !isLoopback(adminListen.host) && adminToken === null)
    throw new OptionError(
      `the admin port on ${adminListen.host === '' ? 'every address' : adminListen.host} is open to others and needs a token: TROUPE_ADMIN_TOKEN, --admin-token-file, or adminToken`,
    )
  const { files } = config.app
  const join = (config.join ?? []).map((seed) => {
    const { host, port } = address('join', seed)
    if (port === 0 || host === '') throw new OptionError(`join: '${seed}' must name a host and a port`)
    return authority(host, port)
  })
  if (join.length > 0 && (config.rpcListen ?? null) === null)
    throw new OptionError('join needs rpcListen: other nodes must reach this one too')
  const roles = config.roles ?? ['gateway', 'actors']
  if (roles.length === 0 || roles.some((role) => role !== 'gateway' && role !== 'actors'))
    throw new OptionError("roles: some of 'gateway' and 'actors'")
  const weight = config.weight ?? 1
  if (!Number.isInteger(weight) || weight < 1 || weight > 16) throw new OptionError('weight: a whole number from 1 to 16')
  const cluster = config.cluster ?? 'troupe'
  if (!/^[a-z0-9][a-z0-9_.-]{0,62}$/i.test(cluster))
    throw new OptionError(`cluster '${cluster}': a name is up to 63 letters, digits, _ . or -`)
  return {
    app: config.app,
    cluster,
    rpcListen: config.rpcListen === undefined || config.rpcListen === null ? null : address('rpcListen', config.rpcListen),
    rpcTls: config.rpcTls ?? null,
    advertise: config.advertise === undefined ? null : address('advertise', config.advertise),
    join,
    secrets: config.secret === undefined ? [] : readSecrets(config.secret, 'secret'),
    roles,
    weight,
    labels: config.labels ?? {},
    sharedListen: config.sharedListen ?? false,
    node,
    listen: address('listen', config.listen ?? '127.0.0.1:7000'),
    adminListen,
    adminToken,
    store: config.store ?? 'sqlite:.troupe',
    mode,
    devTokens: config.devTokens ?? mode === 'dev',
    options: resolveOptions(config.options),
    filesDir: files === undefined ? null : resolve(config.appDir ?? '.', files),
    log: config.log ?? pinoLog(node),
    clock: systemClock,
    tls: config.tls,
  }
}

function address(name: string, text: string): Address {
  const parsed = parseAddress(text)
  if ('wrong' in parsed) throw new OptionError(`${name}: ${parsed.wrong}`)
  return parsed
}
