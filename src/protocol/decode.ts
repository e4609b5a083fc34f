/**
 * From a client's JSON text to checked frames (CONTRACT §3). Nothing here throws on any input: what is wrong is a value.
 *
 *  1. A frame is the parsed object itself, its known fields checked; unknown fields stay and are ignored. No copy is made.
 *  2. `malformed`: not a frame at all, or fields of the wrong form. It is answered by `error` and counted; three close the socket.
 *  3. `refused`: a frame whose *data* goes beyond what an event may be (too deep, `__proto__`, not a number). It has an id and is
 *     answered by a failed reply, as an error of the app's that need not end the connection.
 *
 * Runs in browsers too: no globals of Node.
 */
import { fail, type Failure } from '../errors.ts'
import type { ClientFrame } from './frames.ts'

export interface Malformed {
  readonly t: 'malformed'
  readonly message: string
  /** Of the request, if it could be read. */
  readonly id: number | null
}
export interface Refused {
  readonly t: 'refused'
  readonly id: number
  readonly failure: Failure
}
export type Decoded = ClientFrame | Malformed | Refused

/** Longest name of an event, query or topic, device or client; in UTF-16 units. */
export const NAME_LENGTH_MAX = 128
/** Longest idempotency key, in UTF-16 units. */
export const KEY_LENGTH_MAX = 256
const TIMEOUT_MS_MAX = 600_000

/** All frames of one text message: JSON objects separated by line feeds. A line feed inside a frame's text is always escaped. */
export function decodeText(text: string, depthMax: number): Decoded[] {
  if (!text.includes('\n')) return [decodeLine(text, depthMax)]
  const frames: Decoded[] = []
  for (const line of text.split('\n')) if (line !== '') frames.push(decodeLine(line, depthMax))
  return frames
}

function decodeLine(line: string, depthMax: number): Decoded {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return malformed('not JSON: one frame is one JSON object on one line', null)
  }
  return checkFrame(value, depthMax)
}

/** Checks a decoded value. The same object is returned as the frame that it is. */
export function checkFrame(value: unknown, depthMax: number): Decoded {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    return malformed('a frame is a map with a kind `t`', null)
  const frame = value as Fields
  switch (frame.t) {
    case 'send':
      return checkSend(frame, depthMax)
    case 'query':
      return checkQuery(frame, depthMax)
    case 'subscribe':
      return checkSubscribe(frame)
    case 'pong':
      return value as ClientFrame
    case 'unsubscribe':
      return wrongRequest(frame) ?? (isCount(frame.sub) ? (value as ClientFrame) : wrong(frame, 'sub', 'a number from a subscribe reply'))
    case 'history':
      return checkHistory(frame)
    case 'refresh':
      return wrongRequest(frame) ?? (typeof frame.token === 'string' ? (value as ClientFrame) : wrong(frame, 'token', 'a text'))
    case 'connect':
      return checkConnect(frame)
    default:
      return malformed('unknown frame: `t` is one of connect, send, query, subscribe, unsubscribe, history, refresh, pong', idOf(frame))
  }
}

type Fields = Readonly<Record<string, unknown>>

function checkSend(frame: Fields, depthMax: number): Decoded {
  const { id, type, data, seq, base, key, timeoutMs } = frame
  const bad = wrongRequest(frame)
  if (bad !== null) return bad
  if (!isName(type)) return wrong(frame, 'type', `a text of 1–${NAME_LENGTH_MAX} characters`)
  if (seq !== undefined && !isNumber(seq)) return wrong(frame, 'seq', 'a whole number from 1')
  if (base !== undefined && !(isNumber(base) && seq !== undefined && base <= (seq as number)))
    return wrong(frame, 'base', 'a whole number from 1 to `seq`')
  if (key !== undefined && typeof key !== 'string') return wrong(frame, 'key', 'a text')
  if (timeoutMs !== undefined && !isTimeout(timeoutMs)) return wrong(frame, 'timeoutMs', `a number of ms from 1 to ${TIMEOUT_MS_MAX}`)
  if (key !== undefined && wrongKeyText(key)) return refused(id as number, KEY_FAULT)
  return dataRefusal(id as number, data, depthMax) ?? (frame as unknown as ClientFrame)
}

