/** `drain`: a node finishes what it has, writes it, moves its clients and goes. */
import type { Command } from 'commander'
import { systemClock } from '../../base/system.ts'
import { CliError, failed } from '../failure.ts'
import { duration, example, flag, talking, type TalkFlags } from '../flags.ts'
import { adminTarget, getJson, postJson, type Target } from '../node-api.ts'
import type { Terminal } from '../terminal.ts'
import type { ShownNode } from './nodes.ts'

const ASK_EVERY_MS = 200

export function drainCommand(program: Command, terminal: Terminal): void {
  talking(program.command('drain').argument('<node>', 'name of the node, as `troupe nodes` shows it'))
    .addOption(flag('--wait <time>', 'how long to follow it').argParser(duration).default(60_000, '60s'))
    .summary('let a node finish and go')
    .description('Tells a node to take no new work, finish and write what it has, move its clients, and end. Follows it until it is gone.')
    .addHelpText('after', example('troupe drain node-1\ntroupe drain node-1 --url http://10.0.0.7:7200 --token "$TROUPE_ADMIN_TOKEN"'))
    .action(async (node: string, flags: TalkFlags & { readonly wait: number }) => {
      const target = adminTarget(flags)
      await postJson(target, `/v1/nodes/${encodeURIComponent(node)}/drain`, {})
      await follow(target, node, systemClock.mono() + flags.wait, terminal)
      terminal.out(`${node} has drained`)
    })
}

/** Until the admin port is gone, which closes last. */
async function follow(target: Target, node: string, until: number, terminal: Terminal): Promise<void> {
  while (systemClock.mono() < until) {
    try {
      const { nodes } = (await getJson(target, '/v1/nodes')) as { readonly nodes: readonly ShownNode[] }
      const shown = nodes.find(({ id }) => id === node)
      if (shown !== undefined) terminal.status(`${node} ${shown.phase}: ${shown.actors} actors, ${shown.sockets} sockets left`)
    } catch (error) {
      if (error instanceof CliError && error.message.startsWith('cannot reach')) return terminal.status('')
      throw error
    }
    await new Promise<void>((resolve) => systemClock.after(ASK_EVERY_MS, resolve))
  }
  throw failed(`${node} is still draining; it goes on by itself, 'troupe nodes' shows how far it is`)
}
