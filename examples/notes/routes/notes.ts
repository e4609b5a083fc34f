/** GET /info/:uid, GET/POST/PUT/DELETE of notes: the same events that a socket sends, for callers that have none. */
import type { Hono } from 'hono'
import { z } from 'zod'
import { TroupeError } from '../../../src/index.ts'
import { reasonOf } from '../registration.ts'
import { NoteAdded, NoteEdited } from '../user/note.ts'
import type { InfoPage } from '../user/queries.ts'
import { bearerOf, bodyOf, json, keyOf, loggedOut, personOf, type RouteParts } from './respond.ts'

const Changes = NoteEdited.omit({ id: true })
const Whole = z.coerce.number<string>().int().min(0)

export function noteRoutes(http: Hono, parts: RouteParts): void {
  const { tools, traffic } = parts

  /** Newest first. Asks the actor once: the query checks the session and reads the page. */
  http.get(
    '/info/:uid',
    json(async (c) => {
      const bearer = bearerOf(c, parts)
      const uid = c.req.param('uid')
      if (bearer.kind !== 'person' || bearer.uid !== uid) throw new TroupeError('denied', 'these are somebody else’s notes')
      const lim = number(c.req.query('lim'), 'lim')
      const off = number(c.req.query('off'), 'off')
      traffic.seen(uid)
      const page = (await traffic.timed('page', () =>
        tools.query(`user/${uid}`, 'info', { lim, off, session: bearer.session }),
      )) as InfoPage | null
      if (page === null) throw loggedOut()
      return page
    }),
  )

  http.get(
    '/notes/:id',
    json(async (c) => {
      const { uid } = await personOf(c, parts)
      const note = await tools.query(`user/${uid}`, 'note', { id: c.req.param('id') })
      if (note === null) throw new TroupeError('not_found', 'there is no note of this id')
      return note
    }),
  )

  /** A repeat with the same `Idempotency-Key`, or the same `id`, adds nothing and gets the same id. */
  http.post(
    '/notes',
    json(async (c) => {
      const { uid } = await personOf(c, parts)
      const note = await bodyOf(c, NoteAdded)
      const key = keyOf(c)
      try {
        const { offset, duplicate } = await traffic.timed('send', () => tools.send(`user/${uid}`, 'note.added', note, keyed(key)))
        return { id: note.id ?? `n.${offset}`, offset, duplicate }
      } catch (error) {
        if (reasonOf(error) === 'exists' && note.id !== undefined) return { id: note.id, duplicate: true }
        throw error
      }
    }),
  )

  http.put(
    '/notes/:id',
    json(async (c) => {
      const { uid } = await personOf(c, parts)
      const changes = await bodyOf(c, Changes)
      const id = c.req.param('id')
      const { offset } = await traffic.timed('send', () => tools.send(`user/${uid}`, 'note.edited', { id, ...changes }, keyed(keyOf(c))))
      return { id, offset }
    }),
  )

  http.delete(
    '/notes/:id',
    json(async (c) => {
      const { uid } = await personOf(c, parts)
      const id = c.req.param('id')
      const { offset } = await traffic.timed('send', () => tools.send(`user/${uid}`, 'note.deleted', { id }, keyed(keyOf(c))))
      return { id, offset }
    }),
  )
}

const keyed = (key: string | undefined): { readonly key?: string } => (key === undefined ? {} : { key })

function number(given: string | undefined, name: string): number | undefined {
  if (given === undefined) return undefined
  const read = Whole.safeParse(given)
  if (!read.success) throw new TroupeError('invalid', `${name} is a whole number from 0`)
  return read.data
}
