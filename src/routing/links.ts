/**
 * All links of this node, one for each direction of asking: the wire that a node dialled carries its requests, and the answers and notes
 * for it. So a pair has at most two wires, each with a fixed part for either end, and nothing to decide when both dial at once: choosing
 * one of two wires would need a third thing to agree on while one end still believes in a wire that the other has lost.
 *
 *  1. At most one asking link for each node, to its newest known generation; at most one answering link, from its newest.
 *  2. A node that is dead, left or replaced in the view has none: what was asked of it is lost at once (H2).
 *  3. After a wire that did not last, the next dial of that node waits a little longer each time.
 */
import { backoffMs } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Member } from '../cluster/member.ts'
import type { Transport, Wire, WireEnd, WireEvents } from '../cluster/transport.ts'
import type { View } from '../cluster/view.ts'
import type { Options } from '../options.ts'
import { AnsweringLink, type AnsweringParts } from './answering-link.ts'
import { AskingLink } from './asking-link.ts'

export interface LinksParts {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  viewHash(): string
  finishedHash(): string
  sawView(peer: string, viewHash: string): void
  sawMoved(peer: string, viewHash: string): void
  /** A wire to it was refused, found no way, or broke. */
  doubted(id: string): void
  /** A link that was open has ended, other than by this node's will. */
  lost(): void
  asked: AnsweringParts['asked']
  answeringEnded(link: AnsweringLink): void
}

const REDIAL_FIRST_MS = 50
const REDIAL_MAX_MS = 1000

export class Links {
  readonly #parts: LinksParts
  readonly #asking = new Map<string, AskingLink>()
  readonly #answering = new Map<string, AnsweringLink>()
  /** Wires whose peer is not known yet. */
  readonly #opening = new Set<AnsweringLink>()
  readonly #failures = new Map<string, { count: number; until: number }>()
  #closed = false

  constructor(parts: LinksParts) {
    this.#parts = parts
  }

  asking(): IterableIterator<AskingLink> {
    return this.#asking.values()
  }

  answering(): IterableIterator<AnsweringLink> {
    return this.#answering.values()
  }

  get size(): number {
    return this.#asking.size + this.#answering.size + this.#opening.size
  }

  /** The link to ask a member on, dialled if need be. null: this node is closing. */
  to(member: Member): AskingLink | null {
    const known = this.#asking.get(member.id)
    if (known !== undefined && known.member.generation === member.generation) return known
    if (this.#closed) return null
    if (known !== undefined) {
      if (known.member.generation > member.generation) return known
      known.close('a newer generation of it is there')
    }
    const failed = this.#failures.get(member.id)
    const restMs = failed === undefined ? 0 : failed.until - this.#parts.clock.mono()
    const link = new AskingLink(member, restMs, {
      ...this.#parts,
      sawView: (seen) => {
        this.#failures.delete(member.id)
        this.#parts.sawView(member.id, seen.viewHash)
      },
      sawMoved: (_link, viewHash) => this.#parts.sawMoved(member.id, viewHash),
      ended: (ended, end) => this.#ended(ended, end),
    })
    this.#asking.set(member.id, link)
    return link
  }

  #ended(link: AskingLink, end: WireEnd | 'stale'): void {
    const { id } = link.member
    if (this.#asking.get(id) === link) this.#asking.delete(id)
    if (this.#closed) return
    const count = (this.#failures.get(id)?.count ?? 0) + 1
    const wait = count === 1 ? 0 : backoffMs(count - 2, REDIAL_FIRST_MS, REDIAL_MAX_MS, this.#parts.random)
    this.#failures.set(id, { count, until: this.#parts.clock.mono() + wait })
    if (end === 'lost') this.#parts.lost()
    if (end === 'refused' || end === 'unreachable' || end === 'lost') this.#parts.doubted(id)
  }

  /** A wire of the data channel that another node has opened. */
  accept(wire: Wire): WireEvents {
    const link: AnsweringLink = new AnsweringLink(wire, {
      ...this.#parts,
      opened: (opened) => this.#opened(opened),
      sawView: (seen) => this.#parts.sawView(seen.peer.id, seen.viewHash),
      ended: (ended) => {
        this.#opening.delete(ended)
        if (this.#answering.get(ended.peer.id) === ended) this.#answering.delete(ended.peer.id)
        this.#parts.answeringEnded(ended)
      },
    })
    this.#opening.add(link)
    return link.events()
  }

  /** The newest wire of the newest generation is the one that its node asks on. */
  #opened(link: AnsweringLink): boolean {
    this.#opening.delete(link)
    const { id, generation } = link.peer
    const known = this.#answering.get(id)
    if (this.#closed || (known !== undefined && known.peer.generation > generation)) return false
    this.#answering.set(id, link)
    known?.close('the node has dialled anew')
    return true
  }

  viewChanged(view: View): void {
    const members = new Map(view.members.map((member) => [member.id, member]))
    const stale = (id: string, generation: number): boolean => {
      const member = members.get(id)
      if (member === undefined || member.generation < generation) return false // not heard of yet
      return member.generation > generation || member.liveness === 'dead' || member.liveness === 'left'
    }
    for (const link of [...this.#asking.values()]) {
      const { id, generation } = link.member
      if (stale(id, generation)) link.close('it is gone in the view')
    }
    for (const link of [...this.#answering.values()]) {
      if (stale(link.peer.id, link.peer.generation)) link.close('it is gone in the view')
    }
    for (const id of this.#failures.keys()) if (!members.has(id)) this.#failures.delete(id)
  }

  /** Each end shows the other its view. */
  placed(): void {
    for (const link of this.#asking.values()) link.viewChanged()
    for (const link of this.#answering.values()) link.viewChanged()
  }

  close(): void {
    this.#closed = true
    for (const link of [...this.#asking.values()]) link.close('this node closes')
    for (const link of [...this.#answering.values(), ...this.#opening]) link.close('this node closes')
    this.#failures.clear()
  }
}
