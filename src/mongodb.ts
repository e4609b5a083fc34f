/**
 * `troupe/mongodb`: the store for several machines, for programs that embed a node. Apart from `troupe`, so that who does not use it does not load the driver.
 *
 *     const store = await mongodbStore({ url: process.env.MONGODB_URL, limits: { poolSize: 50 } })
 *     await startNode({ app, store })
 */
export { mongodbStore, type MongodbPorts } from './store/mongodb.ts'
export { MONGODB_LIMITS, type MongodbLimits, type MongodbOptions } from './store/mongodb-options.ts'
export { StoreError, type Store, type StoreHealth, type StoreTrouble } from './store/store.ts'
