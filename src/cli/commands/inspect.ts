/** `inspect`: what a node knows about one actor. */
import type { Command } from 'commander'
import type { Inspected } from '../../admin/parts.ts'
import { actorArgument, flag, talking, type TalkFlags } from '../flags.ts'
import { example } from '../help.ts'
import { actorPath, adminTarget, getJson } from '../node-api.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

export function inspectCommand(program: Command, terminal: Terminal): void {
  talking(program.command('inspect').argument('<actor>', 'type/key, as in user/alice'))
    .addOption(flag('--json', 'print all of it as JSON'))
    .summary('show state, offset, epoch, subscribers, timers of an actor')
    .description(
      'Shows an actor as its owner sees it: state, offset, epoch, subscribers, timers, undelivered sends. Asks the admin port of any node.',
    )
    .addHelpText(
      'after',
      example(`
        troupe inspect user/alice
        troupe inspect user/alice --json
        troupe inspect user/alice --url http://10.0.0.7:7200 \\
        --admin-token "$TROUPE_ADMIN_TOKEN"`),
    )
    .action(async (actor: string, flags: TalkFlags & { readonly json?: true }) => {
      const id = actorArgument(actor)
      const found = (await getJson(await adminTarget(flags), actorPath(id))) as Inspected
      if (flags.json) return terminal.out(JSON.stringify(found))
      const { state, timers, effects, ...plain } = found
      for (const line of table(Object.entries(plain).map(([name, value]) => [name, String(value)]))) terminal.out(line)
      for (const { name, due, type } of timers) terminal.out(`timer ${name}: ${type} at ${new Date(due).toISOString()}`)
      for (const { to, seq, type } of effects) terminal.out(`undelivered to ${to}: ${type} (number ${seq})`)
      terminal.out(`state ${JSON.stringify(state, null, 2)}`)
    })
}
