/**
 * Taking in what others say. A record replaces a lesser one of its id, and nothing else does (M1, M2). What is less is answered with what is
 * known, if that is final: who tells of a gone member as alive did not hear of its end.
 */
import type { Core } from './core.ts'
import type { Update } from './frames.ts'
import { compareRecords, isTerminal, type Member } from './member.ts'
import type { OwnRecord } from './own-record.ts'
import { updateOf, type Entry } from './roster.ts'
import type { Suspects } from './suspects.ts'

/** An incarnation rises by one at a time: a far greater one is a mistake or a forgery. */
const INCARNATION_STEP = 1024
const STALE_ANSWERED = 20

export class Records {
  readonly #core: Core
  readonly #suspects: Suspects
  readonly #own: OwnRecord
  /** What was said of this node itself and cannot be refuted; for the machine to see. */
  verdict: 'none' | 'dead' | { readonly superseded: Member } = 'none'

  constructor(core: Core, suspects: Suspects, own: OwnRecord) {
    this.#core = core
    this.#suspects = suspects
    this.#own = own
  }

  /** Takes them in; gives what should be answered. */
  take(updates: readonly Update[]): Update[] {
    const stale: Update[] = []
    for (const update of updates) {
      const known = this.#take(update)
      if (known !== null && stale.length < STALE_ANSWERED) stale.push(updateOf(known, this.#core.now))
    }
    return stale
  }

  /** Gives the entry that the sender should be told of; null: nothing. */
  #take(update: Update): Entry | null {
    const { record } = update
    const core = this.#core
    if (record.id === core.selfId) return this.#aboutSelf(record)
    const entry = core.roster.get(record.id)
    if (entry === undefined) return this.#unknown(update)
    if (record === entry.record && record.liveness === 'alive') return null
    const order = compareRecords(record, entry.record)
    if (order < 0) return isTerminal(entry.record.liveness) || record.generation < entry.record.generation ? entry : null
    const sameGeneration = record.generation === entry.record.generation
    if (sameGeneration && record.incarnation > entry.record.incarnation + INCARNATION_STEP) return null
    if (order === 0) {
      if (record.liveness === 'suspect') this.#suspects.accuse(entry, update.accusers)
      return null
    }
    if (isTerminal(record.liveness)) {
      core.put(record, update.agedMs)
      core.effect({ kind: 'drop', id: record.id })
      return null
    }
    // A restart of the id makes the generation before it history, and what is known of the new one is hearsay so far.
    if (!sameGeneration && core.roster.live >= core.options.members && isTerminal(entry.record.liveness)) return this.#full(record)
    const newer = record.incarnation > entry.record.incarnation
    core.put(record)
    if (!sameGeneration) this.#hearsay(entry)
    else if (newer) this.#suspects.refuted(entry)
    if (record.liveness === 'suspect') this.#suspects.accuse(entry, update.accusers)
    return null
  }

  /** An id without a record. An accusation is kept like the rest: who forgets it cannot pass it on. */
  #unknown(update: Update): Entry | null {
    const { record } = update
    const core = this.#core
    if (isTerminal(record.liveness)) {
      if (core.roster.keeps(update.agedMs)) core.put(record, update.agedMs)
      return null
    }
    const before = core.roster.highWater(record.id)
    // It ended, and was forgotten (L2): the end is remembered anew, from now, for who tells of it still holds it.
    if (before !== undefined && record.generation <= before.generation) return core.put(before)
    if (core.roster.live >= core.options.members) return this.#full(record)
    const entry = core.put(record)
    this.#hearsay(entry)
    if (record.liveness === 'suspect') this.#suspects.accuse(entry, update.accusers)
    return null
  }

  #hearsay(entry: Entry): void {
    entry.verified = false
    this.#core.hearsay++
    this.#core.roster.touched()
    this.#core.unverified.add(entry.record.id)
  }

  #full(record: Member): null {
    this.#core.log(
      'error',
      { member: record.id },
      `${record.id} is not taken in: the cluster has its ${this.#core.options.members} members`,
    )
    return null
  }

  #aboutSelf(record: Member): Entry | null {
    const { self } = this.#core
    if (record.generation < self.generation) return this.#core.roster.get(self.id) ?? null
    if (record.generation > self.generation) {
      // A later process of this id that has ended leaves the name free: this one may go on, with a generation after it.
      if (this.verdict === 'none') this.verdict = isTerminal(record.liveness) ? 'dead' : { superseded: record }
      return null
    }
    if (isTerminal(record.liveness)) {
      if (!this.#own.leaving) this.verdict = 'dead'
      return null
    }
    if (record.incarnation > self.incarnation + INCARNATION_STEP) return null
    if (record.liveness === 'suspect' || record.incarnation > self.incarnation) this.#own.refute(record.incarnation)
    return null
  }
}
