/** The flags of a node that `dev` and `start` share, and what they come to. */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { NodeConfig } from '../node.ts'
import { parseAddress } from '../node/address.ts'
import type { LogLevel } from '../node/pino-log.ts'
import { isStoreUrl, shownStore, STORE_FORMS } from '../node/store-url.ts'
import type { Options } from '../options.ts'
import { lineOf, misused } from './failure.ts'
import { common, flag, optionNames, optionPair } from './flags.ts'
import { prose } from './help.ts'

export interface ServeFlags {
  readonly node: string
  readonly listen: string
  readonly adminListen: string
  readonly adminToken?: string
  readonly adminTokenFile?: string
  readonly store: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly option?: Partial<Options>
  readonly logLevel: LogLevel
}

export function serving(command: Command): Command {
  return common(command)
    .addOption(flag('--node <name>', 'name of the node').default('node-1'))
    .addOption(flag('--listen <host:port>', 'client port: WebSocket and HTTP; port 0 = any').default('127.0.0.1:7000'))
    .addOption(
      flag('--admin-listen <host:port>', 'admin port: health, metrics, actors; none = without; beyond loopback only with a token').default(
        '127.0.0.1:7200',
      ),
    )
    .addOption(
      flag('--admin-token <token>', 'asked of everybody on the admin port (better as TROUPE_ADMIN_TOKEN or from a file: flags show in ps)'),
    )
    .addOption(flag('--admin-token-file <file>', 'the same, read from a file'))
    .addOption(
      flag(
        '--store <where>',
        'sqlite:DIR (several processes of one machine may share it), mongodb://… (several machines; with a password better as TROUPE_STORE: flags show in ps) or memory:',
      ).default('sqlite:.troupe'),
    )
    .addOption(flag('--tls-cert <file>', 'PEM certificate chain: the client port then speaks https and wss'))
    .addOption(flag('--tls-key <file>', 'PEM private key of that certificate'))
    .addOption(
      flag('--option <name=number>', 'a limit or default by name, repeatable; docs/options.md explains them').argParser(optionPair),
    )
    .addOption(flag('--log-level <level>', 'what is logged to standard error').choices(['info', 'warn', 'error', 'silent']).default('info'))
}

export const OPTION_HELP: string = `\n${prose(`Names for --option: ${optionNames()}.`)}`

/** The part of a NodeConfig that flags decide; plain data, so that `dev` can hand it to its child. */
export type ServeConfig = Pick<NodeConfig, 'node' | 'listen' | 'rpcListen' | 'adminListen' | 'adminToken' | 'store' | 'tls' | 'options'>

export function serveConfig(flags: ServeFlags): ServeConfig {
  checkAddress('--listen', flags.listen)
  if (flags.adminListen !== 'none') checkAddress('--admin-listen', flags.adminListen)
  if (!/^[a-z0-9][a-z0-9_.-]{0,62}$/i.test(flags.node)) throw misused('--node: a name is up to 63 letters, digits, _ . or -')
  if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined)) throw misused('--tls-cert and --tls-key go together')
  if (!isStoreUrl(flags.store)) throw misused(`--store: '${shownStore(flags.store)}' is not ${STORE_FORMS}`)
  const adminToken = flags.adminTokenFile === undefined ? flags.adminToken : secretFrom('--admin-token-file', flags.adminTokenFile)
  const { node, listen, store, tlsCert, tlsKey, option } = flags
  return {
    node,
    listen,
    adminListen: flags.adminListen === 'none' ? null : flags.adminListen,
    store,
    ...(adminToken === undefined ? {} : { adminToken }),
    ...(tlsCert === undefined || tlsKey === undefined ? {} : { tls: { cert: tlsCert, key: tlsKey } }),
    ...(option === undefined ? {} : { options: option }),
  }
}

export function checkAddress(name: string, text: string): void {
  const address = parseAddress(text)
  if ('wrong' in address) throw misused(`${name}: ${address.wrong}`)
}

export function secretFrom(name: string, file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw misused(`${name}: cannot read ${file}: ${lineOf(error)}`)
  }
  if (text === '') throw misused(`${name}: ${file} is empty`)
  return text
}
