/**
 * The sends to one actor, in order: numbers, repeats, deadlines (D1, D2). Go-back-N (Tanenbaum) with an owner that takes only the next number.
 *
 *   sends:  [ 5 ✉ ][ 6 ✉ ][ 7 ✉ ][ 8 ][ – ][ – ]      ✉ asked on this link · 5–8 numbered · – never written
 *
 * 1. A number is given at the first write and belongs to that content as long as its outcome is unknown: a repeat carries the same number
 *    and the same content, on this link and on those that resume the session.
 * 2. `base` is the oldest number here. A number leaves only with a final answer.
 * 3. After a passing refusal nothing is written until every asked send is answered and the back-off has passed; then all are written
 *    again in order. If the owner named the number that is `next`, those it has not used are renumbered from there.
 * 4. Only sends that were certainly not applied are renumbered. Where the numbers cannot be mended that way, the session is given up.
 * 5. When the session is lost, sends that may have been applied reject with `timeout` (outcome unknown): repeating them under new numbers
 *    could apply them twice. Those never written, those certainly not applied, and those with a key go on.
 * 6. A send that times out with its outcome unknown rejects but keeps its place and number and is repeated until it is answered: dropping
 *    it would leave a hole that the owner never passes.
 */
import { TroupeError } from '../errors.ts'
import { backoffMs } from '../base/backoff.ts'
import type { ClientClock, ClientRandom } from './platform.ts'
import { errorOf, leavesOpen, mayHaveApplied, passes, type Send, sentOf, unknownOutcome } from './send.ts'
import type { Reply, Wire, Writer } from './wire.ts'

export interface LanePorts {
  readonly clock: ClientClock
  readonly random: ClientRandom
  readonly wire: Wire
  /** `to` of a frame; undefined for one's own actor. */
  address(actor: string): string | undefined
  seen(actor: string, offset: number): void
  /** Why nothing is sent: begins with a colon. Empty while there is a connection. */
  offline(): string
  /** The token has expired on the way. */
  expired(): void
  restart(): void
  /** A send has left this lane. */
  left(lane: Lane): void
}

/** The owner remembers 64 answers beyond `base` (D3). */
const WINDOW = 64
const RETRY_FIRST_MS = 50
const RETRY_MAX_MS = 2_000
const SEND_MS = 10_000

export class Lane implements Writer {
  readonly actor: string
  readonly #ports: LanePorts
  #sends: Send[] = []
  #next = 1
  /** The highest number that is certainly used. */
  #used = 0
  #asked = 0
  #attempt = 0
  #held: { due: number; untilMs: number; timer?: { cancel(): void } } | undefined

  constructor(actor: string, ports: LanePorts) {
    this.actor = actor
    this.#ports = ports
  }

  /** Nothing waits and no number was used: it can be forgotten. */
  get blank(): boolean {
    return this.#sends.length === 0 && this.#next === 1
  }

  add(send: Send): void {
    this.#sends.push(send)
    this.#arm(send)
    this.#wake()
  }

