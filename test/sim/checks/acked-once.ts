/** acked-once: what was acknowledged is in the actor exactly once, whatever was repeated; what was refused is not there. (Promise 1; D1, J4) */
import type { MakeCheck } from '../check.ts'
import { typeOf } from '../sim-app.ts'

export const ackedOnce: MakeCheck = (facts, fail) => ({
  name: 'acked-once',
  end: () => {
    for (const ledger of facts.ledgers()) {
      const seen = new Set<string>()
      for (const id of ledger.ids) {
        if (seen.has(id)) fail(`${id} is in ${ledger.actor} twice`)
        if (/-(conflict|leak|spoilt)$/.test(id)) fail(`${ledger.actor} has ${id}, which no accepted event wrote`)
        seen.add(id)
      }
    }
    for (const op of facts.ops) {
      const ids = facts.ledger(op.actor)?.ids ?? []
      const { answer } = op
      if (answer === null) continue
      if (answer.ok) {
        const kept = answer.durable || typeOf(op.actor).durable
        if (kept && ids[answer.offset - 1] !== op.id)
          fail(`${op.id} was acknowledged at offset ${answer.offset} of ${op.actor}, where there is ${ids[answer.offset - 1] ?? 'nothing'}`)
      } else if (ids.includes(op.id)) fail(`${op.id} was answered ${answer.code} and is in ${op.actor}`)
    }
  },
})
