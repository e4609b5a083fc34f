/**
 * A user's notes in the order of their time, persistent and cheap to change: plain JSON, older versions stay as they were.
 *
 * The newest 64–127 notes lie open, the others in sealed chunks of about 64, each one text. Sealed, a note costs its bytes
 * and the garbage collector nothing; a page of the newest notes never opens a chunk.
 *
 *   adding a note newer than the rest    copies at most 127 references, whatever the number of notes
 *   an older one, an edit, a removal     opens and closes one chunk
 *   a page                               opens the chunks it lies in; those before it are skipped by their size
 *
 * I1  Sealed chunks are in order, none is empty, and every note in them is no newer than every open one.
 * I2  Among notes of the same time the one that came later is the newer.
 */
import type { Note } from './note.ts'

export interface NoteList {
  readonly size: number
  readonly sealed: readonly Chunk[]
  /** Oldest first. */
  readonly open: readonly Note[]
}
interface Chunk {
  readonly size: number
  /** Times of its oldest and its newest note. */
  readonly from: number
  readonly to: number
  /** JSON of the notes, oldest first. */
  readonly text: string
}

const CHUNK_NOTES = 64

export const noNotes: NoteList = { size: 0, sealed: [], open: [] }

export function addNote(list: NoteList, note: Note): NoteList {
  const size = list.size + 1
  const last = list.sealed.at(-1)
  if (last === undefined || note.ts >= last.to) return { ...sealOldest(list.sealed, insert(list.open, note)), size }
  const at = chunkFor(list.sealed, note.ts)
  return { ...list, size, sealed: withNotes(list.sealed, at, insert(open(list.sealed[at] as Chunk), note)) }
}

/** Replaces the note of this time and id by what `change` makes of it (same time, same id), or removes it. */
export function changeNote(list: NoteList, ts: number, id: string, change: (note: Note) => Note | null): NoteList {
  const among = (notes: readonly Note[]): readonly Note[] | null => {
    const at = notes.findIndex((note) => note.id === id)
    if (at < 0) return null
    const next = change(notes[at] as Note)
    return next === null ? notes.toSpliced(at, 1) : notes.with(at, next)
  }
  const inOpen = among(list.open)
  if (inOpen !== null) return { ...list, size: list.size + inOpen.length - list.open.length, open: inOpen }
  for (const at of chunksOf(list.sealed, ts)) {
    const before = list.sealed[at] as Chunk
    const notes = among(open(before))
    if (notes !== null) return { ...list, size: list.size + notes.length - before.size, sealed: withNotes(list.sealed, at, notes) }
  }
  return list
}

export function findNote(list: NoteList, ts: number, id: string): Note | null {
  const inOpen = list.open.find((note) => note.id === id)
  if (inOpen !== undefined) return inOpen
  for (const at of chunksOf(list.sealed, ts)) {
    const found = open(list.sealed[at] as Chunk).find((note) => note.id === id)
    if (found !== undefined) return found
  }
  return null
}

/** Notes from place `off` (0 = the newest), newest first: at most `lim`, and no more once they have `charsMax` characters of JSON, but at least one. */
export function pageOf(list: NoteList, off: number, lim: number, charsMax: number): Note[] {
  const page: Note[] = []
  let skip = off
  let chars = 0
  /** Says whether the page is full. */
  const take = (notes: readonly Note[]): boolean => {
    for (let i = notes.length - 1 - skip; i >= 0; i--) {
      if (page.length === lim) return true
      const note = notes[i] as Note
      chars += note.title.length + note.body.length + 256
      if (chars > charsMax && page.length > 0) return true
      page.push(note)
    }
    skip = 0
    return page.length === lim
  }
  if (skip >= list.open.length) skip -= list.open.length
  else if (take(list.open)) return page
  for (let at = list.sealed.length - 1; at >= 0; at--) {
    const chunk = list.sealed[at] as Chunk
    if (skip >= chunk.size) skip -= chunk.size
    else if (take(open(chunk))) return page
  }
  return page
}

export function newestNote(list: NoteList): Note | null {
  return pageOf(list, 0, 1, 1)[0] ?? null
}

function insert(notes: readonly Note[], note: Note): readonly Note[] {
  let at = notes.length
  while (at > 0 && (notes[at - 1] as Note).ts > note.ts) at--
  return at === notes.length ? [...notes, note] : notes.toSpliced(at, 0, note)
}

function sealOldest(sealed: readonly Chunk[], notes: readonly Note[]): Pick<NoteList, 'sealed' | 'open'> {
  if (notes.length < 2 * CHUNK_NOTES) return { sealed, open: notes }
  return { sealed: [...sealed, seal(notes.slice(0, CHUNK_NOTES))], open: notes.slice(CHUNK_NOTES) }
}

function withNotes(sealed: readonly Chunk[], at: number, notes: readonly Note[]): readonly Chunk[] {
  if (notes.length === 0) return sealed.toSpliced(at, 1)
  if (notes.length < 2 * CHUNK_NOTES) return sealed.with(at, seal(notes))
  return sealed.toSpliced(at, 1, seal(notes.slice(0, CHUNK_NOTES)), seal(notes.slice(CHUNK_NOTES)))
}

/** The chunk a note of this time belongs in: the last that begins no later, so that it comes after its equals (I2). */
function chunkFor(sealed: readonly Chunk[], ts: number): number {
  let low = 0
  let high = sealed.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((sealed[middle] as Chunk).from <= ts) low = middle
    else high = middle - 1
  }
  return low
}

/** The chunks that may hold notes of this time: one, but for notes of one and the same time on both sides of a border. */
function* chunksOf(sealed: readonly Chunk[], ts: number): Generator<number> {
  if (sealed.length === 0) return
  for (let at = chunkFor(sealed, ts); at >= 0 && (sealed[at] as Chunk).to >= ts; at--) yield at
}

const seal = (notes: readonly Note[]): Chunk => ({
  size: notes.length,
  from: (notes[0] as Note).ts,
  to: (notes.at(-1) as Note).ts,
  text: JSON.stringify(notes),
})

const open = (chunk: Chunk): readonly Note[] => JSON.parse(chunk.text) as Note[]
