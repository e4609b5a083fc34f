/** `cluster`: several nodes of one app on this machine, each a process, on one embedded store. */
import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'
import type { Command } from 'commander'
import { systemClock, systemRandom } from '../../base/system.ts'
import type { LogLevel } from '../../node/pino-log.ts'
import type { Options } from '../../options.ts'
import { appPath } from '../app-module.ts'
import { Supervisor, type NodeSpec } from '../cluster/supervisor.ts'
import { misused } from '../failure.ts'
import { common, example, flag, optionPair, whole } from '../flags.ts'
import { OPTION_HELP } from '../serve-flags.ts'
import { onSignals } from '../signals.ts'
import type { Terminal } from '../terminal.ts'

interface ClusterFlags {
  readonly nodes: number
  readonly port: number
  readonly store: string
  readonly cluster: string
  readonly option?: Partial<Options>
  readonly logLevel: LogLevel
}

const MAIN = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url))
const NODES_MAX = 9
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
    .addOption(flag('--option <name=number>', 'a limit or default by name, repeatable').argParser(optionPair))
    .addOption(flag('--log-level <level>', 'what the nodes log').choices(['info', 'warn', 'error', 'silent']).default('warn'))
    .summary('run an app on several nodes of this machine')
    .description(
      `Runs an app on several nodes of this machine, node-1, node-2 …: processes that form one cluster on loopback and share one embedded store.
Everybody may connect under any name, as with 'troupe dev'. A node that dies is started again under its name; one that was drained
stays out. Ctrl-C drains all, a second one stops at once.`,
    )
    .addHelpText(
      'after',
      `${example(`
        troupe cluster app.ts
        troupe cluster app.ts --nodes 5 --port 8000
        troupe nodes                                who is in (in another terminal)
        troupe drain node-2                         let one hand over and leave
        kill -9 PID                                 or see one die; its PID is in its first line`)}${OPTION_HELP}`,
    )
    .action((app: string, flags: ClusterFlags) => cluster(app, flags, terminal))
}

async function cluster(app: string, flags: ClusterFlags, terminal: Terminal): Promise<void> {
  if (flags.store === 'memory:')
    throw misused('--store: the nodes of a cluster share their store; memory: cannot be shared, use sqlite:DIR')
  const path = appPath(app)
  const specs = clusterSpecs(path, flags)
  const width = Math.max(...specs.map(({ name }) => name.length))
  const names = new Map(specs.map(({ name }, i) => [name, colour(name.padEnd(width), i)]))
  const supervisor = new Supervisor(specs, {
    main: MAIN,
    clock: systemClock,
    random: systemRandom,
    said: (node, line, of) => {
      const text = `${names.get(node)} ${line}`
      if (of === 'out') terminal.out(text)
      else terminal.err(text)
    },
    ready: () => terminal.out('ready'),
  })
  const deaf = onSignals({
    drain: () => {
      terminal.err('all nodes drain; the same again stops at once')
      supervisor.drain()
    },
    stop: () => supervisor.stop(),
  })
  supervisor.start()
  try {
    await supervisor.done
  } finally {
    deaf()
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
    const rest = ['--cluster', flags.cluster, '--log-level', flags.logLevel, '--insecure']
    // The store by the environment: its URL may hold a password.
    return { name, args: ['start', app, '--node', name, ...addresses, ...rest, ...options], env: { TROUPE_STORE: flags.store } }
  })
}

function colour(text: string, index: number): string {
  return styleText(COLOURS[index % COLOURS.length] as (typeof COLOURS)[number], text, { stream: process.stdout })
}
