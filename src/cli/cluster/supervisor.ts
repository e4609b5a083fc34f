/**
 * Keeps node processes of one machine running: for `cluster`, and for `start --workers`.
 *
 *     starting ──ready──▶ serving ──ended, code 0──▶ left
 *        │                   └──ended otherwise──▶ waiting ──(back-off)──▶ starting
 *        └─ ended before it was ever ready ─▶ the whole fails, with what it said
 *
 *  1. A node that drained (code 0) stays out: somebody wanted that. One that ended otherwise comes back under its name.
 *  2. Children are in process groups of their own, so that Ctrl-C reaches them once, through here; they drain when this process goes.
 *  3. `drain` asks all at once; `stop` ends them without asking. `done` resolves when none is left.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { backoffMs } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { failed } from '../failure.ts'

export interface NodeSpec {
  readonly name: string
  /** What follows `troupe` on its command line. */
  readonly args: readonly string[]
  /** Added to this process's environment: what must not show in a list of processes. */
  readonly env?: Readonly<Record<string, string>>
}

export interface SupervisorParts {
  /** Path of the CLI's entry. */
  readonly main: string
  readonly clock: Clock
  readonly random: Random
  /** A line that a node wrote, or that is said about it. */
  readonly said: (node: string, line: string, of: 'out' | 'err' | 'supervisor') => void
  /** Every node serves, for the first time. */
  readonly ready: () => void
}

const RESTART_FIRST_MS = 500
const RESTART_MAX_MS = 10_000
/** Who served this long is not counted as one that keeps failing. */
const STEADY_MS = 30_000
const KEPT_LINES = 20

interface Kept {
  readonly spec: NodeSpec
  child: ChildProcess | null
  phase: 'starting' | 'serving' | 'waiting' | 'left'
  everReady: boolean
  readyAt: number
  failures: number
  retry: Timer | null
  /** The newest lines of its standard error, to say why it failed. */
  errors: string[]
}

export class Supervisor {
  readonly #parts: SupervisorParts
  readonly #nodes: readonly Kept[]
  readonly #done = Promise.withResolvers<void>()
  #ending = false
  #failure: Error | null = null
  #announced = false

  constructor(specs: readonly NodeSpec[], parts: SupervisorParts) {
    this.#parts = parts
    this.#nodes = specs.map((spec) => ({
      spec,
      child: null,
      phase: 'starting',
      everReady: false,
      readyAt: 0,
      failures: 0,
      retry: null,
      errors: [],
    }))
  }

  /** Resolves when no node is left; rejects if one could not start at all. */
  get done(): Promise<void> {
    return this.#done.promise
  }

  start(): void {
    for (const node of this.#nodes) this.#spawn(node)
  }

  drain(): void {
    this.#end('SIGTERM')
  }

  stop(): void {
    this.#end('SIGKILL')
  }

  #end(signal: NodeJS.Signals): void {
    this.#ending = true
    for (const node of this.#nodes) {
      node.retry?.cancel()
      if (node.child === null) node.phase = 'left'
      else node.child.kill(signal)
    }
    this.#settle()
  }

  #spawn(node: Kept): void {
    node.phase = 'starting'
    node.errors = []
    // Detached: a process group of its own (2). The channel tells it when this process is gone.
    const child = fork(this.#parts.main, node.spec.args, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
      env: { ...process.env, ...node.spec.env },
    })
    node.child = child
    if (child.pid !== undefined) this.#parts.said(node.spec.name, `pid ${child.pid}`, 'out')
    lines(child.stdout, (line) => {
      this.#parts.said(node.spec.name, line, 'out')
      if (line === 'ready') this.#serves(node)
    })
    lines(child.stderr, (line) => {
      node.errors.push(line)
      if (node.errors.length > KEPT_LINES) node.errors.shift()
      this.#parts.said(node.spec.name, line, 'err')
    })
    let over = false
    const gone = (how: string, code: number | null): void => {
      if (over) return
      over = true
      this.#gone(node, how, code)
    }
    child.once('error', (error) => gone(`could not be started: ${error.message}`, null))
    // 'close' comes after its last line was read.
    child.once('close', (code, signal) => gone(signal === null ? `ended with code ${code}` : `was ended by ${signal}`, code))
  }

  #serves(node: Kept): void {
    node.phase = 'serving'
    node.everReady = true
    node.readyAt = this.#parts.clock.mono()
    if (this.#announced || !this.#nodes.every(({ everReady }) => everReady)) return
    this.#announced = true
    this.#parts.ready()
  }

  #gone(node: Kept, how: string, code: number | null): void {
    node.child = null
    const { clock, random, said } = this.#parts
    if (this.#ending || (code === 0 && node.everReady)) {
      node.phase = 'left'
      if (!this.#ending) said(node.spec.name, 'has drained and left', 'supervisor')
      return this.#settle()
    }
    if (!node.everReady) {
      node.phase = 'left'
      const why = node.errors.findLast((line) => line.startsWith('troupe: '))?.slice('troupe: '.length) ?? how
      this.#failure ??= failed(`${node.spec.name} did not start: ${why}`)
      return this.#end('SIGTERM')
    }
    node.failures = clock.mono() - node.readyAt > STEADY_MS ? 1 : node.failures + 1
    node.phase = 'waiting'
    const waitMs = Math.round(Math.max(RESTART_FIRST_MS / 2, backoffMs(node.failures - 1, RESTART_FIRST_MS, RESTART_MAX_MS, random)))
    said(node.spec.name, `${how}; starts again in ${waitMs} ms`, 'supervisor')
    node.retry = clock.after(waitMs, () => this.#spawn(node))
  }

  #settle(): void {
    if (!this.#nodes.every(({ phase }) => phase === 'left')) return
    if (this.#failure === null) this.#done.resolve()
    else this.#done.reject(this.#failure)
  }
}

function lines(stream: Readable | null, take: (line: string) => void): void {
  if (stream !== null) createInterface(stream).on('line', take)
}
