/**
 * Sends whose actor is on another node, or on its way (D1). They keep their order: across `moved`, lost links and new views.
 *
 *  1. A lane has the sends of one actor that have no final answer, in the order they came. It is there only while there are some.
 *  2. While a lane flows, each send is asked when it comes, all of them of the same node. When one must be asked again, nothing more is
 *     asked until every asked one is answered; then all that are left are asked again, in order, after a wait that grows.
 *  3. While the engine here gives the actor up nothing is asked: what that had taken, and did not serve, comes here and goes first (`order`).
 *  4. Every send has an identity before its first hop: one that names neither number nor key gets a key. A repeat carries the same.
 *  5. Each is answered once: by an owner, or `timeout` (unknown) when its time is over and not before, or `unavailable` when no node
 *     offers its type.
 */
import type { SendCall, SendOutcome } from '../actors/calls.ts'
import type { Clock } from '../base/clock.ts'
import type { Deadlines } from '../base/deadline.ts'
import { guarded } from '../base/guard.ts'
import type { Log } from '../base/log.ts'
import { randomId, type Random } from '../base/random.ts'
import { fail, type Failure } from '../errors.ts'
import type { Options } from '../options.ts'
import type { RoutingCounters, RoutingTimes } from './counters.ts'
import { ForwardedSend, insert, newLane, remove, type Lane, type SendOwner } from './forwarded-send.ts'
import { payloadOf } from './link-encode.ts'
import type { AnswerFrame } from './link-frames.ts'
import type { Links } from './links.ts'
import type { Local } from './local.ts'
import { CLOSING, FULL, movedOf, repeatWaitMs, sendOutcomeOf, unowned, type Moved } from './repeats.ts'
import type { Routes } from './routes.ts'

export interface LaneParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  readonly deadlines: Deadlines
  readonly routes: Routes
  readonly links: Links
  readonly local: Local
  readonly counters: RoutingCounters
  readonly times: RoutingTimes
  knowsType(type: string): boolean
  /** The actor is on its way out of the engine here, which has not answered all that it took. */
  releasing(actor: string): boolean
}

const NOT_JSON = fail('invalid', 'the data is not JSON')
const LATE = fail('timeout', 'no answer in time, the outcome is unknown: repeat it under the same identity')

export class Lanes implements SendOwner {
  readonly #parts: LaneParts
  readonly #lanes = new Map<string, Lane>()
  readonly #resting = new Set<Lane>()
  readonly #keyPrefix: string
  #keys = 0
  #count = 0
  #bytes = 0
  #closed = false

  constructor(parts: LaneParts) {
    this.#parts = parts
    // No key that a client names is of this form: those have their user's name and a NUL before them.
    this.#keyPrefix = `hop:${randomId(parts.random).slice(0, 16)}:`
  }

  /** Lanes there are; 0 while nothing is on its way. */
  get size(): number {
    return this.#lanes.size
  }

  get pending(): number {
    return this.#count
  }

  has(actor: string): boolean {
    return this.#lanes.has(actor)
  }

