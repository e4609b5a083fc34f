/**
 * `GET /v1/actors/{type}/{key}/topics/{topic}`: a topic as server-sent events (WHATWG HTML §9.2). `event: note`, `id: journal:offset`,
 * data the frame; `Last-Event-ID` resumes; `event: gap` for what cannot be replayed; `event: bye` before an end that we decide. Wherever
 * the client stands, it has been told an id: first by an `id` alone, and by every note and gap. (§9.2.6, "dispatch the event": the block sets
 * the last id before its empty data makes it no event; and what has no id after it keeps that one, comments and `bye` too.)
 * A view's value comes first. The same subscriptions as on WebSockets: no queue, conflation, pulling from history.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../actors/define.ts'
import { fail, type Failure } from '../errors.ts'
import { CLOSE } from '../protocol/close-codes.ts'
import { byeFrame, jsonServerCodec, type ServerCodec } from '../protocol/encode.ts'
import type { GapFrame, Position } from '../protocol/frames.ts'
import type { Admitted } from './admission.ts'
import { idAlone, lastEventId, STREAM_HEADERS } from './http-event-stream.ts'
import { Outbox, type Message, type Outlet, type OutboxKind } from './outbox.ts'
import { PullTurn } from './pull-turn.ts'
import { SharedNote } from './shared-note.ts'
import type { Closable, Site } from './site.ts'
import { Stall } from './stall.ts'
import { startOf, type Start, type Subscriber, type Subscription } from './subscription.ts'
import type { Joined } from './upstreams.ts'
import type { WheelItem } from './wheel.ts'

const CODEC = jsonServerCodec as unknown as ServerCodec<Message>
const SUB = 1
const GOING: Failure = fail('unavailable', 'this node is going: connect to another')

/** Answers with a failure, or takes the response over and streams until either side ends it. */
export function streamTopic(
  site: Site,
  kind: OutboxKind,
  {
    request,
    response,
    actor: to,
    topic,
    caller,
  }: {
    readonly request: IncomingMessage
    readonly response: ServerResponse
    readonly actor: string
    readonly topic: string
    readonly caller: Admitted
  },
): Promise<Failure | null> {
  const actor = site.rights.target(caller.who, 'subscribe', to, topic)
  if (typeof actor !== 'string') return Promise.resolve(actor)
  if (site.live.draining) return Promise.resolve(GOING)
  if (site.live.sockets.size >= site.options.connections) {
    site.counters.overLimit++
    return Promise.resolve(fail('overloaded', 'this node has all the connections it takes', { retryAfterMs: 1000 }))
  }
  const from = positionOf(lastEventId(request))
  if (from === null) return Promise.resolve(fail('invalid', 'Last-Event-ID must be journal:offset'))
  return new Promise((resolve) =>
    site.upstreams.join(actor, topic, (outcome) => {
      if (!outcome.ok) return resolve(outcome)
      // The actor may have taken long, and a drain has a list of those that were there.
      if (site.live.draining) return resolve(GOING)
      resolve(null)
      if (!response.destroyed) new EventStream(site, kind, response, caller).start(outcome, from)
    }),
  )
}

/** `journal:offset`; undefined when there is none. */
function positionOf(text: string): Position | undefined | null {
  if (text === '') return undefined
  const colon = text.lastIndexOf(':')
  const offset = Number(text.slice(colon + 1))
  return colon >= 0 && /^\d+$/.test(text.slice(colon + 1)) && Number.isSafeInteger(offset)
    ? { journal: text.slice(0, colon), offset }
    : null
}

class EventStream implements Subscriber, Outlet, WheelItem, Closable {
  readonly #site: Site
  readonly #response: ServerResponse
  readonly #outbox: Outbox
  readonly #caller: Admitted
  readonly pullTurn: PullTurn = new PullTurn()
  #journal = ''
  #subscription: Subscription | null = null
  #stall: Stall | null = null
  #lastSent = 0
  #ended = false
  due = 0

  constructor(site: Site, kind: OutboxKind, response: ServerResponse, caller: Admitted) {
    this.#site = site
    this.#response = response
    this.#outbox = new Outbox(this, kind)
    this.#caller = caller
  }

