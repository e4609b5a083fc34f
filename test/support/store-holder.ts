/**
 * A process of the store that holds its write lock, or a reader's: `store-holder.ts DIR write|read`. Prints `holding`, and stays.
 * With `foreign` it holds the write lock without ever having opened the directory as a store.
 */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { sqliteStore } from '../../src/store/sqlite.ts'

const [dir = '', kind = ''] = process.argv.slice(2)
if (kind !== 'foreign') await sqliteStore({ dir })
const db = new Database(join(dir, 'troupe.db'), { timeout: 10_000 })
if (kind === 'read') {
  db.exec('BEGIN')
  db.prepare('SELECT count(*) FROM head').get()
} else db.exec('BEGIN IMMEDIATE')
process.stdout.write('holding\n')
// Keeps the process, and `db` from being collected, which would let go of the lock.
setInterval(() => db.open, 1 << 30)
