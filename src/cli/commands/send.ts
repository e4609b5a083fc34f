/** `send`: one event to one actor. */
import type { Command } from 'commander'
import { actorArgument, flag, jsonArgument, talking, TALKING_HELP, type TalkFlags } from '../flags.ts'
import { example } from '../help.ts'
import { actorPath, actorTarget, postJson } from '../node-api.ts'
import type { Terminal } from '../terminal.ts'

export function sendCommand(program: Command, terminal: Terminal): void {
  talking(
    program
      .command('send')
      .argument('<actor>', 'type/key, as in user/alice')
      .argument('<event>', 'name of the event')
      .argument('[data]', 'JSON; - reads standard input'),
  )
    .addOption(flag('--key <key>', 'idempotency key: repeating the command with it records the event once'))
    .addOption(flag('--json', 'print the answer as JSON'))
    .summary('send an event to an actor')
    .description('Sends one event to an actor and prints the offset under which it was recorded.')
    .addHelpText(
      'after',
      `${example(`
        troupe send user/alice note.added '{"text":"hi"}'
        troupe send user/alice note.added '{"text":"hi"}' --token dev:alice
        troupe send user/alice note.added - --key import-7 < note.json
        troupe send user/alice note.added '{"text":"hi"}' \\
        --url https://notes.example --token "$TOKEN" --json`)}${TALKING_HELP}`,
    )
    .action(
      async (actor: string, type: string, data: string | undefined, flags: TalkFlags & { readonly key?: string; readonly json?: true }) => {
        const id = actorArgument(actor)
        const body = { type, data: jsonArgument(data, 'data'), ...(flags.key === undefined ? {} : { key: flags.key }) }
        const answer = (await postJson(await actorTarget(flags, id), `${actorPath(id)}/events`, body)) as {
          offset: number
          durable: boolean
          duplicate?: boolean
        }
        if (flags.json) return terminal.out(JSON.stringify(answer))
        const notes = [...(answer.duplicate === true ? ['already recorded before'] : []), ...(answer.durable ? [] : ['not durable yet'])]
        terminal.out(`offset ${answer.offset}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`)
      },
    )
}
