/**
 * A turn as `dev` and `troupe/testing` run it (J8): what it returns must be a state that can be written, and a reducer that is new, or was not looked at
 * for a while, runs twice, the second time on another day: what it takes from the clock, from chance or from a variable of its module shows.
 */
import { elsewhere } from '../base/elsewhere.ts'
import type { Activation } from './activation.ts'
import { checkState } from './check.ts'
import type { Turn } from './guarded-turn.ts'
import type { Host } from './host.ts'
import type { TurnOutcome } from './turn.ts'

export function checkedTurn(activation: Activation, host: Host, { type, event, data, place }: Turn): TurnOutcome {
  const { definition, memory } = activation
  const again = host.learnt.looksAgain(event) ? { data: structuredClone(data) } : null
  const outcome = host.turn.run(definition, event, place, memory.state, data)
  if (again !== null) {
    const second = elsewhere(() => host.turn.run(definition, event, place, memory.state, again.data))
    if (said(outcome) !== said(second)) {
      host.counters.impure++
      host.log.error(
        { actor: activation.id, event: type },
        'an impure reducer: run twice on one event it did two things; reducers may use only state, data and ctx (ctx.now, ctx.random())',
      )
    }
  }
  if (outcome.kind !== 'next' || checkState(host, activation, outcome.state)) return outcome
  return { kind: 'threw', error: new TypeError('the state that it returned cannot be written as JSON; the node’s log says where') }
}

/** What it did, to compare; two that JSON cannot tell are alike. */
function said(outcome: TurnOutcome): string {
  try {
    return outcome.kind === 'threw' ? `threw ${String(outcome.error)}` : JSON.stringify(outcome)
  } catch {
    return outcome.kind
  }
}
