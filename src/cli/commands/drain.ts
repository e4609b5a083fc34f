/** `drain`: a node finishes what it has, hands its actors over, moves its clients and goes. */
import type { Command } from 'commander'
import type { DrainPlan, ShownNode } from '../../admin/parts.ts'
import { systemClock } from '../../base/system.ts'
import { CliError, failed } from '../failure.ts'
import { duration, flag, talking, type TalkFlags } from '../flags.ts'
import { example } from '../help.ts'
import { adminTarget, getJson, postJson, type Target } from '../node-api.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { nodesOf } from './nodes.ts'

interface DrainFlags extends TalkFlags {
  readonly wait: number
  readonly plan?: true
  readonly json?: true
}

const ASK_EVERY_MS = 200
const TELL_EVERY_MS = 1000

export function drainCommand(program: Command, terminal: Terminal): void {
  talking(program.command('drain').argument('<node>', 'name of the node, as `troupe nodes` shows it'))
    .addOption(flag('--wait <time>', 'how long to follow it').argParser(duration).default(120_000, '2m'))
    .addOption(flag('--plan', 'say what would move to whom, and change nothing'))
    .addOption(flag('--json', 'with --plan: print {"node":…,"moves":{…},"unplaced":…,"sockets":…}'))
    .summary('let a node hand over and go')
    .description(
      `Tells a node to hand its actors to the others, move its clients, write what is left, leave the cluster and end. Follows it until it is
gone; without that (Ctrl-C, --wait over) it goes on by itself. Asks the admin port of any node.`,
    )
    .addHelpText(
      'after',
      example(`
        troupe drain node-2 --plan
        troupe drain node-2
        troupe drain node-2 --url http://10.0.0.7:7200 \\
        --admin-token "$TROUPE_ADMIN_TOKEN"`),
    )
    .action(async (node: string, flags: DrainFlags) => {
      const target = await adminTarget(flags)
      const path = `/v1/nodes/${encodeURIComponent(node)}`
      if (flags.plan) return show((await getJson(target, `${path}/plan`)) as DrainPlan, flags, terminal)
      const before = (await nodesOf(target)).nodes.find(({ id }) => id === node)
      await postJson(target, `${path}/drain`, {})
      await follow(target, node, before?.generation ?? 0, systemClock.mono() + flags.wait, terminal)
      terminal.out(`${node} has drained`)
    })
}

function show(plan: DrainPlan, flags: DrainFlags, terminal: Terminal): void {
  if (flags.json) return terminal.out(JSON.stringify(plan))
  const moves = Object.entries(plan.moves)
    .toSorted(([x], [y]) => (x < y ? -1 : 1))
    .map(([to, actors]) => [to, String(actors)])
  for (const line of table([['TO', 'ACTORS'], ...moves, ...(plan.unplaced > 0 ? [['(store)', String(plan.unplaced)]] : [])]))
    terminal.out(line)
  terminal.out(`${plan.sockets} sockets would be asked to connect elsewhere`)
  if (plan.unplaced > 0) terminal.out(`${plan.unplaced} actors would be written and wait in the store: no other node offers their type`)
}

/** Until it has left. The node asked may be the one that goes: its admin port closes last. */
async function follow(target: Target, node: string, generation: number, until: number, terminal: Terminal): Promise<void> {
  let asked = ''
  let toldAt = -Infinity
  while (systemClock.mono() < until) {
    try {
      const answer = await nodesOf(target)
      asked = answer.node
      const shown = answer.nodes.find(({ id }) => id === node)
      if (shown === undefined || shown.state === 'left' || shown.generation > generation) return terminal.status('')
      if (shown.state === 'dead')
        throw failed(`${node} died before it had drained; what was acknowledged is kept, the others go on with it`)
      const line = progressOf(shown)
      if (terminal.interactive) terminal.status(line)
      else if (systemClock.mono() - toldAt >= TELL_EVERY_MS) {
        terminal.err(line)
        toldAt = systemClock.mono()
      }
    } catch (error) {
      const gone = error instanceof CliError && error.message.startsWith('cannot reach')
      if (gone && (asked === node || asked === '')) return terminal.status('')
      if (gone)
        throw failed(`the node that was asked (${asked}) is gone; ${node} drains on by itself, ask another node with --url how far it is`)
      throw error
    }
    await new Promise<void>((resolve) => systemClock.after(ASK_EVERY_MS, resolve))
  }
  throw failed(`${node} is still draining; it goes on by itself, 'troupe nodes' shows how far it is`)
}

function progressOf({ id, phase, actors, sockets }: ShownNode): string {
  if (actors === null) return `${id} ${phase}`
  return `${id} ${phase}: ${actors} actors, ${sockets} sockets left`
}
