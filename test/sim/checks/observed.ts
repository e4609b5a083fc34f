/**
 * observed: each claim that an engine counts is in a journal, and has one cause; those of which it never learnt whether they took their place it does not
 * count. Looked at are engines that lived to the end. (H3)
 */
import { FLAG_CLAIM } from '../../../src/actors/batch.ts'
import type { MakeCheck } from '../check.ts'

const CAUSES = ['claimsFirst', 'claimsFenced', 'claimsHandoff', 'claimsTakenOver', 'claimsReturned'] as const

export const observed: MakeCheck = (facts, fail) => {
  const claims = new Map<string, number>()
  const first = new Map<string, number>()
  return {
    name: 'observed',
    applied: ({ n, by, header }) => {
      if ((header.flags & FLAG_CLAIM) === 0) return
      claims.set(by, (claims.get(by) ?? 0) + 1)
      if (n === 1) first.set(by, (first.get(by) ?? 0) + 1)
    },
    end: () => {
      if (facts.cluster === null) return
      for (const { life } of facts.nodes) {
        if (life === null) continue
        const { counters } = life.engine.stats()
        const sum = CAUSES.reduce((total, cause) => total + (counters[cause] ?? 0), 0)
        const written = claims.get(life.id) ?? 0
        if (sum !== counters['claims'] || sum > written)
          fail(`${life.id} wrote ${written} claims; it counts ${counters['claims']}, and ${sum} by their causes`)
        if ((counters['claimsFirst'] ?? 0) > (first.get(life.id) ?? 0))
          fail(`${life.id} counts more first claims than it wrote first places`)
      }
    },
  }
}
