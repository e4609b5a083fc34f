/** All mutants of the project, by what hunts them. */
import { ACTOR_MUTANTS } from '../actors/mutants.ts'
import { MEMBERSHIP_MUTANTS } from '../cluster/mutants.ts'
import { RING_MUTANTS } from '../cluster/ring-mutants.ts'
import { MUTANTS as ROUTING_MUTANTS } from '../routing/mutants.ts'
import { MONGODB_MUTANTS } from '../store/mongodb-mutants.ts'
import { CLUSTER_MUTANTS } from './cluster-mutants.ts'
import { GATEWAY_MUTANTS } from './gateway-mutants.ts'
import { huntBySeeds, huntByTests, type Caught, type Mutant, type SeedsAsked, type Tests } from './mutate.ts'
import { MUTANTS } from './mutants.ts'
import { SESSION_MUTANTS } from './session-mutants.ts'

export interface Section {
  readonly name: string
  readonly title: string
  readonly mutants: readonly Mutant[]
  /** `known`: what noticed the last time. */
  hunt(mutant: Mutant, asked: SeedsAsked, known?: string): Promise<Caught>
  /** What fails without any mutant: then nothing that fails with one says anything. null: nothing. */
  broken(): Promise<string | null>
}

const MEMBERSHIP_TESTS = ['member', 'membership-random', 'membership-world', 'gossip-frames', 'gossip'].map(
  (name) => `cluster/${name}.test.ts`,
)

function bySeeds(name: string, title: string, mutants: readonly Mutant[]): Section {
  // The suite runs thousands of them without.
  return { name, title, mutants, hunt: (mutant, asked) => huntBySeeds(mutant, asked), broken: () => Promise.resolve(null) }
}

function byTests<M extends Mutant>(name: string, title: string, mutants: readonly M[], of: (mutant: M) => Tests): Section {
  return {
    name,
    title,
    mutants,
    hunt: (mutant, _asked, known) => {
      const tests = of(mutant as M)
      // What noticed the last time notices most likely again.
      return huntByTests(mutant, { ...(known !== undefined && { first: known }), ...tests })
    },
    broken: async () => (await huntByTests(null, { files: [...new Set(mutants.flatMap((mutant) => of(mutant).files))] })).by,
  }
}

export const SECTIONS: readonly Section[] = [
  bySeeds('engine', 'The engine, by seeds of the kind `engine`', MUTANTS),
  bySeeds('cluster', 'Between nodes, by seeds of the kind `cluster`', CLUSTER_MUTANTS),
  byTests('actors', 'The engine, by test/actors', ACTOR_MUTANTS, ({ test, caughtBy }) => ({ files: [`actors/${test}`], title: caughtBy })),
  bySeeds('sessions', 'Gateways and their clients, by seeds of the kind `gateway`', SESSION_MUTANTS),
  byTests('gateway', 'The gateway, by test/gateway', GATEWAY_MUTANTS, () => ({ files: ['gateway/'] })),
  byTests('routing', 'Routing, by test/routing', ROUTING_MUTANTS, () => ({ files: ['routing/'] })),
  byTests('membership', 'Membership, by test/cluster', MEMBERSHIP_MUTANTS, ({ rule }) => ({ files: MEMBERSHIP_TESTS, first: rule })),
  byTests('ring', 'Ring and placement, by test/cluster', RING_MUTANTS, ({ test, caughtBy }) => ({
    files: [`cluster/${test}`],
    title: caughtBy,
  })),
  byTests('mongodb', 'MongoDB, by test/store', MONGODB_MUTANTS, ({ test, caughtBy }) => ({ files: [`store/${test}`], title: caughtBy })),
]
