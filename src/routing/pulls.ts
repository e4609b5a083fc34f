/**
 * The new owner's side of a handoff (H1): before the first request for an actor that another node may still have in memory, that node is
 * asked for it: one round trip, then the engine goes on from the bundle. Requests wait meanwhile, in order and bounded.
 *
 *  1. Asked are the owners in earlier placements, newest first, until they have said that they hold nothing of others any more (earlier.ts).
 *  2. A pull is a short cut, never a condition: when it takes too long, or brings nothing, the engine reads the store (J2 fences). Where answers leave
 *     early, what the old owner answered and has not written is lost by that, though it lives: so it gets all the time that it may take to write, and
 *     is asked once more when the link breaks.
 *  3. What waits is let go in the order it came: to the engine if the actor is this node's, else back to who asked (`moved`).
 */
import { decodeBundle } from '../actors/engine.ts'
import { RELEASE_MAX_MS } from '../actors/leaving.ts'
import type { Clock } from '../base/clock.ts'
import type { Deadlines } from '../base/deadline.ts'
import { guarded } from '../base/guard.ts'
import type { Log } from '../base/log.ts'
import type { Member } from '../cluster/member.ts'
import type { Placement } from '../cluster/placement.ts'
import type { Options } from '../options.ts'
import type { RoutingCounters, RoutingTimes } from './counters.ts'
import { writePull } from './link-encode.ts'
import { Earlier } from './earlier.ts'
import type { AnswerFrame } from './link-frames.ts'
import type { Links } from './links.ts'
import { NodeRequest, type NodeAnswer } from './node-request.ts'
import type { LocalEngine } from './ports.ts'
import type { Routes } from './routes.ts'

export interface PullParts {
  readonly clock: Clock
  readonly log: Log
  readonly options: Options
  readonly deadlines: Deadlines
  readonly routes: Routes
  readonly links: Links
  readonly counters: RoutingCounters
  readonly times: RoutingTimes
  engine(): LocalEngine | null
  /** Whether the actor's answers leave before they are durable (J9). */
  early(actor: string): boolean
}

/** Actors remembered as asked for by others; placements differ for a moment only. */
const GIVEN_MAX = 10_000

interface Held {
  readonly go: () => void
  readonly moved: () => void
}

interface Hold {
  readonly actor: string
  readonly waiting: Held[]
  bytes: number
  readonly begunAt: number
  readonly asked: Set<string>
  /** How long each pull may take. */
  readonly patienceMs: number
  /** A broken link may be tried once more. */
  mayRepeat: boolean
}

export class Pulls {
  readonly #parts: PullParts
  readonly #earlier: Earlier
  readonly #holds = new Map<string, Hold>()
  /** Actors of this node that another one has asked for, and which that is: by its placement, which is not in force here yet, they are its own. */
  readonly #given = new Map<string, string>()

  constructor(parts: PullParts) {
    this.#parts = parts
    const { clock, log, options, routes } = parts
    this.#earlier = new Earlier({ clock, log, options, routes, ask: (member) => this.#askWhetherFinished(member) })
  }

  get holding(): number {
    return this.#holds.size
  }

  viewChanged(): void {
    this.#earlier.viewChanged()
  }

