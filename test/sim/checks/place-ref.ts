/** place-ref: an append hands back the store's own note on where the actor's last batch lies. SQLite finds its chain by it. (J1) */
import type { MakeCheck } from '../check.ts'

export const placeRef: MakeCheck = (_facts, fail) => ({
  name: 'place-ref',
  appending: ({ actor, n, prevRef }, record) => {
    if (prevRef !== record.ref) fail(`place ${n} of ${actor} comes with ref ${prevRef}; the store gave ${record.ref}`)
  },
})
