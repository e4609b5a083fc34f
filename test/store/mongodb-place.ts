/** A fresh store for the tests: on the protocol server of test/support, with limits that suit tests. */
import { mongodbStore, type MongodbPorts } from '../../src/store/mongodb.ts'
import type { MongodbLimits } from '../../src/store/mongodb-options.ts'
import type { Store } from '../../src/store/store.ts'
import { MongoServer, type MongoServerOptions } from '../support/mongo-server.ts'
import type { Place } from './contract.ts'

export interface MongodbPlace extends Place {
  readonly server: MongoServer
  connect(limits?: Partial<MongodbLimits>, ports?: MongodbPorts): Promise<Store>
}

export async function mongodbPlace(options: MongoServerOptions = {}): Promise<MongodbPlace> {
  const server = await MongoServer.start(options)
  const stores: Store[] = []
  return {
    server,
    connect: async (limits = {}, ports = {}) => {
      const store = await mongodbStore({ url: server.url(), limits: { placesKept: 4096, repeatMs: 1, ...limits } }, ports)
      stores.push(store)
      return store
    },
    remove: async () => {
      server.faults.clear()
      await Promise.all(stores.map((store) => store.close()))
      await server.close()
    },
  }
}
