/**
 * What would go wrong with ring and placement without each of their rules: one small change of the production code a row. `caughtBy` is a test that
 * fails then; `npm run sim:mutants -- --kind ring` shows it.
 *
 * The package's own trap, a number of points that floating point makes one smaller at some sizes, cannot come back by a slip in its options: it is
 * asked for one node at a time, and 1 / 1 is exact. The first row does it by hand.
 */
import type { Mutant } from '../sim/mutate.ts'

export interface RingMutant extends Mutant {
  /** Below test/cluster/. */
  readonly test: string
  /** A part of its title. */
  readonly caughtBy: string
}

export const RING_MUTANTS: readonly RingMutant[] = [
  {
    rule: 'P2',
    name: 'the number of points is a floor of floats',
    file: 'cluster/ring.ts',
    find: `return shares.reduce((sum, { weight }) => sum + weight, 0) * POINTS_A_WEIGHT`,
    replace: `return shares.reduce((sum, { weight }) => sum + Math.floor((1 / shares.length) * weight * 64 * shares.length) * 16, 0)`,
    test: 'ring.test.ts',
    caughtBy: 'a node joins',
  },
  {
    rule: 'P1',
    name: 'shares stay in the order in which they came',
    file: 'cluster/ring.ts',
    find: `  sorted.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
`,
    replace: ``,
    test: 'ring.test.ts',
    caughtBy: 'in whatever order they come',
  },
  {
    rule: 'P1',
    name: 'of equal points the one that came first wins',
    file: 'cluster/ring.ts',
    find: `while (at < end && points[at] === point && (owners[at] as number) < owner) at++`,
    replace: `while (at < end && points[at] === point) at++`,
    test: 'ring.test.ts',
    caughtBy: 'equal points of two nodes go to the smaller id',
  },
  {
    rule: 'P1',
    name: 'points taken over keep the numbers of their old owners',
    file: 'cluster/ring.ts',
    find: `owners[end] = kept[from[end] as number] as number`,
    replace: `owners[end] = from[end] as number`,
    test: 'ring.test.ts',
    caughtBy: 'on whatever ring it is built',
  },
  {
    rule: 'P2',
    name: 'another weight has other points',
    file: 'cluster/ring.ts',
    find: 'const name = `node/${id}`',
    replace: 'const name = `node/${id}${weight > 1 ? weight : ""}`',
    test: 'ring.test.ts',
    caughtBy: 'gets a larger weight, then a smaller',
  },
  {
    rule: 'P2',
    name: 'a changed weight keeps the old points',
    file: 'cluster/ring.ts',
    find: `if (known !== undefined && base.shares[known]?.weight === weight) kept[known] = owner`,
    replace: `if (known !== undefined) kept[known] = owner`,
    test: 'ring.test.ts',
    caughtBy: 'on whatever ring it is built',
  },
  {
    rule: 'P3',
    name: 'after the last point comes the last',
    file: 'cluster/ring.ts',
    find: `at < this.points.length ? at : 0]`,
    replace: `at < this.points.length ? at : at - 1]`,
    test: 'ring.test.ts',
    caughtBy: 'its points, owners and lookups are the oracle’s',
  },
  {
    rule: 'P3',
    name: 'the search ends one too early',
    file: 'cluster/ring.ts',
    find: `  let high = end
`,
    replace: `  let high = Math.max(0, end - 1)
`,
    test: 'ring.test.ts',
    caughtBy: 'its points, owners and lookups are the oracle’s',
  },
  {
    rule: 'P3',
    name: 'a key at a point belongs to the next',
    file: 'cluster/ring.ts',
    find: `if ((points[middle] as number) < value) low = middle + 1`,
    replace: `if ((points[middle] as number) <= value) low = middle + 1`,
    test: 'ring.test.ts',
    caughtBy: 'its points, owners and lookups are the oracle’s',
  },
  {
    rule: 'P3',
    name: 'keys are hashed without their last odd unit',
    file: 'cluster/ring.ts',
    find: `if (i < units) h ^= scrambled(text.charCodeAt(i))`,
    replace: `h ^= 0`,
    test: 'ring.test.ts',
    caughtBy: 'the hash of a key is MurmurHash3',
  },
  {
    rule: 'P5',
    name: 'points are named by generation',
    file: 'cluster/placement.ts',
    find: `shares: ofKinds.map(({ id, meta }) => ({ id, weight: meta.weight }))`,
    replace: `shares: ofKinds.map(({ id, meta, generation }) => ({ id: id + '@' + generation, weight: meta.weight }))`,
    test: 'placement.test.ts',
    caughtBy: 'P5: a restart',
  },
  {
    rule: 'P6',
    name: 'ids are keys of plain objects as they are',
    file: 'cluster/ring.ts',
    find: 'const name = `node/${id}`',
    replace: 'const name = id',
    test: 'ring.test.ts',
    caughtBy: 'P6: any id of a node',
  },
  {
    rule: 'P2',
    name: 'a suspect is out of service',
    file: 'cluster/placement.ts',
    find: `(liveness === 'alive' || liveness === 'suspect') && meta.roles`,
    replace: `liveness === 'alive' && meta.roles`,
    test: 'placement.test.ts',
    caughtBy: 'P5: a restart',
  },
  {
    rule: 'J8',
    name: 'an older version is good enough',
    file: 'cluster/placement.ts',
    find: `if (version >= minVersion) return`,
    replace: `if (version >= minVersion - 1) return`,
    test: 'placement.test.ts',
    caughtBy: 'the rings of a version and above',
  },
  {
    rule: 'H1',
    name: 'who has started anew since is asked for what it held before',
    file: 'cluster/placement.ts',
    find: `if (member === null || member.generation !== before.generation) continue`,
    replace: `if (member === null) continue`,
    test: 'placement.test.ts',
    caughtBy: 'who is gone or has started anew cannot',
  },
  {
    rule: 'P10',
    name: 'a cached route is kept across views',
    file: 'cluster/placements.ts',
    find: `if (placement.hash !== this.#hash) {`,
    replace: `if (this.#hash === null) {`,
    test: 'placements.test.ts',
    caughtBy: 'a route is never kept across views',
  },
  {
    rule: 'P10',
    name: 'a new view throws away the ring that is being built',
    file: 'cluster/placements.ts',
    find: `        this.#finish(view, service)
        this.#advance()`,
    replace: `        this.#building = false
        if (this.#waiting === null) this.#finish(view, service)
        this.#advance()`,
    test: 'placements.test.ts',
    caughtBy: 'the one under way is used first',
  },
  {
    rule: 'P10',
    name: 'large rings are built on the main thread',
    file: 'cluster/ring-cache.ts',
    find: `if (made <= POINTS_MADE_AT_ONCE && merged`,
    replace: `if (merged`,
    test: 'ring-cache.test.ts',
    caughtBy: 'a large one elsewhere',
  },
]
