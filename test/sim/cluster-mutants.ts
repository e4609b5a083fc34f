/** What would go wrong between nodes: breaks of routing and of the cluster node that seeds of the kind `cluster` must notice. */
import { MUTANTS as ROUTING } from '../routing/mutants.ts'
import type { Mutant } from './mutate.ts'

/** Of test/routing/mutants.ts those that break a promise. The others cost time, memory or a read of the store, which a seed does not judge. */
const OF_ROUTING: ReadonlySet<string> = new Set([
  'requests need no credit',
  'credit does not come back with the answer',
  'what waits for credit is not bounded',
  'a send without identity crosses without one',
  'all sends without identity get the same one',
  'a send whose link was lost is not repeated',
  'later sends do not wait behind one that is repeated',
  'a lane goes to its new owner before the old one has answered',
  'a bar is never lifted',
  '`moved` bars nothing',
  'nothing is handed over of itself',
])

const OWN: readonly Mutant[] = [
  {
    rule: 'D8',
    name: 'who follows over a link is not told that it ended',
    file: 'routing/asking-link.ts',
    find: `    const followed = [...this.#followed.values()]
`,
    replace: `    const followed: Followed[] = []
`,
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
    rule: 'H2',
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

export const CLUSTER_MUTANTS: readonly Mutant[] = [...ROUTING.filter(({ name }) => OF_ROUTING.has(name)), ...OWN].map((mutant) => ({
  ...mutant,
  kind: 'cluster',
}))
