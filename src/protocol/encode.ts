/**
 * From the server's answers to messages: the codec port, and JSON. Answers of the engine come as JSON text and are joined in, not
 * parsed; what many subscribers share is encoded once (`tail`), and only `sub` and `from` are put before it for each.
 *
 * Runs in browsers too: no globals of Node.
 */
import { wireError, type ErrorCode, type Failure } from '../errors.ts'
import { reconnects } from './close-codes.ts'
import type { ByeFrame, ServerFrame, WireEntry } from './frames.ts'

/** An entry or note with its data as JSON text; bytes are the text `{"$bytes":"…base64…"}`. */
export interface EncodedEntry extends Omit<WireEntry, 'data'> {
  readonly json: string
}
export interface EncodedNote {
  readonly offset: number
  readonly type?: string
  readonly at?: number
  readonly json?: string
}
export interface EncodedSubscription {
  readonly sub: number
  readonly journal: string
  readonly epoch: number
  readonly offset: number
  readonly recovered: boolean
  readonly json?: string
}

/** One message form. `Message` is text or bytes; messages joined are one message. */
export interface ServerCodec<Message> {
  /** Any frame; for those without a way of their own below. */
  frame(frame: ServerFrame): Message
  sent(id: number, offset: number, durable: boolean, duplicate: boolean): Message
  answered(id: number, json: string, offset: number): Message
  failed(id: number, failure: Failure): Message
  subscribed(id: number, subscription: EncodedSubscription): Message
  page(id: number, entries: readonly EncodedEntry[], more: boolean): Message
  /** What all subscribers share of a note. */
  tail(note: EncodedNote): Message
  note(sub: number, from: number, tail: Message): Message
  join(messages: readonly Message[]): Message
}

const BYTES_PREFIX = '{"$bytes":"'

/** RFC 4648 §4, with padding; its length is a multiple of four. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** The base64 text in data that is bytes, or null. Any other text under `$bytes` is the app's own: plain JSON. */
export function bytesText(json: string): string | null {
  if (!json.startsWith(BYTES_PREFIX) || json.indexOf('"', BYTES_PREFIX.length) !== json.length - 2) return null
  const text = json.slice(BYTES_PREFIX.length, -2)
  return text.length % 4 === 0 && BASE64.test(text) ? text : null
}

/** JSON has no bytes: its clients get base64 text. */
function dataJson(json: string): string {
  const base64 = bytesText(json)
  return base64 === null ? json : `"${base64}"`
}

export const jsonServerCodec: ServerCodec<string> = {
  frame: (frame) => JSON.stringify(frame),
  sent: (id, offset, durable, duplicate) =>
    `{"t":"reply","id":${id},"ok":true,"offset":${offset},"durable":${durable}${duplicate ? ',"duplicate":true}' : '}'}`,
  answered: (id, json, offset) => `{"t":"reply","id":${id},"ok":true,"data":${dataJson(json)},"offset":${offset}}`,
  failed: (id, failure) => `{"t":"reply","id":${id},"ok":false,"error":${JSON.stringify(wireError(failure))}}`,
  subscribed: (id, { sub, journal, epoch, offset, recovered, json }) =>
    `{"t":"reply","id":${id},"ok":true,"sub":${sub},"journal":${JSON.stringify(journal)},"epoch":${epoch},"offset":${offset},"recovered":${recovered}` +
    (json === undefined ? '}' : `,"data":${dataJson(json)}}`),
  page: (id, entries, more) => `{"t":"reply","id":${id},"ok":true,${pageFields(entries, more)}}`,
  tail: ({ offset, type, at, json }) => {
    let tail = `,"offset":${offset}`
    if (type !== undefined) tail += `,"type":${JSON.stringify(type)}`
    if (at !== undefined) tail += `,"at":${at}`
    if (json !== undefined) tail += `,"data":${dataJson(json)}`
    return `${tail}}`
  },
  note: (sub, from, tail) => `{"t":"note","sub":${sub},"from":${from}${tail}`,
  join: (messages) => messages.join('\n'),
}

/** `"entries":[…],"more":…`, for the wire and for HTTP. */
export function pageFields(entries: readonly EncodedEntry[], more: boolean): string {
  const list = entries.map((e) => `{"offset":${e.offset},"type":${JSON.stringify(e.type)},"data":${dataJson(e.json)},"at":${e.at}}`)
  return `"entries":[${list.join(',')}],"more":${more}`
}

/** `{"data":…,"offset":…}`, for HTTP. */
export function answerJson(json: string, offset: number): string {
  return `{"data":${dataJson(json)},"offset":${offset}}`
}

/** The answer to a frame that is not one. */
export function errorFrame(code: ErrorCode, message: string, id: number | null): ServerFrame {
  return id === null ? { t: 'error', code, message } : { t: 'error', code, message, id }
}

/** What is said before a close with `code`. */
export function byeFrame(code: number, reason: string, retryAfterMs?: number): ByeFrame {
  const bye: ByeFrame = { t: 'bye', code, reason, reconnect: reconnects(code) }
  return retryAfterMs === undefined ? bye : { ...bye, retryAfterMs }
}
