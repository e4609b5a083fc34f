/** `query`: one question to one actor. */
import type { Command } from 'commander'
import { actorArgument, flag, jsonArgument, talking, TALKING_HELP, type TalkFlags } from '../flags.ts'
import { example } from '../help.ts'
import { actorPath, actorTarget, getJson } from '../node-api.ts'
import type { Terminal } from '../terminal.ts'

export function queryCommand(program: Command, terminal: Terminal): void {
  talking(
    program
      .command('query')
      .argument('<actor>', 'type/key, as in user/alice')
      .argument('<name>', 'name of the query')
      .argument('[args]', 'JSON; - reads standard input'),
  )
    .addOption(flag('--strict', 'prove that the answer is the newest before giving it'))
    .addOption(flag('--json', 'print {"data":…,"offset":…} instead of the data alone'))
    .summary('ask an actor')
    .description('Asks an actor a query and prints the answer as JSON.')
    .addHelpText(
      'after',
      `${example(`
        troupe query user/alice count
        troupe query user/alice page '{"limit":10}' --token dev:alice
        troupe query user/alice count --strict --json`)}${TALKING_HELP}`,
    )
    .action(
      async (
        actor: string,
        name: string,
        args: string | undefined,
        flags: TalkFlags & { readonly strict?: true; readonly json?: true },
      ) => {
        const id = actorArgument(actor)
        const given = jsonArgument(args, 'args')
        const search = new URLSearchParams()
        if (given !== undefined) search.set('args', JSON.stringify(given))
        if (flags.strict) search.set('strict', 'true')
        const path = `${actorPath(id)}/queries/${encodeURIComponent(name)}${search.size === 0 ? '' : `?${search}`}`
        const answer = (await getJson(await actorTarget(flags, id), path)) as { data: unknown }
        terminal.out(flags.json ? JSON.stringify(answer) : JSON.stringify(answer.data, null, process.stdout.isTTY ? 2 : 0))
      },
    )
}
