/** Runs reducers without a node: one context that remembers what was asked for, and a tiny world of actors whose effects wait in a list. */
import { TroupeError, type ActorDefinition, type ReduceContext, type Refusal } from '../../../src/index.ts'

export interface Sent {
  readonly from: string
  readonly to: string
  readonly type: string
  readonly data: unknown
}

export interface Turn<State> {
  readonly state: State
  readonly refused: string | null
  readonly sent: readonly Sent[]
  readonly notified: readonly string[]
  /** Name of a timer → event type; null: cancelled. */
  readonly timers: ReadonlyMap<string, string | null>
}

export interface Moment {
  readonly now?: number
  readonly offset?: number
  readonly sender?: string
}

/** One turn, with the data checked by the event's schema as the engine does. */
export function turn<State>(
  actor: ActorDefinition<string, State>,
  id: string,
  state: State,
  type: string,
  data: unknown,
  at: Moment = {},
): Turn<State> {
  const event = actor.events.get(type)
  if (event === undefined) throw new Error(`${actor.type} has no event ${type}`)
  let given = data
  if (event.schema !== undefined) {
    const read = event.schema['~standard'].validate(data)
    if (read instanceof Promise) throw new Error('a schema must be synchronous')
    if (read.issues !== undefined) throw new TroupeError('invalid', read.issues.map(({ message }) => message).join('; '))
    given = read.value
  }
  const sent: Sent[] = []
  const notified: string[] = []
  const timers = new Map<string, string | null>()
  let refused: string | null = null
  const ctx: ReduceContext = {
    id,
    type: actor.type,
    key: id.slice(id.indexOf('/') + 1),
    now: at.now ?? 1000,
    offset: at.offset ?? 1,
    sender: at.sender ?? 'service:app',
    random: () => 0.5,
    notify: (topic) => void notified.push(topic),
    send: (to: string | { readonly id: string }, what: string, more?: unknown) =>
      void sent.push({ from: id, to: typeof to === 'string' ? to : to.id, type: what, data: more }),
    schedule: (name, _when, what) => void timers.set(name, what),
    cancel: (name) => void timers.set(name, null),
    refuse: (reason) => {
      refused = reason
      return REFUSAL
    },
  }
  const before = JSON.stringify(state)
  const next = event.reduce(state, given, ctx as never) as State | Refusal
  if (JSON.stringify(state) !== before) throw new Error(`${type} changed the state it was given`)
  if (next === REFUSAL) return { state, refused, sent: [], notified: [], timers: new Map() }
  return { state: next as State, refused: null, sent, notified, timers }
}

const REFUSAL = Object.freeze({}) as Refusal
