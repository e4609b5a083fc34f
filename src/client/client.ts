/**
 * The client of an app: one connection, kept; sends, requests and subscriptions over it. Wires the parts; each part has its own file.
 *
 *   connection ── link up / down, frames ──▶ wire (ids, window) ──▶ outbox (lanes of sends) · requests · subscriptions
 */
import { CLOSE } from '../protocol/close-codes.ts'
import { type ErrorCode, TroupeError } from '../errors.ts'
import type { ServerFrame, WelcomeFrame } from '../protocol/frames.ts'
import { type Codec, jsonCodec } from './codec.ts'
import { Connection, type ConnectionState, type StateDetail } from './connection.ts'
import { Credentials, type TokenSource } from './credentials.ts'
import { Emitter } from './emitter.ts'
import type { Link } from './link.ts'
import { Outbox } from './outbox.ts'
import {
  type ClientClock,
  type ClientRandom,
  platformClock,
  platformRandom,
  platformWakeups,
  platformWarn,
  socketUrl,
  type Transport,
  type Wakeups,
  webSocketTransport,
} from './platform.ts'
import { Requests } from './request.ts'
import type { SendOptions, Sent } from './send.ts'
import type { AnyNote, Gap } from './subscription.ts'
import { Subscriptions } from './subscriptions.ts'
import type { HistoryOptions, QueryOptions, SubscribeOptions } from './types.ts'
import { Wire } from './wire.ts'

export interface ConnectOptions {
  /** A token for `authenticate`, or a function that gets one: it is called again when a token expires. */
  readonly token?: TokenSource
  /** Names this device among those of the user. */
  readonly device?: string
  /** Sends that may wait for an answer, and requests likewise; the next rejects with `overloaded`. Default 1,000. */
  readonly queueMax?: number
  /** JSON by default. */
  readonly codec?: Codec
  /** Ports, for tests and simulators; by default those of the platform. */
  readonly transport?: Transport
  readonly clock?: ClientClock
  readonly random?: ClientRandom
  readonly wakeups?: Wakeups
}

/** What `on` tells. */
export interface ClientEvents {
  readonly state: readonly [state: ConnectionState, detail: StateDetail]
  readonly gap: readonly [gap: Gap]
  /** What went wrong outside of any promise: a token function that failed, a subscription that was refused, a frame that the server did not understand. */
  readonly error: readonly [error: Error]
}

const KNOWN: readonly (keyof ConnectOptions)[] = ['token', 'device', 'queueMax', 'codec', 'transport', 'clock', 'random', 'wakeups']
const QUEUE_MAX = 1_000
/** What a client that was closed so rejects with; else `unavailable`. 1009: its `connect` was larger than the server takes. */
const ENDINGS: Readonly<Record<number, ErrorCode>> = {
  1009: 'too_large',
  [CLOSE.invalidToken]: 'unauthenticated',
  [CLOSE.kicked]: 'denied',
  [CLOSE.denied]: 'denied',
}
/** Actors whose newest seen offset is kept; of others a query may be up to 5 s stale in a fault (D11). */
const SEEN_MAX = 10_000

export class TroupeClient {
  readonly #emitter = new Emitter<ClientEvents>()
  readonly #wire: Wire
  readonly #requests: Requests
  readonly #outbox: Outbox
  readonly #subscriptions: Subscriptions
  readonly #connection: Connection
  readonly #seen = new Map<string, number>()
  #own = ''
  #ended: TroupeError | undefined
  /** What was warned of last: the same again and again is said once. */
  #warned: string | undefined

