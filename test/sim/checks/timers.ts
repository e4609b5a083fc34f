/** timers: each durable timer fires exactly once, never early, and not when it was cancelled or replaced before. (D5, J8) */
import type { MakeOutcomeCheck, Outcomes } from '../check.ts'
import { EARLY } from '../sim-app.ts'
import { rootOf } from './effects.ts'

export const timers: MakeOutcomeCheck = (facts, fail) => ({
  name: 'timers',
  end: () => {
    const ops = new Map<string, Outcomes['ops'][number]>(facts.ops.map((op) => [op.id, op]))
    for (const { actor, ids } of facts.ledgers()) {
      const set = new Map<string, string>()
      for (const id of ids) {
        const op = ops.get(rootOf(id))
        if (id.endsWith(EARLY)) fail(`${id} fired early in ${actor}`)
        if (op === undefined) continue
        const name = op.data.name ?? 'a'
        if (id.includes('!')) {
          if (set.get(name) !== op.id) fail(`${id} fired in ${actor}, where the timer '${name}' is ${set.get(name) ?? 'not set'}`)
          set.delete(name)
          facts.count('timer')
        } else if (op.type === 'later') set.set(name, op.id)
        else if (op.type === 'cancel') set.delete(name)
      }
      for (const [name, id] of set) fail(`the timer '${name}' of ${id} never fired in ${actor}`)
    }
  },
})
