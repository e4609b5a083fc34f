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
  {
    rule: 'J9',
    name: 'a read that fails after a reducer threw ends what was acknowledged early',
    file: 'actors/settling.ts',
    find: `if (definition.durability === 'event' || !writer.hasDraft) {`,
    replace: `if (definition.durability === 'event' || writer.hasDraft) {`,
    test: 'settling.test.ts',
    caughtBy: 'a read that fails is tried again',
  },
  {
    rule: 'J9',
    name: 'the state is waited for as long as the store does not answer',
    file: 'actors/settling.ts',
    find: `() => this.#failed(LATE))`,
    replace: `() => undefined)`,
    test: 'settling.test.ts',
    caughtBy: 'given up in time, and tried again',
  },
  {
    rule: 'J9',
    name: 'a state that comes after it was read again is taken',
    file: 'actors/settling.ts',
    find: `return this.#timer === limit && !this.#over`,
    replace: `return !this.#over`,
    test: 'settling.test.ts',
    caughtBy: 'an answer that comes after its time',
  },
  {
    rule: 'J9',
    name: 'requests wait while the state cannot be read',
    file: 'actors/settling.ts',
    find: `if (this.#failures === 0 || task.waits === true) return false`,
    replace: `if (this.#failures >= 0) return false`,
    test: 'settling.test.ts',
    caughtBy: 'who asks meanwhile hears that the store is away',
  },
  {
    rule: 'D5',
    name: 'a timer that is due while the state cannot be read is lost',
    file: 'actors/settling.ts',
    find: `this.#failures === 0 || task.waits === true`,
    replace: `this.#failures === 0`,
    test: 'settling.test.ts',
    caughtBy: 'a timer that is due meanwhile',
  },
  {
    rule: 'D5',
    name: 'a read that was given up counts for ever',
    file: 'actors/loading.ts',
    find: `    this.#limit?.cancel()
    this.#answered()`,
    replace: `    this.#limit?.cancel()`,
    test: 'settling.test.ts',
    caughtBy: 'counts no more when its read was given up',
  },
  {
    rule: 'D5',
    name: 'an answer that comes after its read was given up is counted again',
    file: 'actors/loading.ts',
    find: `    if (this.#reading) this.#host`,
    replace: `    this.#host`,
    test: 'settling.test.ts',
    caughtBy: 'is counted back once',
  },
]
