/**
 * How each system wants to be spoken to: the same user and the same 56 bytes of data in each system's own envelope.
 * Tokens are HS256 JSON Web Tokens under the secret that the bench servers share.
 */
import { createHmac } from 'node:crypto'

export const BENCH_SECRET = 'a secret that only the benches share, 32 bytes and more'

export type DialectName = 'plain' | 'socketio' | 'troupe'

export interface Dialect {
  /** Request target of the upgrade. */
  path(name: string): string
  readonly subprotocol: string | null
  /** What to send once the upgrade is done. */
  greet(name: string): string | null
  /** On each message until 'open': what it means for the handshake; a string is sent. */
  greeted(message: string): 'wait' | 'open' | { readonly send: string }
  event(request: number, data: string, seq: number, base: number, to: string | null): string
  subscribe(request: number, to: string): string
  /** The number of the request that this message answers; −1 if it answers none, −2 − number if it refuses it. */
  answered(message: string): number
  /** What to send back to an application-level ping; null if this is none. */
  pong(message: string): string | null
}

/** JSON of exactly 56 bytes. `mark` is what fan-out finds again: a number of at most 8 digits. */
export function eventData(mark: number): string {
  return `{"kind":"progress","mark":${10_000_000 + (mark % 80_000_000)},"page":"chapter0007"}`
}
const MARK = '"mark":'
/** The mark of the event that a note or broadcast carries, −1 for none. */
export function markOf(message: string): number {
  const at = message.indexOf(MARK)
  return at < 0 ? -1 : digits(message, at + MARK.length) - 10_000_000
}

/** The bare `ws` peers, and what their authors would choose: an id, the data, an ack with the id. */
const plain: Dialect = {
  path: (name) => `/?user=${name}&token=${token(name)}`,
  subprotocol: null,
  greet: () => null,
  greeted: (message) => (message === '{"hello":true}' ? 'open' : 'wait'),
  event: (request, data) => `{"id":${request},"data":${data}}`,
  subscribe: (request) => `{"id":${request},"subscribe":true}`,
  answered: (message) => (message.startsWith('{"id":') ? digits(message, 6) : -1),
  pong: () => null,
}

/** Engine.IO 4 and Socket.IO 5 over WebSocket only, as their clients speak with `transports: ['websocket']`. */
const socketio: Dialect = {
  path: (name) => `/socket.io/?EIO=4&transport=websocket&user=${name}`,
  subprotocol: null,
  greet: () => null,
  greeted: (message) => (message.startsWith('0') ? { send: '40' } : message.startsWith('40') ? 'open' : 'wait'),
  event: (request, data) => `42${request}["ev",${data}]`,
  subscribe: (request) => `42${request}["subscribe"]`,
  answered: (message) => (message.startsWith('43') ? digits(message, 2) : -1),
  pong: (message) => (message === '2' ? '3' : null),
}

/** CONTRACT §3, JSON. */
const troupe: Dialect = {
  path: () => '/v1/ws',
  subprotocol: 'troupe.v1.json',
  greet: (name) => `{"t":"connect","token":"${token(name)}"}`,
  greeted: (message) => {
    if (message.startsWith('{"t":"welcome"')) return 'open'
    throw new Error(`the node answered ${message.slice(0, 300)}`)
  },
  event: (request, data, seq, base, to) =>
    to === null
      ? `{"t":"send","id":${request},"seq":${seq},"base":${base},"type":"ev","data":${data}}`
      : `{"t":"send","id":${request},"seq":${seq},"base":${base},"to":"${to}","type":"ev","data":${data}}`,
  subscribe: (request, to) => `{"t":"subscribe","id":${request},"to":"${to}","topic":"feed"}`,
  answered: (message) => {
    const fast = '{"t":"reply","id":'
    if (message.startsWith(fast) && message.includes('"ok":true')) return digits(message, fast.length)
    const frame = JSON.parse(message) as { t: string; id?: number; ok?: boolean }
    if (frame.t !== 'reply' || frame.id === undefined) return -1
    return frame.ok === true ? frame.id : -2 - frame.id
  },
  pong: (message) => (message.startsWith('{"t":"ping"') ? '{"t":"pong"}' : null),
}

export const DIALECTS: Readonly<Record<DialectName, Dialect>> = { plain, socketio, troupe }

/** RFC 7519 with HS256. Valid for a day. */
export function token(name: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const signed = `${HEADER}.${part({ sub: name, iat: now, exp: now + 86_400 })}`
  return `${signed}.${createHmac('sha256', BENCH_SECRET).update(signed).digest('base64url')}`
}
const HEADER = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')

function digits(text: string, from: number): number {
  let value = 0
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) break
    value = value * 10 + digit
  }
  return value
}
