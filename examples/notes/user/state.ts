/** The state of one user: account, sessions, notes. Plain JSON; nothing in it is ever changed in place. */
import type { ReduceContext } from '../../../src/index.ts'
import { emptyIndex, type IdIndex } from './id-index.ts'
import { noNotes, type NoteList } from './note-list.ts'
import type { Extra } from './note.ts'

export type Context = ReduceContext<'events-changed'>

export interface UserState {
  readonly uid: string
  readonly account: Account | null
  /** Registrations that began up to then will not be finished (names.ts, N3). */
  readonly refuseUpTo: number
  /** Newest last, at most SESSIONS_MAX. */
  readonly sessions: readonly Session[]
  readonly notes: NoteList
  /** Each id that was ever taken here → the note's time, or DELETED. */
  readonly ids: IdIndex
  readonly counts: Counts
  /** What the statistics have not been told yet. */
  readonly tally: { readonly notes: number; readonly events: number }
}

export interface Account {
  readonly name: string
  readonly email: string
  /** PHC string of scrypt. Leaves the actor in no query and no topic. */
  readonly password: string
  readonly passwordVersion: number
  /** Which registration made it, so that a repeat of the same can be told from another. */
  readonly attempt: string
  readonly registeredAt: number
  readonly extra?: Extra
}

export interface Session {
  /** SHA-256 of the token's secret part, base64url. */
  readonly hash: string
  readonly openedAt: number
  readonly expiresAt: number
  readonly device?: string
}

export interface Counts {
  readonly added: number
  readonly provided: number
  readonly edited: number
  readonly deleted: number
}

/** In `ids`, for an id whose note is gone: it stays taken. */
export const DELETED = -1
export const SESSIONS_MAX = 16
/** Notes of one user, and ids that were ever taken. */
export const NOTES_MAX = 50_000
export const IDS_MAX = 100_000

export const newUser = (uid: string): UserState => ({
  uid,
  account: null,
  refuseUpTo: 0,
  sessions: [],
  notes: noNotes,
  ids: emptyIndex,
  counts: { added: 0, provided: 0, edited: 0, deleted: 0 },
  tally: { notes: 0, events: 0 },
})
