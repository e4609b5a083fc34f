/**
 * Which placements were in force before, and who of their owners may still have actors in memory by them (H1). Each such owner says when it has handed over
 * all that its placement gives to others; what placements before that one gave it is then no matter any more.
 *
 *  1. A placement is remembered until all its owners that are up have said so. Time alone makes nobody give up what it has: a handoff is paced by the stores
 *     of the new owners, and one of a rolling restart follows the other.
 *  2. An owner that has not said it for `earlierPlacementMs`, and is to be asked for an actor, is asked for that word too: it may have had no link to say it on.
 *  3. After `LONGEST_MS`, and beyond a number of placements that keeps their rings small, a placement is forgotten all the same, and that is logged: J2 fences,
 *     what was answered durably is in the store.
 */
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Member } from '../cluster/member.ts'
import type { Placement } from '../cluster/placement.ts'
import type { Options } from '../options.ts'
import type { Routes } from './routes.ts'

export interface EarlierParts {
  readonly clock: Clock
  readonly log: Log
  readonly options: Options
  readonly routes: Routes
  /** Asks that node whether it has handed over all (2). */
  ask(member: Member): void
}

/** A million actors at 300 a second. Who has not handed over its own by then never will; and to ask it costs each actor a round trip, each read a proof. */
const LONGEST_MS = 3_600_000
const ASK_AGAIN_MS = 1000
/** Placements remembered: so many, fewer if they have many owners together (a ring takes about 8 KiB for each), but always some. */
const MOST = 64
const OWNERS_MOST = 4096
const LEAST = 8

interface Entry {
  readonly placement: Placement
  /** Of the placement (routes.number). */
  readonly number: number
  /** When it ceased to be in force. */
  readonly since: number
  readonly owners: number
  /** Owners that may have something by it. */
  readonly left: Set<string>
}

export class Earlier {
  readonly #parts: EarlierParts
  /** Newest first. */
  #entries: Entry[] = []
  /** The number of the newest placement under which that node had nothing of others any more. */
  readonly #finished = new Map<string, number>()
  /** Nodes that have finished under a placement that is not in force here yet: its hash. */
  readonly #ahead = new Map<string, string>()
  readonly #askedAt = new Map<string, number>()
  /** When an owner was last asked for, or heard of, as one. */
  quietSince: number = -Infinity

  constructor(parts: EarlierParts) {
    this.#parts = parts
  }

  get any(): boolean {
    return this.#entries.length > 0
  }

  get size(): number {
    return this.#entries.length
  }

  /** Who went with the last view is no holder any more, and may have been one until now. */
  viewChanged(): void {
    if (!this.any) return
    this.quietSince = this.#parts.clock.mono()
    for (const { placement, left } of this.#entries) for (const id of left) if (!this.#isUp(placement, id)) left.delete(id)
    this.#prune()
  }

  /** Another placement is in force; `before` was until now. */
  placed(before: Placement | null): void {
    const { clock, routes } = this.#parts
    this.quietSince = clock.mono()
    if (before !== null) {
      const owners = before.owners()
      const left = new Set(owners.map(({ id }) => id).filter((id) => this.#isUp(before, id)))
      this.#entries.unshift({ placement: before, number: routes.number - 1, since: this.quietSince, owners: owners.length, left })
    }
    for (const known of [this.#finished, this.#ahead, this.#askedAt])
      for (const peer of known.keys()) if (routes.reachable(peer) === null) known.delete(peer)
    for (const [peer, hash] of this.#ahead) if (hash === routes.hash) this.finished(peer, hash)
    this.#prune()
    this.#limit()
  }

  /** That node has handed over everything, as its placement of this hash has it. */
  finished(peer: string, hash: string): void {
    const { routes, clock } = this.#parts
    const number = hash === routes.hash ? routes.number : this.#entries.find(({ placement }) => placement.hash === hash)?.number
    if (number === undefined) {
      this.#ahead.set(peer, hash)
      return
    }
    this.#ahead.delete(peer)
    if ((this.#finished.get(peer) ?? -1) >= number) return
    this.#finished.set(peer, number)
    this.quietSince = clock.mono()
    for (const entry of this.#entries) if (entry.number < number) entry.left.delete(peer)
    this.#prune()
  }

  /** Who may have the actor in memory and is not one of `asked`: its owners in earlier placements, newest first. */
  holder(actor: string, asked: ReadonlySet<string>): Member | null {
    const { routes, clock, options } = this.#parts
    const now = clock.mono()
    this.#forgetOld(now)
    for (const { placement, left, since } of this.#entries) {
      const before = placement.ownerOf(actor)
      if (before === null || !left.has(before.id) || asked.has(before.id)) continue
      const member = routes.reachable(before.id)
      if (member === null || member.generation !== before.generation) continue
      if (now - since >= options.earlierPlacementMs) this.#askLate(member, now)
      return member
    }
    return null
  }

  #isUp(placement: Placement, id: string): boolean {
    const member = this.#parts.routes.reachable(id)
    return member !== null && member.generation === placement.member(id)?.generation
  }

  /** 1. */
  #prune(): void {
    this.#entries = this.#entries.filter(({ left }) => left.size > 0)
  }

  /** 2. */
  #askLate(member: Member, now: number): void {
    if (now - (this.#askedAt.get(member.id) ?? -Infinity) < ASK_AGAIN_MS) return
    this.#askedAt.set(member.id, now)
    this.#parts.ask(member)
  }

  /** 3. */
  #forgetOld(now: number): void {
    while (now - (this.#entries.at(-1)?.since ?? Infinity) >= LONGEST_MS) this.#forgetOldest()
  }

  #limit(): void {
    let owners = this.#entries.reduce((sum, entry) => sum + entry.owners, 0)
    while (this.#entries.length > LEAST && (this.#entries.length > MOST || owners > OWNERS_MOST)) owners -= this.#forgetOldest()
  }

  #forgetOldest(): number {
    const oldest = this.#entries.pop()
    if (oldest === undefined) return 0
    this.quietSince = this.#parts.clock.mono()
    const nodes = [...oldest.left].slice(0, 8).join(' ')
    this.#parts.log.warn(
      { nodes },
      'an earlier placement is forgotten though nodes have not handed over what they had by it: it is read from the store',
    )
    return oldest.owners
  }
}
