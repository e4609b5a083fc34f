/** The record of one run: every operation, judged as it ends; and what the nemesis really hit. */
import type { Follower } from './followers.ts'
import { Linear } from './linear.ts'
import { type ReadOp, type SendOp, type Violation, violation } from './records.ts'

/** What may be told when nodes fail: nothing is said by it of whether the event was applied. */
const PASSING = new Set(['timeout', 'unavailable', 'store_unavailable', 'overloaded', 'moved', 'rate_limited'])

export interface Hits {
  faults: number
  /** Freezes of a process that held the store's write lock while it stood still, by /proc/locks. */
  frozenInTransaction: number
  /** Nodes that the hook killed after a hint was written and before its batch was committed, by the file it wrote. */
  hintKills: number
  /** Nodes that the hook killed after COMMIT and before any answer, by the file it wrote. */
  commitKills: number
  /** Nodes killed while the leaving node's own metrics showed actors on their way. */
  handoffKills: number
  /** Stopped processes that other nodes ended because of the store's lock. */
  endedByOthers: number
}

export class Ledger {
  readonly sends: SendOp[] = []
  readonly reads: ReadOp[] = []
  readonly followers: Follower[] = []
  readonly violations: Violation[] = []
  readonly linear = new Linear()
  readonly passing = new Map<string, number>()
  readonly byKind = new Map<string, number>()
  readonly hits: Hits = { faults: 0, frozenInTransaction: 0, hintKills: 0, commitKills: 0, handoffKills: 0, endedByOthers: 0 }
  readonly #wrong: () => void
  open = 0

  /** `wrong` is called with the first violation. */
  constructor(wrong: () => void) {
    this.#wrong = wrong
  }

  begin(op: Omit<SendOp, 'kind' | 'beganMs' | 'endedMs' | 'offset' | 'duplicate' | 'unanswered' | 'code'>): SendOp {
    const began: SendOp = {
      ...op,
      kind: 'send',
      beganMs: performance.now(),
      endedMs: null,
      offset: 0,
      duplicate: false,
      unanswered: 0,
      code: null,
    }
    this.sends.push(began)
    this.open++
    return began
  }

  acknowledged(op: SendOp, offset: number, duplicate: boolean): void {
    op.endedMs = performance.now()
    op.offset = offset
    op.duplicate = duplicate
    this.open--
    this.#judge(this.linear.sent(op))
  }

  /** It ended without an acknowledgement. */
  failed(op: SendOp, code: string, message: string): void {
    op.code = code
    this.open--
    if (PASSING.has(code)) this.#pass(code)
    else this.#judge(violation('unexpected answer', `${op.id} by ${op.client} to ${op.actor}: ${code}: ${message}`))
  }

  read(op: ReadOp): void {
    this.reads.push(op)
    this.#judge(this.linear.read(op))
  }

  readFailed(who: string, code: string, message: string): void {
    if (PASSING.has(code)) this.#pass(`read ${code}`)
    else this.#judge(violation('unexpected answer', `a read by ${who}: ${code}: ${message}`))
  }

  judge(found: Violation | readonly Violation[] | null): void {
    for (const one of found === null ? [] : Array.isArray(found) ? (found as Violation[]) : [found as Violation]) this.#judge(one)
  }

  /**
   * `settled`: acknowledged as a repeat of what had been applied without an answer; `open`: never answered; `silentTries`: tries of services
   * that ended without a word (the SDK does not tell its own).
   */
  get unknownOutcomes(): { readonly settled: number; readonly open: number; readonly silentTries: number } {
    const counts = { settled: 0, open: 0, silentTries: 0 }
    for (const { duplicate, code, unanswered } of this.sends) {
      if (duplicate) counts.settled++
      if (code !== null) counts.open++
      counts.silentTries += unanswered
    }
    return counts
  }

  #pass(code: string): void {
    this.passing.set(code, (this.passing.get(code) ?? 0) + 1)
  }

  #judge(found: Violation | null): void {
    if (found === null) return
    this.violations.push(found)
    if (this.violations.length === 1) this.#wrong()
  }
}
