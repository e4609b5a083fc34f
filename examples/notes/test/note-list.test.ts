import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Note } from '../user/note.ts'
import { addNote, changeNote, findNote, newestNote, noNotes, pageOf, type NoteList } from '../user/note-list.ts'

const noteAt = (id: number, ts: number): Note => ({ id: `n${id}`, title: `title ${id}`, body: '', ts, keywords: [] })

// Times from a small range meet often; rising ones are the usual case.
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('add' as const), ts: fc.integer({ min: 0, max: 50 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('append' as const), ts: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('edit' as const), ts: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), ts: fc.nat() }) },
)

/** Oldest first; a new note after those of its time. */
function modelAdd(model: Note[], note: Note): void {
  let at = model.length
  while (at > 0 && (model[at - 1] as Note).ts > note.ts) at--
  model.splice(at, 0, note)
}

test('the list is an array sorted by time, whatever is added, edited and removed, and survives JSON', () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 500, size: 'max' }),
      fc.nat({ max: 600 }),
      fc.integer({ min: 1, max: 100 }),
      (steps, off, lim) => {
        const model: Note[] = []
        let list: NoteList = noNotes
        let id = 0
        for (const each of steps) {
          if (each.do === 'add' || each.do === 'append') {
            const note = noteAt(++id, each.do === 'add' ? each.ts : (model.at(-1)?.ts ?? 0) + each.ts)
            list = addNote(list, note)
            modelAdd(model, note)
          } else if (model.length > 0) {
            const at = each.ts % model.length
            const old = model[at] as Note
            const next = each.do === 'edit' ? { ...old, title: 'edited' } : null
            list = changeNote(list, old.ts, old.id, () => next)
            model.splice(at, 1, ...(next === null ? [] : [next]))
          }
        }
        list = JSON.parse(JSON.stringify(list)) as NoteList
        const newestFirst = model.toReversed()
        expect(list.size).toBe(model.length)
        expect(pageOf(list, off, lim, Infinity)).toEqual(newestFirst.slice(off, off + lim))
        expect(pageOf(list, 0, Infinity, Infinity)).toEqual(newestFirst)
        expect(newestNote(list)).toEqual(newestFirst[0] ?? null)
        for (const note of model) expect(findNote(list, note.ts, note.id)).toEqual(note)
        expect(findNote(list, 3, 'nobody')).toBeNull()
      },
    ),
    { numRuns: 150 },
  )
})

test('adding at the end of 20,000 notes touches none of the sealed chunks', () => {
  let list: NoteList = noNotes
  for (let i = 0; i < 20_000; i++) list = addNote(list, noteAt(i, i))
  const next = addNote(list, noteAt(20_000, 20_000))
  expect(next.open.length).toBeLessThanOrEqual(128)
  const known = new Set(list.sealed)
  expect(next.sealed.filter((chunk) => !known.has(chunk)).length).toBeLessThanOrEqual(1)
})

test('a page ends at its characters, but has at least one note', () => {
  let list: NoteList = noNotes
  for (let i = 0; i < 300; i++) list = addNote(list, { ...noteAt(i, i), body: 'x'.repeat(1000) })
  expect(pageOf(list, 0, 100, 5000).length).toBe(3)
  expect(pageOf(list, 250, 100, 10).map(({ id }) => id)).toEqual(['n49'])
})
