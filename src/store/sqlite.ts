/**
 * The embedded store: one SQLite file in a directory, which several processes of one machine may share (DESIGN §1, "SQLite").
 * This side only encodes, posts and waits; all of SQLite is on a thread of its own (sqlite-thread.ts).
 *
 *  1. Every call settles once. If the thread dies, all that is pending rejects with outcome 'unknown', reason 'lost' (S7), and the next call
 *     starts a new one.
 *  2. A thread that cannot open the file rejects what waits for it with that error; the next call tries again.
 *  3. After close() every call rejects with reason 'closed'.
 */
import { resolve as absolute } from 'node:path'
import { Worker } from 'node:worker_threads'
import { silentLog, type Log } from '../base/log.ts'
import { ACTOR_BYTES_MAX, checkedName, encodeGroup } from './sqlite-group.ts'
import { COMMITTED, type Answer, type Call, type FromThread, type Request, type ThreadOptions } from './sqlite-messages.ts'
import { fileOf } from './sqlite-schema.ts'
import { errorOfTrouble } from './sqlite-trouble.ts'
import {
  StoreError,
  type Claim,
  type CommitGroup,
  type CommitResult,
  type Hint,
  type Loaded,
  type Store,
  type StoredBatch,
  type StoreHealth,
  type Verdict,
  type WalkedBatch,
} from './store.ts'

const MIB = 1024 * 1024

export interface SqliteOptions {
  /** Directory of the database; made (for this user alone) if it is not there. */
  readonly dir: string
  readonly log?: Log
  /** How long to wait for a lock before asking who holds it: default 2000. A running process of ours is waited for five times as long. */
  readonly patienceMs?: number
  /** Length of the WAL at which it is moved into the database: default 64 MiB. */
  readonly checkpointBytes?: number
  /** Length of the WAL at which a frozen reader that keeps it from being emptied is ended: default 256 MiB. */
  readonly pinnedBytes?: number
  /** SQLite's page cache: default 64 MiB. */
  readonly cacheBytes?: number
  /** How long old batches wait to be emptied together (J10): default 1000. */
  readonly trimDelayMs?: number
  /** Calls under way at most; the next is refused as 'busy': default 100,000. */
  readonly pendingMax?: number
  /** Called with each thread that is started: for tests and diagnosis. */
  readonly onThread?: (thread: Worker) => void
}

interface Pending {
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
  /** Appends of a group; -1 for other calls. */
  readonly appends: number
}

/** Opens, or makes, the store in `dir`. Rejects with StoreError: 'readonly', 'corrupt', 'foreign', 'busy', 'full' or 'io', naming the file and what to do. */
export async function sqliteStore(options: SqliteOptions): Promise<Store> {
  const store = new SqliteStore(options)
  await store.opened()
  return store
}

class SqliteStore implements Store {
  readonly #options: ThreadOptions
  readonly #file: string
  readonly #log: Log
  readonly #pendingMax: number
  readonly #onThread: (thread: Worker) => void
  readonly #pending = new Map<number, Pending>()
  #thread: Worker | null = null
  #open: PromiseWithResolvers<void> = Promise.withResolvers()
  #nextId = 1
  /** Calls of this turn, to be posted together. */
  #calls: Call[] = []
  #restarts = 0
  #closing: Promise<void> | null = null