  start({ state, attach }: Joined, from: Position | undefined): void {
    const { live, wheel, periods } = this.#site
    this.#response.writeHead(200, STREAM_HEADERS)
    this.#response.flushHeaders()
    this.#response.on('close', () => this.#end())
    this.#response.on('error', () => this.#end())
    live.sockets.add(this)
    live.presence.enter(this.#caller.who.actor, this)
    live.subscriptions++
    this.#journal = state.journal
    this.#lastSent = wheel.tick
    const start = startOf(state, from)
    this.#subscription = attach(SUB, start, this)
    if (start.gap === null) {
      if (from !== undefined && !start.recovered) this.#lost(from, start, state.journal)
      else this.#push(idAlone(this.#position(start.offset)))
    }
    if (state.json !== undefined) this.note(this.#subscription, new SharedNote({ offset: state.offset, json: state.json }), state.offset)
    this.#subscription.begin(start)
    wheel.schedule(this, wheel.tick + Math.max(1, Math.floor(periods.ping * this.#site.random.float())))
  }

  /** A position of another journal: nothing of it can be replayed. */
  #lost(from: Position, start: Start, journal: string): void {
    this.#gap({ t: 'gap', sub: SUB, from: from.offset + 1, to: start.offset, journal })
  }

  get who(): Identity | null {
    return this.#ended ? null : this.#caller.who
  }

  get device(): string {
    return this.#caller.device
  }

  get room(): boolean {
    return this.#outbox.room && !this.#ended
  }

  note({ sub }: Subscription, note: SharedNote, from: number): void {
    this.#site.counters.notes++
    this.#push(`event: note\n${this.#id(note.offset)}data: ${String(note.message(CODEC, sub, from))}\n\n`)
  }

  gap({ sub }: Subscription, from: number, to: number, journal: string | undefined): void {
    this.#site.counters.gaps++
    if (journal !== undefined) this.#journal = journal
    this.#gap(journal === undefined ? { t: 'gap', sub, from, to } : { t: 'gap', sub, from, to, journal })
  }

  #gap(gap: GapFrame): void {
    this.#event('gap', gap, this.#id(gap.to))
  }

  #position(offset: number): string {
    return `${this.#journal}:${offset}`
  }

  #id(offset: number): string {
    return `id: ${this.#position(offset)}\n`
  }

  get waitingBytes(): number {
    return this.#response.writableLength
  }

  frame(message: Message): Uint8Array {
    return Buffer.from(message as string)
  }

  write(bytes: Uint8Array, taken: (() => void) | undefined): void {
    if (!this.#response.writableEnded) this.#response.write(bytes, taken)
  }

  roomGone(): void {
    const { wheel, periods } = this.#site
    this.#stall ??= new Stall(this.#taken, wheel.tick)
    if (!this.#ended) wheel.schedule(this, wheel.tick + Math.ceil(periods.slow / 4))
  }

  roomAgain(): void {
    this.#stall = null
    this.#subscription?.roomAgain()
  }

  get #taken(): number {
    const { socket } = this.#response
    if (socket === null) return 0
    const { _handle: handle } = socket as { _handle?: { readonly writeQueueSize?: number } | null }
    return socket.bytesWritten - socket.writableLength - (handle?.writeQueueSize ?? 0)
  }

  visit(tick: number): void {
    const { wheel, periods, clock, counters } = this.#site
    if (this.#stall?.over(this.#taken, tick, periods.slow) === true) {
      counters.slow++
      this.#response.destroy()
      return
    }
    const { expiresAt } = this.#caller.who
    const leftMs = expiresAt === undefined ? Infinity : expiresAt - clock.now()
    if (leftMs <= 0) return this.bye(CLOSE.tokenExpired, 'the token has expired: connect with a new one')
    // A comment keeps proxies from closing a silent stream, and finds a dead client.
    if (tick - this.#lastSent >= periods.ping) this.#push(': \n\n')
    const next = this.#stall === null ? this.#lastSent + periods.ping : tick + Math.ceil(periods.slow / 4)
    if (!this.#ended) wheel.schedule(this, leftMs === Infinity ? next : Math.min(next, tick + wheel.ticks(leftMs)))
  }

  hintDrain(spreadMs: number): void {
    this.#event('hint', { t: 'hint', kind: 'drain', inMs: 0, spreadMs })
  }

  retire(): void {
    this.bye(CLOSE.drained, 'this node is going: reconnect')
  }

  shutDown(): void {
    this.bye(CLOSE.shutdown, 'this node is stopping: reconnect')
    this.#response.socket?.destroySoon()
  }

  cut(): void {
    this.#response.destroy()
  }

  bye(code: number, reason: string): void {
    if (this.#ended) return
    this.#event('bye', byeFrame(code, reason))
    this.#outbox.flush()
    this.#response.end()
    this.#end()
  }

  #event(event: string, data: object, id = ''): void {
    this.#push(`event: ${event}\n${id}data: ${JSON.stringify(data)}\n\n`)
  }

  #push(text: string): void {
    if (this.#ended) return
    this.#lastSent = this.#site.wheel.tick
    this.#outbox.push(text)
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.due = 0
    this.#outbox.drop()
    this.#subscription?.close()
    this.#site.live.subscriptions--
    this.#site.live.sockets.delete(this)
    this.#site.live.presence.leave(this.#caller.who.actor, this)
  }
}
