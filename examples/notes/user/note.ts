/** What a note is, and what may be said about one: the shapes of the events, with a limit on everything. */
import { z } from 'zod'

export interface Note {
  /** Taken once for ever: `n.<offset>`, the author's own word, or `<provider>:<external id>`. */
  readonly id: string
  readonly title: string
  readonly body: string
  /** When it happened, ms since 1970. Notes are ordered by it; it does not change. */
  readonly ts: number
  readonly keywords: readonly string[]
  readonly url?: string
  readonly location?: Place
  readonly editedAt?: number
  /** Fields of the app's own. */
  readonly extra?: Extra
}
export type Place = string | { readonly lat: number; readonly lon: number; readonly name?: string }
export type Extra = Readonly<Record<string, unknown>>

const EXTRA_CHARS_MAX = 4096

/** What an account or a note may carry beyond its own fields: at most 32 names, 4,096 characters of JSON. */
export const ExtraFields = z
  .record(z.string().regex(/^[a-z]\w{0,63}$/i, 'a letter and up to 63 letters, digits or _'), z.json())
  .refine((extra) => Object.keys(extra).length <= 32 && JSON.stringify(extra).length <= EXTRA_CHARS_MAX, {
    message: `at most 32 fields and ${EXTRA_CHARS_MAX} characters of JSON`,
  })

const content = {
  title: z.string().min(1).max(200),
  body: z.string().max(10_000),
  url: z.url({ protocol: /^https?$/ }).max(2048),
  location: z.union([
    z.string().min(1).max(200),
    z.strictObject({ lat: z.number().min(-90).max(90), lon: z.number().min(-180).max(180), name: z.string().max(200).exactOptional() }),
  ]),
  keywords: z.array(z.string().min(1).max(64)).max(32),
  extra: ExtraFields,
}
const optional = { url: content.url.exactOptional(), location: content.location.exactOptional(), extra: content.extra.exactOptional() }
const first = {
  title: content.title,
  body: content.body.default(''),
  ts: z.int().min(0).max(8.64e15).optional(),
  keywords: content.keywords.default([]),
  ...optional,
}

/** An id that somebody else gave a thing: printable, so that it can be shown, logged and searched for. */
export const ExternalId = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[\x21-\x7e]+$/, 'printable ASCII without spaces')
export const ProviderName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a small letter and up to 31 small letters, digits or -')

export const NoteAdded = z.strictObject({
  /** The author's own id, so that a repeat is harmless for ever; without one the note is `n.<offset>`. */
  id: z
    .string()
    .regex(/^[\w-]{8,64}$/, '8 to 64 letters, digits, _ or -')
    .optional(),
  ...first,
})
export const NoteProvided = z.strictObject({ provider: ProviderName, externalId: ExternalId, ...first })

/** Fields that are absent stay; `null` removes one that need not be there. */
export const NoteEdited = z.strictObject({
  id: z.string().max(200),
  title: content.title.optional(),
  body: content.body.optional(),
  keywords: content.keywords.optional(),
  url: content.url.nullable().optional(),
  location: content.location.nullable().optional(),
  extra: content.extra.nullable().optional(),
})
export const NoteDeleted = z.strictObject({ id: z.string().max(200) })

export type NoteAdded = z.output<typeof NoteAdded>
export type NoteProvided = z.output<typeof NoteProvided>
export type NoteEdited = z.output<typeof NoteEdited>
export type NoteDeleted = z.output<typeof NoteDeleted>
