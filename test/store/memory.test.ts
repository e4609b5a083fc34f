import { memoryStore } from '../../src/store/memory.ts'
import { storeContract } from './contract.ts'
import { storeModel } from './model.ts'

const factory = () => {
  const first = memoryStore()
  return Promise.resolve({ connect: () => Promise.resolve(first.connect()), remove: () => Promise.resolve() })
}

storeContract('the memory store', factory)
storeModel('the memory store', factory)
