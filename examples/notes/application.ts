/**
 * Notes: accounts and items, one actor a user.
 *
 *   user/<uid>     account, sessions, notes             user/
 *   name/<name>    who holds a name or e-mail address   names.ts, registration.ts
 *   stats/0 … 15   how many there are of all            stats.ts
 */
import { fileURLToPath } from 'node:url'
import { app, type App, type AppTools, type AuthRequest, type Identity } from '../../src/index.ts'
import { Attempts } from './attempts.ts'
import type { NotesConfig } from './config.ts'
import { names } from './names.ts'
import { Passwords } from './passwords.ts'
import { accountRoutes } from './routes/account.ts'
import { liveRoutes, type LiveOptions } from './routes/live.ts'
import { noteRoutes } from './routes/notes.ts'
import { pageRoutes } from './routes/page.ts'
import { providerRoutes } from './routes/provider.ts'
import type { RouteParts } from './routes/respond.ts'
import { stats } from './stats.ts'
import { Tokens } from './tokens.ts'
import { Traffic } from './traffic.ts'
import { user } from './user/user.ts'

/** What a person may do with the own actor. All else is for the app's routes, which run as `service:app`, past `authorize`. */
const MAY = {
  send: new Set(['note.added', 'note.edited', 'note.deleted']),
  query: new Set(['info', 'note', 'profile']),
  subscribe: new Set(['events-changed', 'summary', 'feed']),
  history: new Set<string>(), // it would show the account's events; `feed` shows those of the notes
} as const

export type NotesActors = { readonly user: typeof user; readonly names: typeof names; readonly stats: typeof stats }

export function notesApp(config: NotesConfig, live: LiveOptions = {}): App<NotesActors> {
  const now = Date.now
  const tokens = new Tokens(config.secret)
  const passwords = new Passwords({ ln: config.scryptLn })
  const traffic = new Traffic(now)
  /** There once the node has begun to serve. */
  let tools: AppTools | null = null

  return app({
    actors: { user, names, stats },
    files: fileURLToPath(new URL('./public', import.meta.url)),

    /** The signature tells made-up tokens without asking anybody; for ours the person's actor says whether the session is open. */
    authenticate: async ({ token }: AuthRequest): Promise<Identity | null> => {
      const bearer = tokens.read(token, now())
      if (bearer === null) return null
      if (bearer.kind === 'provider') return { sub: `provider:${bearer.name}`, claims: { provider: bearer.name } }
      const actor = `user/${bearer.uid}`
      if (tools !== null && (await tools.query(actor, 'validate', { session: bearer.session })) === null) return null
      traffic.seen(bearer.uid)
      return { sub: bearer.uid, actor, expiresAt: bearer.expiresAt }
    },

    authorize: (who, action, { actor, name }) => {
      if (action === 'send') traffic.event()
      if (who.claims?.['provider'] !== undefined) return action === 'send' && name === 'note.provided' && actor.startsWith('user/')
      return actor === who.actor && MAY[action].has(name)
    },

    routes: (http, given) => {
      tools = given
      const parts: RouteParts = { tools: given, tokens, passwords, attempts: new Attempts(now), traffic, config, now }
      accountRoutes(http, parts)
      noteRoutes(http, parts)
      providerRoutes(http, parts)
      liveRoutes(http, parts, live)
      pageRoutes(http)
    },
  })
}
