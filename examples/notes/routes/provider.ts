/**
 * POST /provider/:name/items: a data provider pushes items in, up to 500 at once, for any users, and each is acknowledged by itself.
 *
 *   [{ uid, externalId, title, … }, …]  →  200 [{ ok: true, id, duplicate } | { ok: false, error }, …]  in order
 *
 * An `ok` item is in the user's journal, once for ever: a provider that got no answer sends the same again under the same external ids.
 * What was not ok and is `retryable` was not taken; the provider keeps it.
 */
import type { Hono } from 'hono'
import { z } from 'zod'
import { TroupeError } from '../../../src/index.ts'
import { reasonOf } from '../registration.ts'
import { ProviderName } from '../user/note.ts'
import { bearerOf, errorOf, json, rawBody, type RouteParts } from './respond.ts'

const ITEMS_MAX = 500
const Uid = z.string().regex(/^[\w-]{1,64}$/)

export function providerRoutes(http: Hono, parts: RouteParts): void {
  http.post(
    '/provider/:name/items',
    json(async (c) => {
      const bearer = bearerOf(c, parts)
      const name = c.req.param('name') ?? ''
      if (bearer.kind !== 'provider' || bearer.name !== name) throw new TroupeError('denied', 'this token is not that provider’s')
      if (!ProviderName.safeParse(name).success) throw new TroupeError('invalid', 'a provider is named with small letters, digits and -')
      const items = await rawBody(c)
      if (!Array.isArray(items) || items.length > ITEMS_MAX)
        throw new TroupeError('invalid', `the body is an array of at most ${ITEMS_MAX} items`)
      return Promise.all(items.map((item: unknown) => take(parts, name, item)))
    }),
  )
}

async function take({ tools, traffic }: RouteParts, provider: string, item: unknown): Promise<object> {
  // The rest is checked once, by the event's schema.
  if (typeof item !== 'object' || item === null || !('uid' in item) || !Uid.safeParse(item.uid).success)
    return { ok: false, error: errorOf(new TroupeError('invalid', 'uid: missing or malformed')) }
  const { uid, ...content } = item as { readonly uid: string; readonly externalId?: unknown }
  try {
    await traffic.timed('send', () => tools.send(`user/${uid}`, 'note.provided', { ...content, provider }))
    return { ok: true, id: `${provider}:${String(content.externalId)}`, duplicate: false }
  } catch (error) {
    if (reasonOf(error) === 'exists') return { ok: true, id: `${provider}:${String(content.externalId)}`, duplicate: true }
    if (error instanceof TroupeError) return { ok: false, error: errorOf(error) }
    throw error
  }
}
