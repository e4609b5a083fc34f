/** The three subprotocols of `/v1/ws` (CONTRACT §3): how messages are read, written and joined in each. */
import { decodeText, type Decoded } from '../protocol/decode.ts'
import { jsonServerCodec, type ServerCodec } from '../protocol/encode.ts'
import { decodeBinary, msgpackServerCodec } from '../protocol/msgpack.ts'
import type { Message, Turns } from './outbox.ts'
import type { WireForm } from './site.ts'
import { frameBytes, frameText } from './websocket-frame.ts'

const WRONG_KIND: readonly Decoded[] = [
  { t: 'malformed', message: 'JSON frames come in text messages, MessagePack frames in binary ones', id: null },
]

export function wireForms(
  turns: Turns,
  softBytes: number,
): { readonly json: WireForm; readonly msgpack: WireForm; readonly raw: WireForm } {
  const json: WireForm = {
    name: 'json',
    // A connection has one form and gives its codec only what that codec made.
    codec: jsonServerCodec as unknown as ServerCodec<Message>,
    outbox: { turns, softBytes, join: (messages) => jsonServerCodec.join(messages as readonly string[]) },
    frame: (message) => frameText(message as string),
    decode: (data, isBinary, depthMax) => (isBinary ? WRONG_KIND : decodeText(data.toString(), depthMax)),
  }
  const msgpack: WireForm = {
    name: 'msgpack',
    codec: msgpackServerCodec as unknown as ServerCodec<Message>,
    outbox: { turns, softBytes, join: (messages) => msgpackServerCodec.join(messages as readonly Uint8Array[]) },
    frame: (message) => frameBytes(message as Uint8Array),
    decode: (data, isBinary, depthMax) => (isBinary ? decodeBinary(data, depthMax) : WRONG_KIND),
  }
  return { json, msgpack, raw: { ...json, name: 'raw' } }
}
