/**
 * Finds a node that holds the store's write lock, by the kernel's own list (/proc/locks), and stops it right there. In a thread of its own: it
 * looks without a pause for a while. It counts only what it sees afterwards: all threads stopped, and the lock still held by that process.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/** The byte of the -shm file that a writer locks from BEGIN IMMEDIATE to the end of COMMIT (SQLite's wal.c). */
const WRITE_BYTE = '120'
const STOP_MS = 500

export interface Prey {
  readonly pid: number
  /** Stopped, with the write lock still in its hands. */
  readonly inTransaction: boolean
}

interface Hunt {
  readonly shm: string
  readonly pids: readonly number[]
  readonly limitMs: number
}

/** Stops the first of these that is seen with the write lock; null: none was in time. */
export function hunt(storeDir: string, pids: readonly number[], limitMs: number): Promise<Prey | null> {
  const workerData: Hunt = { shm: join(storeDir, 'troupe.db-shm'), pids, limitMs }
  const thread = new Worker(fileURLToPath(import.meta.url), { workerData })
  return new Promise((resolve, reject) => {
    thread.once('message', resolve)
    thread.once('error', reject)
  })
}

function writerOf(shm: string): number | null {
  const inode = String(statSync(shm).ino)
  for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
    const [, type, , access, pid, place, first] = line.trim().split(/\s+/)
    if (type === 'POSIX' && access === 'WRITE' && place?.split(':')[2] === inode && first === WRITE_BYTE) return Number(pid)
  }
  return null
}

function allStopped(pid: number): boolean {
  const tasks = readdirSync(`/proc/${pid}/task`)
  return tasks.every((task) => {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')
  })
}

function stop({ shm, pids, limitMs }: Hunt): Prey | null {
  const end = performance.now() + limitMs
  while (performance.now() < end) {
    const pid = writerOf(shm)
    if (pid === null || !pids.includes(pid)) continue
    process.kill(pid, 'SIGSTOP')
    const stopped = performance.now() + STOP_MS
    while (!allStopped(pid) && performance.now() < stopped);
    return { pid, inTransaction: allStopped(pid) && writerOf(shm) === pid }
  }
  return null
}

if (!isMainThread) {
  let prey: Prey | null = null
  try {
    prey = stop(workerData as Hunt)
  } catch {
    // It ended while it was looked at.
  }
  parentPort?.postMessage(prey)
}
