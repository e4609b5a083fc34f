/** The systems that can be measured, by name, and how one is started in a fresh directory and ended. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { execFile } from 'node:child_process'
import { basename, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { DialectName } from '../load/dialects.ts'
import { startChild, type Child } from './child.ts'

export interface System {
  readonly name: string
  readonly dialect: DialectName
  readonly program: URL
  args(directory: string): string[]
  /** One line for the table of the README. */
  readonly durable: string
}

const here = (path: string): URL => new URL(`../${path}`, import.meta.url)

const KNOWN: readonly System[] = [
  {
    name: 'troupe',
    dialect: 'troupe',
    program: here('servers/troupe.ts'),
    args: (directory) => [directory],
    durable: 'fsync before the ack',
  },
  {
    name: 'troupe-mongodb',
    dialect: 'troupe',
    program: here('servers/troupe.ts'),
    args: (directory) => [mongodbUrl(basename(directory))],
    durable: 'on a majority’s disks before the ack',
  },
  ...[2, 3, 6].map((nodes): System => ({
    name: `troupe-${nodes}`,
    dialect: 'troupe',
    program: here('servers/cluster.ts'),
    args: (directory) => [directory, String(nodes)],
    durable: 'fsync before the ack',
  })),
  { name: 'troupe-memory', dialect: 'troupe', program: here('servers/troupe.ts'), args: () => ['memory:'], durable: 'no' },
  {
    name: 'ws-commit',
    dialect: 'plain',
    program: here('peers/ws-commit.ts'),
    args: (directory) => [directory],
    durable: 'fsync before the ack',
  },
  { name: 'ws-memory', dialect: 'plain', program: here('peers/ws-memory.ts'), args: () => [], durable: 'no' },
  { name: 'ws-token', dialect: 'plain', program: here('peers/ws-memory.ts'), args: () => ['--check-token'], durable: 'no' },
  { name: 'bare-net', dialect: 'plain', program: here('peers/bare-net.ts'), args: () => [], durable: 'no' },
  {
    name: 'socketio-always',
    dialect: 'socketio',
    program: here('peers/socketio-redis.ts'),
    args: (directory) => [directory, 'always'],
    durable: 'fsync before the ack',
  },
  {
    name: 'socketio-everysec',
    dialect: 'socketio',
    program: here('peers/socketio-redis.ts'),
    args: (directory) => [directory, 'everysec'],
    durable: 'up to a second is lost',
  },
]

/** The server that MONGODB_URL names, with a database of this run's own (they are left there: `bench-…`). */
function mongodbUrl(name: string): string {
  const [, scheme = '', rest = '', query = ''] =
    /^(mongodb(?:\+srv)?:\/\/)([^/?]+)[^?]*(\?.*)?$/.exec(process.env['MONGODB_URL'] ?? '') ?? []
  return `${scheme}${rest}/bench-${name}${query}`
}

/** `NAME`, or `troupe=DIR`: the same bench server of another checkout, for comparing two commits in one run. */
export function findSystem(name: string): System {
  const [base, checkout] = name.split('=') as [string, string | undefined]
  const known = KNOWN.find((system) => system.name === base)
  if (known === undefined) throw new Error(`there is no system '${base}'; there are ${KNOWN.map((system) => system.name).join(', ')}`)
  if (checkout === undefined) return known
  const program = resolve(checkout, 'bench', fileURLToPath(known.program).slice(fileURLToPath(here('')).length))
  if (!existsSync(program)) throw new Error(`${program} is not there: give the root of a checkout, as in troupe=../other`)
  return { ...known, name, program: pathToFileURL(program) }
}

/** Why a system cannot run here, or null. Peers with dependencies of their own are optional; so is a node that cannot start yet. */
export async function whyNot(system: System): Promise<string | null> {
  if (system.dialect === 'socketio') {
    if (!existsSync(here('node_modules/socket.io'))) return 'npm ci --prefix bench'
    if (!(process.env['PATH'] ?? '').split(':').some((folder) => existsSync(`${folder}/redis-server`)))
      return 'apt-get install redis-server'
  }
  if (system.name === 'troupe-mongodb' && process.env['MONGODB_URL'] === undefined) return 'set MONGODB_URL to a replica set'
  if (system.dialect === 'troupe') {
    const source = await readFile(new URL('../../src/node.ts', system.program), 'utf8')
    if (source.includes('export declare function startNode')) return 'src/node.ts has no body yet'
  }
  return null
}

export interface Running extends Child {
  readonly system: System
  readonly directory: string
}

/** The heap flag that the `troupe` command sets for itself (a small young generation: memory a connection counts); every server gets it. */
export const SERVER_FLAGS: readonly string[] = ['--max-semi-space-size=16']

export async function startSystem(system: System, execArgv: readonly string[] = []): Promise<Running> {
  const directory = await dataDirectory()
  // What the system before left to be written is not to be written while this one is measured.
  await promisify(execFile)('sync')
  const child = await startChild(system.program, system.args(directory), [...SERVER_FLAGS, ...execArgv])
  return { ...child, system, directory }
}

const directories: string[] = []

/** Beside the results and not in /tmp, which may be memory: an fsync there would cost nothing. */
export async function dataDirectory(): Promise<string> {
  const root = fileURLToPath(here('results/raw'))
  await mkdir(root, { recursive: true })
  const directory = await mkdtemp(`${root}/data-`)
  directories.push(directory)
  return directory
}

/** After the last round: deleting hundreds of MiB makes a disk's next fsyncs slow, and the next system would pay for it. */
export async function removeData(): Promise<void> {
  await Promise.all(directories.splice(0).map((directory) => rm(directory, { recursive: true, force: true })))
}

export function startLoad(): Promise<Child> {
  return startChild(here('load/load.ts'), [])
}

/** The load process whose clients are those of the SDK. */
export function startClients(): Promise<Child> {
  return startChild(here('load/clients.ts'), [])
}
