/** `start`: one production node, in this process. */
import type { Command } from 'commander'
import type { Role } from '../../cluster/member.ts'
import type { NodeConfig, RunningNode } from '../../node.ts'
import { StartError } from '../../node/start-error.ts'
import { appPath, loadApp } from '../app-module.ts'
import { failed, lineOf, misused } from '../failure.ts'
import { tellStanding } from '../cluster/standing.ts'
import { startWorkers } from '../cluster/workers.ts'
import { flag, labelPair, whole } from '../flags.ts'
import { example, prose } from '../help.ts'
import { logFor } from '../pretty-log.ts'
import { checkAddress, OPTION_HELP, secretFrom, serveConfig, serving, type ServeFlags } from '../serve-flags.ts'
import { onRestart, onSignals } from '../signals.ts'
import { goOnUnheard, type Terminal } from '../terminal.ts'

interface StartFlags extends ServeFlags {
  readonly insecure?: true
  readonly cluster: string
  readonly rpcListen: string
  readonly advertise?: string
  readonly join?: string
  readonly secretFile?: string
  readonly rpcTlsCert?: string
  readonly rpcTlsKey?: string
  readonly rpcTlsCa?: string
  readonly roles: string
  readonly weight: number
  readonly label?: Readonly<Record<string, string>>
  readonly workers: number
  readonly sharedListen?: true
  readonly portsBy?: string
}

export function startCommand(program: Command, terminal: Terminal, args: readonly string[]): void {
  serving(program.command('start').argument('<app>', 'the app module, TypeScript or JavaScript'))
    .addOption(flag('--insecure', 'accept dev:NAME tokens and ?as=NAME: anybody can be anybody. For trials behind closed doors'))
    .addOption(flag('--cluster <name>', 'name of the cluster; nodes of another are refused').default('troupe'))
    .addOption(
      flag(
        '--rpc-listen <host:port>',
        'port for services (gRPC) and other nodes; none = without; beyond loopback with --secret-file or --rpc-tls-*',
      ).default('127.0.0.1:7100'),
    )
    .addOption(flag('--advertise <host:port>', 'where other nodes reach the rpc port, if not as it is bound'))
    .addOption(
      flag('--join <host:port,...>', 'rpc addresses of nodes to join; with nobody there it serves alone after 3 s and keeps asking'),
    )
    .addOption(flag('--secret-file <file>', 'secret that all nodes of the cluster share; a line each, the first is shown, all are taken'))
    .addOption(flag('--rpc-tls-cert <file>', 'PEM certificate chain of the rpc port'))
    .addOption(flag('--rpc-tls-key <file>', 'PEM private key of that certificate'))
    .addOption(flag('--rpc-tls-ca <file>', 'PEM authority of the certificates that nodes and services show'))
    .addOption(flag('--roles <roles>', 'gateway, actors, or both: who holds sockets, who owns actors').default('gateway,actors'))
    .addOption(flag('--weight <n>', 'share of the actors, 1 to 16').argParser(whole(1, 16)).default(1))
    .addOption(flag('--label <name=value>', "shown by 'troupe nodes', repeatable").argParser(labelPair))
    .addOption(
      flag('--workers <n>', 'node processes behind the client port, NAME-1, NAME-2 …; rpc and admin ports 10 above each other')
        .argParser(whole(1, 64))
        .default(1),
    )
    .addOption(flag('--shared-listen', 'the client port is shared with other processes').hideHelp())
    .addOption(flag('--ports-by <option>', 'the flag of another command that chose the ports, for messages').hideHelp())
    .summary('run an app in production')
    .description(
      `Runs one production node. The app must say who may connect (authenticate). Logs JSON lines on standard error, readable ones on a terminal.
Prints a line for each port, then 'ready'. SIGTERM and SIGINT drain: no new work, what was accepted is finished and written, clients are
moved, exit 0. A second signal stops at once; what was acknowledged is kept even then.`,
    )
    .addHelpText(
      'after',
      `${example(`
        troupe start app.ts --listen 0.0.0.0:7000 --store sqlite:/var/lib/troupe
        troupe start app.ts --listen 0.0.0.0:443 --tls-cert chain.pem \\
        --tls-key key.pem
        TROUPE_ADMIN_TOKEN=… troupe start app.ts --admin-listen 0.0.0.0:7200
        troupe start app.ts --node b --rpc-listen 10.0.0.8:7100 \\
        --join 10.0.0.7:7100 --secret-file /etc/troupe/secret
        troupe start app.ts --workers 4
        troupe start app.ts --config /etc/troupe.json`)}\n${prose(`A config file: {"listen": "0.0.0.0:7000", "option": {"idleMs": 30000}}`)}\n${OPTION_HELP}`,
    )
    .action((app: string, flags: StartFlags) => start(app, flags, args, terminal))
}

