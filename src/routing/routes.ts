/**
 * Where actors are, as this node sees it now: the placement in force routes, the newest view says who is up. It routes; it never fences.
 */
import type { Member } from '../cluster/member.ts'
import type { Placement } from '../cluster/placement.ts'
import { RouteCache } from '../cluster/placements.ts'
import type { View } from '../cluster/view.ts'

export class Routes {
  readonly #cache = new RouteCache()
  #placement: Placement | null = null
  #view: View | null = null
  #members = new Map<string, Member>()
  /** Grows with every placement. */
  number = 0

  get placement(): Placement | null {
    return this.#placement
  }

  get view(): View | null {
    return this.#view
  }

  /** Of the placement in force; '' before the first. */
  get hash(): string {
    return this.#placement?.hash ?? ''
  }

  seen(view: View): void {
    this.#view = view
    this.#members = new Map(view.members.map((member) => [member.id, member]))
  }

  placed(placement: Placement): void {
    this.#placement = placement
    this.number++
  }

  /** null: nobody in service offers the actor's type (in that version or a newer one). */
  ownerOf(actor: string, minVersion = 0): Member | null {
    const placement = this.#placement
    if (placement === null) return null
    return minVersion === 0 ? this.#cache.ownerOf(placement, actor) : placement.ownerOf(actor, minVersion)
  }

  isSelf(member: Member): boolean {
    const self = this.#view?.self
    return self !== undefined && member.id === self.id && member.generation === self.generation
  }

  /** Whether the placement in force may give this node actors. */
  get serving(): boolean {
    const self = this.#placement?.view.members.find((member) => this.isSelf(member))
    return self !== undefined && self.phase === 'ready'
  }

  /** Whether this node should own the actor. */
  mine(actor: string): boolean {
    const owner = this.ownerOf(actor)
    return owner !== null && this.isSelf(owner)
  }

  /** Another node that is up, as far as is known. The placement in force may still name one that is not. */
  reachable(id: string): Member | null {
    const member = this.#members.get(id)
    if (member === undefined || member.liveness === 'dead' || member.liveness === 'left' || this.isSelf(member)) return null
    return member
  }

  /**
   * Where to ask for the actor: `hint` if that is a node that is up, else its owner. 'self': here. 'nobody' has it; 'gone' is who had it, and
   * another placement is to come.
   */
  targetOf(actor: string, minVersion: number, hint: string): Member | 'self' | 'nobody' | 'gone' {
    const named = hint === '' ? null : this.reachable(hint)
    if (named !== null) return named
    const owner = this.ownerOf(actor, minVersion)
    if (owner === null) return 'nobody'
    if (this.isSelf(owner)) return 'self'
    return this.reachable(owner.id) ?? 'gone'
  }
}
