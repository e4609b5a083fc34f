/** The user's app as a world runs it: reducers are watched for changing the state they are given, and the world itself may do everything. */
import type { App, Authenticate, Identity } from '../actors/define.ts'

type Definition = App['byType'] extends ReadonlyMap<string, infer Value> ? Value : never

/** Who the world is when a call names nobody: reducers see the sender `user:test`, and `authorize` is not asked. */
const TESTER: Identity = { sub: 'test', claims: { 'troupe:testing': true } }

/** What a client shows to be this one. A name is taken as in `dev`: its own actor is `user/<name>`, or of the app's first type. */
export function tokenOf(app: App, as: string | Identity | undefined): string {
  const type = app.byType.has('user') ? 'user' : app.byType.keys().next().value
  return JSON.stringify(as === undefined ? TESTER : typeof as === 'string' ? { sub: as, actor: `${type}/${as}` } : as)
}

/** What an engine in strict mode says to a reducer that changes a frozen state. */
const CHANGES = /read only property|not extensible|cannot (add|delete|define|redefine)|object is frozen/i

/** `blame` is told what a reducer did, once each time. */
export function watchedApp(app: App, blame: (what: string) => void): App {
  const byType = new Map<string, Definition>()
  for (const [type, definition] of app.byType) byType.set(type, { ...definition, events: watchedEvents(definition, blame) })
  const actors = Object.fromEntries(Object.entries(app.actors).map(([name, { type }]) => [name, byType.get(type) as Definition]))
  return { troupe: 'app', actors, byType }
}

function watchedEvents({ type, events }: Definition, blame: (what: string) => void): Definition['events'] {
  return new Map(
    Array.from(events, ([name, event]) => [
      name,
      {
        ...event,
        reduce: (state, data, ctx) => {
          try {
            return event.reduce(state, data, ctx) as never
          } catch (error) {
            if (error instanceof TypeError && CHANGES.test(error.message))
              blame(`the reducer of '${name}' of '${type}' changes the state it is given; it must return a new one (${error.message})`)
            throw error
          }
        },
      } satisfies typeof event,
    ]),
  )
}

/** For the gateways: everybody is who they say; the app's `authorize` judges all but the world itself. */
export function clientApp(watched: App, app: App): App {
  const authenticate: Authenticate = ({ token }) => (token === undefined ? null : (JSON.parse(token) as Identity))
  return {
    ...watched,
    authenticate,
    authorize: (who, action, target) => {
      if (who.claims?.['troupe:testing'] === true) return true
      return app.authorize === undefined ? target.actor === who.actor : app.authorize(who, action, target)
    },
  }
}
