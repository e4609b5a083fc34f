/** Looks whether a store has actors that the app does not define: it may be another app's store, or a type may have been renamed. */
import type { App } from '../actors/define.ts'
import type { Log } from '../base/log.ts'
import type { Store } from '../store/store.ts'

/** Types that are looked at; one read of the store each. */
const LOOKED_MAX = 100

/** Types of the store's actors, in order, that `app` does not define. One read of one name for each type that there is, whatever the number of actors. */
export async function foreignTypes(store: Store, app: App): Promise<string[]> {
  const foreign: string[] = []
  let after: string | null = null
  for (let looked = 0; looked < LOOKED_MAX; looked++) {
    const [actor]: string[] = await store.actors(after, 1)
    if (actor === undefined) break
    const type = actor.slice(0, actor.indexOf('/'))
    if (!app.byType.has(type)) foreign.push(type)
    after = `${type}0` // 0 follows /: behind all actors of that type
  }
  return foreign
}

/** Said once, at the start; nothing else is done about it, since a rolling restart has such nodes for a while. */
export function warnOfForeignTypes(store: Store, app: App, log: Log): void {
  foreignTypes(store, app).then(
    (types) => {
      if (types.length === 0) return
      const message =
        'the store has actors of types that this app does not define: nobody can reach them here, and what they owe waits. ' +
        'If they are another app’s, give each app a store of its own; if a type was renamed, keep its old name'
      log.warn({ types: types.join(', '), defined: [...app.byType.keys()].join(', ') }, message)
    },
    () => undefined, // a store that does not answer says so itself
  )
}
