/**
 * How frames become messages (CONTRACT §3). The SDK brings JSON; another codec (MessagePack) can be given to `connect`.
 */
import type { ClientFrame, ServerFrame } from '../protocol/frames.ts'

export interface Codec {
  /** `troupe.v1.json` or `troupe.v1.msgpack`. */
  readonly subprotocol: string
  encode(frame: ClientFrame): string | Uint8Array
  /** All frames of one message; throws when it is malformed. */
  decode(message: string | Uint8Array): readonly ServerFrame[]
  /**
   * A private copy of an event's data as it will be encoded: a repeat under the same number must carry the same content (D1),
   * whatever the caller does with the object meanwhile. Throws when it cannot be encoded.
   */
  copy(data: unknown): unknown
}

/** JSON (RFC 8259), frames separated by a line feed. */
export const jsonCodec: Codec = {
  subprotocol: 'troupe.v1.json',
  encode: (frame) => JSON.stringify(frame),
  decode: (message) => {
    const text = typeof message === 'string' ? message : new TextDecoder().decode(message)
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as ServerFrame)
  },
  copy: (data) => {
    if (data === undefined) return undefined
    if (data instanceof Uint8Array) throw new TypeError('bytes need the MessagePack codec')
    const text = JSON.stringify(data) as string | undefined
    if (text === undefined) throw new TypeError(`a ${typeof data} is not JSON`)
    return JSON.parse(text) as unknown
  },
}
