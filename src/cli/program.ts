/** The command line as a whole: commands, help, and how every outcome becomes an exit code (0 done, 1 failed, 2 asked wrongly). */
import { Command, CommanderError } from 'commander'
import { OptionError } from '../options.ts'
import { clusterCommand } from './commands/cluster.ts'
import { devCommand } from './commands/dev.ts'
import { devNodeCommand } from './commands/dev-node.ts'
import { doctorCommand } from './commands/doctor.ts'
import { drainCommand } from './commands/drain.ts'
import { historyCommand } from './commands/history.ts'
import { inspectCommand } from './commands/inspect.ts'
import { loadCommand } from './commands/load.ts'
import { locateCommand } from './commands/locate.ts'
import { nodesCommand } from './commands/nodes.ts'
import { queryCommand } from './commands/query.ts'
import { removeCommand } from './commands/remove.ts'
import { sendCommand } from './commands/send.ts'
import { SIMULATE_USAGE, simulateCommand } from './commands/simulate.ts'
import { startCommand } from './commands/start.ts'
import { storeCommand } from './commands/store.ts'
import { tokenCommand } from './commands/token.ts'
import { verifyCommand } from './commands/verify.ts'
import { versionCommand } from './commands/version.ts'
import { watchCommand } from './commands/watch.ts'
import { applyConfig } from './config.ts'
import { CliError, lineOf } from './failure.ts'
import { example, HELP_WIDTH, paragraphs, prose } from './help.ts'
import type { Terminal } from './terminal.ts'
import { troupeVersion } from '../node/version.ts'

type AddCommand = (program: Command, terminal: Terminal, args: readonly string[]) => void

const COMMANDS: readonly AddCommand[] = [
  devCommand,
  startCommand,
  clusterCommand,
  sendCommand,
  queryCommand,
  watchCommand,
  inspectCommand,
  historyCommand,
  nodesCommand,
  locateCommand,
  drainCommand,
  removeCommand,
  verifyCommand,
  storeCommand,
  loadCommand,
  simulateCommand,
  tokenCommand,
  doctorCommand,
  versionCommand,
  devNodeCommand,
]

/** Runs one command line and returns its exit code. Never throws. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = buildProgram(terminal, args)
  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    return report(error, program, args, terminal)
  }
}

/** `args`: for a command that starts others like itself. */
export function buildProgram(terminal: Terminal, args: readonly string[] = []): Command {
  const program = new Command('troupe')
    .description('Troupe: every user is an actor with state that lives on one node and survives it.')
    .version(troupeVersion(), '-V, --version', 'print the version')
    .helpCommand('help [command]', 'show the help of a command')
    .configureOutput({ writeErr: () => undefined })
    .configureHelp({
      sortSubcommands: false,
      helpWidth: HELP_WIDTH,
      subcommandTerm: (command) => `${command.name()} ${command.usage().replace('[options]', '').trim()}`.trim(),
      commandDescription: (command) => paragraphs(command.description()),
    })
    .showSuggestionAfterError(true)
    .exitOverride()
    .addHelpText(
      'after',
      `${example(`
        troupe dev app.ts                                    run, reload on change
        troupe cluster app.ts --nodes 3                      run on three nodes
        troupe send user/alice note.added '{"text":"hi"}'    send to an actor
        troupe watch user/alice summary                      follow a topic`)}\n${prose(`
Each command explains itself: troupe COMMAND --help. Flags win over TROUPE_* variables, those over troupe.config.json.

Exit codes: 0 done, 1 failed, 2 wrong use.`)}`,
    )
  // Before the commands: they inherit output and exit behaviour.
  for (const add of COMMANDS) add(program, terminal, args)
  program.hook('preAction', (_, command) => applyConfig(command, program))
  return program
}

function report(error: unknown, program: Command, args: readonly string[], terminal: Terminal): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0
    if (error.code === 'commander.help') terminal.err(program.helpInformation())
    else terminal.err(`troupe: ${lineOf(error).replace(/^error: /, '')} (see 'troupe ${helpOf(program, args)}--help')`)
    return codeOf(2, args)
  }
  const verbose = args.includes('--verbose') || process.env['TROUPE_VERBOSE'] !== undefined
  if (error instanceof CliError && error.message === '') return error.exitCode
  terminal.err(`troupe: ${lineOf(error)}`)
  if (verbose && error instanceof Error) terminal.err(stackOf(error))
  return codeOf(error instanceof CliError ? error.exitCode : error instanceof OptionError ? 2 : 1, args)
}

/** 1 to 4 of `simulate` are verdicts, which it has said before it ended: whatever else ends it is none. */
function codeOf(code: number, args: readonly string[]): number {
  return commandName(args) === 'simulate' ? SIMULATE_USAGE : code
}

function commandName(args: readonly string[]): string | undefined {
  return args.find((arg) => !arg.startsWith('-'))
}

function helpOf(program: Command, args: readonly string[]): string {
  const name = commandName(args)
  return program.commands.some((command) => command.name() === name) ? `${name} ` : ''
}

function stackOf(error: Error): string {
  const own = error.stack ?? String(error)
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own
}
