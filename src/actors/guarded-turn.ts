/**
 * A reducer that refuses or throws must leave no trace in the state, though it may have changed the one it was given. It may not (J8), and
 * `dev` finds out each time; but to look for it after each turn would cost as much as the state is large, or a reading of the store.
 * So, for each event of the app, on each engine:
 *
 *  - Until its reducer first declines (refuses or throws), nothing is done and nothing is paid.
 *  - When it first does, the state is read anew. From then on its turns are guarded: they get a frozen state, of which only what is new
 *    since the last time is frozen. A guarded turn that declines leaves no trace, and costs no reading.
 *  - Where too much is new (a large array was copied) only one turn in SAMPLE is guarded. Of the others, one that throws costs a reading.
 *  - One that tried to change a frozen state is guarded always, and gets a copy each time; the state is read anew once more.
 */
import type { Activation } from './activation.ts'
import { deepFreeze, freezeSmall } from './check.ts'
import { checkedTurn } from './checked-turn.ts'
import type { EventDefinition } from './define.ts'
import type { Host } from './host.ts'
import type { TurnContext, TurnOutcome } from './turn.ts'

type Event = EventDefinition<unknown, unknown, string>

/** New parts of a state that are frozen before a turn: some microseconds. */
const PARTS_MAX = 64
const SAMPLE = 32

export interface Turn {
  readonly type: string
  readonly event: Event
  readonly data: unknown
  readonly place: Parameters<TurnContext['run']>[2]
}

export function runTurn(activation: Activation, host: Host, turn: Turn): TurnOutcome {
  if (host.check) return checkedTurn(activation, host, turn)
  const { definition, memory } = activation
  const guarded = host.learnt.declines(turn.event) && freeze(activation, host, turn)
  const outcome = host.turn.run(definition, turn.event, turn.place, memory.state, turn.data)
  if (outcome.kind === 'next') return outcome
  if (guarded) return outcome.kind === 'threw' && outcome.error instanceof TypeError ? onCopy(activation, host, turn, outcome) : outcome
  if (host.learnt.declined(turn.event) || outcome.kind === 'threw') activation.suspect() // before anybody hears the answer
  return outcome
}

function freeze({ memory }: Activation, { learnt }: Host, { event, place }: Turn): boolean {
  if (!learnt.changes(event) && place.offset % SAMPLE !== 0) return freezeSmall(memory.state, PARTS_MAX)
  deepFreeze(memory.state)
  return true
}

/** It threw, probably at changing the frozen state: then it is to go on as it did before, and harm nothing. */
function onCopy(
  activation: Activation,
  host: Host,
  { type, event, place, data }: Turn,
  threw: TurnOutcome & { kind: 'threw' },
): TurnOutcome {
  const { id, definition, memory } = activation
  const json = stateJson(memory.state)
  if (json === null) return threw
  const outcome = host.turn.run(definition, event, place, JSON.parse(json), data)
  if (outcome.kind === 'threw' && String(outcome.error) === String(threw.error)) return threw // not at the state
  if (host.learnt.changed(event)) {
    host.log.error(
      { actor: id, event: type },
      `a reducer changes the state it is given, and gets a copy from now on: return a new state instead (${String(threw.error)})`,
    )
    activation.suspect() // earlier turns of it that were not guarded may have left a trace
  }
  return outcome
}

function stateJson(state: unknown): string | null {
  try {
    return (JSON.stringify(state) as string | undefined) ?? null
  } catch {
    return null
  }
}
