/**
 * Loaded before a node under faults (`node --import`): lets it die at places that no outsider can aim at. The node's own code is not touched.
 *
 *  - `hint`: in the store's transaction, after a wake-up hint (D5) was written and before its batch is committed.
 *  - `commit`: after COMMIT of a group of batches returned, before the verdict leaves the store's thread: all of it is durable, none of it acknowledged.
 *
 * It is armed by a file `<pid>.<place>` in the folder that FAULTS_ARMED names. Before it kills its own process it writes `<pid>.<place>.hit`:
 * the proof that it came there, with the actors it concerns.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire, flushCompileCache, syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'

interface Statement {
  run(...given: unknown[]): { readonly changes: number }
}

const require = createRequire(import.meta.url)
const dir = process.env['FAULTS_ARMED']

function dieIfArmed(place: string, evidence: () => object): void {
  const armed = join(dir as string, `${process.pid}.${place}`)
  if (!existsSync(armed)) return
  try {
    rmSync(armed)
  } catch {
    return // disarmed at this very moment
  }
  writeFileSync(`${armed}.hit`, JSON.stringify(evidence()))
  process.kill(process.pid, 'SIGKILL')
}

/** Threads of a node start without the options of its command line: this gives the hook to them. */
function followThreads(): void {
  const threads = require('node:worker_threads') as { Worker: new (url: URL, options?: object) => object }
  const { Worker } = threads
  threads.Worker = class extends Worker {
    constructor(url: URL, options: object = {}) {
      super(url, { ...options, execArgv: ['--import', import.meta.url] })
    }
  }
  syncBuiltinESMExports()
}

function watchStore(): void {
  const { prototype } = require('better-sqlite3') as { prototype: { prepare(sql: string): Statement } }
  const { prepare } = prototype
  let appended: unknown[] = []
  let logged = false
  const after = (statement: Statement, then: (given: readonly unknown[], changes: number) => void): void => {
    const run = statement.run.bind(statement)
    statement.run = (...given) => {
      const result = run(...given)
      then(given, result.changes)
      return result
    }
  }
  prototype.prepare = function (sql: string): Statement {
    const statement = prepare.call(this, sql)
    if (sql === 'BEGIN IMMEDIATE')
      after(statement, () => {
        appended = []
        logged = false
      })
    if (sql.startsWith('INSERT INTO log')) after(statement, () => (logged = true))
    // A group moves its heads, then writes its rows; a claim the other way round: what is moved after a row is a claim, and acknowledges nothing.
    if (sql.startsWith('UPDATE head SET n'))
      after(statement, ([, actor], changes) => void (changes === 1 && !logged && appended.push(actor)))
    if (sql.startsWith('INSERT INTO head')) after(statement, ([actor], changes) => void (changes === 1 && !logged && appended.push(actor)))
    if (sql.startsWith('INSERT INTO hint'))
      after(statement, ([due, actor, n], changes) => changes === 1 && dieIfArmed('hint', () => ({ actor, n, due })))
    if (sql === 'COMMIT') after(statement, () => appended.length > 0 && logged && dieIfArmed('commit', () => ({ actors: appended })))
    return statement
  }
}

/** Node writes what it has compiled when it ends in order, and these seldom do. */
const FLUSH_MS = 4000
setTimeout(() => flushCompileCache(), FLUSH_MS).unref()

/** Whoever started it is gone without a word: nobody else would end it. */
const WATCH_MS = 1000
const parent = process.ppid
if (isMainThread)
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL')
  }, WATCH_MS).unref()

if (dir !== undefined) {
  if (isMainThread) followThreads()
  else watchStore()
}
