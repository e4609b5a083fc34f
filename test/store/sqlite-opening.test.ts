/** Several processes open one directory at the same moment, and there is nothing in it yet: each finds nothing, or a whole store. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, expect, test, vi } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import { Locks } from '../../src/store/sqlite-lock.ts'
import { fileOf, openDatabase } from '../../src/store/sqlite-schema.ts'

const dir = mkdtempSync(join(tmpdir(), 'troupe-opening-'))
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(dir, { recursive: true, force: true })
})

test('another process makes the store between two looks at who owns the file: it is not taken for another program’s', () => {
  const file = fileOf(dir)
  const real = Database.prototype.pragma
  let looked = 0
  // What another process would do just then, once: in its own connection, without waiting for a lock.
  const makes = (): boolean => {
    const other = new Database(file, { timeout: 0 })
    try {
      other.exec('BEGIN IMMEDIATE; CREATE TABLE log(row INTEGER PRIMARY KEY, frames BLOB NOT NULL) STRICT; COMMIT')
      return true
    } catch {
      return false // it would have to wait
    } finally {
      other.close()
    }
  }
  let made = true
  vi.spyOn(Database.prototype, 'pragma').mockImplementation(function (this: Database.Database, source, options) {
    const value: unknown = real.call(this, source, options)
    if (source === 'application_id' && looked++ === 0) made = makes()
    return value
  })
  const db = openDatabase(dir, 1 << 20, new Locks(dir, file, 1000, silentLog))
  expect(looked).toBeGreaterThan(0)
  expect(made).toBe(false)
  expect(db.pragma('user_version', { simple: true })).toBe(1)
  db.close()
})
