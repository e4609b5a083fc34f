/** `nodes`: who is in, as one node sees it. */
import type { Command } from 'commander'
import { example, flag, talking, type TalkFlags } from '../flags.ts'
import { adminTarget, getJson } from '../node-api.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

export interface ShownNode {
  readonly id: string
  readonly generation: number
  readonly state: string
  readonly phase: string
  readonly address: string
  readonly version: string
  readonly actors: number
  readonly sockets: number
}

export function nodesCommand(program: Command, terminal: Terminal): void {
  talking(program.command('nodes'))
    .addOption(flag('--json', 'print {"nodes":[…]}'))
    .summary('list the nodes')
    .description('Lists the nodes: state, phase, actors in memory, sockets. Asks the admin port.')
    .addHelpText('after', example('troupe nodes\ntroupe nodes --url http://10.0.0.7:7200 --token "$TROUPE_ADMIN_TOKEN" --json'))
    .action(async (flags: TalkFlags & { readonly json?: true }) => {
      const answer = (await getJson(adminTarget(flags), '/v1/nodes')) as { readonly nodes: readonly ShownNode[] }
      if (flags.json) return terminal.out(JSON.stringify(answer))
      const rows = answer.nodes.map((n) => [
        n.id,
        String(n.generation),
        n.state,
        n.phase,
        String(n.actors),
        String(n.sockets),
        n.version,
        n.address,
      ])
      for (const line of table([['NODE', 'GENERATION', 'STATE', 'PHASE', 'ACTORS', 'SOCKETS', 'VERSION', 'ADDRESS'], ...rows]))
        terminal.out(line)
    })
}
