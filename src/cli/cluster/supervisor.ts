/**
 * Keeps node processes of one machine running: for `cluster`, and for `start --workers`.
 *
 *     starting ──ready──▶ serving ──ended, code 0──▶ left ──(rejoinMs, or a rolling restart)──▶ starting
 *        │                   └──ended otherwise──▶ waiting ──(back-off)──▶ starting
 *        └─ ended before it was ever ready ─▶ the whole fails, with what it said
 *
 *  1. A node that drained (code 0) stays out: somebody wanted that. With `rejoinMs` it comes back after that time. One that ended otherwise
 *     comes back under its name.
 *  2. Children are in process groups of their own, so that Ctrl-C reaches them once, through here; they drain when this process goes.
 *  3. `drain` asks all at once; `stop` ends them without asking. `done` resolves when none is left.
 *  4. `restart` is a rolling restart (rolling.ts): of all, also of those that are out.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { backoffMs } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { failed } from '../failure.ts'
import { rollingRestart } from './rolling.ts'
import { ASK_STANDING, standingIn, type Standing } from './standing.ts'

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
  /** A node that drained is started again after this time. Absent: it stays out. */
  readonly rejoinMs?: number
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
  /** When its present process began to serve; Infinity: it has not. */
  readyAt: number
  failures: number
  retry: Timer | null
  /** Its end is wanted: it is started again at once, however it ends. */
  restarting: boolean
  /** How often it has begun to serve, and how often it has ended. */
  served: number
  ended: number
  /** What it said of itself last; null: nothing since it was asked. */
  standing: Standing | null
  /** How its last process ended. */
  why: string
  /** The newest lines of its standard error, to say why it failed. */
  errors: string[]
}

interface Waiter {
  readonly over: () => boolean
  readonly resolve: () => void
}

export class Supervisor {
  readonly #parts: SupervisorParts
  readonly #nodes: readonly Kept[]
  readonly #done = Promise.withResolvers<void>()
  #waiters: Waiter[] = []
  #ending = false
  #rolling = false
  #failure: Error | null = null
  #announced = false

  constructor(specs: readonly NodeSpec[], parts: SupervisorParts) {
    this.#parts = parts
    this.#nodes = specs.map((spec) => ({
      spec,
      child: null,
      phase: 'starting',
      everReady: false,
      readyAt: Infinity,
      failures: 0,
      retry: null,
      restarting: false,
      served: 0,
      ended: 0,
      standing: null,
      why: '',
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

  /** Begins a rolling restart. While one is under way, or before all served once, it is told and nothing else happens. */
  restart(): void {
    const { clock, said } = this.#parts
    const [first] = this.#nodes
    if (this.#ending || first === undefined) return
    if (this.#rolling || !this.#announced)
      return said(
        first.spec.name,
        this.#rolling ? 'a rolling restart is under way already' : 'not all nodes have started yet',
        'supervisor',
      )
    this.#rolling = true
    const nodes = this.#nodes.map((node) => ({
      name: node.spec.name,
      phase: () => node.phase,
      served: () => node.served,
      ended: () => node.ended,
      end: (signal: 'SIGTERM' | 'SIGKILL') => {
        node.restarting = true
        node.child?.kill(signal)
      },
      begin: () => this.#spawn(node),
      ask: () => {
        node.standing = null
        if (node.child?.connected === true) node.child.send(ASK_STANDING)
      },
      standing: () => node.standing,
      why: () => node.why,
      said: (line: string) => said(node.spec.name, line, 'supervisor'),
    }))
    void rollingRestart(nodes, {
      clock,
      ending: () => this.#ending,
      until: (over) => this.#until(over),
      changed: () => this.#changed(),
    }).finally(() => {
      this.#rolling = false
      this.#settle()
    })
  }

  #end(signal: NodeJS.Signals): void {
    this.#ending = true
    for (const node of this.#nodes) {
      node.retry?.cancel()
      if (node.child === null) node.phase = 'left'
      else node.child.kill(signal)
    }
    this.#changed()
    this.#settle()
  }

  #spawn(node: Kept): void {
    node.retry?.cancel()
    node.phase = 'starting'
    node.readyAt = Infinity
    node.restarting = false
    node.standing = null
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
    child.on('message', (message) => {
      if (node.child !== child) return
      node.standing = standingIn(message) ?? node.standing
      this.#changed()
    })
    let over = false
    const gone = (how: string, code: number | null): void => {
      if (over) return
      over = true
      this.#gone(node, how, code)
    }
    // Also a message that could not be sent any more: only one that never ran is over with it.
    child.on('error', (error) => {
      if (child.pid === undefined) gone(`could not be started: ${error.message}`, null)
    })
    // 'close' comes after its last line was read.
    child.once('close', (code, signal) => gone(signal === null ? `ended with code ${code}` : `was ended by ${signal}`, code))
  }

  #serves(node: Kept): void {
    node.phase = 'serving'
    node.everReady = true
    node.readyAt = this.#parts.clock.mono()
    node.served++
    this.#changed()
    if (this.#announced || !this.#nodes.every(({ everReady }) => everReady)) return
    this.#announced = true
    this.#parts.ready()
  }

  #gone(node: Kept, how: string, code: number | null): void {
    node.child = null
    node.ended++
    node.why = whyOf(node) ?? how
    this.#next(node, how, code)
    this.#changed()
  }

  /** What becomes of a node that has ended. */
  #next(node: Kept, how: string, code: number | null): void {
    const { clock, random, said, rejoinMs } = this.#parts
    if (!this.#ending && node.restarting) return this.#spawn(node)
    if (this.#ending || (code === 0 && node.everReady)) {
      node.phase = 'left'
      if (this.#ending) return this.#settle()
      said(node.spec.name, `has drained and left${rejoinMs === undefined ? '' : `; starts again in ${rejoinMs} ms`}`, 'supervisor')
      if (rejoinMs === undefined) return this.#settle()
      node.retry = clock.after(rejoinMs, () => this.#spawn(node))
      return
    }
    if (!node.everReady) {
      node.phase = 'left'
      this.#failure ??= failed(`${node.spec.name} did not start: ${node.why}`)
      return this.#end('SIGTERM')
    }
    node.failures = clock.mono() - node.readyAt > STEADY_MS ? 1 : node.failures + 1
    node.phase = 'waiting'
    const waitMs = Math.round(Math.max(RESTART_FIRST_MS / 2, backoffMs(node.failures - 1, RESTART_FIRST_MS, RESTART_MAX_MS, random)))
    said(node.spec.name, `${how}; starts again in ${waitMs} ms`, 'supervisor')
    node.retry = clock.after(waitMs, () => this.#spawn(node))
  }

  #settle(): void {
    // With `rejoinMs` those that are out come back; and during a rolling restart those that are out are started too.
    const over = this.#ending || (this.#parts.rejoinMs === undefined && !this.#rolling)
    if (!over || !this.#nodes.every(({ phase }) => phase === 'left')) return
    if (this.#failure === null) this.#done.resolve()
    else this.#done.reject(this.#failure)
  }

  #until(over: () => boolean): Promise<void> {
    if (over()) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push({ over, resolve }))
  }

  #changed(): void {
    const all = this.#waiters
    this.#waiters = []
    for (const waiter of all) {
      if (waiter.over()) waiter.resolve()
      else this.#waiters.push(waiter)
    }
  }
}

function whyOf({ errors }: Kept): string | undefined {
  return errors.findLast((line) => line.startsWith('troupe: '))?.slice('troupe: '.length)
}

function lines(stream: Readable | null, take: (line: string) => void): void {
  if (stream !== null) createInterface(stream).on('line', take)
}
