/** A directory under the system's own for temporary files, with SQLite stores in it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteStore, type SqliteOptions } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import type { Place } from './contract.ts'

export interface SqlitePlace extends Place {
  readonly dir: string
  open(options?: Partial<SqliteOptions>): Promise<Store>
}

export function sqlitePlace(): Promise<SqlitePlace> {
  const dir = mkdtempSync(join(tmpdir(), 'troupe-store-'))
  const stores: Store[] = []
  const open = async (options: Partial<SqliteOptions> = {}): Promise<Store> => {
    const store = await sqliteStore({ dir: join(dir, 'data'), trimDelayMs: 1, ...options })
    stores.push(store)
    return store
  }
  return Promise.resolve({
    dir: join(dir, 'data'),
    open,
    connect: () => open(),
    remove: async () => {
      await Promise.all(stores.map((store) => store.close()))
      rmSync(dir, { recursive: true, force: true })
    },
  })
}
