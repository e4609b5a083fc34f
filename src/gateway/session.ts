/**
 * The life of a connection, as a union, and what each phase does with a frame. Pure: it decides, connection.ts acts.
 *
 *                connect               authenticated
 *   connecting ───────────▶ authenticating ───────────▶ open ───▶ closing
 *        └───────────────────────┴── refused, too late, too much ──▶┘
 *
 *  1. Before the welcome nothing is run: frames wait, at most `earlyFrames` and `earlyBytes`, and run in order after it.
 *  2. The only `connect` is the first; another is a protocol error.
 *  3. The handshake's headers are kept until the welcome, not longer.
 *  4. Closing is final.
 */
import type { Identity } from '../actors/define.ts'
import type { Decoded, Malformed, Refused } from '../protocol/decode.ts'
import type { ClientFrame, ConnectFrame } from '../protocol/frames.ts'

/** A binary message of a `raw` connection: one event. */
export interface RawEvent {
  readonly t: 'raw'
  readonly data: Uint8Array
}
export type Incoming = Decoded | RawEvent
/** What an open connection runs. */
export type Runnable = Exclude<ClientFrame, ConnectFrame> | Refused | RawEvent

/** What `authenticate` may look at, beside the token. */
export interface Handshake {
  readonly headers: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly address: string
}

export interface Waiting {
  readonly phase: 'connecting' | 'authenticating'
  readonly handshake: Handshake
  readonly early: Runnable[]
  earlyBytes: number
}
export interface Open {
  readonly phase: 'open'
  readonly session: string
  readonly device: string
  who: Identity
}
export type Life = Waiting | Open | { readonly phase: 'closing' }

export const CLOSING: Life = Object.freeze({ phase: 'closing' })

export type Step =
  | { readonly do: 'authenticate'; readonly connect: ConnectFrame; readonly life: Waiting }
  | { readonly do: 'run'; readonly what: Runnable }
  | { readonly do: 'wait' }
  | { readonly do: 'complain'; readonly about: Malformed }
  | { readonly do: 'overflow' }
  | { readonly do: 'ignore' }

const WAIT: Step = Object.freeze({ do: 'wait' })
const IGNORE: Step = Object.freeze({ do: 'ignore' })
const OVERFLOW: Step = Object.freeze({ do: 'overflow' })
const SECOND_CONNECT: Step = Object.freeze({
  do: 'complain',
  about: Object.freeze({ t: 'malformed', message: 'connect: this connection has sent one already', id: null }),
})

export function onFrame(
  life: Life,
  frame: Incoming,
  bytes: number,
  limits: { readonly earlyFrames: number; readonly earlyBytes: number },
): Step {
  if (life.phase === 'closing') return IGNORE
  if (frame.t === 'malformed') return { do: 'complain', about: frame }
  if (frame.t === 'connect') {
    if (life.phase !== 'connecting') return SECOND_CONNECT
    return { do: 'authenticate', connect: frame, life: { ...life, phase: 'authenticating' } }
  }
  if (life.phase === 'open') return { do: 'run', what: frame }
  life.earlyBytes += bytes
  if (life.early.length >= limits.earlyFrames || life.earlyBytes > limits.earlyBytes) return OVERFLOW
  life.early.push(frame)
  return WAIT
}
