/** The thread behind sqlite-checkpoint.ts: checkpoints when told, answers how far it got, or why not. */
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'

const db = new Database(workerData as string, { timeout: 0 })
db.pragma('synchronous = FULL')
db.pragma('cache_size = -2000')
const checkpoint = db.prepare('PRAGMA wal_checkpoint(PASSIVE)')

parentPort?.on('message', (message: 'checkpoint' | 'close') => {
  if (message === 'close') {
    db.close()
    parentPort?.close()
    return
  }
  try {
    parentPort?.postMessage(checkpoint.get())
  } catch (error) {
    parentPort?.postMessage(String(error))
  }
})