  constructor({ dir, log, patienceMs, checkpointBytes, pinnedBytes, cacheBytes, trimDelayMs, pendingMax, onThread }: SqliteOptions) {
    this.#options = {
      dir: absolute(dir),
      patienceMs: patienceMs ?? 2000,
      checkpointBytes: checkpointBytes ?? 64 * MIB,
      pinnedBytes: pinnedBytes ?? 256 * MIB,
      cacheBytes: cacheBytes ?? 64 * MIB,
      trimDelayMs: trimDelayMs ?? 1000,
    }
    this.#file = fileOf(this.#options.dir)
    this.#log = log ?? silentLog
    this.#pendingMax = pendingMax ?? 100_000
    this.#onThread = onThread ?? (() => undefined)
    this.#start()
  }

  opened(): Promise<void> {
    return this.#open.promise
  }

  commit(group: CommitGroup): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      const thread = this.#ready(reject)
      if (thread === null) return
      const id = this.#nextId++
      const buffer = encodeGroup(id, group)
      this.#pending.set(id, { resolve, reject, appends: group.appends.length })
      thread.postMessage(buffer, [buffer])
    })
  }

  claim(actor: string, claim: Claim): Promise<Loaded> {
    return this.#call({ op: 'claim', actor, claim }, actor)
  }

  load(actor: string): Promise<Loaded | null> {
    return this.#call({ op: 'load', actor }, actor)
  }

  read(actor: string, n: number): Promise<StoredBatch | null> {
    return this.#call({ op: 'read', actor, n })
  }

  newest(actors: readonly string[]): Promise<number[]> {
    return this.#call({ op: 'newest', actors })
  }

  history(actor: string, from: number, maxBytes: number): Promise<StoredBatch[]> {
    return this.#call({ op: 'history', actor, from, maxBytes })
  }

  hints(dueBy: number, limit: number, after?: Hint): Promise<Hint[]> {
    return this.#call({ op: 'hints', dueBy, limit, after: after ?? null })
  }

  async meta(key: string, create?: Uint8Array): Promise<Uint8Array | null> {
    const value = await this.#call<Uint8Array | null>({ op: 'meta', key })
    return value !== null || create === undefined ? value : this.#call({ op: 'createMeta', key, create })
  }

  nextGeneration(node: string): Promise<number> {
    return this.#call({ op: 'generation', node })
  }

  actors(after: string | null, limit: number): Promise<string[]> {
    return this.#call({ op: 'actors', after, limit })
  }

  walk(actor: string, afterN: number, limit: number): Promise<WalkedBatch[]> {
    return this.#call({ op: 'walk', actor, afterN, limit })
  }

  async health(): Promise<StoreHealth> {
    const own = { pending: this.#pending.size, restarts: this.#restarts }
    try {
      const counters = await this.#call<Record<string, number>>({ op: 'health' })
      return {
        ok: true,
        summary: `sqlite ${this.#file}: ok, WAL ${Math.round((counters['walBytes'] ?? 0) / MIB)} MiB`,
        counters: { ...counters, ...own },
      }
    } catch (error) {
      return { ok: false, summary: `sqlite ${error instanceof Error ? error.message : String(error)}`, counters: own }
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const thread = this.#thread
    if (thread === null) return
    const ended = new Promise<void>((resolve) => void thread.once('exit', () => resolve()))
    this.#flush()
    this.#post([{ id: this.#nextId++, op: 'close' }])
    await ended
  }

  #call<T>(request: Request, actor?: string): Promise<T> {
    return new Promise((resolve, reject) => {
      if (actor !== undefined && (actor.length === 0 || actor.length * 3 > ACTOR_BYTES_MAX || !actor.isWellFormed())) checkedName(actor)
      if (this.#ready(reject) === null) return
      const id = this.#nextId++
      this.#pending.set(id, { resolve, reject, appends: -1 })
      if (this.#calls.length === 0) queueMicrotask(() => this.#flush())
      this.#calls.push({ id, ...request })
    })
  }

  #flush(): void {
    if (this.#calls.length === 0) return
    this.#post(this.#calls)
    this.#calls = []
  }

  #post(calls: readonly Call[]): void {
    this.#thread?.postMessage(calls)
  }

  /** The thread, started anew if need be; null when the call was refused. */
  #ready(reject: (error: StoreError) => void): Worker | null {
    if (this.#closing !== null) reject(new StoreError('refused', 'closed', `${this.#file}: the store is closed`))
    else if (this.#pending.size >= this.#pendingMax)
      reject(new StoreError('refused', 'busy', `${this.#file}: ${this.#pendingMax} calls are under way; wait for some of them`))
    else return this.#thread ?? this.#start()
    return null
  }

  #start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const thread = new Worker(new URL(`./sqlite-thread.${extension}`, import.meta.url), {
      workerData: this.#options,
      execArgv: [],
      name: 'troupe-sqlite',
    })
    this.#thread = thread
    this.#open = Promise.withResolvers()
    // Whoever waits for it sees the failure; later starts have nobody waiting.
    this.#open.promise.catch(() => undefined)
    let crash: Error | null = null
    thread.on('message', (message: FromThread) => this.#received(message))
    thread.on('error', (error: Error) => (crash = error))
    thread.on('exit', () => this.#exited(thread, crash))
    this.#onThread(thread)
    return thread
  }

  #received(message: FromThread): void {
    switch (message.t) {
      case 'commit': {
        const pending = this.#take(message.id)
        pending?.resolve({ ref: message.ref, verdicts: verdictsOf(pending.appends, message.verdicts) } satisfies CommitResult as never)
        return
      }
      case 'answers':
        for (const answer of message.answers) this.#answered(answer)
        return
      case 'log':
        this.#log[message.level](message.fields, message.message)
        return
      case 'opened':
        this.#open.resolve()
        return
      case 'failed': {
        const error = errorOfTrouble(message.trouble)
        this.#thread = null
        this.#log.error({ file: this.#file }, error.message)
        this.#open.reject(error)
        this.#rejectAll(error)
      }
    }
  }

  #answered(answer: Answer): void {
    const pending = this.#take(answer.id)
    if ('trouble' in answer) pending?.reject(errorOfTrouble(answer.trouble))
    else pending?.resolve(answer.value as never)
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }

  #exited(thread: Worker, crash: Error | null): void {
    if (this.#thread !== thread) return
    this.#thread = null
    if (this.#closing !== null && crash === null && this.#pending.size === 0) return
    const why = crash?.message ?? 'it ended by itself'
    const lost = new StoreError(
      'unknown',
      'lost',
      `${this.#file}: the store's thread was lost (${why}); what was under way may or may not be written. The next call starts it again`,
    )
    this.#log.error({ file: this.#file, why }, 'the thread of the store was lost')
    this.#restarts++
    this.#open.reject(lost)
    this.#rejectAll(lost)
  }

  #rejectAll(error: StoreError): void {
    const pending = Array.from(this.#pending.values())
    this.#pending.clear()
    this.#calls = []
    for (const { reject } of pending) reject(error)
  }
}

function verdictsOf(count: number, codes: Uint8Array | null): Verdict[] {
  const verdicts = Array.from<Verdict>({ length: count }).fill('committed')
  if (codes !== null) for (let i = 0; i < count; i++) if (codes[i] !== COMMITTED) verdicts[i] = 'taken'
  return verdicts
}
