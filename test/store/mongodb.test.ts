import { storeContract } from './contract.ts'
import { storeModel } from './model.ts'
import { mongodbPlace } from './mongodb-place.ts'

storeContract('the MongoDB store, on a protocol server', () => mongodbPlace())
// Every step is a round trip: fewer histories than of the stores in this process.
storeModel('the MongoDB store, on a protocol server', () => mongodbPlace(), 20)
