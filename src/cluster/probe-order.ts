/**
 * Whom to probe next.
 *
 * In a cluster of any size the nodes take turns: in period k each probes who comes k + 1 places after it among the sorted ids. So everybody is probed by
 * exactly one other in each period, as far as views and counts agree (`step` of every frame keeps the counts together), and in N − 1 periods by
 * everybody. With targets picked by each for itself, as in SWIM, one of thirty goes unprobed for four periods in two cases of a hundred, and the
 * detection of its death is late by as much.
 *
 * Where that does not serve (few members, or the one whose turn it is needs no probe), an order of the node's own: every member once in each round,
 * shuffled anew each round, a new one at a random place of it. A short round keeps its order, so that none of few waits for nearly two rounds.
 */
import type { Random } from '../base/random.ts'

const SHORT_ROUND = 8

/** Whose turn it is to be probed by `self`; null in a cluster too small for turns to matter. */
export function turnOf(self: string, ids: readonly string[], step: number): string | null {
  if (ids.length <= SHORT_ROUND) return null
  const place = ids.indexOf(self)
  return ids[(place + 1 + (step % (ids.length - 1))) % ids.length] ?? null
}

export class ProbeOrder {
  readonly #random: Pick<Random, 'float'>
  readonly #members = new Set<string>()
  #round: string[] = []
  #at = 0

  constructor(random: Pick<Random, 'float'>) {
    this.#random = random
  }

  add(id: string): void {
    if (this.#members.has(id)) return
    this.#members.add(id)
    const place = Math.floor(this.#random.float() * (this.#round.length + 1))
    this.#round.splice(place, 0, id)
    if (place < this.#at) this.#at++
  }

  remove(id: string): void {
    if (!this.#members.delete(id)) return
    const place = this.#round.indexOf(id)
    this.#round.splice(place, 1)
    if (place < this.#at) this.#at--
  }

  /** The next that `wanted` takes; null when a whole round has none. */
  next(wanted: (id: string) => boolean): string | null {
    for (let looked = 0; looked < 2 * this.#round.length; looked++) {
      if (this.#at >= this.#round.length) {
        this.#at = 0
        if (this.#round.length > SHORT_ROUND) shuffled(this.#round, this.#random)
      }
      const id = this.#round[this.#at++] as string
      if (wanted(id)) return id
    }
    return null
  }
}

/** Fisher and Yates, in place. */
export function shuffled<T>(items: T[], random: Pick<Random, 'float'>): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random.float() * (i + 1))
    const held = items[i] as T
    items[i] = items[j] as T
    items[j] = held
  }
  return items
}

/** Up to `count` of the items, at random. */
export function picked<T>(items: readonly T[], count: number, random: Pick<Random, 'float'>): T[] {
  if (items.length <= count) return shuffled([...items], random)
  const chosen = new Set<number>()
  while (chosen.size < count) chosen.add(Math.floor(random.float() * items.length))
  return [...chosen].map((at) => items[at] as T)
}
