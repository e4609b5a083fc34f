/**
 * Group commit (DESIGN J6): all dirty activations of the node go to the store in one commit; while it is in flight the next
 * fills. No artificial delay: a commit begins at the end of the turn of the event loop in which something became dirty.
 *
 *  C1 One commit is in flight at a time. An activation has at most one batch in flight, over all commits.
 *  C2 A batch of unknown outcome is given again byte for byte (J4), after a back-off, until the store answers for certain.
 *  C3 Snapshots, hint drops and trims ride along, within the same bounds. They never hold up batches: after a failure they go alone.
 *     Those of one actor go in their order: each brings only the pages of sender actors (D3) that changed since the one before. So the pages of one that
 *     is given up go with the next, or are told to have changed again.
 *  C4 After a group failed as a whole its batches are given again in small groups that grow with every success, so that the one that the store cannot take
 *     waits alone in the end, and after an outage all are written in a few steps (suspects.ts).
 */
import { backoffMs } from '../base/backoff.ts'
import { guarded } from '../base/guard.ts'
import type { Append, CommitGroup, CommitResult, Hint, SnapshotWrite, Trim, Verdict } from '../store/store.ts'
import { StoreError } from '../store/store.ts'
import type { Host } from './host.ts'
import { Suspects } from './suspects.ts'

const RETRY_MAX_MS = 2000
/** Snapshots in one commit: who waits for an answer waits for them too, here and at every node that shares the store. Tens of microseconds each. */
const SNAPSHOTS_BESIDE_BATCHES = 64
const SNAPSHOTS_ALONE = 512

interface WaitingSnapshot {
  readonly write: SnapshotWrite
  /** It was given up: these pages are not in the store. */
  readonly lost: (pages: Iterable<number>) => void
}

/** An activation, as the committer sees it. */
export interface Committable {
  /** The batch to append: the one in flight again, or the draft, sealed now; null for nothing (any more). */
  seal(): Append | null
  verdict(verdict: Verdict, ref: number): void
}

export class Committer {
  readonly #host: Host
  #dirty = new Set<Committable>()
  /** Members of commits that failed (C4). */
  readonly #suspects = new Suspects<Committable>()
  /** The newest of each actor that waits for one, oldest first. */
  #snapshots = new Map<string, WaitingSnapshot>()
  #snapshotBytes = 0
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

  /** In place of one of the actor that still waits: so what waits is bounded by the actors in memory. */
  snapshot(write: SnapshotWrite, lost: WaitingSnapshot['lost']): void {
    const older = this.#snapshots.get(write.actor)
    if (older !== undefined) this.#snapshotBytes -= older.write.bytes.length
    this.#snapshots.set(write.actor, older === undefined ? { write, lost } : instead(older, { write, lost }))
    this.#snapshotBytes += write.bytes.length
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

  /** Snapshots enough wait: nothing more should be passivated now. */
  get crowded(): boolean {
    return this.#snapshotBytes >= this.#host.options.commitBytes
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
    return (
      !this.#busy &&
      this.#dirty.size === 0 &&
      this.#suspects.size === 0 &&
      this.#snapshots.size === 0 &&
      this.#drops.length === 0 &&
      this.#trims.length === 0
    )
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
    const members: Committable[] = []
    const appends: Append[] = []
    const bytes = this.#collect(members, appends)
    const { riding, ...extras } = this.#extras(appends.length, bytes)
    const group: CommitGroup = { appends, ...extras, snapshots: riding.map(({ write }) => write) }
    if (appends.length === 0 && group.snapshots.length === 0 && group.dropHints.length === 0 && group.trims.length === 0) {
      this.#next()
      return
    }
    this.#busy = true
    this.#host.counters.commits++
    this.#host.counters.batches += appends.length
    this.#host.store.commit(group).then(
      (result) => this.#answered(members, result),
      (error: unknown) => this.#failed(members, group, riding, error),
    )
  }

