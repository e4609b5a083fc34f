/** `history`: entries of one actor's journal, oldest first. */
import type { Command } from 'commander'
import { actorArgument, flag, talking, TALKING_HELP, whole, type TalkFlags } from '../flags.ts'
import { example } from '../help.ts'
import { actorPath, actorTarget, getJson } from '../node-api.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

interface Page {
  readonly entries: readonly { readonly offset: number; readonly type: string; readonly data: unknown; readonly at: number }[]
  readonly more: boolean
}

export function historyCommand(program: Command, terminal: Terminal): void {
  talking(program.command('history').argument('<actor>', 'type/key, as in user/alice'))
    .addOption(flag('--from <offset>', 'first offset wanted').argParser(whole(1, Number.MAX_SAFE_INTEGER)).default(1))
    .addOption(flag('--limit <n>', 'entries at most').argParser(whole(1, 10_000_000)).default(100))
    .addOption(flag('--json', 'print one JSON object: {"entries":[…],"more":…}'))
    .summary('print the journal of an actor')
    .description('Prints the entries of an actor’s journal, oldest first: offset, time, event, data.')
    .addHelpText(
      'after',
      `${example(`
        troupe history user/alice
        troupe history user/alice --from 1000 --limit 50
        troupe history user/alice --limit 1000000 --json > alice.json`)}${TALKING_HELP}`,
    )
    .action(async (actor: string, flags: TalkFlags & { readonly from: number; readonly limit: number; readonly json?: true }) => {
      const id = actorArgument(actor)
      const target = await actorTarget(flags, id)
      let { from, limit } = flags
      let first = true
      let more = true
      if (flags.json) process.stdout.write('{"entries":[')
      while (more && limit > 0) {
        const page = (await getJson(target, `${actorPath(id)}/history?from=${from}&limit=${Math.min(limit, 300)}`)) as Page
        for (const entry of page.entries) {
          if (flags.json) process.stdout.write(`${first ? '' : ','}${JSON.stringify(entry)}`)
          first = false
        }
        if (!flags.json)
          for (const line of table(
            page.entries.map(({ offset, at, type, data }) => [
              String(offset),
              new Date(at).toISOString(),
              type,
              JSON.stringify(data) ?? '',
            ]),
          ))
            terminal.out(line)
        limit -= page.entries.length
        from = (page.entries.at(-1)?.offset ?? from) + 1
        more = page.more && page.entries.length > 0
      }
      if (flags.json) terminal.out(`],"more":${more}}`)
      else if (more) terminal.err(`there is more: --from ${from}`)
      else if (first) terminal.err(`${actor} has no entries from offset ${flags.from} on`)
    })
}
