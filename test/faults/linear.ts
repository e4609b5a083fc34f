/**
 * Sends and strict reads are linearizable per actor, other reads at most 5 s stale: checked while the answers come, in linear time, for the
 * journal is the witness order (each answer names its offset).
 *
 *  1. If A was answered before B began, B is after A: a send has a greater offset, a strict read shows at least A's.
 *  2. A read that is not strict shows at least what was known 5 s before it began (D11), and what its own client had been told, where that is promised.
 *  3. In the end: whatever lies at or below an answered offset had begun before that answer (nothing comes before what was over when it began).
 */
import { type Entry, type ReadOp, type SendOp, type Violation, violation } from './records.ts'

export const STALE_MS = 5000

/** What was known of an actor, by the time of the answer: offsets only grow. */
class Known {
  readonly #times: number[] = []
  readonly #offsets: number[] = []

  /** Told in the order of `ms`. */
  add(ms: number, offset: number): void {
    if (offset <= (this.#offsets.at(-1) ?? 0)) return
    this.#times.push(ms)
    this.#offsets.push(offset)
  }

  /** The greatest offset that was answered before `ms`. */
  before(ms: number): number {
    let low = 0
    let high = this.#times.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#times[middle] as number) < ms) low = middle + 1
      else high = middle
    }
    return this.#offsets[low - 1] ?? 0
  }
}

export class Linear {
  readonly #known = new Map<string, Known>()

  /** To be called as answers come. */
  sent(op: SendOp): Violation | null {
    if (op.endedMs === null) return null
    const known = this.#of(op.actor)
    const before = known.before(op.beganMs)
    known.add(op.endedMs, op.offset)
    if (op.offset > before) return null
    return violation(
      'linearizable',
      `${op.id} by ${op.client} got offset ${op.offset} of ${op.actor}; ${before} had been answered before it began`,
    )
  }

  read(op: ReadOp): Violation | null {
    const known = this.#of(op.actor)
    const newest = known.before(op.beganMs)
    const before = op.strict ? newest : known.before(op.beganMs - STALE_MS)
    known.add(op.endedMs, op.offset)
    const what = `a ${op.strict ? 'strict' : 'default'} read of ${op.actor} by ${op.client} shows offset ${op.offset}`
    if (op.offset < before)
      return op.strict
        ? violation('linearizable', `${what}; ${before} had been answered before it began`)
        : violation('stale', `${what}; ${before} had been answered more than ${STALE_MS} ms before it began`)
    if (op.offset < op.seen) return violation('stale', `${what}; this client had been told ${op.seen}`)
    return null
  }

  /** The greatest offset of the actor that any client was told. */
  newest(actor: string): number {
    return this.#of(actor).before(Infinity)
  }

  #of(actor: string): Known {
    let known = this.#known.get(actor)
    if (known === undefined) this.#known.set(actor, (known = new Known()))
    return known
  }
}

/** (3), for one actor. */
export function fromTheFuture(entries: readonly Entry[], sends: readonly SendOp[], reads: readonly ReadOp[]): Violation[] {
  const began = new Map(sends.map((op) => [op.id, op.beganMs]))
  const latest: { ms: number; id: string }[] = [{ ms: 0, id: 'nothing' }]
  for (const { id, type } of entries) {
    const last = latest.at(-1) as { ms: number; id: string }
    const ms = type === 'add' ? (began.get(id) ?? 0) : 0
    latest.push(ms > last.ms ? { ms, id } : last)
  }
  const found: Violation[] = []
  for (const op of [...sends, ...reads]) {
    const { ms, id } = latest[op.offset] ?? { ms: 0, id: '' }
    if (op.endedMs === null || ms <= op.endedMs) continue
    const what = op.kind === 'send' ? op.id : `a read by ${op.client}`
    found.push(
      violation(
        'linearizable',
        `${what} was answered at offset ${op.offset} of ${op.actor}, and ${id}, which began later, is not after it`,
      ),
    )
  }
  return found
}
