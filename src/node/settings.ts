/** A NodeConfig with defaults filled in and everything checked that can be checked before anything is opened. */
import { resolve } from 'node:path'
import { systemClock } from '../base/system.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { NodeConfig } from '../node.ts'
import { OptionError, resolveOptions, type Options } from '../options.ts'
import type { Store } from '../store/store.ts'
import { isLoopback, parseAddress, type Address } from './address.ts'
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
  return {
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
