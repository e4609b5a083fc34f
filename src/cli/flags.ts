/** Flags that several commands share, and the parsers of their values. Every flag can also come as TROUPE_… and from the config file. */
import { readFileSync } from 'node:fs'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { parseActorId, type ActorId } from '../actors/actor-id.ts'
import { OPTIONS, resolveOptions, type Options } from '../options.ts'
import { lineOf, misused } from './failure.ts'
import { prose } from './help.ts'

/** A flag with its variable: `--admin-listen` is TROUPE_ADMIN_LISTEN. */
export function flag(flags: string, description: string): Option {
  const option = new Option(flags, description)
  return option.env(`TROUPE_${option.name().toUpperCase().replaceAll('-', '_')}`)
}

/** What every command has. */
export function common(command: Command): Command {
  return command
    .addOption(flag('--config <file>', 'settings as JSON, keys are these flags in camelCase (default: troupe.config.json if it is there)'))
    .addOption(flag('--verbose', 'show the stack of an error'))
}

export interface TalkFlags {
  readonly url?: string
  readonly token?: string
  readonly adminToken?: string
  readonly timeout: number
}

/** For commands that talk to a running node. */
export function talking(command: Command): Command {
  return common(command)
    .addOption(
      flag(
        '--url <url>',
        'client or admin address of a node (default: admin port http://127.0.0.1:7200; with --token: client port http://127.0.0.1:7000)',
      ),
    )
    .addOption(flag('--token <token>', 'who asks; without it, on a client port: dev:KEY, the actor’s own user in dev mode'))
    .addOption(flag('--admin-token <token>', 'token of the admin port, where it asks for one: the request is then the operator’s'))
    .addOption(flag('--timeout <time>', 'give up after, as in 500ms, 10s, 2m').argParser(duration).default(10_000, '10s'))
}

export const TALKING_HELP: string = `\n${prose(`
Who is asking: without --url and --token the request goes to the admin port of a node on this machine and runs as the operator
(service:admin) on any actor. With --token it goes to the client port as that user, and the app decides what is allowed;
under 'troupe dev' the token dev:NAME is user NAME. --url may be either port; the admin token is shown to an admin port only.`)}`

/** ms of `250ms`, `10s`, `5m`, `2h`, `7d`; a bare number is seconds. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim())
  if (match === null) throw new InvalidArgumentError(`'${text}' is not a time; write it as 500ms, 10s, 5m, 2h or 7d`)
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] ?? 's'] as number
  return Math.round(Number(match[1]) * unit)
}

export function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}`)
    return value
  }
}

/** `--option idleMs=5000`, repeatable; `--option a=1,b=2` for TROUPE_OPTION. Checked against the options table at once. */
export function optionPair(text: string, before: Partial<Options> | undefined): Partial<Options> {
  const all: Record<string, number> = { ...before }
  for (const pair of text.split(',')) {
    const match = /^\s*([A-Za-z]+)=([\d_]+)\s*$/.exec(pair)
    if (match === null) throw new InvalidArgumentError(`'${pair}' is not NAME=NUMBER, as in idleMs=5000`)
    all[match[1] as string] = Number((match[2] as string).replaceAll('_', ''))
  }
  try {
    resolveOptions(all as Partial<Options>)
  } catch (error) {
    throw new InvalidArgumentError(lineOf(error))
  }
  return all as Partial<Options>
}

/** `--label zone=a`, repeatable; `--label a=1,b=2` for TROUPE_LABEL. */
export function labelPair(text: string, before: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  const pairs = text.split(',').map((pair) => {
    const match = /^\s*([A-Za-z][\w.-]{0,31})=([^\s=]{0,63})\s*$/.exec(pair)
    if (match === null) throw new InvalidArgumentError(`'${pair}' is not NAME=VALUE, as in zone=a`)
    return [match[1] as string, match[2] as string] as const
  })
  return { ...before, ...Object.fromEntries(pairs) }
}

export function optionNames(): string {
  return Object.keys(OPTIONS).join(', ')
}

/** The positional `type/key`. */
export function actorArgument(text: string): ActorId {
  const id = parseActorId(text)
  if ('wrong' in id) throw misused(`'${text}': ${id.wrong}, as in user/alice`)
  return id
}

/** A positional JSON text; `-` reads standard input; absent is no data. */
export function jsonArgument(text: string | undefined, what: string): unknown {
  if (text === undefined) return undefined
  const given = text === '-' ? readFileSync(0, 'utf8') : text
  try {
    return JSON.parse(given) as unknown
  } catch (error) {
    throw misused(`${what} is not JSON (${lineOf(error)}); quote it for the shell: '{"text":"hi"}'`)
  }
}
