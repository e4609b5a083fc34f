/**
 * What time does to an open connection: pings, silence, stalls, the token’s expiry. Pure: told what is, it says what to do and when to
 * look again. Time is in ticks of the wheel, but for the token’s, which is wall time.
 *
 *  1. A socket that holds bytes for the client is judged by whether it takes any (DESIGN D9): a ping would wait behind them.
 *  2. A connection that is not read is not held to its pongs, but is pinged: the client too asks whether the other side lives.
 *  3. Bytes of a frame that is not whole yet answer a ping as well: a big one on a slow link is no silence.
 *  4. The client is asked to refresh its token 30 s before the end, or in the last quarter of a short life; at the end it is closed.
 */
import { CLOSE } from '../protocol/close-codes.ts'
import { beat, firstPulse, type Pulse } from './heartbeat.ts'
import { Stall } from './stall.ts'

export interface Periods {
  readonly ping: number
  readonly grace: number
  readonly slow: number
  readonly tickMs: number
}

/** The connection as it is now. */
export interface Facts {
  readonly waitingBytes: number
  readonly takenBytes: number
  /** Grows with every byte that comes. */
  readonly readBytes: number
  /** Its socket is not read. */
  readonly paused: boolean
  readonly nowMs: number
  readonly expiresAt: number | undefined
}

export type Sight =
  | { readonly do: 'wait' | 'ping'; readonly next: number }
  | { readonly do: 'hint'; readonly leftMs: number; readonly next: number }
  | { readonly do: 'bye'; readonly code: number; readonly reason: string; readonly because: 'slow' | 'noPong' | 'expired' }

const REFRESH_AHEAD_MS = 30_000
const EXPIRED: Sight = { do: 'bye', code: CLOSE.tokenExpired, reason: 'the token has expired: connect with a new one', because: 'expired' }
const SLOW: Sight = { do: 'bye', code: CLOSE.slowConsumer, reason: 'this socket takes nothing', because: 'slow' }
const SILENT: Sight = { do: 'bye', code: CLOSE.noPong, reason: 'no pong in time', because: 'noPong' }

export class Vigil implements Pulse {
  lastSent = 0
  lastHeard = 0
  pingedAt = 0
  #stall: Stall | null = null
  /** When the last ping was sent (3). */
  #readBytes = 0
  /** Wall time; 0: not, or said already. */
  #hintAt = 0

  begin(tick: number, pingTicks: number, random: number): void {
    const { lastSent, lastHeard, pingedAt } = firstPulse(tick, pingTicks, random)
    this.lastSent = lastSent
    this.lastHeard = lastHeard
    this.pingedAt = pingedAt
  }

  /** A new token. */
  token(expiresAt: number | undefined, nowMs: number): void {
    this.#hintAt = expiresAt === undefined ? 0 : expiresAt - Math.min(REFRESH_AHEAD_MS, (expiresAt - nowMs) / 4)
  }

  /** The socket is read again (2). */
  readAgain(tick: number): void {
    this.lastHeard = tick
    this.pingedAt = 0
  }

  look(tick: number, facts: Facts, periods: Periods): Sight {
    const leftMs = facts.expiresAt === undefined ? Infinity : facts.expiresAt - facts.nowMs
    if (leftMs <= 0) return EXPIRED
    if (this.#hintAt !== 0 && facts.nowMs >= this.#hintAt) {
      this.#hintAt = 0
      return { do: 'hint', leftMs, next: tick + 1 }
    }
    const sight = facts.waitingBytes > 0 ? this.#lookSlow(tick, facts.takenBytes, periods) : this.#lookQuiet(tick, facts, periods)
    if (sight.do === 'bye' || leftMs === Infinity) return sight
    const tokenMs = this.#hintAt === 0 ? leftMs : this.#hintAt - facts.nowMs
    return { ...sight, next: Math.min(sight.next, tick + Math.max(1, Math.ceil(tokenMs / periods.tickMs))) }
  }

  #lookSlow(tick: number, takenBytes: number, { slow }: Periods): Sight {
    this.#stall ??= new Stall(takenBytes, tick)
    this.pingedAt = 0
    return this.#stall.over(takenBytes, tick, slow) ? SLOW : { do: 'wait', next: tick + Math.ceil(slow / 4) }
  }

  #lookQuiet(tick: number, { paused, readBytes }: Facts, { ping, grace }: Periods): Sight {
    this.#stall = null
    if (paused) {
      const due = this.lastSent + ping
      return tick < due ? { do: 'wait', next: due } : { do: 'ping', next: tick + ping }
    }
    if (this.pingedAt !== 0 && readBytes !== this.#readBytes) this.lastHeard = tick
    const outcome = beat(this, tick, ping, grace)
    if (outcome.do === 'ping') this.#readBytes = readBytes
    return outcome.do === 'dead' ? SILENT : outcome
  }
}
