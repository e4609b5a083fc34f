/**
 * Opening the database file, with the checks of the start: each refusal is a StoreError that names the file and says what to do.
 *
 *   log(row, frames)                 a group of batches, one row or 2^bits (sqlite-frames.ts)
 *   head(actor, n, ref)              newest place of an actor and where its batch lies: compared and set, the fence (J1)
 *   state(actor, n, frame)           the one record of a 'replace' actor (J10 'none'), compared and set likewise
 *   snap(actor, n, offset, hash, bytes), page(actor, page, bytes)
 *                                    tables with a rowid: their rows are long, and a tree of long rows without one would be deep
 *   mark(actor, n, offset, ref)      where a batch lies, noted now and then, so that reading history starts near
 *   hint(due, actor, n), meta(key, value), generation(node, value)
 */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { StoreError } from './store.ts'
import type { Locks } from './sqlite-lock.ts'
import { storeErrorOf } from './sqlite-trouble.ts'

/** 'Trou', in the header of the file. */
const APPLICATION_ID = 0x54726f75
const SCHEMA_VERSION = 1
/** Below it several processes on one WAL can damage the file (SQLite's "WAL-reset" defect, fixed in 3.51.3). */
const SQLITE_MIN = [3, 51, 3] as const
export const PAGE_BYTES = 1024

const SCHEMA = `
  CREATE TABLE log(row INTEGER PRIMARY KEY, frames BLOB NOT NULL) STRICT;
  CREATE TABLE head(actor TEXT PRIMARY KEY, n INTEGER NOT NULL, ref INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE state(actor TEXT PRIMARY KEY, n INTEGER NOT NULL, frame BLOB NOT NULL) STRICT;
  CREATE TABLE snap(actor TEXT PRIMARY KEY, n INTEGER NOT NULL, offset INTEGER NOT NULL, hash BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE page(actor TEXT, page INTEGER, bytes BLOB NOT NULL, PRIMARY KEY(actor, page)) STRICT;
  CREATE TABLE mark(actor TEXT, n INTEGER, offset INTEGER NOT NULL, ref INTEGER NOT NULL, PRIMARY KEY(actor, n)) STRICT, WITHOUT ROWID;
  CREATE INDEX mark_offset ON mark(actor, offset);
  CREATE TABLE hint(due REAL, actor TEXT, n INTEGER, PRIMARY KEY(due, actor, n)) STRICT, WITHOUT ROWID;
  CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE generation(node TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

export function fileOf(dir: string): string {
  return join(dir, 'troupe.db')
}

/** Opens the database, and makes it if there is none. */
export function openDatabase(dir: string, cacheBytes: number, locks: Locks): Database.Database {
  const file = fileOf(dir)
  try {
    checkDirectory(dir, file)
    locks.register()
    return locks.retrying(
      () => tryOpen(file, cacheBytes),
      () => undefined,
    )
  } catch (error) {
    throw storeErrorOf(error, file, 'before')
  }
}

function checkDirectory(dir: string, file: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  if (!statSync(dir).isDirectory())
    throw new StoreError('refused', 'io', `${dir} is not a directory. Choose another with --store sqlite:DIR`)
  accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK)
  for (const path of [file, `${file}-wal`, `${file}-shm`])
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) accessSync(path, constants.R_OK | constants.W_OK)
}

function tryOpen(file: string, cacheBytes: number): Database.Database {
  const db = new Database(file, { timeout: 0 })
  try {
    checkLibrary(db, file)
    // One transaction: of a file that another process is just making it must see all or nothing, not tables without the mark of their owner.
    db.transaction(() => checkOwner(db, file))()
    // The page size holds only for a file that is still empty; WAL stays once set.
    db.pragma(`page_size = ${PAGE_BYTES}`)
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma('wal_autocheckpoint = 0')
    db.pragma(`journal_size_limit = ${128 * 1024 * 1024}`)
    db.pragma(`cache_size = ${-Math.ceil(cacheBytes / 1024)}`)
    db.pragma('temp_store = MEMORY')
    db.pragma('trusted_schema = OFF')
    createSchema(db, file)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function checkLibrary(db: Database.Database, file: string): void {
  const version = db.prepare('SELECT sqlite_version()').pluck().get() as string
  const parts = version.split('.').map(Number)
  for (let i = 0; i < SQLITE_MIN.length; i++) {
    const [have, need] = [parts[i] ?? 0, SQLITE_MIN[i] as number]
    if (have > need) return
    if (have < need)
      throw new StoreError(
        'refused',
        'io',
        `${file}: SQLite ${version} can damage a database used by several processes. Install a better-sqlite3 that brings SQLite ${SQLITE_MIN.join('.')} or newer`,
      )
  }
}

/** Refuses a file that is another program's, or a newer version's. An empty file is taken. */
function checkOwner(db: Database.Database, file: string): void {
  const application = db.pragma('application_id', { simple: true }) as number
  const version = db.pragma('user_version', { simple: true }) as number
  const objects = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() as number
  if (application === 0 && version === 0 && objects === 0) return
  if (application !== APPLICATION_ID)
    throw new StoreError(
      'refused',
      'foreign',
      `${file} is the database of another program; nothing was changed. Choose another directory with --store sqlite:DIR`,
    )
  if (version > SCHEMA_VERSION)
    throw new StoreError(
      'refused',
      'foreign',
      `${file} was written by a newer version (schema ${version}; this one knows ${SCHEMA_VERSION}). Use that version, or restore a backup made before`,
    )
}

function createSchema(db: Database.Database, file: string): void {
  if ((db.pragma('user_version', { simple: true }) as number) === SCHEMA_VERSION) return
  db.exec('BEGIN IMMEDIATE')
  try {
    // Another process may have made it since we looked.
    if ((db.pragma('user_version', { simple: true }) as number) === 0) {
      checkOwner(db, file)
      db.exec(SCHEMA)
      db.pragma(`application_id = ${APPLICATION_ID}`)
      db.pragma(`user_version = ${SCHEMA_VERSION}`)
    }
    db.exec('COMMIT')
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  }
}
