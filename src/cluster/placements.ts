/**
 * A node's placement as its view changes, and the cache of routes.
 *
 * A placement is swapped as a whole, when all its rings are there. Until then the old one routes: its owners were right a moment ago, and who is
 * not an owner any more says so (a view routes, it never fences).
 */
import type { Member } from './member.ts'
import { Placement, serviceOf, type Service } from './placement.ts'
import type { RingCache } from './ring-cache.ts'
import type { View } from './view.ts'

/** Earlier placements kept, to ask their owners for what they still hold. */
export const EARLIER_PLACEMENTS = 8
/** Actors whose route is remembered, about 150 bytes each. */
export const ROUTES_MAX = 65_536

export class Placements {
  readonly #rings: RingCache
  readonly #changed: (before: Placement, after: Placement) => void
  readonly #installed: () => void
  #current: Placement
  #earlier: readonly Placement[] = []
  #waiting: View | null = null
  #building = false
  #closed = false

  /** The first view, usually oneself alone, is placed at once. `changed` is called when a placement of another hash is in force; `installed` after any, also of the same. */
  constructor(
    view: View,
    rings: RingCache,
    changed: (before: Placement, after: Placement) => void,
    installed: () => void = () => undefined,
  ) {
    this.#rings = rings
    this.#changed = changed
    this.#installed = installed
    this.#current = new Placement(view, rings)
  }

  get current(): Placement {
    return this.#current
  }

  /** Those in force before, newest first. */
  get earlier(): readonly Placement[] {
    return this.#earlier
  }

  /** Of views that come while a ring is built, the last counts. The one under way is used all the same: else many changes would delay all. */
  see(view: View): void {
    this.#waiting = view
    if (!this.#building) this.#advance()
  }

  /** Nothing changes after it. The rings are the caller's to close. */
  close(): void {
    this.#closed = true
    this.#waiting = null
  }

  #advance(): void {
    while (this.#waiting !== null && !this.#closed) {
      const view = this.#waiting
      this.#waiting = null
      this.#building = true
      const service = serviceOf(view)
      const ready = this.#rings.prepare(service.rings, () => {
        this.#finish(view, service)
        this.#advance()
      })
      if (!ready) return
      this.#finish(view, service)
    }
  }

  #finish(view: View, service: Service): void {
    try {
      this.#install(view, service)
    } finally {
      this.#building = false
    }
  }

  #install(view: View, service: Service): void {
    if (this.#closed) return
    const before = this.#current
    this.#current = new Placement(view, this.#rings, service)
    if (before.hash !== view.hash) {
      this.#earlier = [before, ...this.#earlier].slice(0, EARLIER_PLACEMENTS)
      this.#changed(before, this.#current)
    }
    this.#installed()
  }
}

/**
 * Owners of actors asked for again and again. Bounded: when the newer half is full it becomes the older one, which is dropped then; an actor that
 * is asked for moves to the newer. Holds for one hash of the view: with another all is forgotten. What the hash does not cover (liveness, labels)
 * may be older in the member returned.
 */
export class RouteCache {
  readonly #halfMax: number
  #hash: string | null = null
  #newer: Map<string, Member> = new Map()
  #older: Map<string, Member> = new Map()

  constructor(routesMax: number = ROUTES_MAX) {
    this.#halfMax = Math.max(1, Math.floor(routesMax / 2))
  }

  get size(): number {
    return this.#newer.size + this.#older.size
  }

  ownerOf(placement: Placement, actor: string): Member | null {
    if (placement.hash !== this.#hash) {
      this.#hash = placement.hash
      this.#newer = new Map()
      this.#older = new Map()
    }
    const known = this.#newer.get(actor)
    if (known !== undefined) return known
    // Actors that have no owner are not remembered: their names are whatever users make up.
    const owner = this.#older.get(actor) ?? placement.ownerOf(actor)
    if (owner !== null) this.#remember(actor, owner)
    return owner
  }

  #remember(actor: string, owner: Member): void {
    if (this.#newer.size >= this.#halfMax) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(actor, owner)
  }
}
