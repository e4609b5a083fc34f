/**
 * Group commit (DESIGN J6): all dirty activations of the node go to the store in one commit; while it is in flight the next
 * fills. No artificial delay: a commit begins at the end of the turn of the event loop in which something became dirty.
 *
 *  C1 One commit is in flight at a time. An activation has at most one batch in flight, over all commits.
 *  C2 A batch of unknown outcome is given again byte for byte (J4), after a back-off, until the store answers for certain.
 *  C3 Snapshots, hint drops and trims ride along. They are repeated with their commit and bounded by it.
 */
import { backoffMs } from '../base/backoff.ts'
import { guarded } from '../base/guard.ts'
import type { Append, CommitGroup, CommitResult, Hint, SnapshotWrite, Trim, Verdict } from '../store/store.ts'
import { StoreError } from '../store/store.ts'
import type { Host } from './host.ts'

/** An activation, as the committer sees it. */
export interface Committable {
  /** The batch to append: the one in flight again, or the draft, sealed now; null for nothing (any more). */
  seal(): Append | null
  verdict(verdict: Verdict, ref: number): void
}

export class Committer {
  readonly #host: Host
  #dirty = new Set<Committable>()
  #snapshots: SnapshotWrite[] = []
  #drops: Hint[] = []
  #trims: Trim[] = []
  #busy = false
  #scheduled = false
  #failures = 0
  #failingSince: number | null = null

  constructor(host: Host) {
    this.#host = host
  }

  /** Has something to write. */
  mark(committable: Committable): void {
    this.#dirty.add(committable)
    this.#schedule()
  }

  snapshot(write: SnapshotWrite): void {
    this.#snapshots.push(write)
    this.#schedule()
  }

  drop(hint: Hint): void {
    this.#drops.push(hint)
    this.#schedule()
  }

  trim(trim: Trim): void {
    this.#trims.push(trim)
    this.#schedule()
  }

  /** How long the store has been failing, ms; 0 when it is well. */
  failingMs(): number {
    return this.#failingSince === null ? 0 : this.#host.clock.mono() - this.#failingSince
  }

  /** Nothing is in flight and nothing waits. */
  get idle(): boolean {
    return this.#quiet()
  }

  #quiet(): boolean {
    return !this.#busy && this.#dirty.size === 0 && this.#snapshots.length === 0 && this.#drops.length === 0 && this.#trims.length === 0
  }

  #schedule(): void {
    if (this.#busy || this.#scheduled) return
    this.#scheduled = true
    this.#host.clock.soon(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#busy || this.#host.dead) return
    const { commitBatches, commitBytes } = this.#host.options
    const members: Committable[] = []
    const appends: Append[] = []
    let bytes = 0
    for (const committable of this.#dirty) {
      if (appends.length >= commitBatches || bytes >= commitBytes) break
      this.#dirty.delete(committable)
      const append = committable.seal()
      if (append === null) continue
      members.push(committable)
      appends.push(append)
      bytes += append.bytes.length
    }
    const group: CommitGroup = {
      appends,
      snapshots: this.#snapshots.splice(0, commitBatches),
      dropHints: this.#drops.splice(0, commitBatches),
      trims: this.#trims.splice(0, commitBatches),
    }
    if (appends.length === 0 && group.snapshots.length === 0 && group.dropHints.length === 0 && group.trims.length === 0) {
      this.#failingSince = null // nothing is left that could fail: the next to come finds out
      return
    }
    this.#busy = true
    this.#host.counters.commits++
    this.#host.counters.batches += appends.length
    this.#host.store.commit(group).then(
      (result) => this.#answered(members, result),
      (error: unknown) => this.#failed(members, group, error),
    )
  }

  #answered(members: readonly Committable[], { verdicts, ref }: CommitResult): void {
    if (this.#host.dead) return
    this.#busy = false
    let unsettled = false
    members.forEach((member, i) => {
      const verdict = verdicts[i] ?? 'unknown'
      if (verdict === 'unknown' || verdict === 'refused') {
        unsettled = true
        this.#retryLater(member)
      }
      guarded(this.#host.log, 'taking a verdict', () => member.verdict(verdict, ref))
    })
    if (!unsettled) {
      this.#failures = 0
      this.#failingSince = null
    }
    this.#next()
  }

  /** The whole group met trouble: everything in it is repeated as it was (C2, C3). */
  #failed(members: readonly Committable[], group: CommitGroup, error: unknown): void {
    if (this.#host.dead) return
    this.#busy = false
    this.#host.counters.storeFailures++
    const outcome = error instanceof StoreError ? error.outcome : 'unknown'
    if (this.#failingSince === null) {
      this.#failingSince = this.#host.clock.mono()
      this.#host.log.error({ outcome, batches: members.length }, `the store did not take a commit: ${String(error)}`)
    }
    this.#failures++
    this.#snapshots.unshift(...group.snapshots)
    this.#drops.unshift(...group.dropHints)
    this.#trims.unshift(...group.trims)
    const { storeRetryMs } = this.#host.options
    this.#busy = true // nothing new is tried during the back-off
    this.#host.clock.after(backoffMs(this.#failures, storeRetryMs, 2000, this.#host.random), () => {
      this.#busy = false
      for (const member of members) this.#dirty.add(member)
      this.#next()
    })
    for (const member of members) guarded(this.#host.log, 'taking a verdict', () => member.verdict(outcome, 0))
  }

  #retryLater(member: Committable): void {
    this.#host.clock.after(backoffMs(++this.#failures, this.#host.options.storeRetryMs, 2000, this.#host.random), () => this.mark(member))
  }

  #next(): void {
    if (!this.#quiet()) this.#schedule()
  }
}
