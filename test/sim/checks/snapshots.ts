/** snapshots: each is of the state after a batch that is durable, and says which. (J5) */
import type { MakeCheck } from '../check.ts'

export const snapshots: MakeCheck = (facts, fail) => ({
  name: 'snapshots',
  snapshot: ({ actor, n, hash, offset }, ledger) => {
    const batch = ledger?.record.batches[n - 1]
    if (batch === undefined) return fail(`a snapshot of ${actor} is after place ${n}, which is not durable`)
    facts.count('snapshot')
    if (Buffer.compare(batch.hash, hash) !== 0) fail(`a snapshot of ${actor} after place ${n} carries another batch's hash`)
    const newest = batch.header.firstOffset + batch.header.entries - 1
    if (offset !== newest) fail(`a snapshot of ${actor} after place ${n} says offset ${offset}; that batch ends at ${newest}`)
  },
})
