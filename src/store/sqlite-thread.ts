/**
 * The store's own thread: one connection, all of SQLite's blocking work. Invariants:
 *  1. Every call and every group gets exactly one answer, unless the thread dies; then sqlite.ts answers for it.
 *  2. A 'committed' is posted only after COMMIT returned, which is after the WAL was synced (S3).
 *  3. Reads are answered also while a write waits for another process's lock.
 *  4. Between two messages no transaction is open.
 */
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads'
import type Database from 'better-sqlite3'
import type { Log } from '../base/log.ts'
import { Checkpoints } from './sqlite-checkpoint.ts'
import { ReceivedGroup } from './sqlite-group.ts'
import { Locks } from './sqlite-lock.ts'
import type { Answer, Call, FromThread, ThreadOptions, ToThread } from './sqlite-messages.ts'
import { Reads } from './sqlite-reads.ts'
import { fileOf, openDatabase } from './sqlite-schema.ts'
import { Trims, TRIM_ACTORS } from './sqlite-trim.ts'
import { storeErrorOf, troubleOf } from './sqlite-trouble.ts'
import { Writes } from './sqlite-writes.ts'
import { StoreError } from './store.ts'

/** Claims of one transaction at most: a transaction holds up the other processes. */
const CLAIMS_A_TRANSACTION = 512

type ReadCall = Extract<Call, { readonly op: 'load' | 'read' | 'newest' | 'history' | 'hints' | 'meta' | 'actors' | 'walk' | 'health' }>
type WriteCall = Extract<Call, { readonly op: 'claim' | 'createMeta' | 'generation' }>

class StoreThread {
  readonly #port: MessagePort
  readonly #options: ThreadOptions
  readonly #db: Database.Database
  readonly #file: string
  readonly #locks: Locks
  readonly #reads: Reads
  readonly #writes: Writes
  readonly #checkpoints: Checkpoints
  readonly #trims = new Trims()
  readonly #beginRead: Database.Statement
  readonly #endRead: Database.Statement
  readonly #log: Log
  #groups: ArrayBuffer[] = []
  #readCalls: ReadCall[] = []
  #writeCalls: WriteCall[] = []
  #closeCall: Call | null = null
  #trimTimer: NodeJS.Timeout | null = null
  readonly #counts = { commits: 0, appends: 0, taken: 0, claims: 0, loads: 0, failed: 0 }

  constructor(port: MessagePort, options: ThreadOptions) {
    this.#port = port
    this.#options = options
    this.#file = fileOf(options.dir)
    this.#log = logTo(port)
    this.#locks = new Locks(options.dir, this.#file, options.patienceMs, this.#log)
    this.#db = openDatabase(options.dir, options.cacheBytes, this.#locks)
    this.#reads = new Reads(this.#db, this.#file)
    this.#writes = new Writes(this.#db, this.#file, this.#reads)
    this.#checkpoints = new Checkpoints(this.#db, this.#file, options, this.#locks, this.#log)
    this.#beginRead = this.#db.prepare('BEGIN')
    this.#endRead = this.#db.prepare('COMMIT')
  }

