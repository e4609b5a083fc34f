/** The rpc port on a loopback port over a FakeCalls, and real grpc-js clients of it. Time is virtual where a test asks for it; sockets are real. */
import {
  credentials,
  Metadata,
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  loadPackageDefinition,
  type ServiceError,
} from '@grpc/grpc-js'
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { actor, app, log, signal, view, type App, type AppOptions } from '../../src/actors/define.ts'
import type { ActorCalls } from '../../src/actors/calls.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Log, LogFields } from '../../src/base/log.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import type { RpcTls } from '../../src/gateway/grpc/certificate.ts'
import { createRpcServer, type RpcServer } from '../../src/gateway/grpc/rpc-server.ts'
import { resolveOptions, type Options } from '../../src/options.ts'
import { FakeCalls } from '../support/fake-calls.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

export const PROTO = join(import.meta.dirname, '../../proto/troupe/v1/actors.proto')
export const PACKAGE = loadSync(PROTO, { longs: String, defaults: true })
const SERVICES = loadPackageDefinition(PACKAGE) as unknown as {
  readonly troupe: {
    readonly v1: { readonly Actors: new (address: string, creds: ChannelCredentials, options?: ChannelOptions) => Actors }
  }
}

type Fields = Readonly<Record<string, unknown>>
type Answer = (error: ServiceError | null, reply: Fields) => void
interface Actors extends Client {
  Send(request: Fields, metadata: Metadata, options: CallOptions, answer: Answer): { cancel(): void }
  Query(request: Fields, metadata: Metadata, options: CallOptions, answer: Answer): { cancel(): void }
  SendStream(metadata?: Metadata): ClientDuplexStream<Fields, Fields>
  Subscribe(request: Fields, metadata?: Metadata): ClientReadableStream<Fields>
  History(request: Fields, metadata?: Metadata): ClientReadableStream<Fields>
}

const event = { reduce: (state: object) => state }
const user = actor('user', {
  state: () => ({}),
  events: { 'note.added': event, other: event, refuse: event, raw: event },
  topics: { changes: signal(), summary: view((s: object) => s), feed: log(), notes: log({ types: ['note.added'] }) },
  queries: { count: () => 0, echo: (_, args: unknown) => args, big: () => '' },
})

export interface RigConfig {
  readonly options?: Partial<Options>
  readonly mode?: 'dev' | 'start'
  readonly app?: Partial<Omit<AppOptions<never>, 'actors'>>
  readonly virtual?: boolean
  readonly tls?: RpcTls
  readonly host?: string
  readonly reflection?: boolean
  /** In place of the FakeCalls. */
  readonly calls?: ActorCalls
  readonly userApp?: App
}

export interface Rig {
  readonly rpc: RpcServer
  readonly calls: FakeCalls
  readonly clock: VirtualClock
  readonly address: string
  readonly port: number
  readonly lines: { readonly level: string; readonly fields: LogFields; readonly message: string }[]
  client(options?: ChannelOptions, creds?: ChannelCredentials, address?: string): TestClient
  stop(): Promise<void>
}

export async function startRig(config: RigConfig = {}): Promise<Rig> {
  const calls = new FakeCalls()
  const virtual = new VirtualClock()
  const clock: Clock = {
    now: () => virtual.now(),
    mono: () => virtual.mono(),
    after: (ms, run) => virtual.after(ms, run),
    soon: (run) => systemClock.soon(run),
  }
  const lines: Rig['lines'] = []
  const line =
    (level: string) =>
    (fields: LogFields, message: string): void =>
      void lines.push({ level, fields, message })
  const logger: Log = { info: line('info'), warn: line('warn'), error: line('error') }
  const rpc = createRpcServer({
    app: config.userApp ?? (app({ actors: { user }, ...config.app }) as unknown as App),
    calls: config.calls ?? calls,
    clock: config.virtual === true ? clock : systemClock,
    random: systemRandom,
    log: logger,
    options: resolveOptions(config.options),
    mode: config.mode ?? 'start',
    tls: config.tls ?? null,
    ...(config.reflection !== undefined && { reflection: config.reflection }),
  })
  const host = config.host ?? '127.0.0.1'
  await new Promise<void>((resolve) => rpc.listener.listen(0, host, resolve))
  rpc.ready()
  const { port } = rpc.listener.address() as AddressInfo
  const clients: TestClient[] = []
  return {
    rpc,
    calls,
    clock: virtual,
    port,
    address: `127.0.0.1:${port}`,
    lines,
    client: (options, creds, address) => {
      const client = new TestClient(address ?? `127.0.0.1:${port}`, options, creds)
      clients.push(client)
      return client
    },
    stop: async () => {
      for (const client of clients) client.actors.close()
      await rpc.stop(0)
    },
  }
}

export interface Failed {
  readonly status: number
  readonly details: string
  /** The Error of the trailing metadata. */
  readonly error: Fields | null
}

export class TestClient {
  readonly actors: Actors

