/**
 * The name of an actor: `type/key`. A type is a word of the app; a key is any text of 1–256 bytes of UTF-8
 * without control characters, `/` or lone surrogates.
 */
export interface ActorId {
  readonly type: string
  readonly key: string
}

export const KEY_BYTES_MAX = 256
const TYPE = /^[a-z][a-z0-9_.-]{0,63}$/i
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f/]/

/** The text taken apart, or what is wrong with it. */
export function parseActorId(text: string): ActorId | { readonly wrong: string } {
  const slash = text.indexOf('/')
  if (slash < 0) return { wrong: 'an actor is named type/key' }
  const type = text.slice(0, slash)
  const key = text.slice(slash + 1)
  if (!isActorType(type)) return { wrong: 'an actor type is a letter and up to 63 letters, digits, _ . or -' }
  const wrong = wrongKey(key)
  return wrong === null ? { type, key } : { wrong }
}

export function isActorType(type: string): boolean {
  return TYPE.test(type)
}

/** What is wrong with a key, or null. */
export function wrongKey(key: string): string | null {
  if (key === '') return 'an actor key is not empty'
  if (key === '.' || key === '..') return `an actor key is not '${key}', which no URL can name`
  if (key.length > KEY_BYTES_MAX || utf8Bytes(key) > KEY_BYTES_MAX) return `an actor key has at most ${KEY_BYTES_MAX} bytes`
  if (FORBIDDEN.test(key)) return 'an actor key has no control characters and no /'
  if (!key.isWellFormed()) return 'an actor key is well-formed Unicode'
  return null
}

/** Bytes of the UTF-8 form of a well-formed text. */
export function utf8Bytes(text: string): number {
  let bytes = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : unit >= 0xd800 && unit <= 0xdfff ? 2 : 3
  }
  return bytes
}
