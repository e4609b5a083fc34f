/**
 * What can be asked of a user. Arguments come from clients as they like: each query reads what it knows and bounds it.
 * `salt` and `verify` are for the app's own routes (`authorize` in app.ts); even they show no hash (Q1).
 */
import { timingSafeEqual } from 'node:crypto'
import { indexGet } from './id-index.ts'
import type { Note } from './note.ts'
import { findNote, newestNote, pageOf } from './note-list.ts'
import { DELETED, type UserState } from './state.ts'

const PAGE_NOTES_MAX = 100
const PAGE_NOTES = 20
const PAGE_CHARS_MAX = 500_000

/** An item as it is shown: a note with its user's id. */
export type Item = Note & { readonly uid: string }
export interface InfoPage {
  readonly uid: string
  /** Newest first. */
  readonly items: readonly Item[]
  /** All of the user's notes. */
  readonly total: number
  readonly off: number
  readonly lim: number
  /** The `off` of the next page; null at the end. */
  readonly next: number | null
}
export interface InfoArgs {
  readonly lim?: number
  readonly off?: number
  /** Hash of a session that must be open, else the answer is null: the routes' way to check a token and read in one. */
  readonly session?: string
}

export const userQueries = {
  info: (state: UserState, args: InfoArgs | null): InfoPage | null => {
    if (typeof args?.session === 'string' && !isOpen(state, args.session)) return null
    const lim = whole(args?.lim, 1, PAGE_NOTES_MAX, PAGE_NOTES)
    const off = whole(args?.off, 0, Number.MAX_SAFE_INTEGER, 0)
    const items = pageOf(state.notes, off, lim, PAGE_CHARS_MAX).map((note) => ({ uid: state.uid, ...note }))
    const next = off + items.length
    return { uid: state.uid, items, total: state.notes.size, off, lim, next: items.length > 0 && next < state.notes.size ? next : null }
  },

  note: (state: UserState, args: { readonly id?: string } | null): Item | null => {
    if (typeof args?.id !== 'string') return null
    const ts = indexGet(state.ids, args.id)
    const note = ts === undefined || ts === DELETED ? null : findNote(state.notes, ts, args.id)
    return note === null ? null : { uid: state.uid, ...note }
  },

  profile: (state: UserState): Profile | null => {
    if (state.account === null) return null
    const { name, email, registeredAt, extra } = state.account
    return { uid: state.uid, name, email, registeredAt, extra: extra ?? {}, notes: state.notes.size }
  },

  /** The session of this token hash, if it is open. */
  validate: (
    state: UserState,
    args: { readonly session?: string } | null,
  ): { readonly name: string; readonly expiresAt: number } | null => {
    const session = state.sessions.find(({ hash }) => hash === args?.session)
    return session === undefined || state.account === null ? null : { name: state.account.name, expiresAt: session.expiresAt }
  },

  /** How the password was hashed, without the hash. */
  salt: (state: UserState): string | null => {
    const phc = state.account?.password
    return phc === undefined ? null : phc.slice(0, phc.lastIndexOf('$'))
  },

  /** Whether this is the hash: the actor compares, so that the hash never leaves it (Q1). In constant time. */
  verify: (state: UserState, args: { readonly password?: string } | null): { readonly ok: boolean; readonly version: number } => {
    const known = Buffer.from(state.account?.password ?? '')
    const given = Buffer.from(typeof args?.password === 'string' ? args.password : '')
    const ok = known.length > 0 && known.length === given.length && timingSafeEqual(known, given)
    return { ok, version: state.account?.passwordVersion ?? 0 }
  },
}

export interface Profile {
  readonly uid: string
  readonly name: string
  readonly email: string
  readonly registeredAt: number
  readonly extra: Readonly<Record<string, unknown>>
  readonly notes: number
}

export interface Summary {
  readonly notes: number
  readonly added: number
  readonly provided: number
  readonly edited: number
  readonly deleted: number
  readonly newest: { readonly id: string; readonly title: string; readonly ts: number } | null
}

/** The projection of the topic `summary`. */
export function summaryOf(state: UserState): Summary {
  const newest = newestNote(state.notes)
  return { notes: state.notes.size, ...state.counts, newest: newest && { id: newest.id, title: newest.title, ts: newest.ts } }
}

const isOpen = (state: UserState, session: string): boolean => state.sessions.some(({ hash }) => hash === session)

function whole(given: unknown, min: number, max: number, otherwise: number): number {
  const value = Math.trunc(Number(given ?? Number.NaN))
  return Number.isNaN(value) ? otherwise : Math.min(Math.max(value, min), max)
}
