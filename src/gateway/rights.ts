/** Who may do what: the app's `authorize`; without one, everybody reaches only their own actor (CONTRACT §1). */
import { parseActorId } from '../actors/actor-id.ts'
import type { Action, App, Identity } from '../actors/define.ts'
import type { Log } from '../base/log.ts'
import { fail, type Failure } from '../errors.ts'
import { thrownText } from './thrown.ts'

export class Rights {
  readonly #app: App
  readonly #log: Log

  constructor(app: App, log: Log) {
    this.#app = app
    this.#log = log
  }

  /** The actor's name, if `who` may; `to` absent means one's own. */
  target(who: Identity, action: Action, to: string | undefined, name: string): string | Failure {
    const actor = to ?? who.actor
    if (actor === undefined) return fail('invalid', 'you have no actor of your own: say `to`')
    if (actor !== who.actor) {
      const id = parseActorId(actor)
      if ('wrong' in id) return fail('invalid', id.wrong)
      if (!this.#app.byType.has(id.type)) return fail('not_found', `there is no actor type '${id.type}'`)
    }
    return this.#allows(who, action, actor, name) ? actor : fail('denied', `you may not ${action} ${name === '' ? '' : `'${name}' `}here`)
  }

  #allows(who: Identity, action: Action, actor: string, name: string): boolean {
    const { authorize } = this.#app
    if (authorize === undefined) return actor === who.actor
    try {
      // Only `true` counts: a promise, returned by mistake, would be truthy.
      return authorize(who, action, { actor, name }) === true
    } catch (error) {
      this.#log.error({ action, error: thrownText(error) }, 'authorize threw: denied')
      return false
    }
  }
}
