/**
 * `npm start`: one node with its embedded store, the page, and a small simulator beside it, as a process of its own over the client port.
 * Options: `--help`.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startNode } from '../../src/index.ts'
import { notesApp } from './application.ts'
import { configFrom, secretOf } from './config.ts'
import type { SimulatorSwitch } from './routes/live.ts'
import { PROVIDER } from './simulator/items.ts'
import { Tokens } from './tokens.ts'

const HELP = `Starts the notes application on one node with its embedded store.

  npm start -- [options]          node examples/notes/start.ts [options]

  --host HOST        address to listen on (127.0.0.1)
  --port PORT        client port: page, HTTP, WebSocket; 0 = any (7000)
  --admin-port PORT  admin port, on loopback; 0 = any (7200)
  --dir DIR          store and secret (.troupe/notes)
  --quiet            without the small simulator; the page can still switch it on

Environment: NOTES_SECRET, NOTES_SCRYPT_LN, NOTES_SESSION_MS (examples/notes/config.ts).`

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '7000' },
    'admin-port': { type: 'string', default: '7200' },
    dir: { type: 'string', default: '.troupe/notes' },
    quiet: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}

const secret = process.env['NOTES_SECRET'] ?? secretOf(values.dir)
const config = configFrom({ ...process.env, NOTES_SECRET: secret })

/** The small simulator as a child; ends with this process, and with `--quiet` begins switched off. */
function besideNode(url: string): SimulatorSwitch & { stop(): void } {
  let child: ChildProcess | null = null
  const file = fileURLToPath(new URL('./simulate.ts', import.meta.url))
  const set = (on: boolean): void => {
    if (!on) {
      child?.kill('SIGTERM')
      child = null
    } else if (child === null) {
      const env = { ...process.env, NOTES_PROVIDER_TOKEN: new Tokens(secret).provider(PROVIDER) }
      const started = fork(file, ['--small', '--url', url], { env, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
      started.on('exit', () => {
        if (child === started) child = null
      })
      child = started
    }
  }
  return { running: () => child !== null, set, stop: () => set(false) }
}

let simulator: ReturnType<typeof besideNode> | null = null
let adminUrl: string | null = null

/** Open sockets, as the admin port tells. */
async function sockets(): Promise<number | null> {
  if (adminUrl === null) return null
  const { nodes } = (await (await fetch(`${adminUrl}/v1/nodes`)).json()) as { readonly nodes: readonly { readonly sockets: number }[] }
  return nodes.reduce((total, node) => total + node.sockets, 0)
}

const node = await startNode({
  app: notesApp(config, {
    simulator: { running: () => simulator?.running() ?? false, set: (on) => simulator?.set(on) },
    sockets,
  }),
  appDir: fileURLToPath(new URL('.', import.meta.url)),
  node: 'notes-1',
  listen: `${values.host}:${values.port}`,
  adminListen: `127.0.0.1:${values['admin-port']}`,
  store: `sqlite:${join(values.dir, 'store')}`,
}).catch((error: unknown): never => {
  // The sentence says what to do; where it was thrown helps nobody.
  console.error(`notes: ${error instanceof Error ? error.message : String(error)} (here: --port and --admin-port)`)
  process.exit(1)
})
adminUrl = node.adminUrl
const page = (node.clientUrl as string).replace(/^ws/, 'http')
console.log(`client ${node.clientUrl}`)
if (adminUrl !== null) console.log(`admin ${adminUrl}`)
console.log(`page ${page}/`)
simulator = besideNode(page)
if (!values.quiet) {
  simulator.set(true)
  console.log('a small simulator runs beside it: switch it off on the page, or start with --quiet')
}
console.log('ready')

let stopping = false
async function stop(): Promise<void> {
  simulator?.stop()
  if (stopping) process.exit(1) // a second signal
  stopping = true
  await node.drain()
  process.exit(0)
}
process.on('SIGTERM', () => void stop())
process.on('SIGINT', () => void stop())
