/** `sqlite:DIR`, `mongodb://…` or `memory:` as a store. */
import type { Log } from '../base/log.ts'
import { memoryStore } from '../store/memory.ts'
import { StoreError, type Store } from '../store/store.ts'
import { StartError } from './start-error.ts'

export const STORE_FORMS = 'sqlite:DIR, mongodb://HOSTS/DATABASE or memory:'

/** Whether it looks like a store. What is wrong inside is told when it is opened. */
export function isStoreUrl(where: string): boolean {
  return /^(sqlite:.+|mongodb(\+srv)?:\/\/.+|memory:)$/.test(where)
}

export function isMongodb(where: string): boolean {
  return /^mongodb(\+srv)?:\/\//.test(where)
}

/** For messages: without what may be a password. */
export function shownStore(where: string): string {
  return where.replace(/\/\/.*@/, '//…@')
}

export interface OpenStoreOptions {
  /** Nothing is made where nothing is: default false. Of a `sqlite:` directory the caller looks itself. */
  readonly lookOnly?: boolean
}

/** Rejects with StartError: what cannot be opened, and what to do. Drivers are loaded only for the store that is asked for. */
export async function openStore(where: string, log: Log, { lookOnly = false }: OpenStoreOptions = {}): Promise<Store> {
  if (where === 'memory:') return memoryStore()
  try {
    if (isMongodb(where)) {
      const { mongodbStore } = await import('../store/mongodb.ts')
      return await mongodbStore({ url: where, setUp: !lookOnly }, { log })
    }
    const dir = /^sqlite:(.+)$/.exec(where)?.[1]
    if (dir === undefined) throw new StartError(`store '${shownStore(where)}' is not ${STORE_FORMS}`)
    const { sqliteStore } = await import('../store/sqlite.ts')
    return await sqliteStore({ dir, log })
  } catch (error) {
    if (error instanceof StoreError) throw new StartError(`cannot open the store: ${error.message}`, error)
    throw error
  }
}
