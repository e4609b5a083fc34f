/**
 * The application on several nodes: `troupe cluster` as a child process, whose nodes can be killed without warning or drained. It starts them
 * again by itself; what it and they say goes into a file.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const TROUPE = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
const APP = fileURLToPath(new URL('../app.ts', import.meta.url))
/** A drained node comes back after this: long enough to be seen gone. */
const REJOIN_MS = 1000

export interface ClusterNode {
  readonly name: string
  /** `http://HOST:PORT` of its client port. */
  readonly url: string
  readonly admin: string
  readonly serving: boolean
}

export interface Cluster {
  readonly nodes: readonly ClusterNode[]
  /** SIGKILL. Resolves when it serves again. */
  kill(node: ClusterNode): Promise<void>
  /** As `troupe drain`. Resolves when it serves again; `gone` is called when it has left. */
  drain(node: ClusterNode, gone: () => void): Promise<void>
  /** Lets all drain. */
  stop(): Promise<void>
}

export interface ClusterOptions {
  readonly dir: string
  readonly nodes: number
  /** Client port of the first; the others as `troupe cluster` has them. */
  readonly port: number
  readonly env?: Readonly<Record<string, string>>
  /** Further flags of `troupe cluster`. */
  readonly flags?: readonly string[]
}

interface Kept {
  readonly name: string
  url: string
  admin: string
  serving: boolean
  pid: number
  served: number
  left: number
}

export async function startCluster({ dir, nodes, port, env, flags = [] }: ClusterOptions): Promise<Cluster> {
  mkdirSync(dir, { recursive: true })
  const log = createWriteStream(join(dir, 'cluster.log'))
  const args = ['--nodes', nodes, '--port', port, '--store', `sqlite:${join(dir, 'store')}`, '--rejoin', `${REJOIN_MS}ms`].map(String)
  // In a process group of its own, so that Ctrl-C ends the live phase and not the nodes under the audit.
  const child = spawn(process.execPath, ['--max-semi-space-size=16', TROUPE, 'cluster', APP, ...args, ...flags], {
    env: { NODE_COMPILE_CACHE: join(dir, 'compiled'), ...process.env, NOTES_DIR: dir, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  process.once('exit', () => child.kill('SIGKILL')) // its nodes then drain by themselves
  const kept = new Map<string, Kept>()
  let wake: (() => void)[] = []
  let over: string | null = null
  let allReady = false
  const changed = (): void => {
    const all = wake
    wake = []
    for (const one of all) one()
  }
  const heard = (line: string): void => {
    log.write(`${line}\n`)
    allReady ||= line === 'ready'
    const [, name = '', said = ''] = /^(node-\d+) +(.*)$/.exec(line) ?? []
    if (name !== '') note(name, said)
    changed()
  }
  const note = (name: string, said: string): void => {
    let node = kept.get(name)
    if (node === undefined) kept.set(name, (node = { name, url: '', admin: '', serving: false, pid: 0, served: 0, left: 0 }))
    const [, word, rest = ''] = /^(\S+) ?(.*)$/.exec(said) ?? []
    if (word === 'pid') node.pid = Number(rest)
    if (word === 'client') node.url = rest.replace(/^ws/, 'http')
    if (word === 'admin') node.admin = rest
    if (word === 'ready') {
      node.serving = true
      node.served++
    }
    if (/^(was ended|ended|has drained)/.test(said)) {
      node.serving = false
      node.left++
    }
  }
  const errors: string[] = []
  createInterface({ input: child.stdout }).on('line', heard)
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.startsWith('troupe: ')) errors.push(line.slice('troupe: '.length))
    heard(line)
  })
  child.once('close', (code, signal) => {
    over = `troupe cluster ended (${signal ?? code})${errors.length === 0 ? '' : `: ${errors.join('; ')}`}`
    changed()
  })
  const until = async (wanted: () => boolean): Promise<void> => {
    while (!wanted()) {
      if (over !== null) throw new Error(`${over}; ${join(dir, 'cluster.log')} says more`)
      await new Promise<void>((resolve) => wake.push(resolve))
    }
  }
  await until(() => allReady)

  const all = [...kept.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const keptOf = ({ name }: ClusterNode): Kept => kept.get(name) as Kept
  return {
    nodes: all,
    kill: async (given) => {
      const node = keptOf(given)
      const { served } = node
      node.serving = false
      process.kill(node.pid, 'SIGKILL')
      await until(() => node.served > served)
    },
    drain: async (given, gone) => {
      const node = keptOf(given)
      const { served, left } = node
      node.serving = false
      const answer = await fetch(`${node.admin}/v1/nodes/${node.name}/drain`, { method: 'POST' })
      if (!answer.ok) throw new Error(`${node.name} does not drain: ${answer.status} ${await answer.text()}`)
      await until(() => node.left > left)
      gone()
      await until(() => node.served > served)
    },
    stop: () => ended(child),
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })
}
