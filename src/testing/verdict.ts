/** What a run of a scenario came to. */
import type { Property } from './trace.ts'

/** Something wrong was done; nothing is right in the end; two runs of one seed differ; something is kept for ever. */
export type Kind = 'safety' | 'liveness' | 'nondeterminism' | 'leak'

/** Exit codes of `troupe simulate`. */
export const EXIT_CODES: Readonly<Record<Kind, number>> = { safety: 1, liveness: 2, nondeterminism: 3, leak: 4 }

export interface Violation {
  readonly property: Property | 'determinism'
  readonly kind: Kind
  /** Virtual ms since the beginning. */
  readonly atMs: number
  readonly what: string
}

const KINDS: Readonly<Record<Property, Kind>> = {
  'acknowledged-once': 'safety',
  'hash-chain': 'safety',
  purity: 'safety',
  'live-state': 'safety',
  'no-throw': 'safety',
  invariant: 'safety',
  owed: 'liveness',
  'newest-state': 'liveness',
  convergence: 'liveness',
  answered: 'liveness',
  memory: 'leak',
}

export function kindOf(property: Property): Kind {
  return KINDS[property]
}
