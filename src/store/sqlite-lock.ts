/**
 * Waiting for SQLite's locks, and getting past a process that is frozen while it holds one.
 *
 * SQLite's own back-off starves under several writers, so we ask again ourselves: after 1 ms, about what is left of another's commit, then every 0.2 ms. Locks die with their process, so only a
 * process that lives but does not run (SIGSTOP, a frozen container) can block the others for good. On Linux the kernel says who holds which
 * lock (/proc/locks); a process of ours is known by a file `processes/<pid>` beside the database that holds its start time.
 * Who waited `patienceMs` and found the same stopped process of ours in the way all the while ends it with SIGKILL and says so.
 * It loses nothing by that: what it has not committed it has not acknowledged. Any other holder is left alone and named in the error.
 *
 * This runs on the store's own thread: it may block and may read the machine's clock.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { Log } from '../base/log.ts'
import { isBusy } from './sqlite-trouble.ts'
import { StoreError } from './store.ts'

const FIRST_RETRY_MS = 1
const RETRY_MS = 0.2
/** A running process of ours may be in the way for this many times the patience. */
const RUNNING_PATIENCE = 5
/** Bytes of the -shm file that SQLite locks (its wal.c): 120 write, 121 checkpoint, 122 recovery, 123–127 readers. 128 is held by everybody. */
const SHM_FIRST = 120
const SHM_LAST = 127
/** In the database file: pending, reserved and the shared range (os.h of SQLite). */
const PENDING_BYTE = 0x40000000

export interface LockHolder {
  readonly pid: number
  readonly name: string
  /** A process that opened this directory as a store, by pid and start time. */
  readonly ours: boolean
  readonly stopped: boolean
}

export class Locks {
  readonly #file: string
  readonly #registry: string
  readonly #patienceMs: number
  readonly #log: Log
  readonly #cell = new Int32Array(new SharedArrayBuffer(4))
  /** Stopped holders, by pid: since when we have seen them stopped. */
  readonly #stoppedSince = new Map<number, number>()
  busyRetries = 0
  ended = 0

  constructor(dir: string, file: string, patienceMs: number, log: Log) {
    this.#file = file
    this.#registry = join(dir, 'processes')
    this.#patienceMs = patienceMs
    this.#log = log
  }