function checkQuery(frame: Fields, depthMax: number): Decoded {
  const { id, name, args, atLeast, strict, timeoutMs } = frame
  const bad = wrongRequest(frame)
  if (bad !== null) return bad
  if (!isName(name)) return wrong(frame, 'name', `a text of 1–${NAME_LENGTH_MAX} characters`)
  if (atLeast !== undefined && !isCount(atLeast)) return wrong(frame, 'atLeast', 'an offset')
  if (strict !== undefined && typeof strict !== 'boolean') return wrong(frame, 'strict', 'true or false')
  if (timeoutMs !== undefined && !isTimeout(timeoutMs)) return wrong(frame, 'timeoutMs', `a number of ms from 1 to ${TIMEOUT_MS_MAX}`)
  return dataRefusal(id as number, args, depthMax) ?? (frame as unknown as ClientFrame)
}

function checkSubscribe(frame: Fields): Decoded {
  const { topic, from } = frame
  const bad = wrongRequest(frame)
  if (bad !== null) return bad
  if (!isName(topic)) return wrong(frame, 'topic', `a text of 1–${NAME_LENGTH_MAX} characters`)
  if (from === undefined) return frame as unknown as ClientFrame
  if (typeof from !== 'object' || from === null) return wrong(frame, 'from', 'a map with journal and offset')
  const { journal, offset } = from as Fields
  if (typeof journal !== 'string' || !isCount(offset)) return wrong(frame, 'from', 'a map with journal and offset')
  return frame as unknown as ClientFrame
}

function checkHistory(frame: Fields): Decoded {
  const bad = wrongRequest(frame)
  if (bad !== null) return bad
  if (!isCount(frame.from)) return wrong(frame, 'from', 'the first offset wanted')
  if (!isNumber(frame.limit)) return wrong(frame, 'limit', 'a whole number from 1')
  return frame as unknown as ClientFrame
}

function checkConnect(frame: Fields): Decoded {
  for (const name of ['token', 'ticket'] as const)
    if (frame[name] !== undefined && typeof frame[name] !== 'string') return wrong(frame, name, 'a text')
  for (const name of ['device', 'client'] as const)
    if (frame[name] !== undefined && !isName(frame[name])) return wrong(frame, name, `a text of 1–${NAME_LENGTH_MAX} characters`)
  return frame as unknown as ClientFrame
}

/** What all requests have: an id, and perhaps an actor. */
function wrongRequest(frame: Fields): Malformed | null {
  if (!isCount(frame.id)) return malformed(`${String(frame.t)}: \`id\` must be a whole number from 0 to 2^53 - 1`, null)
  if (frame.to !== undefined && typeof frame.to !== 'string') return wrong(frame, 'to', 'a text, type/key')
  return null
}

function wrong(frame: Fields, field: string, what: string): Malformed {
  return malformed(`${String(frame.t)}: \`${field}\` must be ${what}`, idOf(frame))
}

function malformed(message: string, id: number | null): Malformed {
  return { t: 'malformed', message, id }
}

function idOf(frame: Fields): number | null {
  return isCount(frame.id) ? frame.id : null
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

function isTimeout(value: unknown): boolean {
  return typeof value === 'number' && value >= 1 && value <= TIMEOUT_MS_MAX
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= NAME_LENGTH_MAX
}

// ── Data ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export const KEY_FAULT: string = `an idempotency key has 1–${KEY_LENGTH_MAX} characters of well-formed Unicode`

export function wrongKeyText(key: string): boolean {
  return key === '' || key.length > KEY_LENGTH_MAX || !key.isWellFormed()
}

function refused(id: number, message: string): Refused {
  return { t: 'refused', id, failure: fail('invalid', message) }
}

function dataRefusal(id: number, data: unknown, depthMax: number): Refused | null {
  if (typeof data !== 'object' && typeof data !== 'number') return null
  const message = dataFault(data, depthMax)
  return message === null ? null : refused(id, message)
}

/**
 * What is wrong with the data of an event or the arguments of a query, or null. JSON, or bytes at the top level. Recursion is bounded
 * by `depthMax`. A `__proto__` key would change the prototype of whatever a reducer copies it into with `Object.assign`.
 */
export function dataFault(data: unknown, depthMax: number): string | null {
  return data instanceof Uint8Array ? null : faultOf(data, depthMax)
}

function faultOf(value: unknown, left: number): string | null {
  if (typeof value === 'number') return Number.isFinite(value) ? null : 'a number in the data is too large'
  if (typeof value !== 'object' || value === null) return null
  if (left === 0) return 'the data is nested too deeply'
  if (Array.isArray(value)) {
    for (const item of value) {
      const fault = faultOf(item, left - 1)
      if (fault !== null) return fault
    }
    return null
  }
  if (value instanceof Uint8Array) return 'bytes are data as a whole, not inside other data'
  for (const key in value) {
    if (key === '__proto__') return 'no key in the data may be named __proto__'
    const fault = faultOf((value as Fields)[key], left - 1)
    if (fault !== null) return fault
  }
  return null
}
