/**
 * The clients of a world: the SDK itself, on virtual time, over sockets in memory to the nodes' gateways; one for each (who, which node). What they were
 * told is kept for the checks: what was acknowledged, and what each subscriber has seen.
 */
import { type Client, connect } from '../client/index.ts'
import { jsonCodec, type Codec } from '../client/codec.ts'
import type { AnyNote, Gap } from '../client/subscription.ts'
import type { Position, ServerFrame } from '../protocol/frames.ts'
import type { Sockets } from './sockets.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What a send was answered. */
export interface Ack {
  readonly actor: string
  readonly type: string
  /** As it was sent. */
  readonly json: string
  readonly offset: number
  readonly durable: boolean
  readonly duplicate: boolean
}

/** One subscription, and all that came of it. */
export interface Follower {
  readonly who: string
  readonly actor: string
  readonly topic: string
  /** Offset of the newest that it has seen or was told of; -1: it is not established yet. */
  seen: number
  /** Offsets of a log's entries after this came to it. */
  from: number
  newest: AnyNote | null
  /** Offsets of all notes, in order. */
  readonly offsets: number[]
  readonly gaps: Gap[]
  error: Error | null
  open: boolean
  stop: () => void
}

/** A host that stands for any node that takes clients, as a load balancer does. */
export const ANY_NODE = 'any'

interface Pending {
  readonly actor: string
  readonly topic: string
}

export class WorldClient {
  readonly #sdk: Client
  /** Established subscriptions, oldest first: the offset each was told. */
  readonly #established = new Map<string, number[]>()
  readonly #asked = new Map<number, Pending>()

  constructor(who: string, token: string, host: string, time: VirtualTime, sockets: Sockets, note: (text: string) => void) {
    this.#sdk = connect(`ws://${host}/`, {
      token,
      codec: this.#codec(note, host === ANY_NODE ? who : `${who} at ${host}`),
      transport: (url, _subprotocol, events) => sockets.open(url, events),
      clock: time,
      random: time.random(`client/${who}/${host}`),
      wakeups: () => () => undefined,
      queueMax: 100_000,
    })
  }

  actor(name: string): ReturnType<Client['actor']> {
    return this.#sdk.actor(name)
  }

  /** How often a subscription to the topic was answered, and with which offset the last time. */
  established(actor: string, topic: string): readonly number[] {
    return this.#established.get(`${actor}\n${topic}`) ?? []
  }

  close(): void {
    this.#sdk.close()
  }

  /** JSON, looked at on its way. */
  #codec(note: (text: string) => void, name: string): Codec {
    return {
      ...jsonCodec,
      encode: (frame) => {
        if (frame.t === 'connect') this.#asked.clear()
        else if (frame.t === 'subscribe') this.#asked.set(frame.id, { actor: frame.to ?? '', topic: frame.topic })
        if (frame.t !== 'pong') note(`${name} ▶ ${shortened(JSON.stringify(frame.t === 'connect' ? { t: 'connect' } : frame))}`)
        return jsonCodec.encode(frame)
      },
      decode: (message) => {
        const frames = jsonCodec.decode(message)
        for (const frame of frames) this.#heard(frame, name, note)
        return frames
      },
    }
  }

  #heard(frame: ServerFrame, name: string, note: (text: string) => void): void {
    if (frame.t === 'ping') return
    note(`${name} ◀ ${shortened(frame.t === 'welcome' ? `welcome of ${frame.node}` : JSON.stringify(frame))}`)
    if (frame.t !== 'reply') return
    const asked = this.#asked.get(frame.id)
    if (asked === undefined || !frame.ok) return
    this.#asked.delete(frame.id)
    const name2 = `${asked.actor}\n${asked.topic}`
    const established = this.#established.get(name2) ?? []
    established.push(frame.offset ?? 0)
    this.#established.set(name2, established)
  }
}

export function newFollower(who: string, actor: string, topic: string, from: Position | 'start' | undefined): Follower {
  const begin = from === undefined ? -1 : from === 'start' ? 0 : from.offset
  return { who, actor, topic, seen: -1, from: begin, newest: null, offsets: [], gaps: [], error: null, open: true, stop: () => undefined }
}

function shortened(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 297)}…`
}
