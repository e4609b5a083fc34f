/** accuracy: whom nothing befell, and whose lines are good, is never declared dead. (M6) */
import type { MakeCheck } from '../check.ts'

/** Silence is judged within this. */
const MEMORY_MS = 60_000

export const accuracy: MakeCheck = (facts, fail) => ({
  name: 'accuracy',
  disowning: (life) => {
    const { cluster } = facts
    if (cluster === null) return
    // Who accuses may be the sick one; a majority is not.
    const well = facts.nodes.filter(({ name }) => cluster.calmMs(name) > MEMORY_MS).length
    if (cluster.calmMs(life.node.name) > MEMORY_MS && well > facts.nodes.length / 2)
      fail(`${life.id} was declared dead, though nothing befell it for ${MEMORY_MS / 1000} s`)
  },
})
