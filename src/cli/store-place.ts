/** The stores that commands look into directly, beside the nodes that use them. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { silentLog } from '../base/log.ts'
import { isStoreUrl, openStore, shownStore, STORE_FORMS } from '../node/store-url.ts'
import type { Store } from '../store/store.ts'
import { failed, misused } from './failure.ts'

/** A store that must be there already: the SQLite adapter makes one where none is, and a look must not. */
export async function openThere(name: string, where: string): Promise<Store> {
  checkStore(name, where)
  const dir = /^sqlite:(.+)$/.exec(where)?.[1]
  if (dir !== undefined && !existsSync(join(dir, 'troupe.db')))
    throw failed(`there is no store in ${resolve(dir)}; name its directory with ${name} sqlite:DIR`)
  return openStore(where, silentLog, { lookOnly: true })
}

/** One that is made if it is not there. */
export async function openOrMake(name: string, where: string): Promise<Store> {
  checkStore(name, where)
  return openStore(where, silentLog)
}

function checkStore(name: string, where: string): void {
  if (where === 'memory:') throw misused(`${name}: memory: is gone with its process, there is nothing to look at`)
  if (!isStoreUrl(where)) throw misused(`${name}: '${shownStore(where)}' is not ${STORE_FORMS}`)
}
