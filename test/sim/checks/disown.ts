/** disown: from the instant that a node knows that it was declared dead nothing leaves its old engine as an owner's word. (J7, C1) */
import type { MakeCheck } from '../check.ts'
import type { Life } from '../sim-node.ts'

export const disown: MakeCheck = (facts, fail) => {
  const over = new Set<Life>()
  return {
    name: 'disown',
    disowning: (life) => void over.add(life),
    spoke: (what, life) => {
      if (over.size > 0 && over.has(life)) {
        if (what !== null) fail(`${what} leaves ${life.id}, which knows that it was declared dead`)
        else facts.count('refused by a disowned engine')
      }
    },
    proposed: (life) => {
      if (over.has(life)) fail(`${life.id} writes, and knows that it was declared dead`)
    },
  }
}
