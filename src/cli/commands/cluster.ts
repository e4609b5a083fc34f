/** `cluster`: several nodes of one app on this machine, each a process, on one embedded store. */
import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'
import type { Command } from 'commander'
import { systemClock, systemRandom } from '../../base/system.ts'
import type { LogLevel } from '../../node/pino-log.ts'
import type { Options } from '../../options.ts'
import { appPath } from '../app-module.ts'
import { readable } from '../cluster/log-line.ts'
import { portsFree } from '../cluster/ports.ts'
import { Supervisor, type NodeSpec } from '../cluster/supervisor.ts'
import { misused } from '../failure.ts'
import { common, duration, flag, optionPair, whole } from '../flags.ts'
import { example } from '../help.ts'
import { OPTION_HELP } from '../serve-flags.ts'
import { onRestart, onSignals } from '../signals.ts'
import { goOnUnheard, type Terminal } from '../terminal.ts'

interface ClusterFlags {
  readonly nodes: number
  readonly port: number
  readonly store: string
  readonly cluster: string
  readonly option?: Partial<Options>
  readonly rejoin?: number
  readonly logLevel: LogLevel
}

const MAIN = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url))
const NODES_MAX = 9
const PORTS_BY = "--port, from which the ports of all nodes are counted ('troupe cluster --help')"
/** Instead of the default, which spares the nodes that are left a rush of clients: at a desk there are few, and somebody waits for Ctrl-C. */
const WATCHED_SPREAD_MS = 500
const COLOURS = ['cyan', 'magenta', 'yellow', 'green', 'blue', 'red', 'cyanBright', 'magentaBright', 'yellowBright'] as const

export function clusterCommand(program: Command, terminal: Terminal): void {
  common(program.command('cluster').argument('<app>', 'the app module, TypeScript or JavaScript'))
    .addOption(flag('--nodes <n>', 'node processes').argParser(whole(1, NODES_MAX)).default(3))
    .addOption(
      flag('--port <port>', 'client port of the first node; rpc is 100 above, admin 200 above, each further node 10 above')
        .argParser(whole(1, 65_000))
        .default(7000),
    )
    .addOption(
      flag('--store <where>', 'the store that the nodes share: sqlite:DIR, or mongodb://… (with a password as TROUPE_STORE)').default(
        'sqlite:.troupe',
      ),
    )
    .addOption(flag('--cluster <name>', 'name of the cluster').default('local'))
    .addOption(
      flag('--rejoin <time>', 'start a drained node again after this time, as in 10s; without it, it stays out').argParser(duration),
    )
    .addOption(flag('--option <name=number>', 'a limit or default by name, repeatable').argParser(optionPair))
    .addOption(flag('--log-level <level>', 'what the nodes log').choices(['info', 'warn', 'error', 'silent']).default('warn'))
    .summary('run an app on several nodes of this machine')
    .description(
      `Runs an app on several nodes of this machine, node-1, node-2 …: processes that form one cluster on loopback and share one embedded store.
Everybody may connect under any name, as with 'troupe dev'. A node that dies is started again under its name; one that was drained
stays out, unless --rejoin says otherwise. SIGUSR2 to this process is a rolling restart: one node after the other is drained and started
again, also those that were out, with the app as it is then. Ctrl-C drains all, a second one stops at once. On a terminal clients are
moved within 0.5 s (drainSpreadMs=500): at a desk somebody waits, and there are no thousands that must not come all at once.`,
    )
    .addHelpText(
      'after',
      `${example(`
        troupe cluster app.ts
        troupe cluster app.ts --nodes 5 --port 8000
        troupe nodes             who is in (in another terminal)
        troupe drain node-2      let one hand over and leave
        kill -9 PID              or see one die; its PID is in its first line
        kill -USR2 PID           restart all, one by one; PID of the very first line`)}${OPTION_HELP}`,
    )
    .action((app: string, flags: ClusterFlags) => cluster(app, flags, terminal))
}

async function cluster(app: string, flags: ClusterFlags, terminal: Terminal): Promise<void> {
  goOnUnheard()
  if (flags.store === 'memory:')
    throw misused('--store: the nodes of a cluster share their store; memory: cannot be shared, use sqlite:DIR')
  const path = appPath(app)
  const option = { ...(terminal.interactive && { drainSpreadMs: WATCHED_SPREAD_MS }), ...flags.option }
  const specs = clusterSpecs(path, { ...flags, option })
  await portsFree(specs, PORTS_BY)
  const width = Math.max(...specs.map(({ name }) => name.length))
  const names = new Map(specs.map(({ name }, i) => [name, colour(name.padEnd(width), i)]))
  const supervisor = new Supervisor(specs, {
    main: MAIN,
    clock: systemClock,
    random: systemRandom,
    said: (node, line, of) => {
      if (of === 'out') terminal.out(`${names.get(node)} ${line}`)
      else terminal.err(`${names.get(node)} ${terminal.interactive ? readable(line) : line}`)
    },
    ready: () => terminal.out('ready'),
    ...(flags.rejoin !== undefined && { rejoinMs: flags.rejoin }),
  })
  const deaf = [
    onSignals({
      drain: () => {
        terminal.err('all nodes drain; the same again stops at once')
        supervisor.drain()
      },
      stop: () => {
        terminal.err('stops at once; what was acknowledged is kept')
        supervisor.stop()
      },
    }),
    onRestart(() => supervisor.restart()),
  ]
  terminal.out(`pid ${process.pid}`)
  supervisor.start()
  try {
    await supervisor.done
  } finally {
    for (const end of deaf) end()
  }
}

/** The command line of each node. */
export function clusterSpecs(app: string, flags: Omit<ClusterFlags, 'logLevel'> & { readonly logLevel: string }): NodeSpec[] {
  const at = (base: number, i: number): string => `127.0.0.1:${flags.port + base + 10 * i}`
  const indexes = Array.from({ length: flags.nodes }, (_, i) => i)
  const join = indexes.map((i) => at(100, i)).join(',')
  const options = Object.entries(flags.option ?? {}).flatMap(([name, value]) => ['--option', `${name}=${value}`])
  return indexes.map((i) => {
    const name = `node-${i + 1}`
    const addresses = ['--listen', at(0, i), '--rpc-listen', at(100, i), '--admin-listen', at(200, i), '--join', join]
    const rest = ['--cluster', flags.cluster, '--log-level', flags.logLevel, '--insecure', '--ports-by', PORTS_BY]
    // The store by the environment: its URL may hold a password.
    return { name, args: ['start', app, '--node', name, ...addresses, ...rest, ...options], env: { TROUPE_STORE: flags.store } }
  })
}

function colour(text: string, index: number): string {
  return styleText(COLOURS[index % COLOURS.length] as (typeof COLOURS)[number], text, { stream: process.stdout })
}
