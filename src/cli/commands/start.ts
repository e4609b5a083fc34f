/** `start`: one production node, in this process. */
import type { Command } from 'commander'
import type { RunningNode } from '../../node.ts'
import { appPath, loadApp } from '../app-module.ts'
import { failed, lineOf, misused } from '../failure.ts'
import { example, flag, whole } from '../flags.ts'
import { logFor } from '../pretty-log.ts'
import { checkAddress, OPTION_HELP, secretFrom, serveConfig, serving, type ServeFlags } from '../serve-flags.ts'
import { onSignals } from '../signals.ts'
import type { Terminal } from '../terminal.ts'

interface StartFlags extends ServeFlags {
  readonly insecure?: true
  readonly cluster?: string
  readonly rpcListen?: string
  readonly advertise?: string
  readonly join?: string
  readonly secretFile?: string
  readonly roles?: string
  readonly workers: number
}

export function startCommand(program: Command, terminal: Terminal): void {
  serving(program.command('start').argument('<app>', 'the app module, TypeScript or JavaScript'))
    .addOption(flag('--insecure', 'accept dev:NAME tokens and ?as=NAME: anybody can be anybody. For trials behind closed doors'))
    .addOption(flag('--cluster <name>', 'name of the cluster (clusters come in a later version; noted, without effect)'))
    .addOption(flag('--rpc-listen <host:port>', 'port for gRPC and other nodes (later; noted, without effect)'))
    .addOption(flag('--advertise <host:port>', 'address under which others reach this node (later; noted, without effect)'))
    .addOption(
      flag(
        '--join <host:port,...>',
        'nodes of the cluster to join (later; refused for now: nodes that do not see each other would each serve alone)',
      ),
    )
    .addOption(flag('--secret-file <file>', 'secret that the nodes of a cluster share (later; noted, without effect)'))
    .addOption(flag('--roles <roles>', 'gateway,actors (later; only both together for now)'))
    .addOption(flag('--workers <n>', 'processes behind the client port (later; 1 for now)').argParser(whole(1, 1024)).default(1))
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
        troupe start app.ts --tls-cert chain.pem --tls-key key.pem --listen 0.0.0.0:443
        TROUPE_ADMIN_TOKEN=… troupe start app.ts --admin-listen 0.0.0.0:7200
        troupe start app.ts --config /etc/troupe.json          {"listen": "0.0.0.0:7000", "option": {"idleMs": 30000}}`)}${OPTION_HELP}`,
    )
    .action((app: string, flags: StartFlags) => start(app, flags, terminal))
}

async function start(given: string, flags: StartFlags, terminal: Terminal): Promise<void> {
  const config = serveConfig(flags)
  const notes = laterFlags(flags)
  const log = logFor(terminal, flags.node, flags.logLevel, terminal.interactive)
  let node: RunningNode | undefined
  let drains = 0
  // From here on: what is asked while the node still starts must be heard, and loading an app can take long.
  const deaf = onSignals({
    drain: (signal) => {
      log.info({ signal }, 'drains; the same signal again stops at once')
      drains += 1
      void node?.drain()
    },
    stop: () => process.exit(1),
  })
  const { app, dir } = await loadApp(appPath(given))
  if (app.authenticate === undefined && flags.insecure !== true)
    throw failed(
      `${given} has no 'authenticate', so nobody could connect: add it to app({ … }), or try the app with 'troupe dev', or accept anybody with --insecure`,
    )
  for (const note of notes) log.warn({}, note)
  if (flags.insecure === true) log.warn({}, 'insecure: anybody who reaches the client port can be anybody')

  // Not at the top: the other commands start faster without the parts of a node.
  const { startNode } = await import('../../node.ts')
  // Nothing was opened yet that would have to be drained.
  if (drains > 0) return deaf()
  node = await startNode({ ...config, app, appDir: dir, mode: 'start', devTokens: flags.insecure === true, log })
  process.on('uncaughtException', (error) => {
    // State is in the store and in no other place: the node stops rather than go on with a broken one.
    log.error(
      { error: lineOf(error), stack: error instanceof Error ? error.stack : undefined },
      'the app threw where nobody catches: the node stops',
    )
    process.exit(1)
  })
  if (drains > 0) void node.drain()
  else announce(node, terminal)
  await node.closed
  deaf()
}

function announce({ clientUrl, adminUrl }: RunningNode, terminal: Terminal): void {
  terminal.out(`client ${clientUrl}`)
  if (adminUrl !== null) terminal.out(`admin ${adminUrl}`)
  terminal.out('ready')
}

/** Flags of the cluster: refused where ignoring them would break a promise, else noted. */
function laterFlags(flags: StartFlags): string[] {
  if (flags.join !== undefined)
    throw misused('--join: this version runs single nodes, and nodes that do not see each other would each serve alone')
  if (flags.workers !== 1) throw misused('--workers: this version runs one process a node')
  const roles = new Set((flags.roles ?? 'gateway,actors').split(',').map((role) => role.trim()))
  if (roles.size !== 2 || !roles.has('gateway') || !roles.has('actors')) throw misused('--roles: this version runs gateway,actors together')
  if (flags.rpcListen !== undefined) checkAddress('--rpc-listen', flags.rpcListen)
  if (flags.advertise !== undefined) checkAddress('--advertise', flags.advertise)
  if (flags.secretFile !== undefined) secretFrom('--secret-file', flags.secretFile)
  const named = {
    '--cluster': flags.cluster,
    '--rpc-listen': flags.rpcListen,
    '--advertise': flags.advertise,
    '--secret-file': flags.secretFile,
  }
  return Object.entries(named)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => `${name} has no effect yet: this version runs single nodes`)
}
