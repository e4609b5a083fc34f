/** The events of notes. Reducers are pure; each costs the same for the first note and the fifty-thousandth (note-list.ts, id-index.ts). */
import type { Refusal } from '../../../src/index.ts'
import { tell } from '../stats.ts'
import { indexGet, indexSet } from './id-index.ts'
import { NoteAdded, NoteDeleted, NoteEdited, NoteProvided, type Note } from './note.ts'
import { addNote, changeNote } from './note-list.ts'
import { DELETED, IDS_MAX, NOTES_MAX, type Context, type UserState } from './state.ts'

export const NOTE_EVENTS = ['note.added', 'note.provided', 'note.edited', 'note.deleted'] as const

export const noteEvents = {
  'note.added': {
    schema: NoteAdded,
    reduce: (state: UserState, { id, ts, ...content }: NoteAdded, ctx: Context): UserState | Refusal =>
      take(state, { id: id ?? `n.${ctx.offset}`, ts: ts ?? ctx.now, ...content }, 'added', ctx),
  },

  /** From outside: acknowledged, and taken once per provider and external id, for ever (`exists` is the provider's acknowledgement too). */
  'note.provided': {
    schema: NoteProvided,
    reduce: (state: UserState, { provider, externalId, ts, ...content }: NoteProvided, ctx: Context): UserState | Refusal => {
      // Who comes over a socket speaks for itself; the app's own route has checked whom it speaks for.
      if (ctx.sender.startsWith('user:') && ctx.sender !== `user:provider:${provider}`)
        return ctx.refuse('denied', `${provider} is another provider`)
      return take(state, { id: `${provider}:${externalId}`, ts: ts ?? ctx.now, ...content }, 'provided', ctx)
    },
  },

  'note.edited': {
    schema: NoteEdited,
    reduce: (state: UserState, { id, ...changes }: NoteEdited, ctx: Context): UserState | Refusal => {
      const ts = indexGet(state.ids, id)
      if (ts === undefined || ts === DELETED) return ctx.refuse('no_note', 'there is no note of this id')
      ctx.notify('events-changed')
      const notes = changeNote(state.notes, ts, id, (note) => edited(note, changes, ctx.now))
      return { ...state, notes, counts: { ...state.counts, edited: state.counts.edited + 1 }, tally: tell(state, 0, ctx) }
    },
  },

  'note.deleted': {
    schema: NoteDeleted,
    reduce: (state: UserState, { id }: NoteDeleted, ctx: Context): UserState | Refusal => {
      const ts = indexGet(state.ids, id)
      if (ts === undefined || ts === DELETED) return ctx.refuse('no_note', 'there is no note of this id')
      ctx.notify('events-changed')
      return {
        ...state,
        notes: changeNote(state.notes, ts, id, () => null),
        ids: indexSet(state.ids, id, DELETED),
        counts: { ...state.counts, deleted: state.counts.deleted + 1 },
        tally: tell(state, -1, ctx),
      }
    },
  },
}

function take(state: UserState, note: Note, how: 'added' | 'provided', ctx: Context): UserState | Refusal {
  if (state.account === null) return ctx.refuse('no_account', 'there is no such account: register first')
  const known = indexGet(state.ids, note.id)
  if (known !== undefined) return ctx.refuse('exists', 'this id was taken before; nothing was added')
  if (state.notes.size >= NOTES_MAX) return ctx.refuse('full', `no more than ${NOTES_MAX} notes: delete some`)
  const { added, provided, deleted } = state.counts
  if (added + provided >= IDS_MAX)
    return ctx.refuse('full', `${IDS_MAX} notes were added here, ${deleted} of them deleted: open another account`)
  ctx.notify('events-changed')
  return {
    ...state,
    notes: addNote(state.notes, note),
    ids: indexSet(state.ids, note.id, note.ts),
    counts: { ...state.counts, [how]: state.counts[how] + 1 },
    tally: tell(state, 1, ctx),
  }
}

function edited(note: Note, changes: Omit<NoteEdited, 'id'>, now: number): Note {
  const next: Record<string, unknown> = { ...note, editedAt: now }
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete next[name]
    else if (value !== undefined) next[name] = value
  }
  return next as unknown as Note
}
