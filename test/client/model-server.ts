/**
 * A whole server of the client wire in memory, on the clock it is given (virtual as a rule): sessions and tickets (D10), numbers and keys (D1, D2), journals, topics.
 * Plain where the real one is fast: it is what the SDK is judged by. Its network delays, cuts connections, and lets frames of a cut
 * connection arrive late, after those of the next one.
 */
import type { ConnectFrame, SendFrame, ServerFrame, SubscribeFrame } from '../../src/protocol/frames.ts'
import type { ClientClock, Socket, SocketEvents, Transport } from '../../src/client/platform.ts'
import { ERRORS, type ErrorCode, type WireError } from '../../src/errors.ts'

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Frame = any

interface Source {
  last: number
  readonly answers: Map<number, { readonly content: string; readonly frame: Frame }>
}
export interface ModelEntry {
  readonly offset: number
  readonly type: string
  readonly data: unknown
  readonly at: number
  readonly session: string
}
interface ModelActor {
  journal: string
  readonly entries: ModelEntry[]
  readonly sources: Map<string, Source>
  readonly keys: Map<string, { readonly content: string; readonly frame: Frame }>
  /** Entries below this offset can no longer be replayed. */
  oldest: number
}
interface Sub {
  readonly sub: number
  actor: string
  readonly topic: string
  last: number
}

/** One connection, as the server holds it. */
export class ModelSocket {
  readonly server: ModelServer
  readonly events: SocketEvents
  readonly url: string
  readonly subs: Sub[] = []
  session = ''
  actor = ''
  connect: ConnectFrame | undefined
  #gone = false
  /** Arrival times do not overtake each other within a direction. */
  #inAt = 0
  #outAt = 0

  constructor(server: ModelServer, url: string, events: SocketEvents) {
    this.server = server
    this.url = url
    this.events = events
  }

  get gone(): boolean {
    return this.#gone
  }

