/**
 * `troupe/sqlite`: the embedded store, for programs that embed a node and set more of it than its directory. Apart from `troupe`, so that who does not use it
 * does not load the database.
 *
 *     const store = await sqliteStore({ dir: '/var/lib/troupe', cacheBytes: 256 * 1024 * 1024 })
 *     await startNode({ app, store })
 */
export { sqliteStore, type SqliteOptions } from './store/sqlite.ts'
export { StoreError, type Store, type StoreHealth, type StoreTrouble } from './store/store.ts'
