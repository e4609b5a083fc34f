/**
 * What one engine has learnt of the app's code by running it. Kept for each engine, not for the process: another engine learns for itself.
 * Bounded by the app: one mark for each event it defines, and for each place of a state that was complained of.
 */
import type { EventDefinition } from './define.ts'

type Event = EventDefinition<unknown, unknown, string>

const SAID_MAX = 1000
/** Turns of an event that are looked at twice: the first, and then one in so many. */
const LOOKS_FIRST = 8
const LOOKS_EVERY = 64

export class Learnt {
  readonly #declining = new Set<Event>()
  readonly #changing = new Set<Event>()
  readonly #asynchronous = new Set<Event>()
  readonly #synchronous = new Set<Event>()
  readonly #said = new Set<string>()
  readonly #turns = new Map<Event, number>()

  /** Whether its reducer has refused or thrown (guarded-turn.ts). */
  declines(event: Event): boolean {
    return this.#declining.size > 0 && this.#declining.has(event)
  }

  /** Its reducer has refused or thrown. Says whether for the first time. */
  declined(event: Event): boolean {
    return added(this.#declining, event)
  }

  /** Whether its reducer has tried to change the state it was given. */
  changes(event: Event): boolean {
    return this.#changing.size > 0 && this.#changing.has(event)
  }

  changed(event: Event): boolean {
    return added(this.#changing, event)
  }

  /** Its schema has answered with a promise. It is not run again: what it began nobody listens to, and a rejection would end the process. */
  isAsynchronous(event: Event): boolean {
    return this.#asynchronous.size > 0 && this.#asynchronous.has(event)
  }

  wasAsynchronous(event: Event): void {
    this.#asynchronous.add(event)
  }

  /** Its schema has let an event pass without waiting: it is no longer asked whether it would. */
  isSynchronous(event: Event): boolean {
    return this.#synchronous.has(event)
  }

  wasSynchronous(event: Event): void {
    this.#synchronous.add(event)
  }

  /** Whether this turn of the event is run twice, where that is looked at (checked-turn.ts). */
  looksAgain(event: Event): boolean {
    const turns = this.#turns.get(event) ?? 0
    this.#turns.set(event, turns + 1)
    return turns < LOOKS_FIRST || turns % LOOKS_EVERY === 0
  }

  /** Whether this is to be said now: each complaint once. */
  first(complaint: string): boolean {
    return this.#said.size < SAID_MAX && added(this.#said, complaint)
  }
}

function added<Value>(set: Set<Value>, value: Value): boolean {
  if (set.has(value)) return false
  set.add(value)
  return true
}
