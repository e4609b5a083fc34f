/**
 * same-answer: an operation has one final answer, the right one, however often it is asked; at most one asking is told that it was
 * the first. (D1, D2)
 */
import { ERRORS } from '../../../src/errors.ts'
import type { MakeCheck, Op } from '../check.ts'
import { typeOf } from '../sim-app.ts'

export const sameAnswer: MakeCheck = (_facts, fail) => {
  const answers = new Map<Op, string>()
  const firsts = new Set<Op>()
  return {
    name: 'same-answer',
    replied: (op, outcome) => {
      if (op.expect === 'conflict' || !typeOf(op.actor).durable) return
      if (!outcome.ok && (ERRORS[outcome.code].retryable || outcome.code !== op.expect)) {
        // What was answered long ago may be answered in any other way, but not as if it were new.
        if (!ERRORS[outcome.code].retryable && op.answeredUs < 0)
          fail(`${op.id} (${op.type} to ${op.actor}) was answered ${outcome.code}: ${outcome.message}`)
        return
      }
      // Offset 0: answered so long ago that the answer is no longer kept (D3); only he who has it already may hear that.
      if (outcome.ok && outcome.offset === 0 && outcome.duplicate && op.answeredUs >= 0) return
      if (outcome.ok && op.expect !== 'ok') fail(`${op.id} (${op.type}) was taken; expected ${op.expect}`)
      const answer = outcome.ok ? `offset ${outcome.offset}` : `${outcome.code} ${outcome.reason ?? ''} ${outcome.message}`
      const known = answers.get(op)
      if (op.identity.kind !== 'none' && known !== undefined && known !== answer)
        fail(`${op.id} was answered '${known}' and then '${answer}'`)
      answers.set(op, answer)
      if (outcome.ok && !outcome.duplicate) {
        if (firsts.has(op)) fail(`${op.id} was taken as new twice`)
        firsts.add(op)
      }
    },
  }
}
