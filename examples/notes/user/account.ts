/** The events of account and sessions. They come from the app's own routes and from other actors, never from a client (`authorize` in app.ts). */
import { z } from 'zod'
import type { Refusal } from '../../../src/index.ts'
import { isName, normalise } from '../names.ts'
import { shardOf } from '../stats.ts'
import { ExtraFields } from './note.ts'
import { SESSIONS_MAX, type Context, type UserState } from './state.ts'

const Phc = z.string().max(256).startsWith('$scrypt$')
const Hash = z.string().length(43)

const Registered = z.strictObject({
  name: z.string().max(64).refine(isName, 'has a /, a control character, or nothing but blanks'),
  email: z.email().max(200),
  password: Phc,
  attempt: z.string().max(200),
  /** When the try began, by the clock of the node that made it. */
  at: z.int().min(0),
  extra: ExtraFields.exactOptional(),
})
const ClaimAsked = z.strictObject({ name: z.string().refine(isName), at: z.int() })
const PasswordChanged = z.strictObject({ password: Phc, from: z.int(), keep: Hash })
const SessionOpened = z.strictObject({ hash: Hash, expiresAt: z.int(), device: z.string().max(100).exactOptional() })
const SessionClosed = z.strictObject({ hash: Hash })

export const accountEvents = {
  /** The decision of a registration (names.ts). */
  'account.registered': {
    schema: Registered,
    reduce: (state: UserState, { at, ...account }: z.output<typeof Registered>, ctx: Context): UserState | Refusal => {
      if (state.account !== null) {
        if (state.account.attempt === account.attempt) return ctx.refuse('done', 'this registration is done')
        return ctx.refuse('registered', 'there is such an account: log in')
      }
      if (at <= state.refuseUpTo) return ctx.refuse('expired', 'this registration took too long: begin again') // names.ts, N3
      for (const name of [account.name, account.email]) ctx.send(`name/${normalise(name)}`, 'name.confirmed', { uid: state.uid })
      ctx.send(shardOf(state.uid), 'counted', { notes: 0, events: 0, accounts: 1 })
      return { ...state, account: { ...account, passwordVersion: 1, registeredAt: ctx.now } }
    },
  },

  /** A name that waits for the decision asks; the question itself decides (names.ts, N3). */
  'claim.asked': {
    schema: ClaimAsked,
    reduce: (state: UserState, { name, at }: z.output<typeof ClaimAsked>, ctx: Context): UserState => {
      if (state.account !== null) {
        ctx.send(`name/${name}`, 'name.confirmed', { uid: state.uid })
        return state
      }
      ctx.send(`name/${name}`, 'name.refused', { uid: state.uid, at })
      return { ...state, refuseUpTo: Math.max(state.refuseUpTo, at) }
    },
  },

  /** Closes every session but the one that asked. */
  'password.changed': {
    schema: PasswordChanged,
    reduce: (state: UserState, { password, from, keep }: z.output<typeof PasswordChanged>, ctx: Context): UserState | Refusal => {
      const { account } = state
      if (account === null) return ctx.refuse('no_account', 'there is no such account')
      // Between the check of the old password and this event somebody else changed it.
      if (account.passwordVersion !== from) return ctx.refuse('changed', 'the password was changed meanwhile: try again')
      return {
        ...state,
        account: { ...account, password, passwordVersion: from + 1 },
        sessions: state.sessions.filter((session) => session.hash === keep),
      }
    },
  },

  'session.opened': {
    schema: SessionOpened,
    reduce: (state: UserState, session: z.output<typeof SessionOpened>, ctx: Context): UserState | Refusal => {
      if (state.account === null) return ctx.refuse('no_account', 'there is no such account')
      if (state.sessions.some(({ hash }) => hash === session.hash)) return state
      const live = state.sessions.filter(({ expiresAt }) => expiresAt > ctx.now).slice(1 - SESSIONS_MAX)
      return { ...state, sessions: [...live, { ...session, openedAt: ctx.now }] }
    },
  },

  'session.closed': {
    schema: SessionClosed,
    reduce: (state: UserState, { hash }: z.output<typeof SessionClosed>): UserState => ({
      ...state,
      sessions: state.sessions.filter((session) => session.hash !== hash),
    }),
  },
}
