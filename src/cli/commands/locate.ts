/** `locate`: which node owns an actor. */
import type { Command } from 'commander'
import { actorArgument, flag, talking, type TalkFlags } from '../flags.ts'
import { example } from '../help.ts'
import { adminTarget, getJson } from '../node-api.ts'
import type { Terminal } from '../terminal.ts'

export function locateCommand(program: Command, terminal: Terminal): void {
  talking(program.command('locate').argument('<actor>', 'type/key, as in user/alice'))
    .addOption(flag('--json', 'print {"actor":…,"owner":…,"viewHash":…}'))
    .summary('tell which node owns an actor')
    .description('Tells which node owns an actor, by the view of the node that is asked. Asks the admin port of any node.')
    .addHelpText('after', example('troupe locate user/alice'))
    .action(async (actor: string, flags: TalkFlags & { readonly json?: true }) => {
      const { type, key } = actorArgument(actor)
      const found = (await getJson(await adminTarget(flags), `/v1/locate?actor=${encodeURIComponent(`${type}/${key}`)}`)) as {
        readonly owner: string
      }
      terminal.out(flags.json ? JSON.stringify(found) : found.owner)
    })
}
