/**
 * Moving the WAL into the database file, beside the commits. A second thread with a connection of its own copies pages ('PASSIVE', which
 * blocks nobody) when the WAL has grown to `checkpointBytes`; when little is left, the store's own thread does the rest between two commits
 * ('RESTART'), after which the WAL is written from its start again. Several processes may all try: SQLite lets one of them.
 *
 * A reader that does not go on (a frozen process) keeps the WAL from being emptied. Over `pinnedBytes` we look for such (sqlite-lock.ts).
 */
import { Worker } from 'node:worker_threads'
import { performance } from 'node:perf_hooks'
import type Database from 'better-sqlite3'
import type { Log } from '../base/log.ts'
import type { Locks } from './sqlite-lock.ts'
import { PAGE_BYTES } from './sqlite-schema.ts'

const FRAME_BYTES = PAGE_BYTES + 24
/** Ask SQLite how long the WAL is once in so many commits. */
const COMMITS_A_LOOK = 16
/** After a checkpoint that achieved nothing, the next try waits. */
const PAUSE_MS = 250
/** The rest that is copied between two commits. */
const REST_BYTES = 4 * 1024 * 1024

export interface WalState {
  readonly busy: number
  /** Frames in the WAL, and how many of them are in the database file already. */
  readonly log: number
  readonly checkpointed: number
}

export class Checkpoints {
  readonly #file: string
  readonly #limits: { readonly checkpointBytes: number; readonly pinnedBytes: number }
  readonly #locks: Locks
  readonly #log: Log
  readonly #look: Database.Statement
  readonly #restart: Database.Statement
  #thread: Worker | null = null
  #running = false
  #commits = 0
  #notBefore = 0
  done = 0
  walBytes = 0

  constructor(
    db: Database.Database,
    file: string,
    limits: { readonly checkpointBytes: number; readonly pinnedBytes: number },
    locks: Locks,
    log: Log,
  ) {
    this.#file = file
    this.#limits = limits
    this.#locks = locks
    this.#log = log
    this.#look = db.prepare('PRAGMA wal_checkpoint(NOOP)')
    this.#restart = db.prepare('PRAGMA wal_checkpoint(RESTART)')
  }

  /** After each commit, outside of any transaction. */
  committed(): void {
    if (++this.#commits % COMMITS_A_LOOK !== 0) return
    try {
      this.#lookNow()
    } catch (error) {
      this.#failed(String(error))
    }
  }

  #lookNow(): void {
    const state = this.#look.get() as WalState
    this.walBytes = Math.max(0, state.log) * FRAME_BYTES
    if (this.walBytes < this.#limits.checkpointBytes || this.#running || performance.now() < this.#notBefore) return
    if ((state.log - state.checkpointed) * FRAME_BYTES <= REST_BYTES) this.#finish()
    else this.#start()
  }

  #start(): void {
    this.#running = true
    if (this.#thread === null) {
      const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
      const url = new URL(`./sqlite-checkpoint-thread.${extension}`, import.meta.url)
      this.#thread = new Worker(url, { workerData: this.#file, execArgv: [] })
      this.#thread.on('message', (answer: WalState | string) => this.#answered(answer))
      this.#thread.on('error', (error: Error) => this.#failed(error.message))
      this.#thread.on('exit', () => {
        this.#thread = null
        this.#running = false
      })
    }
    this.#thread.postMessage('checkpoint')
  }

  #answered(answer: WalState | string): void {
    this.#running = false
    if (typeof answer === 'string') return this.#failed(answer)
    this.done++
    const left = Math.max(0, answer.log - answer.checkpointed) * FRAME_BYTES
    if (left <= REST_BYTES) return this.#finish()
    this.#notBefore = performance.now() + PAUSE_MS
    // Also when another process holds the checkpoint's lock: it may be the frozen one.
    if (left > this.#limits.pinnedBytes || this.walBytes > this.#limits.pinnedBytes) this.#locks.endFrozen()
  }

  #failed(why: string): void {
    this.#running = false
    this.#notBefore = performance.now() + 4 * PAUSE_MS
    this.#log.warn({ file: this.#file, why }, 'checkpoint failed; the WAL grows until one succeeds')
  }

  #finish(): void {
    try {
      const { busy } = this.#restart.get() as WalState
      if (busy !== 0) this.#notBefore = performance.now() + PAUSE_MS
    } catch (error) {
      this.#failed(String(error))
    }
  }

  async close(): Promise<void> {
    const thread = this.#thread
    if (thread === null) return
    const ended = new Promise<void>((resolve) => void thread.once('exit', () => resolve()))
    thread.postMessage('close')
    await ended
  }
}