  /** `order`: which send it was of all that came to this node. */
  take(
    call: SendCall,
    order: number,
    done: (outcome: SendOutcome) => void,
    leftMs: number = call.timeoutMs ?? this.#parts.options.sendTimeoutMs,
  ): void {
    const { options, counters, deadlines } = this.#parts
    if (this.#closed) return done(CLOSING)
    if (this.#count >= options.forwardedEvents || this.#bytes >= options.forwardedBytes) {
      counters.overloaded++
      return done(FULL)
    }
    const data = payloadOf(call.data)
    if (data === null) return done(NOT_JSON)
    const bytes = data?.length ?? 0
    if (bytes > options.eventBytes && !call.sender.startsWith('actor:'))
      return done(fail('too_large', `the event has ${bytes} bytes; the limit is ${options.eventBytes}`))
    let lane = this.#lanes.get(call.actor)
    if (lane === undefined) {
      lane = newLane(call.actor)
      this.#lanes.set(call.actor, lane)
    }
    const send = new ForwardedSend(this, lane, this.#identified(call), order, data, done)
    this.#count++
    this.#bytes += send.bytes
    deadlines.begin(send, leftMs)
    insert(lane, send)
    this.#go(lane)
  }

  /** 4. */
  #identified(call: SendCall): SendCall {
    if ((call.seq !== undefined && call.source !== undefined) || call.key !== undefined) return call
    const { actor, type, data, sender } = call
    return { actor, type, data, sender, key: this.#keyPrefix + (++this.#keys).toString(36) }
  }

  /** 3. */
  released(actor: string): void {
    const lane = this.#lanes.get(actor)
    if (lane !== undefined) this.#resume(lane)
  }

  /** Another placement: what rests is asked again at once. */
  placed(): void {
    for (const lane of [...this.#resting]) this.#resume(lane)
  }

  close(): void {
    this.#closed = true
    for (const lane of [...this.#lanes.values()]) this.#failAll(lane, CLOSING)
  }

  // ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #go(lane: Lane): void {
    if (lane.phase !== 'flowing') return
    if (lane.asked > 0 ? !this.#stays(lane) : !this.#choose(lane)) return
    while (lane.phase === 'flowing' && lane.next !== null) {
      const send = lane.next
      lane.next = send.later
      this.#ask(lane, send)
    }
  }

  /** Whether those under way are where the next should go (2). */
  #stays(lane: Lane): boolean {
    const { routes, local } = this.#parts
    if (lane.placed === routes.number) return true
    const { link } = lane
    const owner = routes.ownerOf(lane.actor, lane.minVersion)
    const stays = link === null ? local.has(lane.actor) || (owner !== null && routes.isSelf(owner)) : owner?.id === link.member.id
    if (stays) lane.placed = routes.number
    else lane.phase = 'settling'
    return stays
  }

  #choose(lane: Lane): boolean {
    const { routes, local, links } = this.#parts
    lane.placed = routes.number
    lane.link = null
    if (lane.minVersion === 0 && local.has(lane.actor)) return true
    if (this.#parts.releasing(lane.actor)) {
      this.#hold(lane)
      return false
    }
    const target = routes.targetOf(lane.actor, lane.minVersion, lane.hint)
    lane.hint = ''
    switch (target) {
      case 'self':
        return true
      case 'gone':
        this.#rest(lane)
        return false
      case 'nobody':
        this.#failAll(lane, unowned(lane.actor, this.#parts.knowsType))
        return false
    }
    lane.link = links.to(target)
    if (lane.link === null) this.#failAll(lane, CLOSING)
    return lane.link !== null
  }

  #ask(lane: Lane, send: ForwardedSend): void {
    const { counters, local } = this.#parts
    send.asked = true
    lane.asked++
    counters.asked++
    if (lane.link === null) {
      local.send({ ...send.call, timeoutMs: send.leftMs }, send.bytes, (outcome) => this.#local(send, outcome))
      return
    }
    if (lane.link.ask(send)) return
    counters.overloaded++
    this.#finish(send, FULL)
  }

  // ── Answers ────────────────────────────────────────────────────────────────────────────────────────────────────────

  now(): number {
    return this.#parts.clock.mono()
  }

  heard(send: ForwardedSend, frame: AnswerFrame | null): void {
    if (send.over) return
    if (frame === null) this.#again(send, null)
    else if (frame.t === 'moved') this.#again(send, frame)
    else this.#finish(send, sendOutcomeOf(frame))
  }

  #local(send: ForwardedSend, outcome: SendOutcome): void {
    if (send.over) return
    const moved = movedOf(outcome)
    const { routes, local } = this.#parts
    // An engine that stops is not asked again: another node is, or nobody. One that is replaced is waited for.
    const nowhere = !outcome.ok && outcome.code === 'unavailable' && local.engine !== null && routes.mine(send.lane.actor)
    if (moved === null || nowhere) this.#finish(send, outcome)
    else this.#again(send, moved)
  }

  expired(send: ForwardedSend): void {
    this.#parts.counters.timeouts++
    this.#finish(send, LATE)
  }

  /** It is to be asked again, and all after it wait for that (2). */
  #again(send: ForwardedSend, moved: Moved | null): void {
    const { counters } = this.#parts
    const { lane } = send
    send.asked = false
    lane.asked--
    if (moved === null) counters.repeatsLost++
    else {
      counters.repeatsMoved++
      lane.hint = moved.owner
      lane.minVersion = Math.max(lane.minVersion, moved.minVersion)
    }
    if (lane.trouble === null) {
      lane.trouble = moved === null ? 'lost' : 'moved'
      lane.troubleAt = this.now()
    }
    if (lane.phase === 'flowing') lane.phase = 'settling'
    if (lane.phase === 'settling' && lane.asked === 0) this.#rest(lane)
  }

  #finish(send: ForwardedSend, outcome: SendOutcome): void {
    const { lane } = send
    this.#drop(send)
    if (outcome !== LATE && outcome !== FULL) this.#recovered(lane)
    const { log } = this.#parts
    guarded(log, 'an answer', () => send.done(outcome))
    if (lane.first === null) this.#forget(lane)
    else if (lane.phase === 'settling' && lane.asked === 0) this.#rest(lane)
  }

  #drop(send: ForwardedSend): void {
    const { lane } = send
    if (send.asked) lane.asked--
    send.asked = false
    send.over = true
    this.#parts.deadlines.end(send)
    this.#count--
    this.#bytes -= send.bytes
    remove(lane, send)
  }

  #recovered(lane: Lane): void {
    lane.attempt = 0
    if (lane.trouble === null) return
    const { times } = this.#parts
    ;(lane.trouble === 'lost' ? times.failover : times.movedPause).add(this.now() - lane.troubleAt)
    lane.trouble = null
  }

  #forget(lane: Lane): void {
    if (lane.first !== null || this.#lanes.get(lane.actor) !== lane) return
    this.#lanes.delete(lane.actor)
    this.#resting.delete(lane)
    lane.rest?.cancel()
    lane.rest = null
  }

  #failAll(lane: Lane, failure: Failure): void {
    for (let send = lane.first; send !== null; send = lane.first) {
      this.#drop(send)
      const { done } = send
      guarded(this.#parts.log, 'an answer', () => done(failure))
    }
    this.#forget(lane)
  }

  // ── Waiting ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #rest(lane: Lane): void {
    const wait = repeatWaitMs(lane.attempt++, this.#parts.random)
    lane.phase = 'resting'
    if (wait === 0) {
      this.#resume(lane)
      return
    }
    this.#resting.add(lane)
    lane.rest = this.#parts.clock.after(wait, () => this.#resume(lane))
  }

  /** Until `released`. */
  #hold(lane: Lane): void {
    lane.phase = 'resting'
    this.#resting.add(lane)
  }

  #resume(lane: Lane): void {
    lane.rest?.cancel()
    lane.rest = null
    this.#resting.delete(lane)
    if (lane.phase !== 'resting') return
    lane.phase = 'flowing'
    lane.next = lane.first
    this.#go(lane)
  }
}