async function start(given: string, flags: StartFlags, args: readonly string[], terminal: Terminal): Promise<void> {
  goOnUnheard()
  if (flags.workers > 1) return startWorkers(flags, args, terminal)
  const config = { ...serveConfig(flags), ...clusterConfig(flags) }
  const log = logFor(terminal, flags.node, flags.logLevel, terminal.interactive)
  let node: RunningNode | undefined
  let drains = 0
  // A supervisor (`cluster`, `--workers`) speaks through a channel (standing.ts); when it is gone, this node goes too.
  if (process.send !== undefined) process.once('disconnect', () => process.emit('SIGTERM'))
  // From here on: what is asked while the node still starts must be heard, and loading an app can take long.
  const signals = onSignals({
    drain: (signal) => {
      log.info({ signal }, 'drains; the same signal again stops at once')
      drains += 1
      void node?.drain()
    },
    stop: () => process.exit(1),
  })
  // Taken all the same: Node's own answer to it is to end at once, undrained.
  const restarts = onRestart(() =>
    log.warn(
      { signal: 'SIGUSR2' },
      'there is nothing to roll: this is one node, and it goes on; to restart it, drain it (SIGTERM) and start it',
    ),
  )
  const deaf = (): void => {
    signals()
    restarts()
  }
  const { app, dir } = await loadApp(appPath(given))
  if (app.authenticate === undefined && flags.insecure !== true)
    throw failed(
      `${given} has no 'authenticate', so nobody could connect: add it to app({ … }), or try the app with 'troupe dev', or accept anybody with --insecure`,
    )
  if (flags.insecure === true) log.warn({}, 'insecure: anybody who reaches the client port can be anybody')

  // Not at the top: the other commands start faster without the parts of a node.
  const { startNode } = await import('../../node.ts')
  // Nothing was opened yet that would have to be drained.
  if (drains > 0) return deaf()
  try {
    node = await startNode({ ...config, app, appDir: dir, mode: 'start', devTokens: flags.insecure === true, log })
  } catch (error) {
    throw withFlag(error, flags.portsBy)
  }
  process.on('uncaughtException', (error) => {
    // State is in the store and in no other place: the node stops rather than go on with a broken one.
    log.error(
      { error: lineOf(error), stack: error instanceof Error ? error.stack : undefined },
      'the app threw where nobody catches: the node stops',
    )
    process.exit(1)
  })
  tellStanding(node)
  if (drains > 0) void node.drain()
  else announce(node, terminal)
  await node.closed
  deaf()
}

/** A port that is not to be had, with the flag that its user can change. */
function withFlag(error: unknown, portsBy: string | undefined): unknown {
  if (!(error instanceof StartError) || error.unbound === null || portsBy === undefined) return error
  const { option } = error.unbound
  return new StartError(error.message.replace(new RegExp(`${option}( \\(port 0 = any\\))?`), portsBy), error)
}

function announce({ clientUrl, rpcAddress, adminUrl }: RunningNode, terminal: Terminal): void {
  if (clientUrl !== null) terminal.out(`client ${clientUrl}`)
  if (rpcAddress !== null) terminal.out(`rpc ${rpcAddress}`)
  if (adminUrl !== null) terminal.out(`admin ${adminUrl}`)
  terminal.out('ready')
}

type ClusterConfig = Pick<
  NodeConfig,
  'cluster' | 'rpcListen' | 'rpcTls' | 'advertise' | 'join' | 'secret' | 'roles' | 'weight' | 'labels' | 'sharedListen'
>

function clusterConfig(flags: StartFlags): ClusterConfig {
  const { rpcListen, advertise, rpcTlsCert, rpcTlsKey, rpcTlsCa } = flags
  if (rpcListen !== 'none') checkAddress('--rpc-listen', rpcListen)
  if (advertise !== undefined) checkAddress('--advertise', advertise)
  const join = (flags.join ?? '')
    .split(',')
    .map((seed) => seed.trim())
    .filter((seed) => seed !== '')
  for (const seed of join) checkAddress('--join', seed)
  if (join.length > 0 && rpcListen === 'none') throw misused('--join needs --rpc-listen: other nodes must reach this one too')
  if ((rpcTlsCert === undefined) !== (rpcTlsKey === undefined)) throw misused('--rpc-tls-cert and --rpc-tls-key go together')
  if (rpcTlsCa !== undefined && rpcTlsCert === undefined) throw misused('--rpc-tls-ca needs --rpc-tls-cert and --rpc-tls-key')
  return {
    cluster: flags.cluster,
    rpcListen: rpcListen === 'none' ? null : rpcListen,
    ...(rpcTlsCert !== undefined &&
      rpcTlsKey !== undefined && { rpcTls: { cert: rpcTlsCert, key: rpcTlsKey, ...(rpcTlsCa !== undefined && { ca: rpcTlsCa }) } }),
    ...(advertise !== undefined && { advertise }),
    join,
    ...(flags.secretFile !== undefined && { secret: secretFrom('--secret-file', flags.secretFile) }),
    roles: rolesOf(flags.roles),
    weight: flags.weight,
    labels: flags.label ?? {},
    sharedListen: flags.sharedListen === true,
  }
}

function rolesOf(text: string): Role[] {
  const roles = [...new Set(text.split(',').map((role) => role.trim()))]
  for (const role of roles) if (role !== 'gateway' && role !== 'actors') throw misused(`--roles: '${role}' is neither gateway nor actors`)
  return roles as Role[]
}
