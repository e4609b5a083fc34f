/**
 * One WebSocket: the shell around its life (session.ts), its requests (requests.ts) and its outbox. It owns the socket and everything
 * that exists because the socket does; when the socket goes, all of that goes at once.
 *
 *  1. `bye` is written before every close that the gateway decides; after it nothing is.
 *  2. Nothing here outlives `gone`: subscriptions end, and with the last of them their upstream (D8).
 *  3. What it reads and runs, and when, is its intake's. A connection that is not read is not held to its pongs, nor is one whose socket
 *     still holds bytes for it.
 *  4. What throws while this connection is served ends this connection, never the node: each way in from outside ends in `broken`.
 *  5. There may be a million of these: no closures or maps before they are needed, one timing wheel for all.
 */
import type { Identity } from '../actors/define.ts'
import { ERRORS, fail } from '../errors.ts'
import { CLOSE } from '../protocol/close-codes.ts'
import { byeFrame, errorFrame, type ServerCodec } from '../protocol/encode.ts'
import type { ServerFrame } from '../protocol/frames.ts'
import { admit, type Admission, type Credentials } from './admission.ts'
import { Intake, type Reader } from './intake.ts'
import { Outbox, type Message, type Outlet } from './outbox.ts'
import type { PullTurn } from './pull-turn.ts'
import { run, type Client, type ClientSubscriptions } from './requests.ts'
import { CLOSING, onFrame, type Handshake, type Incoming, type Life, type Open, type Runnable, type Waiting } from './session.ts'
import type { SharedNote } from './shared-note.ts'
import type { Closable, Site, WireForm } from './site.ts'
import { GONE, type Socket } from './socket.ts'
import type { Subscription } from './subscription.ts'
import { Strain } from './strain.ts'
import { SubscriptionTable } from './subscription-table.ts'
import { Vigil } from './vigil.ts'
import { payloadLength } from './websocket-frame.ts'
import { welcomeFrame } from './welcome.ts'
import type { WheelItem } from './wheel.ts'

export class Connection implements Client, Reader, Outlet, WheelItem, Closable {
  readonly site: Site
  readonly #form: WireForm
  #socket: Socket
  readonly #outbox: Outbox
  readonly #intake: Intake = new Intake(this)
  readonly #vigil = new Vigil()
  #table: SubscriptionTable | null = null
  #life: Life
  #strain: Strain | null = null
  #stranger = true
  #malformed = 0
  due = 0

  constructor(site: Site, form: WireForm, socket: Socket, handshake: Handshake) {
    this.site = site
    this.#form = form
    this.#socket = socket
    this.#outbox = new Outbox(this, form.outbox)
    this.#life = { phase: 'connecting', handshake, early: [], earlyBytes: 0 }
    site.live.sockets.add(this)
    site.live.unauthenticated++
    site.wheel.schedule(this, site.wheel.tick + site.periods.connect)
  }

  // ── From the socket ────────────────────────────────────────────────────────────────────────────────────────────────

  /** `data` may be a view of the socket's buffer: what is kept is copied. */
  message(data: Buffer, isBinary: boolean): void {
    this.site.counters.bytesIn += data.length
    if (this.closing) return
    this.#vigil.lastHeard = this.site.wheel.tick
    try {
      this.#read(data, isBinary)
    } catch (error) {
      this.broken(error)
    }
  }

  #read(data: Buffer, isBinary: boolean): void {
    if (isBinary && this.#form.name === 'raw') return this.#incoming({ t: 'raw', data: new Uint8Array(data) }, data.length)
    const frames = this.#form.decode(data, isBinary, this.site.options.frameDepth)
    // What came with a frame counts once, with the first.
    let bytes = data.length
    for (const frame of frames) {
      this.#incoming(frame, bytes)
      bytes = 0
    }
  }

  /** A control frame: the client lives. */
  heard(): void {
    this.#vigil.lastHeard = this.site.wheel.tick
  }