  /** Takes over the sends of a lane that turned out to be of the same actor. Both are still unnumbered. */
  merge(other: Lane): void {
    for (const send of other.#sends) this.#arm(send)
    this.#sends = [...this.#sends, ...other.#sends].sort((a, b) => a.order - b.order)
    other.#sends = []
  }

  // ── The link comes and goes ────────────────────────────────────────────────────────────────────────────────────────

  up(): void {
    for (const send of this.#sends) this.#arm(send)
    this.#wake()
  }

  down(): void {
    this.#held?.timer?.cancel()
    this.#held = undefined
    this.#asked = 0
    this.#attempt = 0
    for (const send of this.#sends) {
      if (send.asked !== undefined) send.unknown = true
      send.asked = undefined
      if (send.timeoutMs === undefined || send.ghost) send.timer?.cancel()
    }
  }

  /** Between links: the session's numbers are void. (5) */
  renumber(): void {
    this.#next = 1
    this.#used = 0
    for (const send of [...this.#sends]) {
      send.seq = 0
      if (send.unknown && send.key === undefined) this.#drop(send, unknownOutcome(send, 'The session was lost before the answer came'))
    }
  }

  /** Rejects what `which` picks. */
  reject(which: (send: Send) => boolean, why: (send: Send) => TroupeError): void {
    for (const send of this.#sends.filter(which)) this.#drop(send, why(send))
  }

  // ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────────────

  write(): boolean {
    // Asked sends are a prefix: none is written while held (3).
    const send = this.#sends[this.#asked]
    if (send === undefined || this.#held !== undefined || this.#asked >= WINDOW) return false
    const numbered = send.key === undefined
    const seq = send.seq === 0 ? this.#next : send.seq
    const to = this.#ports.address(this.actor)
    send.asked = this.#ports.wire.ask(
      {
        t: 'send',
        ...(to !== undefined && { to }),
        type: send.type,
        ...(send.data !== undefined && { data: send.data }),
        ...(numbered ? { seq, base: this.#base(seq) } : { key: send.key as string }),
        ...(send.timeoutMs !== undefined && !send.ghost && { timeoutMs: Math.max(1, Math.ceil(send.dueAt - this.#ports.clock.mono())) }),
      },
      (reply) => this.#reply(send, reply),
    )
    if (send.asked === undefined) {
      this.#final(send, new TroupeError('too_large', `'${send.type}' is larger than a frame may be on this server`), undefined)
    } else {
      this.#asked++
      if (numbered && send.seq === 0) {
        send.seq = seq
        this.#next = seq + 1
      }
    }
    return this.#sends.length > this.#asked
  }

  #base(seq: number): number {
    for (const { seq: oldest } of this.#sends) if (oldest > 0) return Math.min(oldest, seq)
    return seq
  }

  #wake(): void {
    if (this.#held === undefined && this.#sends.length > this.#asked) this.#ports.wire.ready(this)
  }

  // ── Answers ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #reply(send: Send, reply: Reply): void {
    send.asked = undefined
    this.#asked--
    if (reply.ok) {
      this.#attempt = 0
      this.#used = Math.max(this.#used, send.seq)
      this.#ports.seen(this.actor, reply.offset ?? 0)
      send.resolve(sentOf(reply))
      this.#remove(send)
    } else {
      const { error } = reply
      const usedUp = error.code === 'out_of_order' && send.seq > 0 && (error.next ?? 0) > send.seq
      const taken = error.code === 'conflict' && send.seq > 0 && (error.next ?? 0) > send.seq
      if (usedUp) this.#final(send, unknownOutcome(send, 'The answer is no longer kept'), error.next)
      else if (passes(error) || taken) {
        send.refused = error
        if (taken) {
          // Another of this lane's contents has the number, one that was given up as unknown: this send was not applied.
          send.unknown = false
          send.seq = error.next as number
        }
        if (mayHaveApplied(send, error)) send.unknown = true
        if (error.code === 'expired') this.#ports.expired()
        const { clock, random } = this.#ports
        const patient = error.code !== 'out_of_order' || this.#attempt > 0
        const waitMs = patient ? Math.max(error.retryAfterMs ?? 0, backoffMs(this.#attempt, RETRY_FIRST_MS, RETRY_MAX_MS, random)) : 0
        this.#hold(error.next ?? 0, clock.mono() + waitMs)
      } else {
        const outcome = leavesOpen(send, error) ? unknownOutcome(send, `A repeat was refused (${error.code})`) : errorOf(error)
        this.#final(send, outcome, error.next)
      }
    }
    this.#settle()
    this.#wake()
  }

  /** A refusal that stands. Whether it used up the number, the owner's `next` tells, now or with the refusal of a follower. */
  #final(send: Send, error: TroupeError, next: number | undefined): void {
    const { seq } = send
    this.#drop(send, error)
    if (seq === 0 || next === undefined) return
    const newest = Math.max(0, ...this.#sends.map((other) => other.seq))
    // Used up. An answer that was kept names the number that was due then: it never takes a newer one back.
    if (next > seq) {
      this.#used = Math.max(this.#used, seq)
      this.#next = Math.max(this.#next, next)
    } else if (newest < seq) this.#next = Math.max(next, newest + 1)
    else this.#hold(next, this.#ports.clock.mono())
  }

  // ── Going back (3, 4) ──────────────────────────────────────────────────────────────────────────────────────────────

  #hold(due: number, untilMs: number): void {
    this.#held ??= { due: 0, untilMs: 0 }
    this.#held.due = Math.max(this.#held.due, due)
    this.#held.untilMs = Math.max(this.#held.untilMs, untilMs)
    this.#ports.wire.unready(this)
  }

  #settle(): void {
    const held = this.#held
    if (held === undefined || this.#asked > 0 || held.timer !== undefined) return
    const waitMs = held.untilMs - this.#ports.clock.mono()
    if (waitMs > 0) held.timer = this.#ports.clock.after(waitMs, () => this.#again(held.due))
    else this.#again(held.due)
  }

  #again(due: number): void {
    this.#held = undefined
    this.#attempt++
    // The owner may have named its `next` before it took what it has answered since.
    if (due > 0 && !this.#renumberFrom(Math.max(due, this.#used + 1))) return this.#ports.restart()
    this.#wake()
  }

  #renumberFrom(due: number): boolean {
    let next = due
    for (const send of this.#sends) {
      // Below `due`: used, and a repeat gets its answer.
      if (send.seq === 0 || send.seq < due) continue
      if (send.seq !== next && send.unknown) return false
      send.seq = next++
    }
    this.#next = next
    return true
  }

  // ── Deadlines ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #arm(send: Send): void {
    const { clock, wire } = this.#ports
    send.timer?.cancel()
    const whileLive = send.timeoutMs === undefined || send.ghost
    const ms = whileLive ? (wire.live ? SEND_MS : undefined) : Math.max(0, send.dueAt - clock.mono())
    send.timer = ms === undefined ? undefined : clock.after(ms, () => this.#expire(send))
  }

  #expire(send: Send): void {
    const { clock, random } = this.#ports
    const open = send.asked !== undefined || send.unknown
    if (!open || send.seq === 0) {
      const { refused } = send
      const error = open
        ? unknownOutcome(send, 'No answer in time')
        : refused === undefined || refused.code === 'out_of_order' || refused.code === 'conflict'
          ? new TroupeError('timeout', `'${send.type}' was not sent in time; it was not applied${this.#ports.offline()}`)
          : errorOf(refused)
      if (send.seq > 0 && send.seq === this.#next - 1) this.#next = send.seq
      this.#drop(send, error)
    } else {
      // (6)
      send.reject(unknownOutcome(send, 'No answer in time'))
      send.ghost = true
      this.#arm(send)
      if (send.asked !== undefined) {
        send.unknown = true
        this.#hold(0, clock.mono() + backoffMs(this.#attempt, RETRY_FIRST_MS, RETRY_MAX_MS, random))
        this.#forget(send)
      }
    }
    this.#settle()
    this.#wake()
  }

  #drop(send: Send, error: TroupeError): void {
    send.reject(error)
    this.#remove(send)
  }

  #remove(send: Send): void {
    const at = this.#sends.indexOf(send)
    if (at < 0) return
    send.timer?.cancel()
    this.#sends.splice(at, 1)
    this.#forget(send)
    this.#ports.left(this)
  }

  /** The wire may write at once into the place that this frees: call it when all else is in order. */
  #forget(send: Send): void {
    const { asked } = send
    if (asked === undefined) return
    send.asked = undefined
    this.#asked--
    this.#ports.wire.forget(asked)
  }
}
