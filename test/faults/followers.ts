/** Subscribers: what each was told, judged as it comes and against the journal in the end. Promise 4: everybody ends at the last state, gaps are told. */
import type { Sum } from './app.ts'
import { statesOf } from './kept.ts'
import { type Entry, type Violation, violation } from './records.ts'

export type FollowedTopic = 'feed' | 'summary' | 'changed'

interface Told {
  readonly offset: number
  readonly id: string | undefined
}

export class Follower {
  readonly name: string
  readonly actor: string
  readonly topic: FollowedTopic
  readonly #ids: Told[] = []
  readonly #views: { readonly offset: number; readonly sum: Sum }[] = []
  last: number
  gaps = 0

  constructor(name: string, actor: string, topic: FollowedTopic) {
    this.name = name
    this.actor = actor
    this.topic = topic
    // A view is told at once, of an actor without entries at offset 0.
    this.last = topic === 'feed' ? 0 : -1
  }

  note(offset: number, data: unknown): Violation | null {
    const before = this.last
    this.last = offset
    if (offset <= before && this.topic !== 'changed') return this.#wrong(`offset ${offset} came after ${before}`)
    if (this.topic === 'summary') this.#views.push({ offset, sum: data as Sum })
    if (this.topic !== 'feed') return null
    this.#ids.push({ offset, id: (data as { id: string }).id })
    return offset === before + 1 ? null : this.#wrong(`offset ${offset} came after ${before} without a gap`)
  }

  gap(to: number): void {
    this.gaps++
    this.last = to
  }

  /** Whether it has the newest that it follows. */
  atEnd(entries: readonly Entry[]): Violation | null {
    const newest = this.topic === 'changed' ? (entries.findLast(({ type }) => type === 'add')?.offset ?? 0) : entries.length
    return this.last >= newest ? null : this.#wrong(`it ended at offset ${this.last}, the newest is ${newest}`)
  }

  /** What it was told is what the journal says. */
  truth(entries: readonly Entry[]): Violation[] {
    const states = statesOf(entries)
    const found = this.#ids.flatMap(({ offset, id }) => {
      const there = entries[offset - 1]?.id
      return there === id ? [] : [this.#wrong(`was told ${id} at offset ${offset}, the journal has ${there ?? 'nothing'} there`)]
    })
    for (const { offset, sum } of this.#views) {
      const then = states[offset]
      if (then?.count !== sum.count || then.hash !== sum.hash)
        found.push(this.#wrong(`was told ${JSON.stringify(sum)} at offset ${offset}, the journal gives ${JSON.stringify(then)}`))
    }
    return found
  }

  #wrong(what: string): Violation {
    return violation('followers', `${this.name}, ${this.topic} of ${this.actor}: ${what}`)
  }
}
