/** Why an actor is claimed (H3): each claim that becomes durable is counted under its cause. */
import type { Counters } from './counters.ts'
import type { Folded } from './fold.ts'

export type ClaimCause = 'claimsFirst' | 'claimsFenced' | 'claimsHandoff' | 'claimsTakenOver' | 'claimsReturned'

/** As what was read shows it; `claimed`: with the claim already in it. */
export function causeOf({ n, entriesSince, clean }: Folded, claimed: boolean): ClaimCause {
  if (n === (claimed ? 1 : 0)) return 'claimsFirst'
  // Who leaves in order writes a snapshot of what came since the last (J5). Of a claim that is in it, `clean` says nothing of the end before.
  return entriesSince > 0 || (!claimed && !clean) ? 'claimsTakenOver' : 'claimsReturned'
}

export function countClaim(counters: Counters, cause: ClaimCause): void {
  counters.claims++
  counters[cause]++
}
