/** A node process that comes and goes under one name and one address, as those who end it, freeze it and start it again need it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { ShownNode } from '../../src/admin/parts.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const APP = fileURLToPath(new URL('app.ts', import.meta.url))
const HOOK = new URL('hook.ts', import.meta.url).href
/** Compiled sources: halves the cost of a start. Who is killed does not write them, so the hook does. */
const COMPILED = join(tmpdir(), `troupe-faults-compiled-${process.getuid?.() ?? 0}`)
const TOKEN = 'the-token-of-an-operator'
const LINES_KEPT = 200
const READY_MS = 60_000

export interface Seat {
  readonly name: string
  readonly host: string
  /** Of clients; rpc is 1 above, admin 2 above. */
  readonly port: number
  /** What the command line begins with, to run it elsewhere. */
  readonly prefix: readonly string[]
}

export interface Place {
  /** The folder of store, secret and armed hooks. */
  readonly dir: string
  readonly seats: readonly Seat[]
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export const storeIn = (dir: string): string => join(dir, 'store')

/** Makes the folder ready. */
export function furnish(dir: string): void {
  mkdirSync(join(dir, 'armed'), { recursive: true })
  mkdirSync(storeIn(dir), { recursive: true })
  writeFileSync(join(dir, 'secret'), 'the secret that all nodes under faults share')
}

/** Those that run, to be ended with this process. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class FaultNode {
  readonly seat: Seat
  readonly #place: Place
  #child: ChildProcess | null = null
  #exited: Promise<Exit> = Promise.resolve({ code: null, signal: null })
  #err: string[] = []
  #ready = false
  #frozen = false

  constructor(seat: Seat, place: Place) {
    this.seat = seat
    this.#place = place
  }

  get name(): string {
    return this.seat.name
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get running(): boolean {
    return this.#child !== null
  }

  get frozen(): boolean {
    return this.#frozen
  }

  /** Resolves when the process that runs now has ended. */
  get exited(): Promise<Exit> {
    return this.#exited
  }

  get client(): string {
    return `http://${this.seat.host}:${this.seat.port}`
  }

  get rpc(): string {
    return `${this.seat.host}:${this.seat.port + 1}`
  }

  get admin(): string {
    return `http://${this.seat.host}:${this.seat.port + 2}`
  }

  get said(): readonly string[] {
    return this.#err
  }

  /** Resolves when it serves; rejects, with what it said, when it ends before or takes too long. */
  start(): Promise<void> {
    const { seats, dir } = this.#place
    const { seat } = this
    const at = (step: number): string => `${seat.host}:${seat.port + step}`
    const joined = seats.map(({ host, port }) => `${host}:${port + 1}`).join(',')
    const line = [
      ...seat.prefix,
      ...[process.execPath, '--max-semi-space-size=16', '--import', HOOK, MAIN, 'start', APP, '--node', seat.name, '--cluster', 'faults'],
      ...['--listen', at(0), '--rpc-listen', at(1), '--admin-listen', at(2), '--join', joined],
      ...['--store', `sqlite:${storeIn(dir)}`, '--secret-file', join(dir, 'secret'), '--insecure', '--log-level', 'warn'],
      // Short, so that a drain is no pause and snapshots are met.
      ...['--option', 'drainSpreadMs=300', '--option', 'snapshotEntries=20'],
    ]
    const inherited = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(TROUPE_|FORCE_COLOR|NODE_OPTIONS|VITEST)/.test(name)),
    )
    const env = { ...inherited, NODE_COMPILE_CACHE: COMPILED, FAULTS_ARMED: join(dir, 'armed'), TROUPE_ADMIN_TOKEN: TOKEN }
    const child = spawn(line[0] as string, line.slice(1), { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(child)
    this.#child = child
    this.#ready = false
    this.#frozen = false
    const ready = Promise.withResolvers<void>()
    this.#lines(child.stdout, (text) => {
      if (text !== 'ready') return
      this.#ready = true
      ready.resolve()
    })
    this.#lines(child.stderr, (text) => {
      this.#err.push(text)
      if (this.#err.length > LINES_KEPT) this.#err.shift()
    })
    this.#exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(child)
        this.#child = null
        this.#frozen = false
        ready.reject(new Error(`${seat.name} ended (${signal ?? code}) before it was ready; it said:\n${this.#err.slice(-20).join('\n')}`))
        resolve({ code, signal })
      })
    })
    const limit = setTimeout(() => ready.reject(new Error(`${seat.name} was not ready in ${READY_MS} ms`)), READY_MS)
    return ready.promise.finally(() => clearTimeout(limit))
  }

  #lines(stream: Readable, take: (line: string) => void): void {
    createInterface(stream).on('line', take)
  }

  get ready(): boolean {
    return this.#ready && this.#child !== null
  }

  signal(signal: NodeJS.Signals): boolean {
    if (this.#child === null) return false
    if (signal === 'SIGSTOP') this.#frozen = true
    if (signal === 'SIGCONT') this.#frozen = false
    return this.#child.kill(signal)
  }

  /** Arms the hook: the node is to die at that place when it next comes there. */
  arm(place: 'hint' | 'commit'): Armed {
    return new Armed(join(this.#place.dir, 'armed', `${this.pid}.${place}`))
  }

  async ask(path: string, method: 'GET' | 'POST' = 'GET', limitMs = 5000): Promise<{ status: number; text: string }> {
    const headers = { authorization: `Bearer ${TOKEN}` }
    const response = await fetch(`${this.admin}${path}`, { method, headers, signal: AbortSignal.timeout(limitMs) })
    return { status: response.status, text: await response.text() }
  }

  async nodes(): Promise<readonly ShownNode[]> {
    return (JSON.parse((await this.ask('/v1/nodes')).text) as { nodes: readonly ShownNode[] }).nodes
  }

  async metric(name: string, limitMs?: number): Promise<number> {
    const { text } = await this.ask('/metrics', 'GET', limitMs)
    return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1])
  }
}

export class Armed {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
    writeFileSync(file, '')
  }

  /** What the hook wrote before it killed its process; null: it did not come there. */
  get evidence(): Readonly<Record<string, unknown>> | null {
    const hit = `${this.#file}.hit`
    return existsSync(hit) ? (JSON.parse(readFileSync(hit, 'utf8')) as Readonly<Record<string, unknown>>) : null
  }

  disarm(): void {
    rmSync(this.#file, { force: true })
  }
}

/** Null when every one of these sees all of them alive and serving and nobody else in service; else what is not so. */
export async function agree(nodes: readonly FaultNode[]): Promise<string | null> {
  const names = nodes.map(({ name }) => name).toSorted()
  for (const node of nodes) {
    const shown = await node.nodes().catch((error: unknown) => String(error))
    if (typeof shown === 'string') return `${node.name} does not answer: ${shown}`
    const serving = shown.filter(({ state, phase }) => state === 'alive' && phase === 'serving').map(({ id }) => id)
    if (serving.toSorted().join() !== names.join())
      return `${node.name} sees ${shown.map(({ id, state, phase }) => `${id} ${state} ${phase}`).join(', ')}`
  }
  return null
}

/** Asks until it says null; else what it said last, after the limit. */
export async function settles(ask: () => Promise<string | null>, limitMs: number, everyMs = 100): Promise<string | null> {
  const end = performance.now() + limitMs
  for (;;) {
    const left = await ask()
    if (left === null || performance.now() > end) return left
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
