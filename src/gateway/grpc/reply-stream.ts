/**
 * The way back to the client of a stream: what has been written and not yet been taken is counted, a client that takes nothing is cut off,
 * and an end is told once.
 *
 *     open ──end(), fail()──▶ ending ──┐
 *       └── client gone, cut() ────────┴──▶ over
 *
 *  1. Nothing is written unless it is open; `over` is told once, last, and from then on nothing is.
 *  2. While bytes wait, or its end does, the connection takes something every `slowConsumerMs`, or the stream is cut (D9).
 *  3. A caller whose token ends is asked to go, as on a drain.
 */
import type { Timer } from '../../base/clock.ts'
import type { DeadlineList, Waiting } from '../../base/deadline.ts'
import { fail, type Failure } from '../../errors.ts'
import type { Caller } from './callers.ts'
import { cut, guardedly, type Retirable, type RpcSite, type StreamCall } from './rpc-site.ts'
import { statusOf } from './status.ts'

export interface StreamOwner {
  /** The connection has taken the oldest message that was written. */
  taken(bytes: number): void
  /** Asked to go: ends the stream soon, with this failure. */
  retire(failure: Failure): void
  over(): void
}

const EXPIRED: Failure = fail('expired', 'the token has expired: call again with a new one')
/** About what a message costs beside its bytes. */
const MESSAGE_COST_BYTES = 64

export class ReplyStream implements Waiting, Retirable {
  readonly #site: RpcSite
  readonly #call: StreamCall
  readonly #owner: StreamOwner
  readonly #expiresAt: number | undefined
  #phase: 'open' | 'ending' | 'over' = 'open'
  #waitingBytes = 0
  #expiry: Timer | null = null
  // Of Deadlines.
  list: DeadlineList | null = null
  expiresAt = 0
  before: Waiting | null = null
  after: Waiting | null = null

  constructor(site: RpcSite, call: StreamCall, { expiresAt }: Caller, owner: StreamOwner) {
    this.#site = site
    this.#call = call
    this.#owner = owner
    this.#expiresAt = expiresAt
    site.live.streams.add(this)
    call.once('cancelled', () => this.#over())
    this.#watchExpiry()
  }

  get open(): boolean {
    return this.#phase === 'open'
  }

  /** Whether more may be written now; `taken` tells when that may have changed. */
  get room(): boolean {
    return this.#phase === 'open' && this.#waitingBytes < this.#site.options.outboxSoftBytes
  }

  write(message: object, dataBytes: number): void {
    if (this.#phase !== 'open') return
    const bytes = dataBytes + MESSAGE_COST_BYTES
    this.#waitingBytes += bytes
    if (this.list === null) this.#site.deadlines.begin(this, this.#site.options.slowConsumerMs)
    const taken = this.serving(() => this.#taken(bytes))
    this.#call.write(message, () => taken(undefined))
  }

  end(): void {
    if (!this.#ending()) return
    this.#call.end()
  }

  /** Ends it with the failure's status, after what was written. */
  fail(failure: Failure): void {
    if (!this.#ending()) return
    // So grpc-js is told the status of a stream.
    this.#call.emit('error', statusOf(failure))
  }

  retire(failure: Failure): void {
    if (this.#phase === 'open') this.#owner.retire(failure)
  }

  cut(): void {
    cut(this.#call)
  }

  /** For callbacks of the engine and of grpc-js: does nothing once this is over, and a throw ends this stream alone. */
  serving<Outcome>(run: (outcome: Outcome) => void): (outcome: Outcome) => void {
    return (outcome) => {
      if (this.#phase === 'over') return
      guardedly(
        this.#site,
        (failure) => this.fail(failure),
        () => run(outcome),
      )
    }
  }

  /** Of Deadlines: nothing was taken for too long. */
  expired(): void {
    this.#site.counters.slow++
    this.cut()
  }

  #taken(bytes: number): void {
    this.#waitingBytes -= bytes
    this.#site.deadlines.end(this)
    if (this.#waitingBytes > 0 || this.#phase === 'ending') this.#site.deadlines.begin(this, this.#site.options.slowConsumerMs)
    this.#owner.taken(bytes - MESSAGE_COST_BYTES)
  }

  #ending(): boolean {
    if (this.#phase !== 'open') return false
    this.#phase = 'ending'
    this.#expiry?.cancel()
    if (this.list === null) this.#site.deadlines.begin(this, this.#site.options.slowConsumerMs)
    return true
  }

  #watchExpiry(): void {
    const at = this.#expiresAt
    if (at === undefined) return
    const { clock } = this.#site
    const look = this.serving(() => {
      // A clock wakes early where the time is very long.
      if (clock.now() < at) this.#watchExpiry()
      else this.retire(EXPIRED)
    })
    this.#expiry = clock.after(Math.max(0, at - clock.now()), () => look(undefined))
  }

  #over(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#expiry?.cancel()
    this.#site.deadlines.end(this)
    this.#site.live.streams.delete(this)
    this.#owner.over()
  }
}
