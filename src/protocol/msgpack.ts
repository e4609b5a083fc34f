/**
 * The MessagePack form of the client wire (`troupe.v1.msgpack`): a binary message is one or more maps, one after the other; joining
 * messages is joining bytes. Apart from the JSON form, so that a client that speaks JSON does not carry the library.
 *
 * Nothing here throws on any input. Strings that are not UTF-8 come out with U+FFFD, as in browsers.
 */
import { Decoder, Encoder } from '@msgpack/msgpack'
import { wireError } from '../errors.ts'
import { checkFrame, type Decoded } from './decode.ts'
import { bytesText, type EncodedNote, type ServerCodec } from './encode.ts'
import { scanValues } from './msgpack-scan.ts'

/** The library encodes by recursion: what is nested deeper goes the slower way that needs no stack. */
const RECURSION_DEPTH_MAX = 1_000
const encoder = new Encoder({ ignoreUndefined: true, maxDepth: RECURSION_DEPTH_MAX })
const decoder = new Decoder()

/** All frames of one binary message. Bytes in a frame are views of `message`: copy what is kept. */
export function decodeBinary(message: Uint8Array, depthMax: number): Decoded[] {
  // The frame's own map is a level above its data.
  const scanned = scanValues(message, depthMax + 2)
  if (!scanned.ok) return [{ t: 'malformed', message: scanned.message, id: null }]
  const frames: Decoded[] = []
  let start = 0
  for (const end of scanned.ends) {
    frames.push(decodeOne(message.subarray(start, end), depthMax))
    start = end
  }
  return frames
}

function decodeOne(bytes: Uint8Array, depthMax: number): Decoded {
  try {
    return checkFrame(decoder.decode(bytes), depthMax)
  } catch (error) {
    // After the scan what is left is the key `__proto__`, which the library refuses.
    return { t: 'malformed', message: error instanceof Error ? error.message : 'not MessagePack', id: null }
  }
}

/** Any value as MessagePack; for clients and tests. Throws on one that is nested more than a thousand levels deep. */
export function encodeValue(value: unknown): Uint8Array {
  return encoder.encode(value)
}

/** As `encodeValue`, for what was JSON text, however deep: state that many events have nested may be deeper than any one of them. */
function encodeParsed(value: unknown): Uint8Array {
  try {
    return encoder.encode(value)
  } catch {
    return encodeDeep(value)
  }
}

function encodeDeep(value: unknown): Uint8Array {
  const parts: Uint8Array[] = []
  const left: unknown[] = [value]
  while (left.length > 0) {
    const next = left.pop()
    if (Array.isArray(next)) {
      parts.push(headOf(next.length, 0x90, 0xdc))
      for (let at = next.length - 1; at >= 0; at--) left.push(next[at])
    } else if (typeof next === 'object' && next !== null && !(next instanceof Uint8Array)) {
      const fields = Object.entries(next).filter(([, field]) => field !== undefined)
      parts.push(headOf(fields.length, 0x80, 0xde))
      for (const [name, field] of fields.reverse()) left.push(field, name)
    } else parts.push(encoder.encode(next))
  }
  return joinBytes(parts)
}

/** Of an array or map of `count`: in one byte, or in `wide` and two bytes, or in the type after it and four. */
function headOf(count: number, narrow: number, wide: number): Uint8Array {
  if (count < 16) return Uint8Array.of(narrow | count)
  if (count < 65_536) return Uint8Array.of(wide, count >>> 8, count)
  return Uint8Array.of(wide + 1, count >>> 24, count >>> 16, count >>> 8, count)
}

/** JSON text of an answer as the value it stands for, bytes as bytes. */
export function valueOf(json: string): unknown {
  const base64 = bytesText(json)
  return base64 === null ? (JSON.parse(json) as unknown) : Uint8Array.from(atob(base64), (unit) => unit.charCodeAt(0))
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

const NOTE = joinBytes(['t', 'note', 'sub'].map((text) => encodeValue(text)))
const FROM = encodeValue('from')

/** First byte: how many fields follow; the rest: those fields. */
function tailOf({ offset, type, at, json }: EncodedNote): Uint8Array {
  const parts = [encodeValue('offset'), encodeValue(offset)]
  if (type !== undefined) parts.push(encodeValue('type'), encodeValue(type))
  if (at !== undefined) parts.push(encodeValue('at'), encodeValue(at))
  if (json !== undefined) parts.push(encodeValue('data'), encodeParsed(valueOf(json)))
  return joinBytes([Uint8Array.of(parts.length / 2), ...parts])
}

export const msgpackServerCodec: ServerCodec<Uint8Array> = {
  frame: encodeValue,
  sent: (id, offset, durable, duplicate) =>
    encodeValue({ t: 'reply', id, ok: true, offset, durable, duplicate: duplicate ? true : undefined }),
  answered: (id, json, offset) => encodeParsed({ t: 'reply', id, ok: true, data: valueOf(json), offset }),
  failed: (id, failure) => encodeValue({ t: 'reply', id, ok: false, error: wireError(failure) }),
  subscribed: (id, { json, ...fields }) =>
    encodeParsed({ t: 'reply', id, ok: true, ...fields, data: json === undefined ? undefined : valueOf(json) }),
  page: (id, entries, more) =>
    encodeParsed({
      t: 'reply',
      id,
      ok: true,
      entries: entries.map(({ offset, type, json, at }) => ({ offset, type, data: valueOf(json), at })),
      more,
    }),
  tail: tailOf,
  note: (sub, from, tail) =>
    joinBytes([Uint8Array.of(0x80 | (3 + (tail[0] as number))), NOTE, encodeValue(sub), FROM, encodeValue(from), tail.subarray(1)]),
  join: joinBytes,
}
