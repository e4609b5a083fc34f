/** What would go wrong between nodes: breaks of routing, membership and the cluster node that seeds of the kind `cluster` must notice. */
import { MEMBERSHIP_MUTANTS } from '../cluster/mutants.ts'
import { MUTANTS as ROUTING } from '../routing/mutants.ts'
import type { Mutant } from './mutate.ts'

/** Of test/routing/mutants.ts those that cost no promise but time, memory or a read of the store: a seed does not judge that. */
const HARMLESS: ReadonlySet<string> = new Set([
  'what waits for credit is not bounded',
  'whoever is asked serves',
  '`moved` does not say who owns the actor',
  'notes do not conflate on a crowded link',
  'an actor counts as handed over before its new owner has it',
  'nothing is pulled',
  'a pull waits for ever',
  'what waits for a pull is not bounded',
  'an old owner never says that it is done',
  'actors go to others without limit',
])

const OWN: readonly Mutant[] = [
  {
    rule: 'order',
    name: 'a send that waited for credit goes, though an earlier one comes again',
    file: 'routing/asking-link.ts',
    find: `if (!request.over && request.withdrawn !== true)`,
    replace: `if (!request.over)`,
  },
  {
    rule: 'order',
    name: 'nobody waits for what an engine that gives an actor up has not answered',
    file: 'routing/lanes.ts',
    find: `if (this.#parts.releasing(lane.actor)) {`,
    replace: `if (this.#closed) {`,
  },
  {
    rule: 'C1',
    name: 'a node that was declared dead keeps its activations',
    file: 'node/cluster-node.ts',
    find: `    this.#engine.disown()
`,
    replace: ``,
  },
  {
    rule: 'C1',
    name: 'the router asks the engine that was disowned',
    file: 'node/cluster-node.ts',
    find: `    this.router.disowned()
    this.#engine.disown()
`,
    replace: `    this.#engine.disown()
    this.router.disowned()
`,
  },
  {
    rule: 'C1',
    name: 'a node that was declared dead goes on with its old engine',
    file: 'node/cluster-node.ts',
    find: `    this.router.replaceEngine(this.#engine)
`,
    replace: ``,
  },
  {
    rule: 'C1',
    name: 'the engine of the next generation does not wake anybody',
    file: 'node/cluster-node.ts',
    find: `    if (this.#wanted !== 'joining') this.#engine.start()
`,
    replace: ``,
  },
  {
    rule: 'C1',
    name: 'a node that came back does not say that it is ready',
    file: 'node/cluster-node.ts',
    find: `      if (this.#wanted === 'ready') this.#serveWarm()
    })`,
    replace: `    })`,
  },
  {
    rule: 'C3',
    name: 'a node that goes keeps its actors to itself',
    file: 'node/cluster-node.ts',
    find: `    this.gossip.setPhase('draining')
    this.#see(this.gossip.view())
`,
    replace: ``,
  },
  {
    rule: 'H3',
    name: 'claims are counted by their causes alone',
    file: 'actors/claims.ts',
    find: `  counters.claims++
`,
    replace: ``,
  },
]

const OF_MEMBERSHIP: ReadonlySet<string> = new Set([
  'dead is weighed after the incarnation: an end can be refuted',
  '>= for > in the merge: what is less replaces what is more',
  'no refutation',
])

export const CLUSTER_MUTANTS: readonly Mutant[] = [
  ...ROUTING.filter(({ name }) => !HARMLESS.has(name)),
  ...OWN,
  ...MEMBERSHIP_MUTANTS.filter(({ name }) => OF_MEMBERSHIP.has(name)),
].map(({ rule, name, file, find, replace }) => ({ rule, name, file, find, replace, kind: 'cluster' }))
