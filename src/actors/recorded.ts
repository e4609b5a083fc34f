/**
 * Data as it is recorded: JSON text, and bytes at the top level. A reducer must see live exactly what folding will show it (J8), so data that
 * JSON would change on the way (`-0`, `undefined`, NaN, a Date, bytes within, `{"$bytes": …}` …) is read back from its text first.
 * Most data is plain: a look at it costs a small part of its encoding, and nothing is copied.
 */

/** What the text will be read as; `data` itself when that is the same. */
export function asRecorded(data: unknown, json: string): unknown {
  if (data instanceof Uint8Array) return bytesOf(data)
  if (isPlain(data) && !isBytesForm(data)) return data
  return dataOf(JSON.parse(json))
}

/** Data as JSON text; bytes at the top level as `{"$bytes":"base64"}`. Throws TypeError for what JSON cannot carry. */
export function jsonOf(data: unknown, what: string): string {
  if (data === undefined) return 'null'
  if (data instanceof Uint8Array) return `{"$bytes":"${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')}"}`
  const json = JSON.stringify(data) as string | undefined
  if (json === undefined) throw new TypeError(`${what}: this data is not JSON`)
  return json
}

/** The value that `jsonOf` wrote. */
export function dataOf(recorded: unknown): unknown {
  return isBytesForm(recorded) ? new Uint8Array(Buffer.from(recorded.$bytes, 'base64')) : recorded
}

function isBytesForm(value: unknown): value is { readonly $bytes: string } {
  if (typeof value !== 'object' || value === null || !('$bytes' in value)) return false
  return typeof value.$bytes === 'string' && Object.keys(value).length === 1
}

/** A Buffer has other methods than the bytes that folding gives. */
function bytesOf(data: Uint8Array): Uint8Array {
  return Object.getPrototypeOf(data) === Uint8Array.prototype ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** Whether JSON gives this value back as it is. Never deeper than what was encoded before it. */
function isPlain(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
    case 'object':
      return value === null || (Array.isArray(value) ? isPlainArray(value) : isPlainObject(value))
    default:
      return false
  }
}

function isPlainArray(array: readonly unknown[]): boolean {
  for (let i = 0; i < array.length; i++) if (!isPlain(array[i])) return false // a hole is undefined
  return true
}

function isPlainObject(value: object): boolean {
  if (Object.getPrototypeOf(value) !== Object.prototype || 'toJSON' in value) return false
  for (const name in value) if (!isPlain((value as Record<string, unknown>)[name])) return false
  return true
}
