/**
 * Where each actor should live, as one view has it: pure, and the same on every node that has an equal view (P1). The ring of an actor type is
 * over the nodes that serve it: in service, of role `actors`, offering the type. A placement routes; the store alone decides (J1).
 *
 * Types and keys are what users send: they are looked up in Maps, never in plain objects (P6).
 */
import type { Member } from './member.ts'
import { keyHash, type Ring, type Share } from './ring.ts'
import type { RingCache } from './ring-cache.ts'
import type { View } from './view.ts'

/** Rings for each type: that of all who offer it, and those of who has at least one of the newest versions. */
export const VERSIONS_A_TYPE = 8

/** Nodes over which a ring is made, sorted by id. Types that the same nodes offer have the same object. */
interface Hosts {
  readonly members: readonly Member[]
  readonly shares: readonly Share[]
}

/** Who offers a type in at least this version. */
interface Offer {
  readonly version: number
  readonly hosts: Hosts
}

interface PlacedOffer extends Offer {
  /** Its owners number the members of `hosts`. */
  readonly ring: Ring
}

/** What a view says of who serves what. Computed once for the rings that it needs and for its placement. */
export interface Service {
  /** By type; versions ascend, the first is of all that offer the type. */
  readonly offers: ReadonlyMap<string, readonly Offer[]>
  /** What rings are needed of. */
  readonly rings: readonly (readonly Share[])[]
}

export class Placement {
  readonly view: View
  readonly #offers: Map<string, readonly PlacedOffer[]> = new Map()
  #byId: Map<string, Member> | null = null

  /** Takes the rings from the cache; those that are not there are built now (Placements prepares them). */
  constructor(view: View, rings: RingCache, { offers }: Service = serviceOf(view)) {
    this.view = view
    const made = new Map<Hosts, Ring>()
    const ringOf = (hosts: Hosts): Ring => {
      const ring = made.get(hosts) ?? rings.ring(hosts.shares)
      made.set(hosts, ring)
      return ring
    }
    for (const [type, ofType] of offers)
      this.#offers.set(
        type,
        ofType.map((offer) => ({ ...offer, ring: ringOf(offer.hosts) })),
      )
  }

  /** Of the view: two placements of equal hash agree on every actor. */
  get hash(): string {
    return this.view.hash
  }

  /** Null: nobody in service offers its type (in that version), or it is not the name of an actor. */
  ownerOf(actor: string, minVersion: number = -Infinity): Member | null {
    const slash = actor.indexOf('/')
    if (slash < 0) return null
    const offers = this.#offers.get(actor.slice(0, slash))
    if (offers === undefined) return null
    for (const { version, ring, hosts } of offers) if (version >= minVersion) return hosts.members[ring.ownerAt(keyHash(actor))] ?? null
    return null
  }

  /** All that it may give actors. */
  owners(): Member[] {
    return this.view.members.filter(isInService)
  }

  member(id: string): Member | null {
    this.#byId ??= new Map(this.view.members.map((member) => [member.id, member]))
    return this.#byId.get(id) ?? null
  }
}

/** Takes part in placement. A suspect does: nearly all suspicions are refuted, and moving its actors twice costs more than waiting. */
function isInService({ phase, liveness, meta }: Member): boolean {
  return phase === 'ready' && (liveness === 'alive' || liveness === 'suspect') && meta.roles.includes('actors')
}

/** Most nodes offer the same: they are taken together as one kind, so that a view of hundreds of nodes with many types costs little. */
export function serviceOf(view: View): Service {
  const members = view.members.filter(isInService).toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  const kinds = new Map<string, number>()
  const kindOf: number[] = []
  const byType = new Map<string, { readonly kind: number; readonly version: number }[]>()
  for (const { meta } of members) {
    const text = JSON.stringify(meta.types)
    const kind = kinds.get(text) ?? kinds.size
    kindOf.push(kind)
    if (kind < kinds.size) continue
    kinds.set(text, kind)
    for (const [type, version] of Object.entries(meta.types)) {
      if (!Number.isFinite(version)) continue
      const ofType = byType.get(type)
      if (ofType === undefined) byType.set(type, [{ kind, version }])
      else ofType.push({ kind, version })
    }
  }
  // Kinds have no member in common, so other kinds are other members.
  const byKinds = new Map<string, Hosts>()
  const hostsOf = (wanted: readonly number[]): Hosts => {
    const key = wanted.join()
    let hosts = byKinds.get(key)
    if (hosts === undefined) {
      const those = new Set(wanted)
      const ofKinds = members.filter((_, i) => those.has(kindOf[i] as number))
      hosts = { members: ofKinds, shares: ofKinds.map(({ id, meta }) => ({ id, weight: meta.weight })) }
      byKinds.set(key, hosts)
    }
    return hosts
  }
  const offers = new Map<string, Offer[]>()
  for (const [type, ofType] of byType)
    offers.set(
      type,
      keptVersions(ofType).map((least) => ({
        version: least,
        hosts: hostsOf(ofType.filter(({ version }) => version >= least).map(({ kind }) => kind)),
      })),
    )
  return { offers, rings: Array.from(byKinds.values(), ({ shares }) => shares) }
}

/** The lowest and the newest. Who asks for one between them gets the ring of the next higher: fewer nodes, all of them good enough. */
function keptVersions(hosts: readonly { readonly version: number }[]): number[] {
  const [lowest, ...others] = [...new Set(hosts.map(({ version }) => version))].toSorted((a, b) => a - b)
  return lowest === undefined ? [] : [lowest, ...others.slice(-(VERSIONS_A_TYPE - 1))]
}

export interface Move {
  readonly actor: string
  /** null: nobody offered, or offers, its type. */
  readonly from: Member | null
  readonly to: Member | null
}

/** Those of these actors that another node should have: what a rebalance hands over, what `drain --plan` foretells. Lazy, in their order. */
export function* movedBetween(before: Placement, after: Placement, actors: Iterable<string>): Generator<Move, void, undefined> {
  for (const actor of actors) {
    const from = before.ownerOf(actor)
    const to = after.ownerOf(actor)
    if (from?.id !== to?.id) yield { actor, from, to }
  }
}

/**
 * Who may still hold an actor that `now` gives to another: its owners in earlier placements (newest first), each once, as they are now.
 * Only who can be asked: a node that is gone, or has started anew since, holds nothing of it (H1).
 */
export function previousOwnersOf(actor: string, now: Placement, earlier: readonly Placement[]): Member[] {
  const owner = now.ownerOf(actor)
  const found = new Map<string, Member>()
  for (const placement of earlier) {
    const before = placement.ownerOf(actor)
    if (before === null || before.id === owner?.id || found.has(before.id)) continue
    const member = now.member(before.id)
    if (member === null || member.generation !== before.generation) continue
    if (member.liveness === 'alive' || member.liveness === 'suspect') found.set(member.id, member)
  }
  return [...found.values()]
}
