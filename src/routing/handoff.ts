/**
 * The old owner's side of a handoff (H1): after a new placement, the actors in memory that now belong to others go to them.
 *
 *  1. Until an actor moves it is served here. It moves in one bundle, made when nothing of it is undecided (J4); from then on this node
 *     answers `moved`, and would read the store like anybody.
 *  2. The busiest first, a few at a time for each node. Who is asked for at its new owner is pulled from here before its turn.
 *  3. It counts as handed over when the new owner has said that it took it, which it says when its claim is durable: that paces the rest. A bundle that is lost costs a read of the store, nothing else:
 *     what is in it is durable.
 *  4. When nothing is left that belongs to others, that is said: nobody pulls from here any more under this placement.
 */
import { encodeBundle, type Bundle } from '../actors/engine.ts'
import type { Clock } from '../base/clock.ts'
import type { Deadlines } from '../base/deadline.ts'
import type { Log } from '../base/log.ts'
import type { Member } from '../cluster/member.ts'
import type { Options } from '../options.ts'
import type { RoutingCounters, RoutingTimes } from './counters.ts'
import { writeBundle } from './link-encode.ts'
import type { Links } from './links.ts'
import type { Local } from './local.ts'
import { NodeRequest, type NodeAnswer } from './node-request.ts'
import type { Routes } from './routes.ts'

export interface HandoffParts {
  readonly clock: Clock
  readonly log: Log
  readonly options: Options
  readonly deadlines: Deadlines
  readonly routes: Routes
  readonly links: Links
  readonly local: Local
  readonly counters: RoutingCounters
  readonly times: RoutingTimes
  /** The actor is out of the engine: all that waited there was answered. */
  released(actor: string): void
}

export interface HandoffProgress {
  /** Actors that are still to go, or on their way. */
  readonly left: number
  /** Gone since this placement. */
  readonly done: number
}

/** A scan of all activations looks at so many at a time, for so long at most, then lets others run. */
const SLICE_ACTORS = 500
const SLICE_MS = 2
const PAUSE_MS = 1
/** Bundles wait this long for the new owner to have the placement too: before, it would not take them. */
const AGREE_MS = 1000
const AGREE_STEP_MS = 10
/** Degrees of busyness: powers of two. */
const DEGREES = 20

interface Target {
  readonly member: Member
  /** By degree of busyness; taken from the highest. */
  readonly waiting: string[][]
  left: number
  underWay: number
  readonly since: number
  woken: boolean
}

export class Handoff {
  readonly #parts: HandoffParts
  /** Actors on their way: whoever asks for one meanwhile waits for that. */
  readonly #leaving = new Map<string, Promise<void>>()
  /** Of those, the ones that the engine still finishes. */
  readonly #releasing = new Set<string>()
  #targets = new Map<string, Target>()
  #scan: Iterator<{ readonly actor: string; readonly busy: number }> | null = null
  #done = 0
  #closed = false
  /** The placement under which nothing is left here that belongs to others; '' while there is. */
  finishedHash = ''

  constructor(parts: HandoffParts) {
    this.#parts = parts
  }

  get progress(): HandoffProgress {
    let left = this.#scan === null ? 0 : 1
    for (const target of this.#targets.values()) left += target.left + target.underWay
    return { left, done: this.#done }
  }

  /** Actors whose handoff has begun and is not over. */
  get leaving(): number {
    return this.#leaving.size
  }

  /** The engine here takes nothing more for it, and has not answered all that it took. */
  releasing(actor: string): boolean {
    return this.#releasing.has(actor)
  }

  close(): void {
    this.#closed = true
  }

  placed(): void {
    this.finishedHash = ''
    this.#done = 0
    this.#targets = new Map()
    this.#scan = this.#parts.local.engine?.activations()[Symbol.iterator]() ?? [][Symbol.iterator]()
    this.#look(this.#parts.routes.number)
  }

  /** Another node asks for an actor that should be its own now: `answer` gets the bundle, or null if there is none to give. */
  pulled(actor: string, answer: (bytes: Uint8Array | null) => void): void {
    const leaving = this.#leaving.get(actor)
    if (leaving !== undefined) {
      void leaving.then(() => answer(null))
      return
    }
    if (!this.#parts.local.has(actor)) {
      answer(null)
      return
    }
    this.#leave(actor, (bundle) => {
      answer(bundle === null ? null : encodeBundle(bundle))
      if (bundle !== null) this.#parts.counters.handedOver++
      return Promise.resolve()
    })
  }

  // ── Looking what must go ───────────────────────────────────────────────────────────────────────────────────────────

