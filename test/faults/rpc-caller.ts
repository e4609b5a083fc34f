/** A gRPC client of one node, as a service has it: the public proto file, a bearer token, a time limit for each call. */
import {
  credentials,
  loadPackageDefinition,
  Metadata,
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  type Client,
  type ServiceError,
} from '@grpc/grpc-js'
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader'
import { fileURLToPath } from 'node:url'
import { ERRORS, type ErrorCode } from '../../src/errors.ts'
import type { Sum } from './app.ts'
import type { Answered, Tried } from './load-services.ts'

type Fields = Readonly<Record<string, unknown>>
type Unary = (
  request: Fields,
  metadata: Metadata,
  options: CallOptions,
  answer: (error: ServiceError | null, reply: Fields) => void,
) => unknown

interface Actors extends Client {
  Send: Unary
  Query: Unary
}

const PACKAGE = loadSync(fileURLToPath(new URL('../../proto/troupe/v1/actors.proto', import.meta.url)), { longs: Number, defaults: true })
const SERVICES = loadPackageDefinition(PACKAGE) as unknown as {
  readonly troupe: {
    readonly v1: { readonly Actors: new (address: string, creds: ChannelCredentials, options: ChannelOptions) => Actors }
  }
}
const ERROR = PACKAGE['troupe.v1.Error'] as MessageTypeDefinition<object, Fields>

export class RpcCaller {
  readonly #actors: Actors
  readonly #metadata = new Metadata()
  readonly #limitMs: number

  constructor(address: string, token: string, limitMs: number) {
    this.#actors = new SERVICES.troupe.v1.Actors(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 500,
    })
    this.#metadata.set('authorization', `Bearer ${token}`)
    this.#limitMs = limitMs
  }

  async send({ data, ...request }: Fields): Promise<Tried> {
    const answer = await this.#call('Send', { ...request, data: Buffer.from(JSON.stringify(data)) })
    if (answer.how === 'reply') return { how: 'ok', offset: Number(answer.reply['offset']), duplicate: answer.reply['duplicate'] === true }
    return answer.error === null ? { how: 'silent' } : { how: 'told', ...answer.error }
  }

  async query(actor: string, name: string, strict: boolean): Promise<Answered> {
    const answer = await this.#call('Query', { actor, name, strict })
    if (answer.how === 'failed') return { how: 'failed', ...(answer.error ?? { code: 'unavailable', message: answer.details }) }
    const { data, offset } = answer.reply
    return { how: 'ok', offset: Number(offset), sum: JSON.parse((data as Buffer).toString()) as Sum }
  }

  #call(
    method: 'Send' | 'Query',
    request: Fields,
  ): Promise<
    | { readonly how: 'reply'; readonly reply: Fields }
    | { readonly how: 'failed'; readonly details: string; readonly error: { code: string; message: string; retryable: boolean } | null }
  > {
    return new Promise((resolve) => {
      this.#actors[method](request, this.#metadata, { deadline: Date.now() + this.#limitMs }, (failed, reply) => {
        if (failed === null) return resolve({ how: 'reply', reply })
        const [trailer] = failed.metadata?.get('troupe-error-bin') ?? []
        // Without the trailer it is grpc-js itself that speaks: of a connection or of its own deadline.
        if (trailer === undefined) return resolve({ how: 'failed', details: failed.details, error: null })
        const { code, message } = ERROR.deserialize(trailer as Buffer) as { code: ErrorCode; message: string }
        resolve({ how: 'failed', details: failed.details, error: { code, message, retryable: ERRORS[code].retryable } })
      })
    })
  }

  close(): void {
    this.#actors.close()
  }
}