  constructor(address: string, options: ChannelOptions = {}, creds: ChannelCredentials = credentials.createInsecure()) {
    this.actors = new SERVICES.troupe.v1.Actors(address, creds, {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      ...options,
    })
  }

  send(request: Fields, headers: Readonly<Record<string, string>> = {}, options: CallOptions = {}): Promise<Fields> {
    return this.#unary('Send', { ...request, ...('data' in request ? { data: bytesOf(request['data']) } : {}) }, headers, options)
  }

  async query(request: Fields, headers: Readonly<Record<string, string>> = {}, options: CallOptions = {}): Promise<Fields> {
    const reply = await this.#unary(
      'Query',
      { ...request, ...('args' in request ? { args: bytesOf(request['args']) } : {}) },
      headers,
      options,
    )
    return { ...reply, data: jsonOf(reply['data']) }
  }

  sendStream(headers: Readonly<Record<string, string>> = {}): Stream {
    return new Stream(this.actors.SendStream(metadataOf(headers)))
  }

  subscribe(request: Fields, headers: Readonly<Record<string, string>> = {}): Stream {
    return new Stream(this.actors.Subscribe(request, metadataOf(headers)))
  }

  history(request: Fields, headers: Readonly<Record<string, string>> = {}): Stream {
    return new Stream(this.actors.History(request, metadataOf(headers)))
  }

  #unary(method: 'Send' | 'Query', request: Fields, headers: Readonly<Record<string, string>>, options: CallOptions): Promise<Fields> {
    return new Promise((resolve, reject) => {
      this.actors[method](request, metadataOf(headers), options, (error, reply) => {
        if (error === null) resolve(reply)
        // oxlint-disable-next-line prefer-promise-reject-errors
        else reject(failedOf(error))
      })
    })
  }
}

/** The messages of a stream as they come, and its end. */
export class Stream {
  readonly call: ClientDuplexStream<Fields, Fields>
  readonly messages: Fields[] = []
  /** Resolves at its end: null when that was OK. */
  readonly ended: Promise<Failed | null>
  #over: Failed | null | undefined
  #wake: (() => void) | null = null
  #failure: Failed | null = null

  constructor(call: ClientReadableStream<Fields>) {
    this.call = call as ClientDuplexStream<Fields, Fields>
    this.ended = new Promise((resolve) => {
      call.on('error', (error: ServiceError) => (this.#failure = failedOf(error)))
      call.on('status', () =>
        setImmediate(() => {
          this.#over = this.#failure
          this.#wake?.()
          resolve(this.#failure)
        }),
      )
    })
  }

  /** Takes one message and then no more. (A stream of grpc-js that was never read takes all into its memory.) */
  async stall(): Promise<Fields> {
    const first = await this.next()
    this.call.pause()
    return first
  }

  /** Begins to read. */
  read(): this {
    this.call.on('data', (message: Fields) => {
      this.messages.push('data' in message ? { ...message, data: jsonOf(message['data']) } : message)
      this.#wake?.()
    })
    return this
  }

  write(request: Fields): boolean {
    return this.call.write('data' in request ? { ...request, data: bytesOf(request['data']) } : request)
  }

  /** Takes the oldest message; waits for it. */
  async next(): Promise<Fields> {
    if (this.call.listenerCount('data') === 0) this.read()
    for (;;) {
      const message = this.messages.shift()
      if (message !== undefined) return message
      if (this.#over !== undefined) throw new Error(`no message: the stream ended with ${JSON.stringify(this.#over)}`)
      await new Promise<void>((resolve, reject) => {
        const limit = setTimeout(() => reject(new Error('no message came in 40 s')), 40_000)
        this.#wake = () => {
          clearTimeout(limit)
          this.#wake = null
          resolve()
        }
      })
    }
  }
}

function metadataOf(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  return metadata
}

const ERROR = PACKAGE['troupe.v1.Error'] as MessageTypeDefinition<object, Fields>

export function failedOf({ code, details, metadata }: ServiceError): Failed {
  const [trailer] = metadata?.get('troupe-error-bin') ?? []
  return { status: code, details, error: trailer === undefined ? null : { ...ERROR.deserialize(trailer as Buffer) } }
}

/** JSON of a value; bytes as they are. */
export function bytesOf(data: unknown): Buffer {
  return data instanceof Uint8Array ? Buffer.from(data) : Buffer.from(JSON.stringify(data))
}

function jsonOf(data: unknown): unknown {
  const bytes = data as Buffer
  return bytes.length === 0 ? undefined : (JSON.parse(bytes.toString()) as unknown)
}

/** Turns of the event loop until it holds; fails after 40 s of real time, which a machine that does much else may need. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 40_000
  while (!holds()) {
    if (performance.now() > end) throw new Error(`did not happen in 40 s: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** The value, when it is above 0 and has stayed the same for many turns of the event loop. */
export async function settled(value: () => number): Promise<number> {
  for (;;) {
    const before = value()
    await turns(500)
    if (before > 0 && value() === before) return before
  }
}
