/**
 * in-doubt: an append of unknown outcome is repeated byte for byte, and nothing else is tried for that actor by that node before the
 * store has answered for certain: 'committed', or 'taken' and then looked at. That one *try* was refused says nothing of the earlier. Nor is the
 * actor handed over before: who cannot wait for the store any longer gives no bundle, and begins anew like after a crash. (J4, H1)
 */
import type { Check, MakeCheck } from '../check.ts'
import type { Life } from '../sim-node.ts'

interface Tried {
  readonly n: number
  readonly commitId: Uint8Array
  readonly bytes: Uint8Array
  doubt: boolean
}

export const inDoubt: MakeCheck = (facts, fail): Check => {
  const tried = new WeakMap<Life, Map<string, Tried>>()
  const of = (life: Life): Map<string, Tried> => {
    let known = tried.get(life)
    if (known === undefined) tried.set(life, (known = new Map()))
    return known
  }
  return {
    name: 'in-doubt',
    proposed: (life, group) => {
      const known = of(life)
      for (const { actor, n, commitId, bytes } of group.appends) {
        const last = known.get(actor)
        if (last !== undefined && Buffer.compare(last.commitId, commitId) === 0) {
          facts.count('repeated append')
          if (last.n !== n || Buffer.compare(last.bytes, bytes) !== 0)
            fail(`${life.id} repeats place ${n} of ${actor} under the same commit id with other bytes`)
          continue
        }
        if (last?.doubt === true && last.n >= n)
          fail(`${life.id} tries another batch at place ${n} of ${actor} while the outcome of its last one at ${last.n} is unknown`)
        known.set(actor, { n, commitId, bytes: Buffer.from(bytes), doubt: false })
      }
    },
    released: (actor, bundle, life) => {
      if (bundle !== null && of(life).get(actor)?.doubt === true)
        fail(`${life.id} hands ${actor} over while the outcome of its last append is unknown`)
      of(life).delete(actor)
    },
    heard: (life, group, verdicts) => {
      for (const [i, { actor }] of group.appends.entries()) {
        const last = of(life).get(actor)
        const verdict = typeof verdicts === 'string' ? verdicts : verdicts[i]
        if (last === undefined) continue
        if (verdict === 'unknown') last.doubt = true
        if (verdict === 'committed' || verdict === 'taken') last.doubt = false
      }
    },
  }
}
