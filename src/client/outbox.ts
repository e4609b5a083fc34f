/**
 * All sends of a client: a lane for each actor, a bound for all, and what becomes of them when the session ends.
 *
 * 1. Sends that have no final answer yet, waiting or written, are at most `limit`; the next rejects with `overloaded`.
 * 2. The sequence of a (session, actor) is in one lane: one's own actor, whose name `welcome` tells, and the same actor by its name share it.
 * 3. Numbers must be remembered for the life of a session. Beyond `LANES_MAX` actors, a send to a further one gets a random idempotency key
 *    instead: applied once too, in order on one connection, but not ordered across reconnections.
 */
import { TroupeError } from '../errors.ts'
import { Lane, type LanePorts } from './lane.ts'
import { type SendOptions, type Sent, unknownOutcome } from './send.ts'

export interface OutboxPorts extends Omit<LanePorts, 'address' | 'left'> {
  copy(data: unknown): unknown
  readonly limit: number
}

const LANES_MAX = 10_000
/** The lane of one's own actor before the first `welcome` tells its name. */
const UNNAMED = ''

export class Outbox {
  readonly #ports: OutboxPorts
  readonly #lanePorts: LanePorts
  readonly #lanes = new Map<string, Lane>()
  #own = UNNAMED
  #waiting = 0
  #order = 0

  constructor(ports: OutboxPorts) {
    this.#ports = ports
    this.#lanePorts = {
      clock: ports.clock,
      random: ports.random,
      wire: ports.wire,
      seen: ports.seen,
      expired: ports.expired,
      offline: ports.offline,
      restart: ports.restart,
      address: (actor) => (actor === this.#own ? undefined : actor),
      left: (lane) => {
        this.#waiting--
        if (lane.blank) this.#lanes.delete(lane.actor)
      },
    }
  }

  send(to: string | undefined, type: string, data: unknown, options: SendOptions): Promise<Sent> {
    return new Promise((resolve, reject) => {
      if (this.#waiting >= this.#ports.limit)
        return reject(new TroupeError('overloaded', `${this.#waiting} sends wait for an answer already: wait for some, or raise queueMax`))
      let copy: unknown
      try {
        copy = this.#ports.copy(data)
      } catch (error) {
        return reject(new TroupeError('invalid', `the data of '${type}' cannot be encoded: ${String(error)}`))
      }
      const { key, timeoutMs } = options
      const lane = this.#lane(to ?? this.#own)
      this.#waiting++
      lane.add({
        order: this.#order++,
        own: to === undefined,
        type,
        data: copy,
        key: key ?? (lane.blank && this.#lanes.size > LANES_MAX ? this.#randomKey() : undefined),
        timeoutMs,
        dueAt: this.#ports.clock.mono() + (timeoutMs ?? 0),
        seq: 0,
        asked: undefined,
        unknown: false,
        ghost: false,
        refused: undefined,
        timer: undefined,
        resolve,
        reject,
      })
    })
  }

  /** A link is welcomed. Call it before the wire gets the link. */
  welcomed(own: string, resumed: boolean): void {
    if (!resumed) for (const lane of [...this.#lanes.values()]) lane.renumber()
    const unnamed = this.#lanes.get(UNNAMED)
    if (this.#own === UNNAMED && unnamed !== undefined) {
      this.#lanes.delete(UNNAMED)
      this.#lane(own).merge(unnamed)
    } else if (this.#own !== own) {
      const why = `this client is now ${own}, not ${this.#own}: what was meant for one's own actor was not sent`
      this.#lanes.get(this.#own)?.reject(
        (send) => send.own,
        (send) => (send.unknown ? unknownOutcome(send, 'The client became another user') : new TroupeError('denied', why)),
      )
    }
    this.#own = own
    if (!resumed) for (const lane of [...this.#lanes.values()]) if (lane.blank) this.#lanes.delete(lane.actor)
  }

  up(): void {
    for (const lane of this.#lanes.values()) lane.up()
  }

  down(): void {
    for (const lane of this.#lanes.values()) lane.down()
  }

  /** The client is closed: nothing is sent any more. */
  close(error: TroupeError): void {
    for (const lane of [...this.#lanes.values()])
      lane.reject(
        () => true,
        (send) => (send.unknown ? unknownOutcome(send, 'The client was closed before the answer came') : error),
      )
  }

  #lane(actor: string): Lane {
    let lane = this.#lanes.get(actor)
    if (lane === undefined) this.#lanes.set(actor, (lane = new Lane(actor, this.#lanePorts)))
    return lane
  }

  #randomKey(): string {
    let key = 'auto-'
    while (key.length < 33) key += Math.floor(this.#ports.random.float() * 36).toString(36)
    return key
  }
}
