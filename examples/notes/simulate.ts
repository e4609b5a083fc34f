/** The simulator as a command: `node examples/notes/simulate.ts --help`. Exit 0: everything acknowledged is there once; 1: not; 2: usage. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { secretOf } from './config.ts'
import { FULL, simulate, SMALL, tableOf, type Progress, type SimulatorOptions } from './simulator.ts'
import { startCluster, type Cluster } from './simulator/cluster-process.ts'
import { PROVIDER } from './simulator/items.ts'
import { startProcess, type NodeProcess } from './simulator/node-process.ts'
import { Tokens } from './tokens.ts'

const HELP = `Simulates users, a data provider and clients of the notes application, and proves that nothing acknowledged was lost.

  node examples/notes/simulate.ts --url http://127.0.0.1:7000 [options]     against a running node (npm start -- --quiet)
  node examples/notes/simulate.ts --spawn --dir DIR [options]               starts a node itself, and can kill it
  node examples/notes/simulate.ts --nodes 3 --dir DIR [options]             starts a cluster of three, kills and drains its nodes

  --users N         accounts (${FULL.users})             --notes N      notes loaded first (${FULL.notes})
  --rate N          notes/s from the provider (${FULL.rate})  --duration S   seconds of the live phase (${FULL.durationS})
  --clients N       HTTP clients that page (${FULL.clients})    --page-rate N  pages/s of all of them (${FULL.pageRate})
  --sockets N       people on WebSockets (${FULL.sockets})      --add-rate N   notes/s that they add (${FULL.addRate})
  --patience S      how long an outage is sat out (${FULL.patienceS}) --seed N       which pages are asked for (${FULL.seed})
  --small           the little run beside npm start: 20 users, 10 notes/s, no audit, four hours
  --no-audit        without reading everything back
  --run NAME        names this run's items (random)
  --dir DIR         folder of the store and the secret; the provider's token is made from it (.troupe/notes)
  --url URL         of a node's client port; of several nodes of a cluster with commas between: they are used in turn
  --spawn           start the node as a child on DIR, with cheap password hashing (NOTES_SCRYPT_LN=10 unless set)
  --nodes N         start 'troupe cluster' with N nodes as a child on DIR, the same way (2 to 9; what they log: DIR/cluster.log)
  --port PORT       its client port; of a cluster the first (7000)
  --kill-every S    with --spawn or --nodes: kill -9 a node every S seconds of the live phase; it is started again
  --drain-every S   with --nodes: drain a node every S seconds, another one than is killed then; it comes back too
  --json            the report as JSON on standard output instead of the table
  --out FILE        the report as JSON into a file

With --nodes a run passes only if, beside the audit, nothing failed and the client library gave up no send.

Environment: NOTES_PROVIDER_TOKEN instead of --dir.`

const NUMBERS = { users: 'users', notes: 'notes', rate: 'rate', duration: 'durationS', clients: 'clients', 'page-rate': 'pageRate', sockets: 'sockets', 'add-rate': 'addRate', patience: 'patienceS', seed: 'seed' } as const // prettier-ignore

function usage(message: string): never {
  console.error(`simulate: ${message}; --help says more`)
  process.exit(2)
}

function read(): ReturnType<typeof parse> {
  try {
    return parse()
  } catch (error) {
    return usage((error as Error).message)
  }
}

function parse() {
  const numbers = Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, { type: 'string' as const }])) as Record<
    keyof typeof NUMBERS,
    { readonly type: 'string' }
  >
  return parseArgs({
    options: {
      ...numbers,
      url: { type: 'string' },
      small: { type: 'boolean', default: false },
      'no-audit': { type: 'boolean', default: false },
      run: { type: 'string', default: randomBytes(4).toString('hex') },
      dir: { type: 'string', default: '.troupe/notes' },
      spawn: { type: 'boolean', default: false },
      port: { type: 'string', default: '7000' },
      nodes: { type: 'string' },
      'kill-every': { type: 'string' },
      'drain-every': { type: 'string' },
      json: { type: 'boolean', default: false },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values
}

function number(name: string, given: string): number {
  const value = Number(given)
  if (!Number.isFinite(value) || value < 0 || given.trim() === '') usage(`--${name} must be a number, not '${given}'`)
  return value
}

const values = read()
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
if ([values.url !== undefined, values.spawn, values.nodes !== undefined].filter(Boolean).length !== 1)
  usage('give one of --url, --spawn and --nodes')
if (!/^[a-z0-9]{1,16}$/.test(values.run)) usage('--run is up to 16 small letters and digits')
const nodes = values.nodes === undefined ? null : number('nodes', values.nodes)
if (nodes !== null && (!Number.isInteger(nodes) || nodes < 2 || nodes > 9)) usage('--nodes is a whole number from 2 to 9')
const killEveryS = values['kill-every'] === undefined ? null : number('kill-every', values['kill-every'])
if (killEveryS !== null && ((!values.spawn && nodes === null) || killEveryS < 1))
  usage('--kill-every needs --spawn or --nodes, and at least 1 s')
const drainEveryS = values['drain-every'] === undefined ? null : number('drain-every', values['drain-every'])
if (drainEveryS !== null && (nodes === null || drainEveryS < 1)) usage('--drain-every needs --nodes, and at least 1 s')

const sizes: Record<string, number> = {}
for (const [flag, name] of Object.entries(NUMBERS)) {
  const given = values[flag as keyof typeof NUMBERS]
  if (given !== undefined) sizes[name] = number(flag, given)
}
const preset = values.small ? SMALL : FULL
const abort = new AbortController()
// The first ends the live phase, and the report is made; the second ends the program.
process.on('SIGINT', () => (abort.signal.aborted ? process.exit(130) : abort.abort()))
process.once('SIGTERM', () => process.exit(0))
// Beside a node that is gone the small one has nothing to do.
process.once('disconnect', () => process.exit(0))

const terminal = process.stderr.isTTY
let lines = 0
function show({ phase, share, text }: Progress): void {
  const line = `${phase.padEnd(8)} ${String(Math.round(share * 100)).padStart(3)} %  ${text}`
  if (terminal) process.stderr.write(`\r\u001b[K${line.slice(0, (process.stderr.columns ?? 120) - 1)}`)
  else if (!values.small && lines++ % 5 === 0) process.stderr.write(`${line}\n`)
}

let node: NodeProcess | null = null
let cluster: Cluster | null = null
let killing: Promise<unknown> = Promise.resolve()
let killTimer: NodeJS.Timeout | undefined
let kills = 0
try {
  const env = { NOTES_SCRYPT_LN: process.env['NOTES_SCRYPT_LN'] ?? '10' }
  if (values.spawn) {
    node = await startProcess({ dir: values.dir, port: number('port', values.port), adminPort: 0, env })
    console.error(`started a node at ${node.url}`)
  }
  if (nodes !== null) {
    cluster = await startCluster({ dir: values.dir, nodes, port: number('port', values.port), env })
    console.error(`started ${cluster.nodes.map(({ name, url }) => `${name} at ${url}`).join(', ')}`)
  }
  const secret = process.env['NOTES_PROVIDER_TOKEN'] === undefined ? (process.env['NOTES_SECRET'] ?? secretOf(values.dir)) : ''
  const options: SimulatorOptions = {
    ...preset,
    ...sizes,
    ...(values['no-audit'] && { audit: false }),
    strict: cluster !== null,
    urls: cluster?.nodes.map(({ url }) => url) ?? (node === null ? (values.url ?? '').split(',') : [node.url]),
    run: values.run,
    providerToken: process.env['NOTES_PROVIDER_TOKEN'] ?? new Tokens(secret).provider(PROVIDER),
  }
  const kill = (): void => {
    killing = (node as NodeProcess).killAndRestart().then((ms) => {
      kills++
      console.error(`\nkilled the node; it served again after ${ms} ms`)
    })
  }
  const report = await simulate(options, {
    progress: show,
    signal: abort.signal,
    ...(cluster !== null && {
      faults: { cluster, killEveryS, drainEveryS, told: (line: string) => console.error(`${terminal ? '\n' : ''}${line}`) },
    }),
    live: () => {
      if (killEveryS === null || node === null) return
      killTimer = setInterval(kill, killEveryS * 1000)
      setTimeout(() => clearInterval(killTimer), (options.durationS - 1) * 1000).unref()
    },
  })
  await killing
  if (terminal) process.stderr.write('\n')
  const killed = killEveryS !== null && node !== null
  const full = killed ? { ...report, kills } : report
  if (values.out !== undefined) {
    mkdirSync(dirname(values.out), { recursive: true })
    writeFileSync(values.out, `${JSON.stringify(full, null, 2)}\n`)
  }
  console.log(values.json ? JSON.stringify(full, null, 2) : `${killed ? `killed ${kills} times (kill -9)\n` : ''}${tableOf(report)}`)
  process.exitCode = report.ok ? 0 : 1
} catch (error) {
  console.error(`simulate: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  clearInterval(killTimer)
  await killing.catch(() => undefined)
  await node?.stop()
  await cluster?.stop()
}
