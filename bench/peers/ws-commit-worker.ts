/** The committing thread of ws-commit.ts: one transaction a message. Statement and pragmas are prepared once. */
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'

const database = new Database(workerData as string)
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL')
database.pragma('wal_autocheckpoint = 16000')
database.exec('CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY, user TEXT NOT NULL, n INTEGER NOT NULL, data TEXT NOT NULL)')
const insert = database.prepare('INSERT INTO journal (user, n, data) VALUES (?, ?, ?)')
const begin = database.prepare('BEGIN IMMEDIATE')
const end = database.prepare('COMMIT')
const count = database.prepare('SELECT count(*) AS rows FROM journal')

parentPort?.on('message', (message: (string | number)[] | 'count') => {
  if (message === 'count') {
    parentPort?.postMessage((count.get() as { rows: number }).rows)
    return
  }
  begin.run()
  for (let i = 0; i < message.length; i += 3) insert.run(message[i], message[i + 1], message[i + 2])
  end.run()
  parentPort?.postMessage('committed')
})
