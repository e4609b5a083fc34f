/** gate: no reply, answer or note leaves before the batch of what it shows is durable. (J7, D2) */
import type { MakeCheck } from '../check.ts'
import { typeOf } from '../sim-app.ts'

export const gate: MakeCheck = (facts, fail) => {
  /** Refusals that are durable, of actors with a journal. */
  const refusals = new Set<string>()
  const early = (actor: string, offset: number, what: string): void => {
    const durable = facts.ledger(actor)?.durableOffset ?? 0
    if (offset > durable) fail(`${what} shows offset ${offset} of ${actor} while ${durable} is the newest durable one`)
  }
  return {
    name: 'gate',
    applied: ({ actor, body }) => {
      for (const [source, seq] of body?.r ?? []) refusals.add(`${actor} ${source} ${seq}`)
    },
    replied: (op, outcome, life) => {
      if (outcome.ok) {
        if (outcome.durable !== typeOf(op.actor).durable && !outcome.durable) fail(`${op.id} to ${op.actor} was answered 'not durable'`)
        if (outcome.durable) early(op.actor, outcome.offset, `the reply to ${op.id} by ${life.id}`)
        return
      }
      const { identity } = op
      const final = outcome.code === op.expect && op.expect !== 'conflict'
      if (final && identity.kind === 'seq' && typeOf(op.actor).durable && typeOf(op.actor).journal)
        if (!refusals.has(`${op.actor} ${identity.source} ${identity.seq}`))
          fail(`the refusal of ${op.id} by ${life.id} left before it was durable`)
    },
    answered: ({ actor }, outcome, life) => {
      if (outcome.ok && typeOf(actor).durable) early(actor, outcome.offset, `an answer by ${life.id}`)
    },
    subscribed: ({ actor }, state, life) => {
      if (typeOf(actor).durable) early(actor, state.offset, `a subscription to ${state.kind} at ${life.id}`)
    },
    noted: ({ actor, topic }, note, _upstream, life) => {
      if (typeOf(actor).durable) early(actor, note.offset, `a note of ${topic} by ${life.id}`)
    },
  }
}