  #look(placed: number): void {
    const { clock, routes } = this.#parts
    if (placed !== routes.number || this.#closed) return // another scan has begun
    const until = clock.mono() + SLICE_MS
    for (let looked = 0; this.#scan !== null; looked++) {
      if (looked >= SLICE_ACTORS || clock.mono() > until) {
        clock.after(PAUSE_MS, () => this.#look(placed))
        return
      }
      const { value, done } = this.#scan.next()
      if (done === true) this.#scan = null
      else this.#sort(value.actor, value.busy)
    }
    for (const target of this.#targets.values()) this.#pump(target, placed)
    this.#finish(placed)
  }

  #sort(actor: string, busy: number): void {
    const { routes, clock } = this.#parts
    const owner = routes.placement?.ownerOf(actor) ?? null
    // What nobody else can have stays.
    if (owner === null || routes.isSelf(owner)) return
    let target = this.#targets.get(owner.id)
    if (target === undefined) {
      const waiting = Array.from({ length: DEGREES }, (): string[] => [])
      target = { member: owner, waiting, left: 0, underWay: 0, since: clock.mono(), woken: false }
      this.#targets.set(owner.id, target)
    }
    const degree = busy >= 1 ? Math.min(DEGREES - 1, 1 + Math.floor(Math.log2(busy))) : 0
    target.waiting[degree]?.push(actor)
    target.left++
  }

  // ── Handing over ───────────────────────────────────────────────────────────────────────────────────────────────────

  #pump(target: Target, placed: number): void {
    const { routes, links, options, local, clock } = this.#parts
    if (placed !== routes.number) return
    if (target.left === 0) {
      this.#finish(placed)
      return
    }
    // Who is gone in the view is asked nothing: another placement is to come.
    const link = routes.reachable(target.member.id) === null ? null : links.to(target.member)
    if (link === null || link.crowded || (link.viewHash !== routes.hash && clock.mono() - target.since < AGREE_MS)) {
      this.#wake(target, placed)
      return
    }
    while (target.left > 0 && target.underWay < options.handoffActors && !link.crowded) {
      const actor = this.#busiest(target)
      const leaving = this.#leaving.get(actor)
      if (leaving === undefined && !local.has(actor)) continue
      target.underWay++
      if (leaving !== undefined) {
        // It has gone lately, and may be here again: that is known when it has arrived.
        void leaving.then(() => {
          target.underWay--
          if (local.has(actor)) this.#sort(actor, 0)
          this.#pump(target, placed)
        })
        continue
      }
      const begunAt = clock.mono()
      this.#leave(actor, async (bundle) => {
        await this.#push(target.member, actor, bundle, begunAt)
        target.underWay--
        this.#pump(target, placed)
      })
    }
    this.#finish(placed)
  }

  #wake(target: Target, placed: number): void {
    if (target.woken) return
    target.woken = true
    this.#parts.clock.after(AGREE_STEP_MS, () => {
      target.woken = false
      if (!this.#closed) this.#pump(target, placed)
    })
  }

  #busiest(target: Target): string {
    target.left--
    for (let degree = DEGREES - 1; degree >= 0; degree--) {
      const actor = target.waiting[degree]?.pop()
      if (actor !== undefined) return actor
    }
    return ''
  }

  /** Takes the actor out of the engine; `then` gives it away. */
  #leave(actor: string, then: (bundle: Bundle | null) => Promise<void>): void {
    const release = this.#parts.local.engine?.release(actor) ?? Promise.resolve(null)
    const { log, routes } = this.#parts
    this.#releasing.add(actor)
    const leaving = release
      .then((bundle) => {
        const gone = then(bundle)
        this.#releasing.delete(actor)
        this.#parts.released(actor)
        return gone
      })
      .catch((error: unknown) => log.error({ actor }, `handing over an actor failed: ${String(error)}`))
      .then(() => {
        this.#leaving.delete(actor)
        this.#finish(routes.number)
      })
    this.#leaving.set(actor, leaving)
  }

  /** 3. */
  async #push(to: Member, actor: string, bundle: Bundle | null, begunAt: number): Promise<void> {
    const { links, clock, counters, times } = this.#parts
    const link = bundle === null ? null : links.to(to)
    const answer = bundle === null || link === null ? 'lost' : await this.#give(link, actor, encodeBundle(bundle))
    this.#done++
    if (answer === 'late') counters.handedLate++
    else if (answer !== 'lost' && answer.t === 'handed' && answer.taken) {
      counters.handedOver++
      times.handoff.add(clock.mono() - begunAt)
    } else counters.handedCold++
  }

  #give(link: NonNullable<ReturnType<Links['to']>>, actor: string, bytes: Uint8Array): Promise<NodeAnswer> {
    const { deadlines, options } = this.#parts
    return new Promise((told) => {
      const timeoutMs = options.handoffAckMs
      link.askNow(new NodeRequest(deadlines, timeoutMs, (out, id) => writeBundle(out, id, timeoutMs, actor, bytes), told))
    })
  }

  /** 4. */
  #finish(placed: number): void {
    const { routes, links } = this.#parts
    if (placed !== routes.number || this.finishedHash === routes.hash || this.#scan !== null || this.#leaving.size > 0) return
    for (const target of this.#targets.values()) if (target.left > 0 || target.underWay > 0) return
    this.finishedHash = routes.hash
    for (const link of links.asking()) link.finished(routes.hash)
  }
}
