/**
 * Frames of proto/troupe/v1/cluster.proto. Data is nearly all there is, so its one field is written and read by hand: one copy out
 * (the tag must stand before the bytes), none in. The rest goes through proto-loader.
 */
import { fileURLToPath } from 'node:url'
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { Channel } from '../cluster/transport.ts'

export interface Hello {
  readonly version: number
  readonly oldest: number
  readonly cluster: string
  readonly id: string
  readonly generation: number
  readonly address: string
  readonly boot: Uint8Array
  readonly nonce: Uint8Array
}

export type Control =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'proof'; readonly mac: Uint8Array }
  | { readonly kind: 'denied'; readonly why: string }
  | { readonly kind: 'ping' }
  | { readonly kind: 'close' }
  | { readonly kind: 'malformed'; readonly why: string }

/** Bytes are data. */
export type Frame = Uint8Array | Control

/** A frame around data of n bytes takes at most n + this. */
export const FRAME_OVERHEAD_BYTES = 8

const DATA_TAG = 0x0a

const definition = loadSync(fileURLToPath(new URL('../../proto/troupe/v1/cluster.proto', import.meta.url)), {
  longs: Number,
  defaults: true,
  oneofs: true,
})

type Method = MethodDefinition<Frame, Frame>

const loaded = definition['troupe.v1.Cluster'] as ServiceDefinition
const serializeControl = (loaded['Link'] as MethodDefinition<object, object>).requestSerialize
const deserializeControl = (loaded['Link'] as MethodDefinition<object, object>).requestDeserialize

export function encodeFrame(frame: Frame): Buffer {
  if (frame instanceof Uint8Array) return encodeData(frame)
  switch (frame.kind) {
    case 'hello':
      return serializeControl({ hello: frame.hello })
    case 'proof':
      return serializeControl({ proof: { mac: frame.mac } })
    case 'denied':
      return serializeControl({ denied: { why: frame.why } })
    case 'ping':
      return serializeControl({ ping: {} })
    case 'close':
      return serializeControl({ close: {} })
    case 'malformed':
      return serializeControl({})
  }
}

function encodeData(data: Uint8Array): Buffer {
  const { length } = data
  const header = length < 0x80 ? 2 : length < 0x4000 ? 3 : length < 0x20_0000 ? 4 : length < 0x1000_0000 ? 5 : 6
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = DATA_TAG
  let rest = length
  let at = 1
  while (rest >= 0x80) {
    frame[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  frame[at] = rest
  frame.set(data, header)
  return frame
}

/** Never throws: what is not a frame is `malformed`. Data is a window on the bytes given. */
export function decodeFrame(bytes: Buffer): Frame {
  if (bytes[0] === DATA_TAG) {
    let length = 0
    let at = 1
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined) break
      length += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) {
        if (bytes.length === at + length) return bytes.subarray(at)
        break
      }
    }
  }
  return decodeControl(bytes)
}

interface Decoded {
  readonly kind?: 'data' | 'hello' | 'proof' | 'denied' | 'ping' | 'close'
  readonly data?: Uint8Array
  readonly hello?: Hello
  readonly proof?: { readonly mac: Uint8Array }
  readonly denied?: { readonly why: string }
}

function decodeControl(bytes: Buffer): Frame {
  let frame: Decoded
  try {
    frame = deserializeControl(bytes) as Decoded
  } catch {
    return { kind: 'malformed', why: 'what came is not a frame' }
  }
  const { kind, data, hello, proof, denied } = frame
  if (kind === 'data' && data !== undefined) return data
  if (kind === 'hello' && hello !== undefined) return decodeHello(hello)
  if (kind === 'proof' && proof !== undefined) return { kind, mac: proof.mac }
  if (kind === 'denied' && denied !== undefined) return { kind, why: readable(denied.why) }
  if (kind === 'ping' || kind === 'close') return { kind }
  return { kind: 'malformed', why: 'a frame of an unknown kind' }
}

function decodeHello(hello: Hello): Control {
  const { version, oldest, cluster, id, generation, address, boot, nonce } = hello
  const wrong = !(version >= 1 && oldest >= 1 && oldest <= version)
    ? 'versions'
    : !/^[\x21-\x7e]{1,100}$/.test(id)
      ? 'node id'
      : cluster.length === 0 || cluster.length > 255
        ? 'cluster name'
        : !Number.isSafeInteger(generation) || generation < 0
          ? 'generation'
          : !/^[\x21-\x7e]{0,300}$/.test(address)
            ? 'address'
            : boot.length !== 16 || nonce.length !== 32
              ? 'nonce'
              : null
  if (wrong !== null) return { kind: 'malformed', why: `a hello with a malformed ${wrong}` }
  return { kind: 'hello', hello: { version, oldest, cluster, id, generation, address, boot, nonce } }
}

/** What a stranger wrote, fit for a log line. */
function readable(text: string): string {
  return text.slice(0, 300).replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ')
}

const method = (name: 'Gossip' | 'Link'): Method => ({
  path: `/troupe.v1.Cluster/${name}`,
  requestStream: true,
  responseStream: true,
  requestSerialize: encodeFrame,
  requestDeserialize: decodeFrame,
  responseSerialize: encodeFrame,
  responseDeserialize: decodeFrame,
})

export const METHODS: Readonly<Record<Channel, Method>> = { gossip: method('Gossip'), data: method('Link') }
