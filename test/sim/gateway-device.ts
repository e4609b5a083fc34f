/**
 * A device of a user: the SDK itself, on virtual time, over sockets in memory. It sends, asks and follows as its seed says, and keeps what it was told.
 * Each act draws from a stream of its own: leaving one out does not change the others.
 */
import { jsonCodec, type Codec } from '../../src/client/codec.ts'
import { connect, type Client } from '../../src/client/index.ts'
import type { SendOptions } from '../../src/client/send.ts'
import { TroupeError, type ErrorCode } from '../../src/errors.ts'
import type { ClientFrame, ErrorReply, Position, ServerFrame } from '../../src/protocol/frames.ts'
import { seeded } from '../../src/base/random.ts'
import type { Caller } from '../../src/testing/calls.ts'
import { newFollower } from '../../src/testing/clients.ts'
import { drawFrom, type Draw } from '../../src/testing/draw.ts'
import type { GatewayFollow, GatewayOp } from './gateway-check.ts'
import { DeviceNetwork } from './gateway-network.ts'
import type { GatewaySim } from './gateway-sim.ts'
import { GATEWAY_ACTS, type GatewayAct } from './gateway-swarm.ts'
import type { EntryData } from './ledger.ts'

const TIMER_NAMES = ['a', 'b', '__proto__', 'constructor'] as const
const TOPICS = ['changed', 'sum', 'feed', 'adds'] as const
/** Longest timer: the coda is longer. */
export const TIMER_MS_MAX = 8_000
const PAD_MAX = 1500
const BURST_MAX = 15
const ODD_KEYS = ['__proto__', 'constructor', 'é😀', ' '] as const
const EXPECT: Readonly<Partial<Record<string, string>>> = { refuse: 'refused', boom: 'internal', unknown: 'unknown_event' }

export class Device {
  readonly name: string
  readonly user: string
  readonly network: DeviceNetwork
  readonly #sim: GatewaySim
  readonly #sdk: Client
  /** What each subscribe of the live link asks for. */
  readonly #asked = new Map<number, GatewayFollow>()
  readonly #doubles: Draw
  /** Sends of the live link that went twice: the first answer, if it was a refusal. */
  readonly #doubled = new Map<number, ErrorReply | null>()
  follows: readonly GatewayFollow[] = []
  #acts = 0
  #stopped = false
  #closed = false
  /** Calls that are not answered. */
  open = 0

