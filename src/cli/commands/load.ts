/** `load`: a load generator over the client wire. */
import type { Command } from 'commander'
import { systemClock, systemRandom } from '../../base/system.ts'
import { CliError, failed, lineOf, misused } from '../failure.ts'
import { common, duration, flag, whole } from '../flags.ts'
import { example } from '../help.ts'
import { Load, type LoadPlan, type LoadReport } from '../load/run.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

interface LoadFlags {
  readonly url: string
  readonly token: string
  readonly connections: number
  readonly rate: number
  readonly payload: number
  readonly data: string
  readonly duration: number
  readonly timeout: number
  readonly json?: true
}

export function loadCommand(program: Command, terminal: Terminal): void {
  common(program.command('load').argument('<event>', 'name of the event that every connection sends to its own actor'))
    .addOption(flag('--url <url>', 'client address of a node').default('http://127.0.0.1:7000'))
    .addOption(flag('--token <token>', 'token of each connection; {i} is its number').default('dev:load-{i}'))
    .addOption(flag('--connections <n>', 'sockets, each a user of its own').argParser(whole(1, 60_000)).default(100))
    .addOption(flag('--rate <n>', 'events a second over all connections').argParser(whole(1, 1_000_000)).default(1000))
    .addOption(flag('--duration <time>', 'how long to send').argParser(duration).default(10_000, '10s'))
    .addOption(
      flag('--payload <bytes>', 'length of the text that {payload} stands for')
        .argParser(whole(0, 8 * 1024 * 1024))
        .default(32),
    )
    .addOption(flag('--data <json>', 'data of the event; {payload} is replaced').default('{"text":"{payload}"}'))
    .addOption(flag('--timeout <time>', 'wait for a connection, and for the last answers').argParser(duration).default(10_000, '10s'))
    .addOption(flag('--json', 'print the report as JSON'))
    .summary('put a node under load and report latencies')
    .description(
      `Opens connections and sends events at random instants of a given rate, whatever the node does (an open loop); latency counts from the
instant an event was due, so that a stall shows. Prints progress, then throughput and percentiles. Exit 1 if anything failed or got lost.`,
    )
    .addHelpText(
      'after',
      example(`
        troupe load note.added
        troupe load note.added --connections 1000 --rate 20000 --duration 30s
        troupe load note.added --payload 1000 --json > report.json
        troupe load moved --data '{"x":1,"y":2}' \\
        --url wss://app.example --token "$TOKEN"`),
    )
    .action(async (type: string, flags: LoadFlags) => {
      const load = new Load(plan(type, flags), systemClock, systemRandom, {
        connecting: (open) => terminal.status(`${open} of ${flags.connections} connected`),
        running: (report) => tell(report, flags, terminal),
      })
      process.once('SIGINT', () => load.stop())
      process.once('SIGTERM', () => load.stop())
      const report = await run(load, flags.url)
      terminal.status('')
      if (flags.json) terminal.out(JSON.stringify(report))
      else for (const line of lines(report)) terminal.out(line)
      const bad = report.failed + report.unanswered + report.notSent + report.lostConnections
      if (bad > 0)
        throw failed(
          `${report.failed} failed, ${report.unanswered} unanswered, ${report.notSent} not sent, ${report.lostConnections} connections lost`,
        )
    })
}

function plan(type: string, flags: LoadFlags): LoadPlan {
  const { connections, token, rate, timeout } = flags
  const data = flags.data.replaceAll('{payload}', 'x'.repeat(flags.payload))
  try {
    JSON.parse(data)
  } catch (error) {
    throw misused(`--data is not JSON: ${lineOf(error)}`)
  }
  if (!/^(https?|wss?):\/\//i.test(flags.url) || !URL.canParse(flags.url))
    throw misused(`--url: '${flags.url}' is not an address; write it as http://127.0.0.1:7000`)
  const url = new URL(flags.url.replace(/^http/i, 'ws'))
  if (url.pathname === '/') url.pathname = '/v1/ws'
  return { url: url.href, connections, token, rate, durationMs: flags.duration, timeoutMs: timeout, type, data }
}

async function run(load: Load, url: string): Promise<LoadReport> {
  try {
    return await load.run()
  } catch (error) {
    if (error instanceof CliError) throw error
    throw failed(`cannot connect to ${url}: ${lineOf(error)}`, error)
  }
}

const PLAIN_EVERY_S = 10

function tell(report: LoadReport, flags: LoadFlags, terminal: Terminal): void {
  const left = Math.max(0, Math.round(flags.duration / 1000 - report.seconds))
  const line = `${Math.round(report.seconds)} s, ${left} s left: ${Math.round(report.acceptedPerSecond)} events/s, p50 ${report.latencyMs?.p50 ?? '–'} ms, p99 ${report.latencyMs?.p99 ?? '–'} ms, ${report.failed} failed`
  if (terminal.interactive) terminal.status(line)
  else if (Math.round(report.seconds) % PLAIN_EVERY_S === 0 && !flags.json) terminal.err(line)
}

function lines(report: LoadReport): string[] {
  const { latencyMs, errors, ...figures } = report
  const rows = Object.entries(figures).map(([name, value]) => [words(name), value.toLocaleString('en')])
  if (latencyMs !== null)
    rows.push([
      'latency',
      Object.entries(latencyMs)
        .map(([name, ms]) => `${name} ${ms} ms`)
        .join(', '),
    ])
  for (const [what, count] of Object.entries(errors)) rows.push([`  ${what}`, count.toLocaleString('en')])
  return table(rows)
}

function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
