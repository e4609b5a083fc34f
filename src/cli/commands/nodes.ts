/** `nodes`: who is in, as one node sees it. */
import type { Command } from 'commander'
import type { ShownNode } from '../../admin/parts.ts'
import { systemClock } from '../../base/system.ts'
import { lineOf } from '../failure.ts'
import { duration, flag, talking, type TalkFlags } from '../flags.ts'
import { example } from '../help.ts'
import { adminTarget, getJson, type Target } from '../node-api.ts'
import { onSignals } from '../signals.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

export interface ShownNodes {
  /** The one that answers. */
  readonly node: string
  readonly nodes: readonly ShownNode[]
}

interface NodesFlags extends TalkFlags {
  readonly json?: true
  readonly watch?: number | true
}

const WATCH_MS = 1000
const HEADS = ['NODE', 'GENERATION', 'STATE', 'PHASE', 'ACTORS', 'SOCKETS', 'EVENTS/S', 'VERSION', 'ADDRESS']

export function nodesCommand(program: Command, terminal: Terminal): void {
  talking(program.command('nodes'))
    .addOption(flag('--json', 'print {"node":…,"nodes":[…]}; with --watch one line each time'))
    .addOption(flag('--watch [every]', 'again and again, each second or as given, until Ctrl-C').argParser(duration))
    .summary('list the nodes')
    .description(
      `Lists the nodes of the cluster as the node that is asked sees them: state, phase, actors in memory, sockets, events a second (of the
last 5 s). A dash: the node did not answer. Dead nodes and those that left are shown for an hour. Asks the admin port of any node.`,
    )
    .addHelpText(
      'after',
      example(`
        troupe nodes
        troupe nodes --watch
        troupe nodes --url http://10.0.0.7:7200 \\
        --admin-token "$TROUPE_ADMIN_TOKEN" --json`),
    )
    .action(async (flags: NodesFlags) => {
      if (flags.watch !== undefined) return watch(flags, terminal)
      const answer = await nodesOf(await adminTarget(flags))
      for (const line of flags.json ? [JSON.stringify(answer)] : nodesTable(answer)) terminal.out(line)
    })
}

export async function nodesOf(target: Target): Promise<ShownNodes> {
  return (await getJson(target, '/v1/nodes')) as ShownNodes
}

export function nodesTable({ nodes }: ShownNodes): string[] {
  const rows = nodes.map((n) => [
    n.id,
    String(n.generation),
    n.presumed === true ? `${n.state}?` : n.state,
    n.phase,
    figure(n.actors),
    figure(n.sockets),
    figure(n.eventsPerSecond),
    n.version,
    n.address,
  ])
  return table([HEADS, ...rows])
}

function figure(value: number | null): string {
  return value === null ? '-' : String(value)
}

/** A node that does not answer for a while is no reason to end it. */
async function watch(flags: NodesFlags, terminal: Terminal): Promise<void> {
  const { json, watch: every } = flags
  let target: Target | null = null
  const ask = async (): Promise<ShownNodes> => nodesOf((target ??= await adminTarget(flags)))
  let over = false
  let wake: () => void = () => undefined
  const end = (): void => {
    over = true
    wake()
  }
  const deaf = onSignals({ drain: end, stop: end })
  try {
    while (!over) {
      const answer = await ask().catch((error: unknown) => lineOf(error))
      if (typeof answer === 'string') terminal.err(`troupe: ${answer}`)
      else if (json) terminal.out(JSON.stringify(answer))
      else {
        const clear = process.stdout.isTTY ? '\u001b[H\u001b[2J' : ''
        const at = new Date(systemClock.now()).toISOString().slice(11, 19)
        terminal.out([`${clear}${at} as ${answer.node} sees it`, ...nodesTable(answer), ''].join('\n'))
      }
      if (over) return
      await new Promise<void>((resolve) => {
        const timer = systemClock.after(every === true || every === undefined ? WATCH_MS : Math.max(100, every), resolve)
        wake = () => {
          timer.cancel()
          resolve()
        }
      })
    }
  } finally {
    deaf()
  }
}
