/** effects: what an accepted event sent to another actor is there exactly once, and nothing else is. (D4, J7, J9) */
import type { MakeOutcomeCheck, Outcomes } from '../check.ts'

/** The operation that an id began with. */
export function rootOf(id: string): string {
  return /^o\d+/.exec(id)?.[0] ?? id
}

export const effects: MakeOutcomeCheck = (facts, fail) => ({
  name: 'effects',
  end: () => {
    const ops = new Map<string, Outcomes['ops'][number]>(facts.ops.map((op) => [op.id, op]))
    const has = new Map<string, Set<string>>()
    for (const ledger of facts.ledgers()) has.set(ledger.actor, new Set(ledger.ids))
    for (const { actor, ids } of facts.ledgers()) {
      for (const id of ids) {
        const op = ops.get(rootOf(id))
        const path = op?.data.path
        if (op === undefined || path === undefined) {
          if (id.includes('>')) fail(`${actor} has ${id}, which nobody sent`)
          continue
        }
        const hop = id.length - id.replaceAll('>', '').length
        const from = hop === 0 ? null : hop === 1 ? op.actor : (path[hop - 2] as string)
        if (from !== null && has.get(from)?.has(id.slice(0, -1)) !== true) fail(`${actor} has ${id}, whose cause ${from} does not have`)
        const to = path[hop]
        if (to === undefined || to.startsWith('refuser/')) continue
        if (has.get(to)?.has(`${id}>`) !== true) fail(`${actor} has ${id}, whose effect never arrived at ${to}`)
        facts.count('effect')
      }
    }
  },
})
