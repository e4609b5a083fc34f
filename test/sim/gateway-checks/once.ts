/** once: what was acknowledged is in the journal once, what was refused is not, and nothing is that nobody sent: across reconnections, repeats and gateways. (D1, D2) */
import type { ErrorCode } from '../../../src/errors.ts'
import type { MakeGatewayCheck } from '../gateway-check.ts'
import { rootOf } from '../checks/effects.ts'
import { typeOf } from '../sim-app.ts'

/** Refusals that do not pass: another may have been the last word until the deadline. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'refused',
  'invalid',
  'unknown_event',
  'denied',
  'not_found',
  'conflict',
  'too_large',
  'internal',
])

/** An event, what it sent on, hop by hop, or its timer. */
const OURS = /^o\d+(>+|!)?$/

export const once: MakeGatewayCheck = (facts, fail) => {
  const seen = new Set<string>()
  return {
    name: 'once',
    placed: ({ actor, body, firstOffset }) => {
      let offset = firstOffset
      for (const [, data] of body?.e ?? []) {
        const { id = '' } = (data ?? {}) as { readonly id?: string }
        const name = `${actor} ${id}`
        if (seen.has(name)) fail(`${id} is in the journal of ${actor} twice, the second time at offset ${offset}`)
        seen.add(name)
        if (facts.op(rootOf(id)) === undefined || !OURS.test(id)) fail(`${id} is in the journal of ${actor}, and nobody sent it`)
        offset++
      }
    },
    answered: (op, answer) => {
      if (typeof answer === 'string') {
        if (FINAL.has(answer) && answer !== op.expect) fail(`${op.id} to ${op.actor} was answered ${answer}; right is ${op.expect}`)
        return
      }
      if (answer.duplicate) facts.count('duplicate answered')
      if (op.expect !== 'ok') fail(`${op.id} to ${op.actor} was acknowledged; right is ${op.expect}`)
      const others = op.answers.filter((other) => typeof other !== 'string')
      // What was not durable may have been taken again, elsewhere (J9).
      if (others.some(({ offset, durable }) => durable && answer.durable && offset !== answer.offset))
        fail(`two devices were told two places of ${op.id} in ${op.actor}`)
      if (op.keyed && others.length > 1) facts.count('one key from two devices')
    },
    end: () => {
      const at = new Map<string, Set<string>>()
      for (const { actor, ids } of facts.ledgers()) {
        const own = new Set(ids)
        if (own.size !== ids.length) fail(`${actor} has ${ids.length - own.size} events twice`)
        at.set(actor, own)
      }
      for (const { id, actor, answers } of facts.ops) {
        const there = at.get(actor)?.has(id) === true
        const acked = answers.some((answer) => typeof answer !== 'string')
        if (acked && !there && typeOf(actor).durable) fail(`${id} was acknowledged, and is not in ${actor}`)
        const open = answers.length === 0 || answers.includes('timeout')
        if (!acked && !open && there) fail(`${id} was answered ${answers.join(' and ')}, and is in ${actor}`)
      }
    },
  }
}
