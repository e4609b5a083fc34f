/**
 * What a `connect` frame carries: the last resume ticket (of a `welcome` or a `refresh`) while it holds, else a token (D10).
 *
 * | the last link ended with | next `connect` carries |
 * |---|---|
 * | nothing of the below | ticket |
 * | 3005 (token or ticket expired) | ticket and a fresh token: the session goes on if it is the same user |
 * | 3500 or 3501 in answer to a ticket alone | token |
 * | 1009: with its ticket the `connect` was larger than a frame may be | token |
 */
import { CLOSE } from '../protocol/close-codes.ts'
import type { ConnectFrame } from '../protocol/frames.ts'
import { TroupeError } from '../errors.ts'
import type { LinkEnd } from './link.ts'
import type { ClientClock } from './platform.ts'

/** A token, or where to get one: called for the first connection, when a ticket no longer holds, and before a token expires. */
export type TokenSource = string | (() => string | Promise<string>)

const TOKEN_MS_MAX = 10_000
/** RFC 6455 §7.4.1: a message was larger than the server takes. */
const TOO_BIG = 1009

export class Credentials {
  readonly #source: TokenSource | undefined
  readonly #device: string | undefined
  readonly #clock: ClientClock
  #ticket: string | undefined
  #stale = false

  constructor(source: TokenSource | undefined, device: string | undefined, clock: ClientClock) {
    this.#source = source
    this.#device = device
    this.#clock = clock
  }

  /** Whether a fresh token can be had at all. */
  get renewable(): boolean {
    return typeof this.#source === 'function'
  }

  /** Rejects with what the token source threw, or `timeout`. */
  async frame(): Promise<ConnectFrame> {
    const ticket = this.#ticket
    const token = ticket === undefined || this.#stale ? await this.token() : undefined
    return {
      t: 'connect',
      ...(ticket !== undefined && { ticket }),
      ...(token !== undefined && { token }),
      ...(this.#device !== undefined && { device: this.#device }),
      client: 'troupe-js',
    }
  }

  token(): Promise<string | undefined> {
    const source = this.#source
    if (typeof source !== 'function') return Promise.resolve(source)
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(TOKEN_MS_MAX, () => reject(new TroupeError('timeout', 'the token function gave no token in 10 s')))
      Promise.resolve()
        .then(source)
        .then(resolve, reject)
        .finally(() => timer.cancel())
    })
  }

  /** An empty ticket is none: the server would not have taken one so large. */
  welcomed(ticket: string): void {
    this.#ticket = ticket === '' ? undefined : ticket
    this.#stale = false
  }

  /** The session is given up: the next connection begins another. */
  forget(): void {
    this.#ticket = undefined
  }

  /** Takes note of how a link ended. True: it ended because of the ticket it brought, and one with a token may succeed at once. */
  ended(end: LinkEnd): boolean {
    const brought = this.#ticket !== undefined && !end.welcomed
    const alone = brought && !this.#stale
    const expired = end.code === CLOSE.tokenExpired
    const refused = alone && (end.code === CLOSE.invalidToken || end.code === CLOSE.protocolError)
    const tooLarge = brought && end.code === TOO_BIG
    if (expired) this.#stale = true
    if (refused || tooLarge) this.#ticket = undefined
    return refused || tooLarge || (alone && expired)
  }
}