  /** The socket is closed, or failed. Idempotent. */
  gone(): void {
    const { live } = this.site
    if (!live.sockets.delete(this)) return
    if (this.#stranger) live.unauthenticated--
    this.#end()
    // The wheel may hold this object for one more period: not the socket with it.
    this.#socket = GONE
  }

  #incoming(frame: Incoming, bytes: number): void {
    const step = onFrame(this.#life, frame, bytes, this.site.options)
    switch (step.do) {
      case 'run':
        return this.#take(step.what)
      case 'authenticate':
        return this.#authenticate(step.life, step.connect)
      case 'complain': {
        this.site.counters.malformed++
        this.send(errorFrame('invalid', step.about.message, step.about.id))
        if (++this.#malformed >= this.site.options.malformedFrames) this.bye(CLOSE.protocolError, step.about.message)
        return
      }
      case 'overflow':
        return this.bye(CLOSE.protocolError, 'too many frames before the welcome')
      case 'wait':
      case 'ignore':
        return
    }
  }

  // ── Welcome ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #authenticate(life: Waiting, connect: Credentials): void {
    const { site } = this
    this.#life = life
    const admission = admit(site, connect, life.handshake, 'ws')
    if (!(admission instanceof Promise)) return this.#admitted(life, admission)
    site.wheel.schedule(this, site.wheel.tick + site.periods.auth)
    const told = (later: Admission): void => {
      // It may have been closed, or given up, meanwhile.
      if (this.#life !== life) return
      try {
        this.#admitted(life, later)
      } catch (error) {
        this.broken(error)
      }
    }
    admission.then(told, () => told(fail('internal', 'the app failed to check the token')))
  }

  #admitted(life: Waiting, admission: Admission): void {
    const { site } = this
    if (!admission.ok) {
      site.counters.refused++
      // What is malformed here is the token.
      const code = admission.code === 'invalid' ? CLOSE.invalidToken : ERRORS[admission.code].close
      return this.bye(code, admission.message, admission.retryAfterMs)
    }
    const { session, resumed, device, who } = admission
    const open: Open = { phase: 'open', session, device, who }
    this.#life = open
    this.#stranger = false
    site.live.unauthenticated--
    site.live.sessions++
    site.live.presence.enter(who.actor, this)
    const before = site.live.presence.takeOver(session, this)
    site.counters.connected++
    if (resumed) site.counters.resumed++
    this.send(welcomeFrame(site, admission))
    if (before !== null) {
      site.counters.replaced++
      before.bye(CLOSE.replaced, 'this session has connected again')
    }
    this.#vigil.begin(site.wheel.tick, site.periods.ping, site.random.float())
    this.#vigil.token(who.expiresAt, site.clock.now())
    this.visit(site.wheel.tick)
    for (const frame of life.early) this.#take(frame)
    if (site.live.draining) this.hintDrain(0)
  }

  // ── Requests ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #take(frame: Runnable): void {
    if (this.#life.phase !== 'open') return
    this.site.counters.frames++
    this.#intake.take(frame)
  }

  serve(frame: Runnable): void {
    if (this.#life.phase === 'open') run(this, this.#life, frame)
  }

  reads(reads: boolean): void {
    if (!reads) return this.#socket.pause()
    this.#vigil.readAgain(this.site.wheel.tick)
    this.#socket.resume()
  }

  done(): void {
    this.bye(CLOSE.drained, 'this node is going: reconnect')
  }

  get codec(): ServerCodec<Message> {
    return this.#form.codec
  }

  get closing(): boolean {
    return this.#life.phase === 'closing'
  }

  get address(): string {
    return this.#socket.address
  }

  get inflightMax(): number {
    return this.site.options.inflight
  }

  get crowded(): boolean {
    return this.#socket.waitingBytes > this.site.options.outboxBytes
  }

  get who(): Identity | null {
    return this.#life.phase === 'open' ? this.#life.who : null
  }

  get device(): string {
    return this.#life.phase === 'open' ? this.#life.device : ''
  }

  get subscriptions(): ClientSubscriptions {
    this.#table ??= new SubscriptionTable(this.site.live)
    return this.#table
  }

  get pullTurn(): PullTurn {
    return this.subscriptions.pullTurn
  }

  reply(message: Message): void {
    if (!this.closing) this.#push(message)
  }

  began(): void {
    this.#intake.began()
  }

  finished(message: Message | null): void {
    this.#intake.finished()
    if (this.closing) return
    if (message !== null) this.#push(message)
    this.#intake.proceed()
  }

  /** It asks for more than its share. A client that does not read is told nothing. */
  strained(retryAfterMs: number): void {
    if (this.closing || this.crowded) return
    this.#strain ??= new Strain()
    const inMs = this.#strain.again(this.site.clock.mono(), retryAfterMs)
    if (inMs === null) return
    this.site.counters.slower++
    this.send({ t: 'hint', kind: 'slower', inMs, spreadMs: Math.ceil(inMs / 2) })
  }

  refreshed(): void {
    if (this.#life.phase !== 'open') return
    this.#vigil.token(this.#life.who.expiresAt, this.site.clock.now())
    this.visit(this.site.wheel.tick)
  }

  send(frame: ServerFrame): void {
    if (!this.closing) this.#push(this.#form.codec.frame(frame))
  }

  // ── Notes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  get room(): boolean {
    return this.#outbox.room && !this.closing
  }

  note({ sub }: Subscription, note: SharedNote, from: number): void {
    if (this.closing) return
    const { codec, frame } = this.#form
    this.site.counters.notes++
    this.#vigil.lastSent = this.site.wheel.tick
    try {
      this.#outbox.push(note.message(codec, sub, from), () => note.framed(codec, sub, from, frame))
    } catch (error) {
      this.broken(error)
    }
  }

  gap({ sub }: Subscription, from: number, to: number, journal: string | undefined): void {
    this.site.counters.gaps++
    this.send(journal === undefined ? { t: 'gap', sub, from, to } : { t: 'gap', sub, from, to, journal })
  }

  // ── The outbox’s outlet ────────────────────────────────────────────────────────────────────────────────────────────

  #push(message: Message): void {
    this.#vigil.lastSent = this.site.wheel.tick
    this.#outbox.push(message)
  }

  get waitingBytes(): number {
    return this.#socket.waitingBytes
  }

  frame(message: Message): Uint8Array {
    return this.#form.frame(message)
  }

  write(bytes: Uint8Array, taken: (() => void) | undefined): void {
    this.site.counters.bytesOut += payloadLength(bytes.length)
    this.#socket.write(bytes, taken)
  }

  roomGone(): void {
    // A stall is to be seen in its own time, which may be before the next heartbeat.
    const { wheel, periods } = this.site
    const soon = wheel.tick + Math.ceil(periods.slow / 4)
    if (this.#life.phase === 'open' && (this.due === 0 || this.due > soon)) wheel.schedule(this, soon)
    if (this.#life.phase === 'open') this.#intake.steer()
  }

  roomAgain(): void {
    if (this.closing) return
    try {
      this.#table?.roomAgain()
      if (this.#life.phase === 'open') this.#intake.proceed()
    } catch (error) {
      this.broken(error)
    }
  }

  // ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  visit(tick: number): void {
    try {
      this.#visit(tick)
    } catch (error) {
      this.broken(error)
    }
  }

  #visit(tick: number): void {
    const { site } = this
    switch (this.#life.phase) {
      case 'connecting':
        return this.bye(CLOSE.neverConnected, `no connect frame within ${site.options.connectTimeoutMs} ms`)
      case 'authenticating':
        return this.bye(CLOSE.busy, 'the token could not be checked in time: come again')
      case 'open':
        return this.#visitOpen(this.#life, tick)
      case 'closing':
        return
    }
  }

  #visitOpen({ who }: Open, tick: number): void {
    const { wheel, periods, counters, clock } = this.site
    const { waitingBytes, takenBytes, readBytes } = this.#socket
    const facts = { waitingBytes, takenBytes, readBytes, paused: this.#intake.paused, nowMs: clock.now(), expiresAt: who.expiresAt }
    const sight = this.#vigil.look(tick, facts, periods)
    if (sight.do === 'bye') {
      if (sight.because !== 'expired') counters[sight.because]++
      return this.bye(sight.code, sight.reason)
    }
    if (sight.do === 'ping') {
      counters.pings++
      this.send({ t: 'ping' })
    } else if (sight.do === 'hint') this.send({ t: 'hint', kind: 'refresh', inMs: 0, spreadMs: Math.floor(sight.leftMs / 2) })
    if (!this.closing) wheel.schedule(this, sight.next)
  }

  // ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────────

  hintDrain(spreadMs: number): void {
    if (this.#life.phase === 'open') this.send({ t: 'hint', kind: 'drain', inMs: 0, spreadMs })
  }

  retire(): void {
    if (this.#life.phase !== 'open') return this.bye(CLOSE.drained, 'this node is going: reconnect')
    this.#intake.retire()
  }

  shutDown(): void {
    this.bye(CLOSE.shutdown, 'this node is stopping: reconnect')
    this.#socket.destroy()
  }

  cut(): void {
    this.#socket.cut()
  }

  broken(error: unknown): void {
    if (this.closing) return
    // Where it was thrown, not what was said: messages of JSON.parse and others quote what they were given.
    const { name, stack } = error instanceof Error ? error : { name: typeof error, stack: undefined }
    this.site.log.error({ error: name, at: /\n\s+at (.+)/.exec(stack ?? '')?.[1] }, 'serving a connection threw: it is closed')
    this.bye(CLOSE.pleaseReconnect, 'this node failed to serve the connection: reconnect')
  }

  bye(code: number, reason: string, retryAfterMs?: number): void {
    if (this.closing) return
    this.send(byeFrame(code, reason, retryAfterMs))
    this.#outbox.flush()
    this.#end()
    // The client's half of the closing handshake must be read.
    if (this.#intake.paused) this.#socket.resume()
    this.#socket.close(code, reason)
  }

  #end(): void {
    const life = this.#life
    const { live } = this.site
    if (life.phase === 'closing') return
    if (life.phase === 'open') {
      live.sessions--
      live.presence.leave(life.who.actor, this)
      live.presence.release(life.session, this)
    }
    this.#life = CLOSING
    this.due = 0
    this.#outbox.drop()
    this.#intake.clear()
    this.#table?.endAll()
    this.#table = null
  }
}
