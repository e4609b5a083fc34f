/** `remove`: an operator's word that a node will not come back. */
import type { Command } from 'commander'
import { talking, type TalkFlags } from '../flags.ts'
import { example } from '../help.ts'
import { adminTarget, postJson } from '../node-api.ts'
import type { Terminal } from '../terminal.ts'

export function removeCommand(program: Command, terminal: Terminal): void {
  talking(program.command('remove').argument('<node>', 'name of the node, as `troupe nodes` shows it'))
    .summary('declare a silent node gone')
    .description(
      `Declares a node that does not answer gone for good: at once for a suspect one, whose actors then go to the others without waiting for the
verdict; a dead one is shown as left. A node that is alive is refused: drain it. One that comes back under the same name is let in again.`,
    )
    .addHelpText('after', example('troupe remove node-2'))
    .action(async (node: string, flags: TalkFlags) => {
      await postJson(await adminTarget(flags), `/v1/nodes/${encodeURIComponent(node)}/remove`, {})
      terminal.out(`${node} is removed`)
    })
}
