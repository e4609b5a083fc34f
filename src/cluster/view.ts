/** One node's immutable picture of the members. It routes; it never fences: gossip has no agreed order. */
import { hash32 } from '../base/random.ts'
import { inService, isTerminal, type Member } from './member.ts'
import type { Entry } from './roster.ts'

export interface View {
  /** The node that sees it. */
  readonly self: { readonly id: string; readonly generation: number }
  /**
   * All that are known and not forgotten, one for each id (its newest generation), sorted by id (code units); oneself included. Left out is who
   * is known by hearsay alone (M13). Shown `dead` is also whom this node alone thinks dead; such a one may come back with its generation.
   */
  readonly members: readonly Member[]
  /**
   * 16 hexadecimal characters over what routing depends on: id, generation, address, roles, types with versions, weight of the members in
   * service (`ready`, and alive or suspect). Two nodes with equal hashes place every actor alike.
   */
  readonly hash: string
}

export function viewOf(self: Member, entries: Iterable<Entry>): View {
  const members: Member[] = []
  for (const entry of entries) {
    const shown = shownOf(entry)
    if (shown !== null) members.push(shown)
  }
  members.sort((a, b) => (a.id < b.id ? -1 : 1))
  return { self: { id: self.id, generation: self.generation }, members, hash: hashOf(members) }
}

/** What a view shows of it; null: it is hearsay. */
export function shownOf({ record, verified, presumedAt }: Entry): Member | null {
  if (!verified && !isTerminal(record.liveness)) return null
  return presumedAt === null ? record : presumedDead(record)
}

/** One object for each record, so that a view that did not change shows the same members. */
const presumed = new WeakMap<Member, Member>()

function presumedDead(record: Member): Member {
  let shown = presumed.get(record)
  if (shown === undefined) {
    shown = { ...record, liveness: 'dead' }
    presumed.set(record, shown)
  }
  return shown
}

function hashOf(members: readonly Member[]): string {
  let [a, b] = [1, 2]
  for (const member of members) {
    if (!inService(member)) continue
    const [c, d] = routingHashes(member)
    a = Math.imul(a ^ c, 0x01000193) >>> 0
    b = (Math.imul(b, 0x85ebca6b) + d) >>> 0
  }
  return a.toString(16).padStart(8, '0') + b.toString(16).padStart(8, '0')
}

const routing = new WeakMap<Member, readonly [number, number]>()

function routingHashes(member: Member): readonly [number, number] {
  let hashes = routing.get(member)
  if (hashes === undefined) {
    const { roles, types, weight } = member.meta
    const sorted = Object.entries(types).sort(([a], [b]) => (a < b ? -1 : 1))
    const text = JSON.stringify([member.id, member.generation, member.address, [...roles].sort(), sorted, weight])
    hashes = [hash32(text, 21), hash32(text, 22)]
    routing.set(member, hashes)
  }
  return hashes
}