  /** Makes this process known to its neighbours and forgets those that are gone. */
  register(): void {
    if (process.platform !== 'linux') return
    mkdirSync(this.#registry, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(this.#registry)) {
      const pid = Number(name)
      if (!Number.isInteger(pid) || startTime(pid) !== this.#registered(pid)) rmSync(join(this.#registry, name), { force: true })
    }
    writeFileSync(join(this.#registry, String(process.pid)), startTime(process.pid) ?? '', { mode: 0o600 })
  }

  /** Runs `attempt` until it does not fail because of a lock. `between` is called between two tries. */
  retrying<T>(attempt: () => T, between: () => void): T {
    const began = performance.now()
    let judgeAt = began + this.#patienceMs / 4
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = RETRY_MS) {
      try {
        return waitMs === FIRST_RETRY_MS ? attempt() : withoutStack(attempt)
      } catch (error) {
        if (!isBusy(error)) throw error
      }
      this.busyRetries++
      Atomics.wait(this.#cell, 0, 0, waitMs)
      between()
      const now = performance.now()
      if (now < judgeAt) continue
      judgeAt = now + this.#patienceMs / 4
      this.#judge(now - began, now)
    }
  }

  /** Ends stopped processes of ours that hold any lock of the WAL: to be called again while it stays pinned. */
  endFrozen(): void {
    this.#endStopped(this.holders('any'), performance.now())
  }

  #judge(waitedMs: number, now: number): void {
    const holders = this.holders('exclusive')
    this.#endStopped(holders, now)
    if (waitedMs < this.#patienceMs) return
    const foreign = holders.find(({ ours }) => !ours)
    if (foreign !== undefined)
      throw this.#busy(`process ${foreign.pid} (${foreign.name}), which is not part of this store, holds its lock`, foreign.pid)
    if (waitedMs < this.#patienceMs * RUNNING_PATIENCE) return
    const other = holders.find(({ pid }) => pid !== process.pid)
    if (other !== undefined)
      throw this.#busy(`process ${other.pid} (${other.name}) has held its lock for ${Math.round(waitedMs)} ms`, other.pid)
    throw this.#busy(`it has been locked for ${Math.round(waitedMs)} ms`, null)
  }

  #endStopped(holders: readonly LockHolder[], now: number): void {
    const stopped = holders.filter((holder) => holder.ours && holder.stopped && holder.pid !== process.pid)
    for (const pid of this.#stoppedSince.keys()) if (!stopped.some((holder) => holder.pid === pid)) this.#stoppedSince.delete(pid)
    for (const { pid } of stopped) {
      const since = this.#stoppedSince.get(pid)
      if (since === undefined) this.#stoppedSince.set(pid, now)
      else if (now - since >= this.#patienceMs / 2) this.#end(pid)
    }
  }

  #end(pid: number): void {
    const start = this.#registered(pid)
    if (start === null || startTime(pid) !== start || !isStopped(pid)) return
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      throw this.#busy(`process ${pid} is stopped while it holds its lock, and this user may not end it`, pid)
    }
    this.ended++
    this.#stoppedSince.delete(pid)
    this.#log.warn({ file: this.#file, pid }, 'ended a stopped process that held a lock of the store')
  }

  #busy(what: string, pid: number | null): StoreError {
    const way = pid === null ? 'Find the program that uses it and end it' : `End it (kill ${pid}), or let it go on (kill -CONT ${pid})`
    return new StoreError('refused', 'busy', `${this.#file}: ${what}. ${way}; nothing was written, and the store goes on by itself`)
  }

  /** Who holds locks that block a writer ('exclusive'), or readers too ('any'). Empty where the kernel does not say. */
  holders(kind: 'exclusive' | 'any'): LockHolder[] {
    const pids = new Set<number>()
    const shm = inodeOf(`${this.#file}-shm`)
    const db = inodeOf(this.#file)
    for (const line of textOf('/proc/locks')?.split('\n') ?? []) {
      // 1: POSIX  ADVISORY  WRITE 9138 fe:00:2146385 120 120; a waiting one has "->" as second word.
      const [, type, , access, pid, place, first] = line.trim().split(/\s+/)
      if (type !== 'POSIX' || pid === undefined || place === undefined) continue
      const inode = Number(place.split(':')[2])
      const at = Number(first)
      const inWal = inode === shm && at >= SHM_FIRST && at <= SHM_LAST && (access === 'WRITE' || kind === 'any')
      const inFile = inode === db && at >= PENDING_BYTE && access === 'WRITE'
      if (inWal || inFile) pids.add(Number(pid))
    }
    return Array.from(pids, (pid) => ({
      pid,
      name: textOf(`/proc/${pid}/comm`)?.trim() ?? 'unknown',
      ours: pid === process.pid || (this.#registered(pid) !== null && this.#registered(pid) === startTime(pid)),
      stopped: isStopped(pid),
    }))
  }

  #registered(pid: number): string | null {
    const start = textOf(join(this.#registry, String(pid)))
    return start === null || start === '' ? null : start
  }
}

/** Three quarters of what a refused try costs is the stack of its error, which nobody reads (22 against 6 µs). */
function withoutStack<T>(attempt: () => T): T {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return attempt()
  } finally {
    Error.stackTraceLimit = limit
  }
}

/** Start time of a process in ticks since boot: with the pid it names one process for ever. Field 22 of proc(5) stat. */
function startTime(pid: number): string | null {
  return statFields(pid)?.[19] ?? null
}

/** Stopped by a signal or a tracer, or in a frozen control group (cgroup v2). */
function isStopped(pid: number): boolean {
  const state = statFields(pid)?.[0]
  if (state === 'T' || state === 't') return true
  const group = textOf(`/proc/${pid}/cgroup`)?.match(/^0::(.*)$/m)?.[1]
  return group !== undefined && group !== '/' && /^frozen 1$/m.test(textOf(`/sys/fs/cgroup${group}/cgroup.events`) ?? '')
}

/** The fields after the name, which may itself hold spaces and brackets. */
function statFields(pid: number): string[] | null {
  const stat = textOf(`/proc/${pid}/stat`)
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** Never for the database's own files: closing one would drop this process's locks on it. */
function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

function inodeOf(path: string): number {
  try {
    return statSync(path).ino
  } catch {
    return -1
  }
}
