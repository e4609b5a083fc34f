/** Accusations: from the first to the verdict or the refutation. What it takes to say it for good is census.ts. */
import type { Census } from './census.ts'
import type { Core } from './core.ts'
import { isTerminal } from './member.ts'
import type { Entry } from './roster.ts'
import { Suspicion, suspicionTimes, type Accuser } from './suspicion.ts'

/** Long suspicions refuted within the window that make a member a flapping one, and accusers that it takes (M14). */
const CYCLES = 3
const CYCLE_ACCUSERS = 2
/** Expected to look for themselves when somebody is accused, in multiples of K. */
const CHECKERS = 2

export class Suspects {
  readonly #core: Core
  readonly #census: Census

  constructor(core: Core, census: Census) {
    this.#core = core
    this.#census = census
  }

  /** An accusation of the incarnation that the entry holds. */
  accuse(entry: Entry, accusers: readonly Accuser[]): void {
    const core = this.#core
    const { record } = entry
    if (isTerminal(record.liveness) || record.id === core.selfId) return
    if (record.liveness === 'alive') core.put({ ...record, liveness: 'suspect' })
    if (entry.suspicion === null) {
      entry.suspicion = new Suspicion(core.now, suspicionTimes(core.roster.live, core.options))
      if (this.#flapping(entry)) {
        core.log('warn', { member: record.id }, `${record.id} comes and goes: three long suspicions in ${core.options.flapWindowMs} ms`)
        this.#condemn(entry)
      }
      this.#checkSoon(entry, accusers)
    }
    for (const accuser of accusers) if (entry.suspicion.accuse(accuser)) core.tell(record.id)
    if (entry.presumedAt === null) this.#arm(entry)
  }

  /**
   * Who hears of an accusation looks for itself, some of all: as many as can bring the suspicion to its least. By their own rounds the fourth accuser
   * of thirty members would come after 2 s, but after 5 s in one case of a hundred, and the verdict waits for it.
   */
  #checkSoon({ record, suspicion }: Entry, accusers: readonly Accuser[]): void {
    const { random, options, roster, selfId } = this.#core
    if (suspicion === null || suspicion.times.confirmations === 0 || accusers.some(({ id }) => id === selfId)) return
    const share = (CHECKERS * options.confirmations) / roster.live
    if (random.float() < share) this.#core.due({ kind: 'check', id: record.id }, (random.float() * options.periodMs) / 4)
  }

  /** A higher incarnation of the same generation came: what was accused is refuted. */
  refuted(entry: Entry): void {
    const { suspicion } = entry
    if (suspicion === null) return
    entry.suspicion = null
    entry.presumedAt = null
    const core = this.#core
    core.roster.touched()
    core.agenda.clear(`verdict ${entry.record.id}`)
    // Loss alone makes many short suspicions: those do not count.
    if (core.now - suspicion.startedAt >= suspicion.times.minMs / 2)
      entry.cycles.push({ at: core.now, accusers: suspicion.accusers.map(({ id }) => id) })
    entry.cycles = entry.cycles.filter(({ at }) => at > core.now - core.options.flapWindowMs).slice(-CYCLES)
  }

  verdict(id: string): void {
    const entry = this.#core.roster.get(id)
    if (entry === undefined || entry.suspicion === null || entry.presumedAt !== null) return
    if (entry.suspicion.dueAt > this.#core.now) this.#arm(entry)
    else this.#condemn(entry)
  }

  /** This node slept. */
  slept(ms: number): void {
    for (const entry of this.#core.roster.all()) {
      if (entry.suspicion === null || entry.presumedAt !== null) continue
      entry.suspicion.slept(ms)
      this.#arm(entry)
    }
  }

  #arm({ record, suspicion }: Entry): void {
    if (suspicion !== null) this.#core.due({ kind: 'verdict', id: record.id }, Math.max(0, suspicion.dueAt - this.#core.now))
  }

  #condemn(entry: Entry): void {
    const core = this.#core
    core.agenda.clear(`verdict ${entry.record.id}`)
    entry.presumedAt = core.now
    core.roster.touched()
    core.changed()
    // A wire that was silent for so long may wait minutes for its next attempt: the pings to it (they go on) should dial anew.
    core.effect({ kind: 'drop', id: entry.record.id })
    this.#census.count(entry.record.id)
  }

  #flapping(entry: Entry): boolean {
    const recent = entry.cycles.filter(({ at }) => at > this.#core.now - this.#core.options.flapWindowMs)
    if (recent.length < CYCLES || this.#core.health.score > 0) return false
    return new Set(recent.flatMap(({ accusers }) => accusers)).size >= CYCLE_ACCUSERS
  }
}
