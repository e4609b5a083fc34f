/**
 * linear: if A was answered before B began, A's offset is below B's; a strict read shows all that was answered before it began, any
 * other all that was answered `readProofMs` before; `atLeast` shows at least that. (D11.) Linear in time: the journal is the witness order.
 */
import type { MakeCheck } from '../check.ts'
import { typeOf } from '../sim-app.ts'

export const linear: MakeCheck = (facts, fail) => {
  /** For each actor, by the time of the answer: the greatest offset answered so far. */
  const answered = new Map<string, { us: number; offset: number; id: string }[]>()
  const before = (actor: string, us: number): { offset: number; id: string } => {
    const list = answered.get(actor) ?? []
    let low = 0
    let high = list.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((list[middle] as { us: number }).us < us) low = middle + 1
      else high = middle
    }
    return list[low - 1] ?? { offset: 0, id: 'nothing' }
  }
  return {
    name: 'linear',
    received: (op) => {
      if (op.answer === null || !op.answer.ok || !typeOf(op.actor).durable) return
      const { offset } = op.answer
      const last = before(op.actor, op.beganUs)
      if (last.offset >= offset)
        fail(`${op.id} got offset ${offset} of ${op.actor}; ${last.id} was answered ${last.offset} before it began`)
      let list = answered.get(op.actor)
      if (list === undefined) answered.set(op.actor, (list = []))
      if (offset > (list.at(-1)?.offset ?? 0)) list.push({ us: op.answeredUs, offset, id: op.id })
    },
    answered: ({ actor, call, beganUs }, outcome, life) => {
      if (!outcome.ok || !typeOf(actor).durable) return
      const slackUs = call.strict === true ? 0 : facts.swarm.options.readProofMs * 1000
      const last = before(actor, beganUs - slackUs)
      if (last.offset > outcome.offset)
        fail(
          `a ${call.strict === true ? 'strict ' : ''}read of ${actor} at ${life.id} shows offset ${outcome.offset}; ${last.id} was answered ${last.offset} before`,
        )
      if (outcome.offset < (call.atLeast ?? 0)) fail(`a read of ${actor} at least at ${call.atLeast} shows offset ${outcome.offset}`)
    },
  }
}
