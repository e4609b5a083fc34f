/**
 * The messages of proto/troupe/v1/actors.proto, as they come and go. 64-bit numbers come as texts, and become numbers only where they are
 * below 2^53; `id` is given back as it came.
 *
 * A message that cannot be taken is a value here, never a throw: grpc-js would end the call with a status of its own.
 */
import type { ServiceDefinition } from '@grpc/grpc-js'
import {
  loadSync,
  type Deserialize,
  type MessageTypeDefinition,
  type PackageDefinition,
  type ServiceDefinition as LoadedService,
} from '@grpc/proto-loader'
import { fileURLToPath } from 'node:url'
import { fail, type Failure } from '../../errors.ts'
import { stringsAreUtf8 } from './utf8.ts'

export interface SendRequest {
  readonly actor: string
  readonly type: string
  readonly data: Buffer
  readonly key: string
  readonly source: string
  readonly sequence: string
  readonly id: string
  readonly base: string
}
export interface QueryRequest {
  readonly actor: string
  readonly name: string
  readonly args: Buffer
  readonly strict: boolean
  readonly atLeast: string
}
export interface SubscribeRequest {
  readonly actor: string
  readonly topic: string
  readonly journal: string
  readonly offset: string
  readonly resume: boolean
}
export interface HistoryRequest {
  readonly actor: string
  readonly from: string
  readonly limit: number
}

export interface SendReply {
  readonly offset?: number
  readonly durable?: boolean
  readonly duplicate?: boolean
  readonly id?: string
  readonly error?: ErrorMessage
}
export interface QueryReply {
  readonly data: Buffer
  readonly offset: number
}
export interface Notification {
  readonly offset: number
  readonly from: number
  readonly type?: string
  readonly data?: Buffer
  readonly at?: number
  readonly journal?: string
  readonly recovered?: boolean
  readonly gap?: boolean
}
export interface EntryMessage {
  readonly offset: number
  readonly type: string
  readonly data: Buffer
  readonly at: number
}
export interface ErrorMessage {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  readonly retryAfterMs?: number
  readonly reason?: string
  readonly next?: number
}

/** What a handler gets instead of a message. */
export type Received<Request> =
  | { readonly ok: true; readonly request: Request; readonly bytes: number }
  /** `id`: of a SendRequest that could be read. */
  | { readonly ok: false; readonly failure: Failure; readonly id: string | null }

export const SERVICE_NAME = 'troupe.v1.Actors'
const PROTO = fileURLToPath(new URL('../../../proto/troupe/v1/actors.proto', import.meta.url))

/** As reflection shows it. */
export const ACTORS_PACKAGE: PackageDefinition = loadSync(PROTO, { longs: String, defaults: true })
const LOADED = ACTORS_PACKAGE[SERVICE_NAME] as LoadedService
const ERROR = ACTORS_PACKAGE['troupe.v1.Error'] as MessageTypeDefinition<object, object>

export function encodeError(error: ErrorMessage): Buffer {
  return ERROR.serialize(error)
}

/** The service, with requests as `Received`. */
export function actorsService(bytesMax: number): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(LOADED).map(([name, method]) => {
      const { type } = method.requestType as unknown as {
        readonly type: { readonly field: readonly { readonly name: string; readonly number: number; readonly type: string }[] }
      }
      const texts = new Set(type.field.filter((field) => field.type === 'TYPE_STRING').map((field) => field.number))
      const { requestDeserialize } = method as { readonly requestDeserialize: Deserialize<object> }
      return [name, { ...method, requestDeserialize: (message: Buffer) => received(message, requestDeserialize, texts, bytesMax) }]
    }),
  ) as unknown as ServiceDefinition
}

function received(
  message: Buffer,
  deserialize: Deserialize<object>,
  texts: ReadonlySet<number>,
  bytesMax: number,
): Received<Readonly<Record<string, unknown>>> {
  let request: Readonly<Record<string, unknown>>
  try {
    request = deserialize(message) as typeof request
  } catch {
    return { ok: false, failure: fail('invalid', 'not a message of proto/troupe/v1/actors.proto'), id: null }
  }
  const id = typeof request['id'] === 'string' ? request['id'] : null
  if (message.length > bytesMax)
    return { ok: false, failure: fail('too_large', `a message has at most ${bytesMax} bytes (rpcMessageBytes)`), id }
  const garbled = Object.values(request).some((value) => typeof value === 'string' && value.includes('\ufffd'))
  if (garbled && !stringsAreUtf8(message, texts)) return { ok: false, failure: fail('invalid', 'a text of the message is not UTF-8'), id }
  return { ok: true, request, bytes: message.length }
}
