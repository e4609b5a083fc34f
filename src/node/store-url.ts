/** `sqlite:DIR` or `memory:` as a store. */
import type { Log } from '../base/log.ts'
import { memoryStore } from '../store/memory.ts'
import { sqliteStore } from '../store/sqlite.ts'
import { StoreError, type Store } from '../store/store.ts'
import { StartError } from './start-error.ts'

/** Rejects with StartError: what cannot be opened, and what to do. */
export async function openStore(where: string, log: Log): Promise<Store> {
  if (where === 'memory:') return memoryStore()
  const dir = /^sqlite:(.+)$/.exec(where)?.[1]
  if (dir === undefined) throw new StartError(`store '${where}' is not sqlite:DIR or memory:`)
  try {
    return await sqliteStore({ dir, log })
  } catch (error) {
    if (error instanceof StoreError) throw new StartError(`cannot open the store: ${error.message}`, error)
    throw error
  }
}
