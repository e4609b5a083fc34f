/** An app whose reducers' states are held against a scenario's invariants, wherever a reducer runs. */
import type { App } from '../actors/define.ts'
import { Refused } from '../actors/turn.ts'
import type { Holds, Scenario } from './scenario.ts'

type Definition = App['byType'] extends ReadonlyMap<string, infer Value> ? Value : never

/** `blame` is told what does not hold. */
export function withInvariants(app: App, invariants: Scenario['invariants'], blame: (what: string) => void): App {
  if (invariants.size === 0) return app
  const byType = new Map<string, Definition>()
  for (const [type, definition] of app.byType) {
    const all = invariants.get(type)
    byType.set(type, all === undefined ? definition : { ...definition, events: held(definition, all, blame) })
  }
  const actors = Object.fromEntries(Object.entries(app.actors).map(([name, { type }]) => [name, byType.get(type) as Definition]))
  return { ...app, actors, byType }
}

function held(
  { type, events }: Definition,
  invariants: ReadonlyMap<string, (state: unknown, actor: string) => Holds>,
  blame: (what: string) => void,
): Definition['events'] {
  return new Map(
    Array.from(events, ([name, event]) => [
      name,
      {
        ...event,
        reduce: (state, data, ctx) => {
          const next: unknown = event.reduce(state, data, ctx)
          // What is no state is judged by the engine.
          if (next instanceof Refused || next === undefined || next instanceof Promise) return next as never
          for (const [invariant, holds] of invariants) {
            const wrong = wrongIn(() => holds(next, ctx.id))
            if (wrong !== null)
              blame(`'${invariant}' of '${type}' does not hold in ${ctx.id} after '${name}' at offset ${ctx.offset}${wrong}`)
          }
          return next as never
        },
      } satisfies typeof event,
    ]),
  )
}

/** What is wrong, as the end of a sentence; null: it holds. */
function wrongIn(holds: () => Holds): string | null {
  try {
    return wrongText(holds())
  } catch (error) {
    return `: it threw ${String(error)}`
  }
}

export function wrongText(holds: Holds): string | null {
  return holds === true ? null : holds === false ? '' : `: ${holds}`
}
