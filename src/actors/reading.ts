/** What an activation needs to read its actor: the claim it makes, and the fold of what the store gives. */
import type { Claim, Loaded } from '../store/store.ts'
import { foldTwice } from './check.ts'
import { dedupeLimits } from './dedupe.ts'
import type { ActorDefinition } from './define.ts'
import { fold, type FoldOutcome, type FoldParts } from './fold.ts'
import type { Host } from './host.ts'

interface Reader {
  readonly id: string
  readonly key: string
  readonly definition: ActorDefinition
}

export function claimOf(host: Host, definition: ActorDefinition): Claim {
  return {
    commitId: host.newCommitId(),
    owner: host.owner,
    at: host.clock.now(),
    mode: definition.history === 'none' ? 'replace' : 'append',
    clean: definition.durability === 'event',
    firstJournal: host.firstJournal,
    journal: host.newJournal(),
  }
}

export function foldParts(host: Host, { id, key, definition }: Reader): FoldParts {
  return { id, key, definition, limits: dedupeLimits(host.options, definition), turn: host.turn, journal: host.firstJournal }
}

/** Folds what was read (J8); what the app's code throws on the way is an outcome too. */
export function foldFor(host: Host, reader: Reader, loaded: Loaded | null): FoldOutcome {
  const parts = foldParts(host, reader)
  try {
    return host.check ? foldTwice(loaded, parts, host) : fold(loaded, parts)
  } catch (error) {
    return { kind: 'broken', why: `it cannot be folded: ${String(error)}` }
  }
}
