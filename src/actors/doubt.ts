/** Settling an append whose place is taken (DESIGN J4): by an earlier try of its own, or by another owner? */
import type { Append } from '../store/store.ts'
import type { Host } from './host.ts'

/** `gone`: the place is taken, and its batch was emptied or replaced since (J10): it may have been our own. */
export type Holder = 'own' | 'another' | 'gone'

/**
 * Reads the place until the store answers. `wanted`: whether anybody still waits for it. `ref`: of an own batch that is still the newest, as its verdict
 * would have told it; null otherwise.
 */
export function askHolder(host: Host, append: Append, wanted: () => boolean, told: (holder: Holder, ref: number | null) => void): void {
  const { actor, n } = append
  const asked = async (): Promise<[Holder, number | null]> => {
    const found = await host.store.read(actor, n)
    if (found === null) return ['gone', null]
    if (!Buffer.from(found.commitId).equals(append.commitId)) return ['another', null]
    const loaded = await host.store.load(actor)
    return ['own', loaded?.n === n ? loaded.ref : null]
  }
  asked().then(
    (answer) => {
      if (!host.dead && wanted()) told(...answer)
    },
    () => {
      host.clock.after(host.options.storeRetryMs, () => {
        if (!host.dead && wanted()) askHolder(host, append, wanted, told)
      })
    },
  )
}