  fromClient(data: string, lateMs: number): void {
    const { clock } = this.server
    this.#inAt = Math.max(this.#inAt, clock.mono() + this.server.delayMs()) + lateMs
    clock.after(this.#inAt - clock.mono(), () => {
      for (const line of data.split('\n')) this.server.receive(this, JSON.parse(line))
    })
  }

  toClient(frame: ServerFrame): void {
    if (this.#gone) return
    const { clock } = this.server
    this.#outAt = Math.max(this.#outAt, clock.mono() + this.server.delayMs())
    clock.after(this.#outAt - clock.mono(), () => {
      if (!this.#gone) this.events.message(JSON.stringify(frame))
    })
  }

  /** The connection ends: at once for the server, as `code` for the client. Frames that are under way to the server still arrive. */
  cut(code = 1006, reason = ''): void {
    if (this.#gone) return
    this.#gone = true
    this.server.sockets.delete(this)
    this.events.closed(code, reason)
  }

  bye(code: number, reconnect: boolean, retryAfterMs?: number): void {
    this.events.message(JSON.stringify({ t: 'bye', code, reason: 'test', reconnect, ...(retryAfterMs !== undefined && { retryAfterMs }) }))
    this.cut(code)
  }

  /** Closed by the client. */
  left(): void {
    if (this.#gone) return
    this.#gone = true
    this.server.sockets.delete(this)
  }
}

export class ModelServer {
  readonly clock: ClientClock
  readonly sockets = new Set<ModelSocket>()
  readonly opened: ModelSocket[] = []
  readonly actors = new Map<string, ModelActor>()
  /** Every frame received, for tests to look at. */
  readonly received: Frame[] = []
  /** Connections fail while true. */
  unreachable = false
  /** Tickets are worth nothing while true: `resumed: false` if a token came too, else `bye` with this code. */
  ticketsVoid = false
  ticketCode = 3005
  delayMs: () => number = () => 1
  /** How late a frame arrives at the server beyond `delayMs`. */
  lateMs: () => number = () => 0
  /** Held before it is sent: replies may come out of order. */
  replyHoldMs: () => number = () => 0
  /** Looks at each frame first; true: it was dealt with. */
  intercept: (socket: ModelSocket, frame: Frame) => boolean = () => false
  user: (connect: ConnectFrame) => string = () => 'user/alice'
  expiresAt: () => number | undefined = () => undefined
  limits = { frameBytes: 65_536, inflight: 64, subscriptions: 128 }
  #sessions = 0
  #subs = 0
  #refreshes = 0

  constructor(clock: ClientClock) {
    this.clock = clock
  }

  readonly transport: Transport = (url, _subprotocol, events): Socket => {
    const socket = new ModelSocket(this, url, events)
    this.clock.after(this.delayMs(), () => {
      if (socket.gone) return
      if (this.unreachable) return socket.cut()
      this.sockets.add(socket)
      this.opened.push(socket)
      events.opened()
    })
    return {
      send: (data) => {
        if (!socket.gone) socket.fromClient(data as string, this.lateMs())
      },
      close: () => socket.left(),
    }
  }

  get socket(): ModelSocket {
    const [first] = [...this.sockets].slice(-1)
    if (first === undefined) throw new Error('no socket is open')
    return first
  }

  of(kind: string): Frame[] {
    return this.received.filter((frame) => frame.t === kind)
  }

  actor(id: string): ModelActor {
    let actor = this.actors.get(id)
    if (actor === undefined)
      this.actors.set(id, (actor = { journal: `j-${id}`, entries: [], sources: new Map(), keys: new Map(), oldest: 1 }))
    return actor
  }

  reply(socket: ModelSocket, frame: Frame): void {
    const holdMs = this.replyHoldMs()
    if (holdMs === 0) socket.toClient(frame)
    else this.clock.after(holdMs, () => socket.toClient(frame))
  }

  refuse(socket: ModelSocket, id: number, code: ErrorCode, more: Partial<WireError> = {}): void {
    this.reply(socket, { t: 'reply', id, ok: false, error: { code, message: code, retryable: ERRORS[code].retryable, ...more } })
  }

  receive(socket: ModelSocket, frame: Frame): void {
    this.received.push(frame)
    if (this.intercept(socket, frame)) return
    if (frame.t === 'connect') return this.#connect(socket, frame)
    if (socket.session === '') return
    const to: string = frame.to ?? socket.actor
    if (frame.t === 'send') this.#send(socket, frame, to)
    if (frame.t === 'query')
      this.reply(socket, { t: 'reply', id: frame.id, ok: true, data: this.actor(to).entries.length, offset: this.actor(to).entries.length })
    if (frame.t === 'subscribe') this.#subscribe(socket, frame, to)
    if (frame.t === 'unsubscribe') {
      socket.subs.splice(
        socket.subs.findIndex(({ sub }) => sub === frame.sub),
        1,
      )
      this.reply(socket, { t: 'reply', id: frame.id, ok: true })
    }
    if (frame.t === 'history') {
      const all = this.actor(to).entries.filter(({ offset }) => offset >= frame.from)
      const entries = all.slice(0, frame.limit).map(({ offset, type, data, at }) => ({ offset, type, data, at }))
      this.reply(socket, { t: 'reply', id: frame.id, ok: true, entries, more: all.length > entries.length })
    }
    if (frame.t === 'refresh') {
      const ticket = `ticket:${socket.session}:${++this.#refreshes}`
      this.reply(socket, { t: 'reply', id: frame.id, ok: true, expiresAt: this.expiresAt(), ticket })
    }
  }

  #connect(socket: ModelSocket, frame: ConnectFrame): void {
    socket.connect = frame
    const held = frame.ticket !== undefined && !this.ticketsVoid
    if (frame.ticket !== undefined && this.ticketsVoid && frame.token === undefined)
      return socket.bye(this.ticketCode, this.ticketCode < 3500)
    socket.session = held ? ((frame.ticket as string).split(':')[1] as string) : `s${++this.#sessions}`
    socket.actor = this.user(frame)
    const expiresAt = this.expiresAt()
    socket.toClient({
      t: 'welcome',
      session: socket.session,
      ticket: `ticket:${socket.session}`,
      actor: socket.actor,
      node: 'model',
      resumed: held,
      pingEveryMs: 25_000,
      ...(expiresAt !== undefined && { expiresAt }),
      limits: this.limits,
    })
  }

  #send(socket: ModelSocket, frame: SendFrame, to: string): void {
    const actor = this.actor(to)
    const content = JSON.stringify([frame.type, frame.data])
    const answer = (frame_: Frame, duplicate: boolean): void =>
      this.reply(socket, { ...frame_, id: frame.id, ...(duplicate && frame_.ok && { duplicate: true }) })
    if (frame.seq === undefined) {
      const kept = frame.key === undefined ? undefined : actor.keys.get(frame.key)
      if (kept !== undefined) return kept.content === content ? answer(kept.frame, true) : this.refuse(socket, frame.id, 'conflict')
      if (frame.type.startsWith('deny')) return this.refuse(socket, frame.id, 'denied')
      const done = this.#apply(socket, actor, to, frame, undefined)
      if (frame.key !== undefined) actor.keys.set(frame.key, { content, frame: done })
      return answer(done, false)
    }
    // As a gateway does: refused before the owner is asked, so `next` is not known.
    if (frame.type === 'deny-bare') return this.refuse(socket, frame.id, 'denied')
    let source = actor.sources.get(socket.session)
    if (source === undefined) actor.sources.set(socket.session, (source = { last: (frame.base ?? frame.seq) - 1, answers: new Map() }))
    if (frame.seq <= source.last) {
      const kept = source.answers.get(frame.seq)
      if (kept === undefined) return this.refuse(socket, frame.id, 'out_of_order', { next: source.last + 1 })
      if (kept.content !== content) return this.refuse(socket, frame.id, 'conflict', { next: source.last + 1 })
      return answer(kept.frame, true)
    }
    if (frame.seq > source.last + 1) return this.refuse(socket, frame.id, 'out_of_order', { next: source.last + 1 })
    if (frame.type === 'deny') return this.refuse(socket, frame.id, 'denied', { next: source.last + 1 })
    source.last = frame.seq
    const done = this.#apply(socket, actor, to, frame, source.last + 1)
    source.answers.set(frame.seq, { content, frame: done })
    answer(done, false)
  }

  #apply(socket: ModelSocket, actor: ModelActor, to: string, frame: SendFrame, next: number | undefined): Frame {
    if (frame.type === 'refuse')
      return {
        t: 'reply',
        ok: false,
        error: { code: 'refused', message: 'no', retryable: false, reason: 'full', ...(next !== undefined && { next }) },
      }
    const offset = actor.entries.length + 1
    actor.entries.push({ offset, type: frame.type, data: frame.data, at: this.clock.now(), session: socket.session })
    this.publish(to)
    return { t: 'reply', ok: true, offset, durable: true }
  }

  /** An entry made by somebody else. */
  append(to: string, type: string, data: unknown): void {
    const actor = this.actor(to)
    actor.entries.push({ offset: actor.entries.length + 1, type, data, at: this.clock.now(), session: '' })
    this.publish(to)
  }

  publish(to: string): void {
    for (const socket of this.sockets) for (const sub of socket.subs) if (sub.actor === to) this.#notes(socket, sub)
  }

  #notes(socket: ModelSocket, sub: Sub): void {
    const actor = this.actor(sub.actor)
    if (sub.topic !== 'feed') {
      const offset = actor.entries.length
      if (offset <= sub.last) return
      socket.toClient({ t: 'note', sub: sub.sub, offset, from: sub.last + 1, ...(sub.topic === 'summary' && { data: { n: offset } }) })
      sub.last = offset
      return
    }
    for (const { offset, type, data, at } of actor.entries.slice(sub.last)) {
      socket.toClient({ t: 'note', sub: sub.sub, offset, from: sub.last + 1, type, data, at })
      sub.last = offset
    }
  }

  #subscribe(socket: ModelSocket, frame: SubscribeFrame, to: string): void {
    if (frame.topic === 'nope') return this.refuse(socket, frame.id, 'unknown_topic')
    const actor = this.actor(to)
    const offset = actor.entries.length
    const { from } = frame
    const same = from !== undefined && (from.journal === actor.journal || (from.journal === '' && from.offset === 0))
    const last = same ? from.offset : offset
    const sub: Sub = { sub: ++this.#subs, actor: to, topic: frame.topic, last }
    const view = frame.topic === 'summary'
    socket.subs.push(sub)
    socket.toClient({
      t: 'reply',
      id: frame.id,
      ok: true,
      sub: sub.sub,
      journal: actor.journal,
      epoch: 1,
      offset,
      recovered: same && last + 1 >= actor.oldest,
      ...(view && { data: { n: offset } }),
    })
    if (view) sub.last = offset
    if (sub.last + 1 < actor.oldest) {
      socket.toClient({ t: 'gap', sub: sub.sub, from: sub.last + 1, to: actor.oldest - 1 })
      sub.last = actor.oldest - 1
    }
    this.#notes(socket, sub)
  }
}
