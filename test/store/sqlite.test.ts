import { storeContract } from './contract.ts'
import { storeModel } from './model.ts'
import { sqlitePlace } from './sqlite-place.ts'

storeContract('the SQLite store', () => sqlitePlace())
storeModel('the SQLite store', () => sqlitePlace())
