/**
 * Who may say for good that a member is dead. `dead` is final and spreads to all, so a node that is itself cut off must not say it: when the cut
 * heals, its word would end every healthy member (M6). Before saying it, a node counts: it pings the accused and the others, up to 32 at random, and
 * goes on if by the end of the probe timeout more than half have answered, itself counted among those, the accused among the silent. In a larger
 * cluster the sample may err, so there more members must also be unaccused than accused: by then its side has found out about the others. Who was
 * refused a connection by enough others need not be waited for.
 *
 * Without a majority the member is *presumed* dead: out of service in this node's view, not in what it tells. It comes back by refuting, and the
 * count is repeated. Two halves of a cluster, or two nodes, presume each other dead and meet again as they were.
 */
import type { Core } from './core.ts'
import { isTerminal } from './member.ts'
import { picked } from './probe-order.ts'
import type { Entry } from './roster.ts'

const SAMPLE = 32
const RECOUNT_MS = 5000

export class Census {
  readonly #core: Core
  /** The count under way: its pings' number, whom it counts, who answered, about whom it is. */
  #seq = 0
  readonly #sample = new Set<string>()
  readonly #answered = new Set<string>()
  readonly #subjects = new Set<string>()
  /** Condemned while a count was under way: the next is about them. */
  readonly #waiting = new Set<string>()

  constructor(core: Core) {
    this.#core = core
  }

  /** Of this member it is to be said for good. */
  count(id: string): void {
    this.#waiting.add(id)
    if (this.#seq === 0) this.#ask()
  }

  /** Gives whether the ack was meant for a count. */
  acked(id: string, seq: number): boolean {
    if (seq === 0 || seq !== this.#seq) return false
    this.#answered.add(id)
    if (!this.#majority()) return true
    for (const subject of this.#subjects) if (this.#core.roster.get(subject)?.suspicion?.refused === true) this.#publish(subject)
    return true
  }

  /** The count is over. */
  expired(): void {
    if (this.#majority()) for (const id of this.#subjects) if (!this.#answered.has(id)) this.#publish(id)
    this.#seq = 0
    this.#core.due({ kind: 'recount' }, Math.min(RECOUNT_MS, 2 * this.#core.options.periodMs * this.#core.health.stretch))
    if (this.#waiting.size > 0) this.#ask()
  }

  /** Those presumed dead are counted again: perhaps this node is back among the others, and they are not. */
  recount(): void {
    for (const { record, presumedAt } of this.#core.roster.all()) if (presumedAt !== null) this.#waiting.add(record.id)
    if (this.#seq === 0 && this.#waiting.size > 0) this.#ask()
  }

  clear(): void {
    this.#seq = 0
    this.#waiting.clear()
  }

  #ask(): void {
    const core = this.#core
    this.#seq = core.nextSeq()
    for (const set of [this.#sample, this.#answered, this.#subjects]) set.clear()
    for (const id of this.#waiting) this.#subjects.add(id)
    this.#waiting.clear()
    const live = [...core.roster.all()].filter(({ record }) => record.id !== core.selfId && !isTerminal(record.liveness))
    const others = live.filter(({ record, verified }) => verified && !this.#subjects.has(record.id))
    const sample = picked(others, SAMPLE, core.random)
    for (const { record } of sample) this.#sample.add(record.id)
    for (const entry of [...sample, ...live.filter(({ record }) => this.#subjects.has(record.id)).slice(0, SAMPLE)]) {
      const { id, generation } = entry.record
      core.send(entry, { kind: 'ping', seq: this.#seq, target: { id, generation } })
    }
    core.due({ kind: 'census' }, core.options.probeTimeoutMs * core.health.stretch)
  }

  #majority(): boolean {
    let answered = 1
    for (const id of this.#sample) if (this.#answered.has(id)) answered++
    if (2 * answered <= 1 + this.#sample.size + this.#subjects.size) return false
    const { roster } = this.#core
    if (roster.live <= SAMPLE + 1) return true
    let unaccused = 0
    for (const { record, presumedAt } of roster.all()) if (record.liveness === 'alive' && presumedAt === null) unaccused++
    return 2 * unaccused > roster.live
  }

  #publish(id: string): void {
    const entry: Entry | undefined = this.#core.roster.get(id)
    // It may have refuted while the count went on.
    if (entry === undefined || entry.presumedAt === null) return
    const { generation } = entry.record
    const accusers = entry.suspicion?.accusers.map((accuser) => accuser.id).join(', ') ?? ''
    this.#core.put({ ...entry.record, liveness: 'dead' })
    this.#core.effect({ kind: 'drop', id })
    this.#core.log('warn', { member: id, generation }, `${id} is dead: no answer, and no refutation of ${accusers}`)
  }
}
