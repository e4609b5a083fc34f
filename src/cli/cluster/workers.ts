/**
 * `start --workers N`: N node processes NAME-1 … NAME-N behind one client port, which the kernel shares out (SO_REUSEPORT). Each is a full
 * member of the cluster; their rpc and admin ports are 10 apart.
 */
import { fileURLToPath } from 'node:url'
import { systemClock, systemRandom } from '../../base/system.ts'
import { authority, parseAddress } from '../../node/address.ts'
import { misused } from '../failure.ts'
import { onRestart, onSignals } from '../signals.ts'
import type { Terminal } from '../terminal.ts'
import { Supervisor, type NodeSpec } from './supervisor.ts'

const MAIN = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url))
const PORT_STEP = 10
const SHARING = ['linux', 'freebsd', 'sunos', 'aix']

interface WorkerFlags {
  readonly workers: number
  readonly node: string
  readonly listen: string
  readonly rpcListen: string
  readonly adminListen: string
  readonly advertise?: string
  readonly join?: string
  readonly store: string
}

/** `args`: what follows `troupe` on this process's command line. */
export async function startWorkers(flags: WorkerFlags, args: readonly string[], terminal: Terminal): Promise<void> {
  const specs = workerSpecs(flags, args)
  const supervisor = new Supervisor(specs, {
    main: MAIN,
    clock: systemClock,
    random: systemRandom,
    // The ports are told once for each; `ready` once for all.
    said: (node, line, of) => {
      if (of === 'out') {
        if (line !== 'ready') terminal.out(`${node} ${line}`)
      } else terminal.err(of === 'supervisor' ? `troupe: ${node} ${line}` : line)
    },
    ready: () => terminal.out('ready'),
  })
  const deaf = [onSignals({ drain: () => supervisor.drain(), stop: () => supervisor.stop() }), onRestart(() => supervisor.restart())]
  supervisor.start()
  try {
    await supervisor.done
  } finally {
    for (const end of deaf) end()
  }
}

/** The command line of each worker: this one's, with what differs put last. */
export function workerSpecs(flags: WorkerFlags, args: readonly string[], platform: string = process.platform): NodeSpec[] {
  if (!SHARING.includes(platform))
    throw misused(`--workers: ${platform} cannot share a port among processes; start the nodes on ports of their own, behind a proxy`)
  if (flags.rpcListen === 'none') throw misused('--workers needs --rpc-listen: the workers are nodes of one cluster')
  if (flags.store === 'memory:') throw misused('--workers: the workers share their store; memory: cannot be shared')
  if (portOf(flags.listen) === 0) throw misused('--workers: --listen needs a port that all can share, not 0')
  const all = Array.from({ length: flags.workers }, (_, i) => i)
  const rpc = all.map((i) => stepped('--rpc-listen', flags.rpcListen, i))
  const join = [...(flags.join === undefined ? [] : [flags.join]), ...rpc].join(',')
  return all.map((i) => {
    const name = `${flags.node}-${i + 1}`
    const admin = flags.adminListen === 'none' ? 'none' : stepped('--admin-listen', flags.adminListen, i)
    const own = [
      '--workers',
      '1',
      '--node',
      name,
      '--shared-listen',
      '--rpc-listen',
      rpc[i] as string,
      '--admin-listen',
      admin,
      '--join',
      join,
      ...(flags.advertise === undefined ? [] : ['--advertise', stepped('--advertise', flags.advertise, i)]),
    ]
    return { name, args: [...args, ...own] }
  })
}

function portOf(text: string): number {
  const address = parseAddress(text)
  return 'wrong' in address ? -1 : address.port
}

function stepped(name: string, text: string, i: number): string {
  const address = parseAddress(text)
  if ('wrong' in address) throw misused(`${name}: ${address.wrong}`)
  if (address.port === 0) throw misused(`${name}: with --workers it needs a port, not 0`)
  return authority(address.host, address.port + PORT_STEP * i)
}
