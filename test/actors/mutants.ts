/**
 * What would go wrong in the engine without rules that a seed does not judge: they cost time or waiting, not a promise. One small change of src/actors
 * a row; `caughtBy` is a test of this folder that fails then (`npm run sim:mutants -- --kind actors`).
 */
import type { Mutant } from '../sim/mutate.ts'

export interface ActorMutant extends Mutant {
  /** Below test/actors/. */
  readonly test: string
  /** A part of its title. */
  readonly caughtBy: string
}

export const ACTOR_MUTANTS: readonly ActorMutant[] = [
  {
    rule: 'J7',
    name: 'who lost an actor claims it back at once',
    file: 'actors/directory.ts',
    find: `const FIRST_LOSS_MS = 50`,
    replace: `const FIRST_LOSS_MS = 0`,
    test: 'reading-after-a-loss.test.ts',
    caughtBy: 'waits some round trips of gossip before it claims it back',
  },
  {
    rule: 'J6',
    name: 'as many snapshots ride beside batches as there are',
    file: 'actors/committer.ts',
    find: `const SNAPSHOTS_BESIDE_BATCHES = 64`,
    replace: `const SNAPSHOTS_BESIDE_BATCHES = 512`,
    test: 'lost-snapshots.test.ts',
    caughtBy: 'ride beside batches',
  },
  {
    rule: 'J8',
    name: 'the oldest mark of a broken actor does not make room',
    file: 'actors/directory.ts',
    find: `if (marks.size <= REMEMBERED_MAX) break`,
    replace: `if (marks.size <= REMEMBERED_MAX * 2) break`,
    test: 'directory.test.ts',
    caughtBy: 'the newest of them',
  },
  {
    rule: 'J4',
    name: 'a drain that gives up says unavailable of what may be applied',
    file: 'actors/activation.ts',
    find: `    this.#end(failure, 'other', false)
  }`,
    replace: `    this.#end(failure, 'other', failure !== null)
  }`,
    test: 'bad-stores.test.ts',
    caughtBy: 'its outcome is unknown',
  },
  {
    rule: 'D5',
    name: 'the hint of a send is due at a time of some wall clock',
    file: 'actors/memory.ts',
    find: `const AT_ONCE = 0`,
    replace: `const AT_ONCE = 1_700_000_600_000`,
    test: 'bad-clocks.test.ts',
    caughtBy: 'another node delivers it',
  },
]
