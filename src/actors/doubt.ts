/** Settling an append whose place is taken (DESIGN J4): by an earlier try of its own, or by another owner? */
import type { Append } from '../store/store.ts'
import type { Host } from './host.ts'

/** `gone`: the place is taken, and its batch was emptied or replaced since (J10): it may have been our own. */
export type Holder = 'own' | 'another' | 'gone'

/** Reads the place until the store answers. `wanted`: whether anybody still waits for it. */
export function askHolder(host: Host, append: Append, wanted: () => boolean, told: (holder: Holder) => void): void {
  host.store.read(append.actor, append.n).then(
    (found) => {
      if (host.dead || !wanted()) return
      if (found === null) told('gone')
      else told(Buffer.from(found.commitId).equals(append.commitId) ? 'own' : 'another')
    },
    () => {
      host.clock.after(host.options.storeRetryMs, () => {
        if (!host.dead && wanted()) askHolder(host, append, wanted, told)
      })
    },
  )
}