  constructor(url: string | readonly string[], options: ConnectOptions) {
    for (const name of Object.keys(options))
      if (!(KNOWN as readonly string[]).includes(name)) throw new TypeError(`connect: there is no option '${name}'`)
    const limit = options.queueMax ?? QUEUE_MAX
    if (!Number.isInteger(limit) || limit < 1) throw new TypeError('connect: queueMax is a whole number from 1')
    const codec = options.codec ?? jsonCodec
    const clock = options.clock ?? platformClock
    const random = options.random ?? platformRandom
    const wire = (this.#wire = new Wire(clock))
    const urls = typeof url === 'string' ? [url] : url
    if (urls.length === 0) throw new TypeError('connect: there is no address')
    const expired = (): void => this.#connection.refresh()
    const offline = (): string => {
      if (wire.live) return ''
      const why = Object.values(this.#connection.trouble).join(' ')
      return `: there is no connection${why && ` (${why.trim()})`}`
    }
    this.#requests = new Requests({ clock, random, wire, limit, expired, offline })
    this.#subscriptions = new Subscriptions({ clock, random, wire, expired, seen: (to, offset, fresh) => this.#saw(to, offset, fresh) })
    this.#outbox = new Outbox({
      clock,
      random,
      wire,
      limit,
      expired,
      offline,
      copy: (data) => codec.copy(data),
      seen: (actor, offset) => this.#saw(actor, offset, false),
      restart: () => this.#connection.restart(),
    })
    this.#connection = new Connection(
      {
        urls: urls.map(socketUrl),
        credentials: new Credentials(options.token, options.device, clock),
        transport: options.transport ?? webSocketTransport,
        codec,
        clock,
        random,
        wakeups: options.wakeups ?? platformWakeups,
      },
      {
        state: (state, detail) => this.#emitter.emit('state', state, detail),
        up: (link, welcome, resumed) => this.#up(link, welcome, resumed),
        down: () => this.#down(),
        slower: (ms) => wire.slower(ms),
        frame: (frame) => this.#frame(frame),
        refresh: (token) => this.#requests.ask('refresh', () => ({ t: 'refresh', token })),
        error: (error) => this.#error(error),
        closed: (code, reason) => this.#close(code, reason),
      },
    )
  }

  get state(): ConnectionState {
    return this.#connection.state
  }

  on<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener)
  }

  close(): void {
    this.#connection.close(1000, 'closed by the client')
  }

  // ── What handles call ──────────────────────────────────────────────────────────────────────────────────────────────

  send(to: string | undefined, type: string, data: unknown, options: SendOptions = {}): Promise<Sent> {
    return this.#ended === undefined ? this.#outbox.send(to, type, data, options) : Promise.reject(this.#ended)
  }

  async query(to: string | undefined, name: string, args: unknown, options: QueryOptions = {}): Promise<unknown> {
    if (this.#ended !== undefined) throw this.#ended
    const { strict, timeoutMs } = options
    const question = (): Parameters<Wire['ask']>[0] => {
      const atLeast = Math.max(options.atLeast ?? 0, this.#seen.get(to ?? this.#own) ?? 0)
      return {
        t: 'query',
        ...(to !== undefined && { to }),
        name,
        ...(args !== undefined && { args }),
        ...(strict !== undefined && { strict }),
        ...(atLeast > 0 && { atLeast }),
        ...(timeoutMs !== undefined && { timeoutMs }),
      }
    }
    const reply = await this.#requests.ask(`query '${name}'`, question, timeoutMs)
    this.#saw(to, reply.offset ?? 0, false)
    return reply.data
  }

  async history(to: string | undefined, options: HistoryOptions = {}): Promise<{ entries: readonly unknown[]; more: boolean }> {
    if (this.#ended !== undefined) throw this.#ended
    const { from = 1, limit = 100, timeoutMs } = options
    const reply = await this.#requests.ask('history', () => ({ t: 'history', ...(to !== undefined && { to }), from, limit }), timeoutMs)
    return { entries: reply.entries ?? [], more: reply.more ?? false }
  }

  subscribe(to: string | undefined, topic: string, note: (note: AnyNote) => void, options: SubscribeOptions = {}): () => void {
    if (this.#ended !== undefined) throw this.#ended
    const { from, onGap, onError } = options
    return this.#subscriptions.add({
      to,
      topic,
      from: from === 'start' ? { journal: '', offset: 0 } : from,
      note,
      gap: (gap) => {
        onGap?.(gap)
        this.#emitter.emit('gap', gap)
      },
      error: (error) => {
        onError?.(error)
        this.#error(error, onError !== undefined)
      },
    })
  }

  // ── What the connection tells ──────────────────────────────────────────────────────────────────────────────────────

  #up(link: Link, welcome: WelcomeFrame, resumed: boolean): void {
    if (this.#own === '') {
      const seen = this.#seen.get('')
      this.#seen.delete('')
      if (seen !== undefined) this.#saw(welcome.actor, seen, false)
    }
    this.#own = welcome.actor
    this.#outbox.welcomed(welcome.actor, resumed)
    this.#wire.up(link, welcome.limits.inflight)
    this.#subscriptions.up()
    this.#outbox.up()
    this.#requests.up()
  }

  #down(): void {
    this.#wire.down()
    this.#outbox.down()
    this.#requests.down()
    this.#subscriptions.down()
  }

  #frame(frame: ServerFrame): void {
    if (frame.t === 'reply') this.#wire.reply(frame)
    else if (frame.t === 'error') this.#error(new TroupeError(frame.code, frame.message))
    else this.#subscriptions.frame(frame)
  }

  #close(code: number, reason: string): void {
    const kind = ENDINGS[code] ?? 'unavailable'
    this.#ended = new TroupeError(kind, `the client is closed (${code}${reason === '' ? '' : `: ${reason}`})`)
    this.#outbox.close(this.#ended)
    this.#requests.close(this.#ended)
    this.#subscriptions.close()
  }

  #saw(to: string | undefined, offset: number, fresh: boolean): void {
    const actor = to ?? this.#own
    const before = this.#seen.get(actor)
    if (before === undefined && this.#seen.size >= SEEN_MAX) this.#seen.delete(this.#seen.keys().next().value as string)
    this.#seen.set(actor, fresh ? offset : Math.max(before ?? 0, offset))
  }

  #error(thrown: unknown, heard = false): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    if (this.#emitter.emit('error', error) || heard || this.#warned === error.message) return
    this.#warned = error.message
    platformWarn(error)
  }
}
