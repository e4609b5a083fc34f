/** Runs the real command line as child processes. Tests wait for lines and exits, never for time. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Compiled sources of one test run: halves the cost of a child. */
const CACHE = join(tmpdir(), `troupe-cli-compiled-${process.ppid}`)
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export const APP = `
import { actor, app, log, signal, view } from 'troupe'

interface State { readonly notes: number; readonly last: string }

const user = actor('user', {
  state: (): State => ({ notes: 0, last: '' }),
  events: {
    'note.added': {
      reduce: (state: State, data: { text: string }, ctx) => {
        if (data.text === 'bad') return ctx.refuse('full', 'no more notes')
        ctx.notify('changed')
        return { notes: state.notes + 1, last: data.text }
      },
    },
  },
  topics: { changed: signal({ everyMs: 0 }), summary: view((state: State) => state, { everyMs: 0 }), feed: log() },
  queries: { count: (state: State) => state.notes },
})

export default app({ actors: { user } })
`

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

interface Place {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

/** A new folder, with the app in app.ts; gone when the test file ends. */
export function folder(files: Readonly<Record<string, string>> = { 'app.ts': APP }): string {
  const dir = mkdtempSync(join(tmpdir(), 'troupe-cli-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
  folders.push(dir)
  return dir
}

const folders: string[] = []
const children = new Set<ChildProcess>()

/** For afterAll: ends what a failed test left running. */
export function cleanUp(): void {
  for (const child of children) child.kill('SIGKILL')
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true })
}

function launch(args: readonly string[], { cwd, env, input }: Place): ChildProcess {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(TROUPE_|FORCE_COLOR|NODE_OPTIONS|VITEST)/.test(name)))
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { ...own, NO_COLOR: '1', NODE_COMPILE_CACHE: CACHE, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** Runs a command to its end. */
export async function troupe(args: readonly string[], place: Place = {}): Promise<Ran> {
  const child = launch(args, place)
  let out = ''
  let err = ''
  child.stdout?.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr?.on('data', (data: Buffer) => (err += data.toString()))
  child.stdin?.end(place.input)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, out, err }
}

/** A command that goes on: its lines, in order, as they come. */
export class Running {
  readonly #child: ChildProcess
  readonly #lines = { out: [] as string[], err: [] as string[] }
  readonly #read = { out: 0, err: 0 }
  readonly exit: Promise<number | null>
  #ended = false
  #wake: () => void = () => undefined

  constructor(args: readonly string[], place: Place = {}) {
    this.#child = launch(args, place)
    for (const stream of ['out', 'err'] as const) {
      const source = stream === 'out' ? this.#child.stdout : this.#child.stderr
      createInterface({ input: source as NodeJS.ReadableStream }).on('line', (line) => {
        this.#lines[stream].push(line)
        this.#wake()
      })
    }
    this.exit = new Promise((resolve) =>
      this.#child.once('close', (code) => {
        this.#ended = true
        this.#wake()
        resolve(code)
      }),
    )
  }

  /** The next line of a stream, after those already read, that matches. Throws, with all there was, if the command ends before. */
  async line(stream: 'out' | 'err', pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      while (this.#read[stream] < this.#lines[stream].length) {
        const match = pattern.exec(this.#lines[stream][this.#read[stream]++] as string)
        if (match !== null) return match
      }
      if (this.#ended)
        throw new Error(`ended before a line like ${pattern}\nout:\n${this.#lines.out.join('\n')}\nerr:\n${this.#lines.err.join('\n')}`)
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get out(): readonly string[] {
    return this.#lines.out
  }

  get err(): readonly string[] {
    return this.#lines.err
  }

  /** Nobody reads its standard output any more. */
  deafen(): void {
    this.#child.stdout?.destroy()
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}

export interface Node {
  readonly running: Running
  /** http://… of the client port. */
  readonly client: string
  readonly admin: string
}

/** Waits until `dev` or `start` serves. */
export async function serving(running: Running): Promise<Node> {
  const [, client] = await running.line('out', /^client (wss?:\/\/\S+)$/)
  const [, admin] = await running.line('out', /^admin (http:\/\/\S+)$/)
  await running.line('out', /^ready$/)
  return { running, client: (client as string).replace(/^ws/, 'http'), admin: admin as string }
}

export const ANY_PORTS: readonly string[] = ['listen', 'rpc-listen', 'admin-listen'].flatMap((flag) => [`--${flag}`, '127.0.0.1:0'])