  /** The batches of the next commit: of suspects (C4), else of all that are dirty, up to the limits. */
  #collect(members: Committable[], appends: Append[]): number {
    const { commitBatches, commitBytes } = this.#host.options
    const { from, limit } = this.#suspects.turn(this.#dirty.size > 0) ?? { from: this.#dirty, limit: commitBatches }
    let bytes = 0
    for (const committable of from) {
      if (appends.length >= limit || bytes >= commitBytes) break
      from.delete(committable)
      const append = committable.seal()
      if (append === null) {
        this.#suspects.forget(committable)
        continue
      }
      members.push(committable)
      appends.push(append)
      bytes += append.bytes.length
    }
    return bytes
  }

  /** What rides along. After a failure not with batches, so that it cannot hold them up (C3). */
  #extras(appends: number, bytesTaken: number): { riding: WaitingSnapshot[]; dropHints: Hint[]; trims: Trim[] } {
    if (this.#failures > 0 && appends > 0) return { riding: [], dropHints: [], trims: [] }
    const { commitBatches, commitBytes } = this.#host.options
    const most = Math.min(commitBatches, appends > 0 && !this.crowded ? SNAPSHOTS_BESIDE_BATCHES : SNAPSHOTS_ALONE)
    let bytes = bytesTaken
    const riding: WaitingSnapshot[] = []
    for (const [actor, waiting] of this.#snapshots) {
      if (riding.length >= most || (riding.length > 0 && bytes >= commitBytes)) break
      this.#snapshots.delete(actor)
      this.#snapshotBytes -= waiting.write.bytes.length
      bytes += waiting.write.bytes.length
      riding.push(waiting)
    }
    return { riding, dropHints: this.#drops.splice(0, commitBatches), trims: this.#trims.splice(0, commitBatches) }
  }

  #answered(members: readonly Committable[], { verdicts, ref }: CommitResult): void {
    if (this.#host.dead) return
    this.#busy = false
    const verdictOf = (i: number): Verdict => verdicts[i] ?? 'unknown'
    const open = members.filter((_, i) => verdictOf(i) === 'unknown' || verdictOf(i) === 'refused')
    if (open.length === 0) {
      this.#suspects.settled(members, this.#host.options.commitBatches)
      this.#failures = 0
      this.#failingSince = null
    } else {
      if (open.length === members.length) this.#suspects.failed(members, this.#failures === 0)
      this.#failures++
      this.#retryLater(open)
    }
    members.forEach((member, i) => guarded(this.#host.log, 'taking a verdict', () => member.verdict(verdictOf(i), ref)))
    this.#next()
  }

  /**
   * The whole group met trouble. Its batches are given again as they were (C2), a few at first, so that one that the store
   * will never take does not hold up the others (C4). What rode along alone is dropped: it was only a shortcut (J5, D5, J10).
   */
  #failed(members: readonly Committable[], group: CommitGroup, riding: readonly WaitingSnapshot[], error: unknown): void {
    if (this.#host.dead) return
    this.#host.counters.storeFailures++
    const outcome = error instanceof StoreError ? error.outcome : 'unknown'
    if (this.#failingSince === null) {
      this.#failingSince = this.#host.clock.mono()
      this.#host.log.error({ outcome, batches: members.length }, `the store did not take a commit: ${String(error)}`)
    }
    if (members.length > 0) this.#suspects.failed(members, this.#failures === 0)
    this.#failures++
    if (members.length > 0) this.#giveAgain(riding)
    else for (const snapshot of riding) this.#giveUp(snapshot)
    if (members.length > 0) this.#drops.push(...group.dropHints)
    if (members.length > 0) this.#trims.push(...group.trims)
    const alone = members.length === 1
    if (!alone) this.#suspects.add(members)
    const wait = backoffMs(this.#failures, this.#host.options.storeRetryMs, RETRY_MAX_MS, this.#host.random)
    // #busy stays: nothing new is tried during the back-off.
    this.#host.clock.after(wait, () => {
      this.#busy = false
      if (alone) this.#retryLater(members)
      this.#next()
    })
    for (const member of members) guarded(this.#host.log, 'taking a verdict', () => member.verdict(outcome, 0))
  }

  /** Before those that wait, unless a newer one of the same actor does. */
  #giveAgain(riding: readonly WaitingSnapshot[]): void {
    const waiting = this.#snapshots
    this.#snapshots = new Map()
    this.#snapshotBytes = 0
    for (const older of riding) this.#put(older, waiting.get(older.write.actor))
    for (const newer of waiting.values()) if (!this.#snapshots.has(newer.write.actor)) this.#put(newer, undefined)
  }

  #put(waiting: WaitingSnapshot, newer: WaitingSnapshot | undefined): void {
    const one = newer === undefined ? waiting : instead(waiting, newer)
    this.#snapshots.set(one.write.actor, one)
    this.#snapshotBytes += one.write.bytes.length
  }

  #giveUp(given: WaitingSnapshot): void {
    const { actor } = given.write
    const later = this.#snapshots.get(actor)
    if (later === undefined) guarded(this.#host.log, 'giving up a snapshot', () => given.lost(given.write.pages.keys()))
    else this.#snapshots.set(actor, instead(given, later))
  }

  #retryLater(members: readonly Committable[]): void {
    const wait = backoffMs(this.#failures, this.#host.options.storeRetryMs, RETRY_MAX_MS, this.#host.random)
    this.#host.clock.after(wait, () => {
      if (this.#host.dead) return
      this.#suspects.add(members)
      this.#schedule()
    })
  }

  #next(): void {
    if (!this.#quiet()) this.#schedule()
  }
}

/** The newer snapshot of an actor, with the pages that only the older one brings (C3). */
function instead({ write: older }: WaitingSnapshot, { write, lost }: WaitingSnapshot): WaitingSnapshot {
  return { write: { ...write, pages: new Map([...older.pages, ...write.pages]) }, lost }
}