  constructor(sim: GatewaySim, name: string, user: string) {
    this.#sim = sim
    this.name = name
    this.user = user
    this.network = new DeviceNetwork(sim.core.time)
    const { core, swarm } = sim
    this.#doubles = drawFrom(core.time.random(`doubles/${name}`))
    const hosts = swarm.balanced ? ['any'] : Array.from({ length: swarm.nodes }, (_, i) => `n${i + 1}`)
    const token = (): string => {
      const until = swarm.tokenMs < Infinity ? { expiresAt: core.now + Math.ceil(swarm.tokenMs) } : {}
      return JSON.stringify({ sub: user, actor: `counter/${user}`, claims: { 'troupe:testing': true }, ...until })
    }
    this.#sdk = connect(
      hosts.map((host) => `ws://${host}/`),
      {
        token: swarm.tokenMs < Infinity ? token : token(),
        device: name,
        codec: this.#codec(),
        transport: (url, _subprotocol, events) => this.network.open((heard) => core.sockets.open(url, heard), events),
        clock: core.time,
        random: core.time.random(`device/${name}`),
        wakeups: () => () => undefined,
      },
    )
    this.#sdk.on('state', (state, { code, reason }) => {
      if (state !== 'closed' || this.#closed) return
      this.#stopped = true
      sim.fail('answered', `${name} has closed itself: ${code} ${reason}`, 'liveness')
    })
  }

  get state(): string {
    return this.#sdk.state
  }

  start(): void {
    if (this.#stopped) return
    const draw = this.#drawn('follows')
    for (let i = 0; i < this.#sim.swarm.follows; i++)
      this.#follow(this.#actor(draw), draw.of(TOPICS), draw.chance(0.3) ? 'start' : undefined)
    this.#next()
  }

  /** Begins nothing new. */
  stop(): void {
    this.#stopped = true
  }

  close(): void {
    this.#closed = true
    for (const follow of this.follows) follow.stop()
    this.#sdk.close()
  }

  /** A last event, in peace. */
  coda(actor: string): void {
    if (this.state === 'open') this.#send(actor, 'add', {})
  }

  #drawn(what: string | number): Draw {
    return drawFrom(seeded(`${this.#sim.seed}/${this.name}/${what}`))
  }

  #actor(draw: Draw): string {
    const { actors, hot } = this.#sim.swarm
    if (draw.chance(hot)) return actors[0] as string
    return draw.chance(0.25) ? `counter/${this.user}` : draw.of(actors)
  }

  // ── Acts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #next(): void {
    const draw = this.#drawn(++this.#acts)
    this.#sim.core.time.after(-Math.log(1 - draw.float()) * this.#sim.swarm.paceMs, () => {
      if (this.#stopped) return
      if (this.#sim.acts.pass()) this.#act(this.#chosen(draw), this.#actor(draw), draw)
      this.#next()
    })
  }

  #chosen(draw: Draw): GatewayAct {
    const { weights } = this.#sim.swarm
    let place = draw.float() * Object.values(weights).reduce((sum, weight) => sum + weight, 0)
    return GATEWAY_ACTS.find((name) => (place -= weights[name]) < 0) ?? 'add'
  }

  #act(act: GatewayAct, actor: string, draw: Draw): void {
    const more: SendOptions = draw.chance(0.2) ? { timeoutMs: draw.whole(500, 20_000) } : {}
    switch (act) {
      case 'big':
        return this.#send(actor, 'add', { pad: 'x'.repeat(draw.whole(100, PAD_MAX)) }, more)
      case 'send': {
        const path = Array.from({ length: draw.whole(1, 3) }, () => (draw.chance(0.1) ? 'refuser/r' : this.#actor(draw)))
        return this.#send(actor, 'send', { path }, more)
      }
      case 'later':
        return this.#send(actor, 'later', { name: draw.of(TIMER_NAMES), inMs: draw.whole(1, TIMER_MS_MAX) }, more)
      case 'cancel':
        return this.#send(actor, 'cancel', { name: draw.of(TIMER_NAMES) }, more)
      case 'keyed':
        return this.#keyed(actor, draw)
      case 'burst':
        for (let count = draw.whole(2, BURST_MAX); count > 0; count--) this.#send(actor, 'add', {}, more)
        return
      case 'query':
        return this.#ask((caller) => caller.query(draw.of(['sum', 'ids'] as const), undefined, { strict: draw.chance(0.3) }), actor)
      case 'history':
        return this.#ask((caller) => caller.history({ from: draw.whole(1, 20), limit: draw.whole(1, 50) }), actor)
      case 'renew':
        return this.#renew(draw)
      default:
        return this.#send(actor, act, {}, more)
    }
  }

  #send(actor: string, type: string, data: Omit<EntryData, 'id'>, more: SendOptions = {}): void {
    this.give(this.#sim.newOp(actor, type, data, EXPECT[type] ?? 'ok', more.key !== undefined), more)
  }

  /** The same event under one key from two devices of the user. */
  #keyed(actor: string, draw: Draw): void {
    const op = this.#sim.newOp(actor, 'add', {}, 'ok', true)
    const key = `${draw.of(ODD_KEYS)}${op.id}`
    const other = this.#sim.devices.find((device) => device.user === this.user && device !== this) ?? this
    this.give(op, { key })
    this.#sim.core.time.after(draw.float() ** 2 * 3000, () => {
      if (!other.#stopped) other.give(op, { key })
    })
  }

  give(op: GatewayOp, more: SendOptions): void {
    this.open++
    this.#caller(op.actor)
      .send(op.type, op.data, more)
      .then(
        (sent) => this.#sim.answered(op, sent),
        (error: unknown) => {
          if (error instanceof TroupeError) this.#sim.answered(op, error.code)
          else this.#sim.fail('no-throw', `${op.id} failed: ${String(error)}`)
        },
      )
      .finally(() => this.open--)
      .catch((error: unknown) => this.#sim.fail('no-throw', String(error)))
  }

  #ask(run: (caller: Caller) => Promise<unknown>, actor: string): void {
    this.open++
    run(this.#caller(actor))
      .then(
        () => this.#sim.count('question answered'),
        (error: unknown) => {
          const code = error instanceof TroupeError ? error.code : 'threw'
          this.#sim.count(`question ${code}`)
          if (code === 'internal' || code === 'threw') this.#sim.fail('no-throw', `a question to ${actor} failed: ${String(error)}`)
        },
      )
      .finally(() => this.open--)
      .catch((error: unknown) => this.#sim.fail('no-throw', String(error)))
  }

  #caller(actor: string): Caller {
    return this.#sdk.actor(actor) as unknown as Caller
  }

  // ── What it follows ────────────────────────────────────────────────────────────────────────────────────────────────

  #follow(actor: string, topic: string, from: Position | 'start' | undefined): void {
    if (this.follows.some((follow) => follow.open && follow.actor === actor && follow.topic === topic)) return
    // A view from a place it stands at says nothing more: the app keeps what it has.
    const begin = topic === 'sum' || (topic === 'changed' && from === 'start') ? undefined : from
    const follow: GatewayFollow = { ...newFollower(this.name, actor, topic, begin), device: this.name, ids: [] }
    this.follows = [...this.follows, follow]
    this.#sim.core.talks.followers.push(follow)
    const stop = this.#caller(actor).subscribe(
      topic,
      (note) => {
        follow.newest = note
        follow.seen = Math.max(follow.seen, note.offset)
        follow.offsets.push(note.offset)
        this.#sim.tell((check) => check.noted?.(follow, note))
      },
      {
        ...(begin !== undefined && { from: begin }),
        onGap: (gap) => {
          follow.gaps.push(gap)
          this.#sim.tell((check) => check.gapped?.(follow, gap))
        },
        onError: (error) => {
          // What passes is tried again.
          if (error instanceof TroupeError && error.code === 'overloaded') return this.#sim.count('subscription overloaded')
          follow.error = error
          this.#sim.fail('newest', `${this.name} may not follow '${topic}' of ${actor} any more: ${error.message}`)
        },
      },
    )
    follow.stop = () => {
      follow.open = false
      stop()
    }
  }

  #renew(draw: Draw): void {
    const standing = this.follows.filter(({ open }) => open)
    if (standing.length === 0) return
    const old = draw.of(standing)
    old.stop()
    const { newest, topic, actor } = old
    const from = topic !== 'sum' && newest !== null && draw.chance(0.7) ? { journal: newest.journal, offset: newest.offset } : undefined
    this.#follow(actor, topic, from)
  }

  // ── On its way ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #codec(): Codec {
    return { ...jsonCodec, encode: (frame) => this.#said(frame), decode: (message) => this.#heard(message) }
  }

  #said(frame: ClientFrame): string {
    const text = JSON.stringify(frame)
    if (frame.t === 'connect') this.#doubled.clear()
    if (frame.t === 'connect') this.#asked.clear()
    else if (frame.t === 'subscribe') {
      // Of one topic a device has one that is open; an answer to one before it may come later.
      const actor = frame.to ?? `counter/${this.user}`
      const follow = this.follows.find(({ open, actor: of, topic }) => open && of === actor && topic === frame.topic)
      if (follow !== undefined) this.#asked.set(frame.id, follow)
    }
    if (frame.t !== 'pong') this.#sim.core.note(`${this.name} ▶ ${frame.t === 'connect' ? 'connect' : shortened(text)}`)
    if (frame.t !== 'send' || !this.#doubles.chance(this.#sim.swarm.double)) return text
    this.#sim.count('send doubled')
    this.#doubled.set(frame.id, null)
    return `${text}\n${text}`
  }

  /** Of a send that went twice the SDK knows one: it is refused only when both are, or the one that is not answered yet may be applied after all. */
  #single(frame: ServerFrame): readonly ServerFrame[] {
    const first = frame.t === 'reply' ? this.#doubled.get(frame.id) : undefined
    if (frame.t !== 'reply' || first === undefined) return [frame]
    if (frame.ok || first !== null) this.#doubled.delete(frame.id)
    else this.#doubled.set(frame.id, frame)
    if (frame.ok) return [frame]
    return first === null ? [] : [OPEN.has(first.error.code) ? first : frame]
  }

  #heard(message: string | Uint8Array): readonly ServerFrame[] {
    const frames = jsonCodec.decode(message).flatMap((frame) => this.#single(frame))
    for (const frame of frames) {
      if (frame.t === 'ping') continue
      this.#sim.core.note(`${this.name} ◀ ${frame.t === 'welcome' ? `welcome of ${frame.node}` : shortened(JSON.stringify(frame))}`)
      const follow = frame.t === 'reply' && frame.ok ? this.#asked.get(frame.id) : undefined
      if (frame.t !== 'reply' || !frame.ok || follow === undefined) continue
      this.#asked.delete(frame.id)
      const offset = frame.offset ?? 0
      follow.seen = Math.max(follow.seen, offset)
      if (follow.from < 0) follow.from = offset
    }
    return frames
  }
}

/** What leaves open whether it was applied. */
const OPEN: ReadonlySet<ErrorCode> = new Set(['timeout', 'moved', 'unavailable'])

function shortened(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 197)}…`
}