  listen(): void {
    this.#port.on('message', (message: ToThread) => {
      this.#sort(message)
      this.#work()
    })
  }

  #post(message: FromThread): void {
    this.#port.postMessage(message)
  }

  /** Takes what else has arrived, so that it shares a transaction. */
  #receive(): void {
    for (let next = receiveMessageOnPort(this.#port); next !== undefined; next = receiveMessageOnPort(this.#port))
      this.#sort(next.message as ToThread)
  }

  #sort(message: ToThread): void {
    if (message instanceof ArrayBuffer) {
      this.#groups.push(message)
      return
    }
    for (const call of message) {
      if (call.op === 'close') this.#closeCall = call
      else if (call.op === 'claim' || call.op === 'createMeta' || call.op === 'generation') this.#writeCalls.push(call)
      else this.#readCalls.push(call)
    }
  }

  #work(): void {
    this.#receive()
    while (this.#groups.length + this.#readCalls.length + this.#writeCalls.length > 0) {
      const group = this.#groups.shift()
      if (group !== undefined) this.#commit(group)
      this.#answerReads()
      this.#answerWrites()
      this.#receive()
    }
    if (this.#closeCall !== null) void this.#close(this.#closeCall)
    else this.#planTrims()
  }

  readonly #begin = (attempt: () => void): void =>
    this.#locks.retrying(attempt, () => {
      this.#receive()
      this.#answerReads()
    })

  #commit(buffer: ArrayBuffer): void {
    const group = new ReceivedGroup(buffer)
    const { dropHints, snapshots, trims } = group.tail()
    try {
      const written = this.#writes.transaction(this.#begin, () => this.#writes.group(group, dropHints, snapshots))
      this.#post({ t: 'commit', id: group.id, ...written })
      this.#counts.commits++
      this.#counts.appends += group.count
      if (written.verdicts !== null) this.#counts.taken += written.verdicts.reduce((sum, verdict) => sum + verdict, 0)
      this.#trims.add(trims)
    } catch (error) {
      this.#post({ t: 'answers', answers: [this.#failure(group.id, error)] })
      return
    }
    this.#checkpoints.committed()
  }

  #failure(id: number, error: unknown): Answer {
    // Anything else is a defect, or a connection that cannot even roll back: the thread ends and is replaced.
    if (!(error instanceof StoreError)) throw error
    this.#counts.failed++
    return { id, trouble: troubleOf(error) }
  }

  #answerReads(): void {
    if (this.#readCalls.length === 0) return
    const calls = this.#readCalls
    this.#readCalls = []
    const answers: Answer[] = []
    try {
      this.#inRead(() => {
        for (const call of calls) answers.push(this.#answerRead(call))
      })
    } catch (error) {
      const trouble = storeErrorOf(error, this.#file, 'before')
      for (const { id } of calls.slice(answers.length)) answers.push(this.#failure(id, trouble))
    }
    this.#post({ t: 'answers', answers })
  }

  #inRead(work: () => void): void {
    this.#locks.retrying(
      () => {
        this.#beginRead.run()
        try {
          // The first read takes the snapshot, and may meet a lock while another process recovers the WAL.
          this.#reads.head('')
        } catch (error) {
          if (this.#db.inTransaction) this.#endRead.run()
          throw error
        }
      },
      () => undefined,
    )
    try {
      work()
    } finally {
      if (this.#db.inTransaction) this.#endRead.run()
    }
  }

  #answerRead(call: ReadCall): Answer {
    try {
      return { id: call.id, value: this.#read(call) }
    } catch (error) {
      return this.#failure(call.id, storeErrorOf(error, this.#file, 'before'))
    }
  }

  #read(call: ReadCall): unknown {
    switch (call.op) {
      case 'load':
        this.#counts.loads++
        return this.#reads.load(call.actor)
      case 'read':
        return this.#reads.read(call.actor, call.n)
      case 'newest':
        return this.#reads.newest(call.actors)
      case 'history':
        return this.#reads.history(call.actor, call.from, call.maxBytes)
      case 'hints':
        return this.#reads.hints(call.dueBy, call.limit, call.after)
      case 'meta':
        return this.#reads.meta(call.key)
      case 'actors':
        return this.#reads.actors(call.after, call.limit)
      case 'walk':
        return this.#reads.walk(call.actor, call.afterN, call.limit)
      case 'health':
        return {
          ...this.#counts,
          busyRetries: this.#locks.busyRetries,
          frozenEnded: this.#locks.ended,
          checkpoints: this.#checkpoints.done,
          walBytes: this.#checkpoints.walBytes,
        }
    }
  }

  #answerWrites(): void {
    while (this.#writeCalls.length > 0) {
      const calls = this.#writeCalls.splice(0, CLAIMS_A_TRANSACTION)
      let answers: Answer[]
      try {
        answers = this.#writeTogether(calls)
      } catch (error) {
        // One bad actor must not fail its neighbours.
        answers = calls.length === 1 ? [this.#failure((calls[0] as WriteCall).id, error)] : calls.map((call) => this.#writeAlone(call))
      }
      this.#post({ t: 'answers', answers })
    }
  }

  #writeTogether(calls: readonly WriteCall[]): Answer[] {
    return this.#writes.transaction(this.#begin, () => calls.map((call) => ({ id: call.id, value: this.#write(call) })))
  }

  #writeAlone(call: WriteCall): Answer {
    try {
      return this.#writeTogether([call])[0] as Answer
    } catch (error) {
      return this.#failure(call.id, error)
    }
  }

  #write(call: WriteCall): unknown {
    switch (call.op) {
      case 'claim':
        this.#counts.claims++
        return this.#writes.claim(call.actor, call.claim)
      case 'createMeta':
        return this.#writes.createMeta(call.key, call.create)
      case 'generation':
        return this.#writes.nextGeneration(call.node)
    }
  }

  #planTrims(): void {
    if (this.#trims.busy || this.#trims.waiting >= TRIM_ACTORS) setImmediate(() => this.#trim())
    else if (this.#trims.waiting > 0) this.#trimTimer ??= setTimeout(() => this.#trim(), this.#options.trimDelayMs)
  }

  #trim(): void {
    if (this.#trimTimer !== null) clearTimeout(this.#trimTimer)
    this.#trimTimer = null
    if (this.#closeCall !== null) return
    this.#trimPiece()
    this.#work()
  }

  #trimPiece(): void {
    try {
      if (!this.#trims.busy) this.#inRead(() => this.#trims.gather(this.#reads))
      if (!this.#trims.busy) return
      this.#writes.transaction(this.#begin, () => this.#trims.piece(this.#reads, (row, frames) => this.#writes.rewriteLog(row, frames)))
      this.#trims.pieceDone()
    } catch (error) {
      this.#trims.giveUp()
      this.#log.warn({ file: this.#file, why: String(error) }, 'old batches could not be emptied; it is tried again later')
    }
  }

  async #close(call: Call): Promise<void> {
    while (this.#trims.busy || this.#trims.waiting > 0) this.#trimPiece()
    await this.#checkpoints.close()
    this.#db.close()
    this.#post({ t: 'answers', answers: [{ id: call.id, value: null }] })
    this.#port.close()
  }
}

function logTo(port: MessagePort): Log {
  const at =
    (level: 'info' | 'warn' | 'error'): Log['info'] =>
    (fields, message) =>
      port.postMessage({ t: 'log', level, fields, message } satisfies FromThread)
  return { info: at('info'), warn: at('warn'), error: at('error') }
}

const port = parentPort
if (port === null) throw new Error('sqlite-thread.ts runs in a worker thread; use sqliteStore')
try {
  const thread = new StoreThread(port, workerData as ThreadOptions)
  port.postMessage({ t: 'opened' } satisfies FromThread)
  thread.listen()
} catch (error) {
  const { dir } = workerData as ThreadOptions
  port.postMessage({ t: 'failed', trouble: troubleOf(storeErrorOf(error, fileOf(dir), 'before')) } satisfies FromThread)
  port.close()
}