  placed(before: Placement | null): void {
    this.#earlier.placed(before)
    this.#given.clear()
    for (const hold of [...this.#holds.values()]) if (!this.#parts.routes.mine(hold.actor)) this.#letGo(hold)
  }

  /** That node has handed over everything, as its placement of this hash has it. */
  finished(peer: string, hash: string): void {
    this.#earlier.finished(peer, hash)
  }

  /** Whether a request for the actor must wait for a pull. On the hot path of whoever owns it. */
  wants(actor: string): boolean {
    if (this.#holds.size > 0 && this.#holds.has(actor)) return true
    if (!this.#earlier.any && this.#given.size === 0) return false
    return this.#parts.engine()?.has(actor) === false && this.#holder(actor, NOBODY) !== null
  }

  /**
   * What is in memory here is the newest only if that was proven since then (D11): now, while another node may serve the actor too (an earlier owner
   * that has not said that it holds nothing any more, or its new one), else the last time that any such node stopped.
   */
  provenSince(actor: string): number {
    const contested = !this.#parts.routes.mine(actor) || this.#holder(actor, NOBODY) !== null
    return contested ? this.#parts.clock.mono() : this.#earlier.quietSince
  }

  /** `go`: the engine may be asked now. `moved`: it cannot wait here. One of them is called, once. */
  hold(actor: string, bytes: number, go: () => void, moved: () => void): void {
    const { options, clock, early } = this.#parts
    let hold = this.#holds.get(actor)
    if (hold !== undefined && (hold.waiting.length >= options.pullEvents || hold.bytes + bytes > options.pullBytes)) {
      moved()
      return
    }
    const begins = hold === undefined
    if (hold === undefined) {
      const mayRepeat = early(actor)
      const patienceMs = options.pullMs + (mayRepeat ? RELEASE_MAX_MS : 0)
      hold = { actor, waiting: [], bytes: 0, begunAt: clock.mono(), asked: new Set(), patienceMs, mayRepeat }
    }
    hold.waiting.push({ go, moved })
    hold.bytes += bytes
    if (!begins) return
    this.#holds.set(actor, hold)
    this.#ask(hold)
  }

  /** That node has asked for an actor which should be here: it has it now, and is asked before the actor is read here again. */
  gave(actor: string, peer: string): void {
    if (actor === '' || !this.#parts.routes.mine(actor)) return
    this.#given.delete(actor)
    this.#given.set(actor, peer)
    for (const oldest of this.#given.keys()) {
      if (this.#given.size <= GIVEN_MAX) break
      this.#given.delete(oldest)
    }
  }

  #holder(actor: string, asked: ReadonlySet<string>): Member | null {
    const given = this.#given.get(actor)
    const member = given === undefined || asked.has(given) ? null : this.#parts.routes.reachable(given)
    return member ?? (this.#earlier.any ? this.#earlier.holder(actor, asked) : null)
  }

  /** The actor came without having been pulled, in a bundle of its last owner. */
  arrived(actor: string): void {
    const hold = this.#holds.get(actor)
    if (hold !== undefined) this.#letGo(hold)
  }

  close(): void {
    for (const hold of [...this.#holds.values()]) this.#letGo(hold)
  }

  #ask(hold: Hold): void {
    const { clock, links, counters, deadlines } = this.#parts
    const leftMs = Math.min(hold.patienceMs, hold.begunAt + hold.patienceMs * 2 - clock.mono())
    const holder = leftMs > 0 ? this.#holder(hold.actor, hold.asked) : null
    const link = holder === null ? null : links.to(holder)
    if (holder === null || link === null) {
      this.#letGo(hold)
      return
    }
    hold.asked.add(holder.id)
    counters.pulls++
    link.askNow(
      new NodeRequest(
        deadlines,
        leftMs,
        (out, id) => writePull(out, id, leftMs, hold.actor),
        (answer) => this.#answered(hold, holder.id, answer),
        (frame) => this.#tooLate(hold.actor, holder.id, frame),
      ),
    )
  }

  /** A pull of nothing: its answer says it (Earlier). */
  #askWhetherFinished(member: Member): void {
    const { deadlines, options, links } = this.#parts
    const { pullMs } = options
    const heard = (frame: NodeAnswer): void => {
      if (typeof frame !== 'string' && frame.t === 'pulled' && frame.finished !== '') this.finished(member.id, frame.finished)
    }
    links.to(member)?.askNow(new NodeRequest(deadlines, pullMs, (out, id) => writePull(out, id, pullMs, ''), heard, heard))
  }

  /** The engine has read the store meanwhile, perhaps before the last of what the bundle holds was written. */
  #tooLate(actor: string, from: string, frame: AnswerFrame): void {
    if (frame.t !== 'pulled') return
    if (frame.bytes.length > 0 && this.#adopt(actor, frame.bytes)) this.#parts.counters.pulled++
    if (frame.finished !== '') this.finished(from, frame.finished)
  }

  #answered(hold: Hold, from: string, frame: NodeAnswer): void {
    if (frame === 'late') this.#parts.counters.pullTimeouts++
    if (this.#holds.get(hold.actor) !== hold) return
    if (frame === 'lost' && hold.mayRepeat) {
      hold.mayRepeat = false
      hold.asked.delete(from)
    }
    if (typeof frame !== 'string' && frame.t === 'pulled') {
      if (frame.finished !== '') this.finished(from, frame.finished)
      if (frame.bytes.length > 0 && this.#adopt(hold.actor, frame.bytes)) this.#parts.counters.pulled++
    }
    if (frame === 'late' || this.#parts.engine()?.has(hold.actor) === true) this.#letGo(hold)
    else this.#ask(hold)
  }

  #adopt(actor: string, bytes: Uint8Array): boolean {
    const { routes, log } = this.#parts
    const bundle = decodeBundle(bytes)
    if (bundle === null || bundle.actor !== actor) {
      log.warn({ actor }, 'what was pulled cannot be read: the actor is read from the store')
      return false
    }
    return routes.mine(actor) && this.#parts.engine()?.adopt(bundle) === true
  }

  #letGo(hold: Hold): void {
    const { clock, times, routes, log } = this.#parts
    this.#holds.delete(hold.actor)
    this.#given.delete(hold.actor)
    times.pull.add(clock.mono() - hold.begunAt)
    const engine = this.#parts.engine()
    const here = engine !== null && (engine.has(hold.actor) || routes.mine(hold.actor))
    for (const { go, moved } of hold.waiting) guarded(log, 'a held request', here ? go : moved)
  }
}

const NOBODY: ReadonlySet<string> = new Set()
