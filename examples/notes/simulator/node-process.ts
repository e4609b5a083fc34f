/** A node of the application as a child process, that can be killed without warning and started again on the same port and store. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const START = fileURLToPath(new URL('../start.ts', import.meta.url))

export interface NodeProcess {
  readonly url: string
  /** Kills with SIGKILL, starts again; resolves when it serves. How long it was away, ms. */
  killAndRestart(): Promise<number>
  /** Lets it drain. */
  stop(): Promise<void>
}

export interface NodeProcessOptions {
  readonly dir: string
  readonly port: number
  readonly adminPort: number
  readonly env?: Readonly<Record<string, string>>
}

export async function startProcess({ dir, port, adminPort, env }: NodeProcessOptions): Promise<NodeProcess> {
  let fixedPort = port
  let child: ChildProcess
  let url = ''
  const start = async (): Promise<void> => {
    const args = [START, '--quiet', '--dir', dir, '--port', String(fixedPort), '--admin-port', String(adminPort)]
    // In a process group of its own, so that Ctrl-C ends the live phase and not the node under the audit.
    child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'], detached: true })
    url = await ready(child)
    fixedPort = Number(new URL(url).port)
  }
  process.once('exit', () => child.kill('SIGKILL')) // nothing is left behind
  await start()
  return {
    get url() {
      return url
    },
    killAndRestart: async () => {
      const began = performance.now()
      await ended(child, 'SIGKILL')
      await start()
      return Math.round(performance.now() - began)
    },
    stop: () => ended(child, 'SIGTERM'),
  }
}

/** Reads the lines that start.ts prints, up to `ready`. */
function ready(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let page = ''
    child.once('exit', (code, signal) => reject(new Error(`the node ended before it was ready (${signal ?? code}): see above`)))
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line.startsWith('page ')) page = line.slice(5).replace(/\/$/, '')
      if (line === 'ready') resolve(page)
    })
  })
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill(signal)
  })
}
