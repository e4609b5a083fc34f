/**
 * The writing side of an activation: the batch that is being filled, the one in flight, and what the store knows of this actor.
 *
 *  W1 At most one batch is in flight; until the store has answered for certain it is given again byte for byte, and nothing
 *     else of this actor is appended, written or dropped (J4).
 *  W2 The first batch after reading names the new owner: it is the claim (J2), and its place is the epoch.
 *  W3 A gate item is released when all that the memory held when it came is durable (J7), at once for write-behind (J9).
 *  W4 A snapshot is of the memory at the moment its batch was sealed, and is written after that batch is durable (J5).
 *  W5 A wake-up hint goes with the batch that needs it (hints.ts, D5).
 *  W6 That effects were answered is written within seconds, if need be by a batch of its own: their hint goes, and no other process wakes the actor for nothing.
 */
import { guarded } from '../base/guard.ts'
import { invariant } from '../base/invariant.ts'
import { fail, type Failure } from '../errors.ts'
import type { Append, Hint, Verdict } from '../store/store.ts'
import { Answered } from './answered.ts'
import { asBuffer, FLAG_CLEAN } from './batch.ts'
import { causeOf, countClaim, type ClaimCause } from './claims.ts'
import type { ActorDefinition } from './define.ts'
import { askHolder } from './doubt.ts'
import { Draft, type DraftEntry, type GateItem } from './draft.ts'
import type { Effect } from './effects.ts'
import type { Folded } from './fold.ts'
import { bundled, type Bundle } from './handoff.ts'
import { Hints } from './hints.ts'
import type { Host } from './host.ts'
import { owedAt, type ActorMemory } from './memory.ts'
import { sealDraft, type Flight } from './sealing.ts'
import { encodeSnapshot, type EncodedSnapshot } from './snapshot.ts'

/** The activation, as its writer sees it. */
export interface WriterOwner {
  readonly id: string
  readonly definition: ActorDefinition
  readonly memory: ActorMemory
  /** A batch is durable and its gate was released. */
  committed(flight: Flight): void
  /** Another owner has written (J2). `sure`: the batch in flight was certainly not applied. */
  fenced(sure: boolean): void
  /** The batch is durable, but the writer does not know where: read anew. */
  lost(): void
  /** The store certainly did not take the batch, for longer than patience. */
  failed(failure: Failure): void
}

export class Writer {
  readonly #host: Host
  readonly #owner: WriterOwner
  /** Place, hash and ref of the newest batch known to be durable. */
  n = 0
  /** As Latin-1 text: a tenth of the memory that a small buffer of its own takes. */
  #hash: string | null = null
  #ref = 0
  durableOffset = 0
  /** Own epoch; 0 while this activation has not claimed. */
  epoch = 0
  /** Epoch of the newest claim, own or not. */
  claimedEpoch = 0
  /** When the last proof began that the memory is the newest (D11), monotonic. */
  proofAt: number = -Infinity
  #draft: Draft | null = null
  #flight: Flight | null = null
  #entriesSince = 0
  #bytesSince = 0
  #snapshotBytes = 0
  /** The stored snapshot is of an older version: the next batch brings a new one (J5). */
  #migrated = false
  /** Why the actor will be claimed, once that is known. */
  cause: ClaimCause | null = null
  readonly #hints: Hints
  answered: Answered | null = null
  #flushTimed = false
  #closing = false
  #held = false
  /** Something was answered that no durable batch marked clean covers (J9). */
  unclean = false
  /** What was read did not end clean: its journal id must not go on (J9). */
  endedUnclean: boolean = false

  constructor(host: Host, owner: WriterOwner) {
    this.#host = host
    this.#owner = owner
    this.#hints = new Hints(host.committer)
  }

  /** Takes up what was read. */
  adopt(folded: Folded, claimed: boolean, begunAt: number): void {
    this.cause ??= causeOf(folded, claimed)
    this.epoch = claimed ? folded.epoch : 0
    if (claimed) countClaim(this.#host.counters, this.cause)
    this.n = folded.n
    this.durableOffset = folded.memory.offset
    this.#hash = folded.hash
    this.#ref = folded.ref
    this.claimedEpoch = folded.epoch
    this.#entriesSince = folded.entriesSince
    this.#bytesSince = folded.bytesSince
    this.#snapshotBytes = folded.snapshotBytes
    this.#migrated = folded.migrated
    this.endedUnclean = !folded.clean && !claimed
    this.proofAt = begunAt
    this.answered?.forget()
    const hintsLeft = this.#hints.read(owedAt(folded.memory), this.epoch === 0 ? 0 : this.n)
    this.#closing = false
    this.unclean = claimed && this.#writeBehind
    if (!claimed || !hintsLeft) return
    // Who claims because of a hint replaces it at once by an own one: waiting would let other nodes be woken by it too.
    void this.draft
    this.flush()
  }

  /** Takes up what an earlier owner handed over (H1). Nothing of it is proven the newest: the claim goes out at once. */
  takeOver(folded: Folded, hints: readonly Hint[]): void {
    this.cause = 'claimsHandoff'
    this.adopt(folded, false, -Infinity)
    this.unclean = this.#writeBehind // its claim will not be clean (J9)
    for (const hint of hints) this.#hints.found(hint, 0, null) // not its own: they stand until its claim is durable (D5)
    void this.draft
    this.flush()
  }

  get #writeBehind(): boolean {
    return this.#owner.definition.durability !== 'event'
  }

  /** J9: before it writes, where answers leave early or left early before. */
  get #mustReadToClaim(): boolean {
    return this.epoch === 0 && (this.#writeBehind || this.endedUnclean)
  }

  // ── The draft and the gate ───────────────────────────────────────────────────────────────────────────────────────

  /** Nothing is open and nothing is in flight. */
  get quiet(): boolean {
    return this.#draft === null && this.#flight === null
  }

  /** What is not sealed yet; begun if need be. */
  get draft(): Draft {
    if (this.#draft === null) {
      this.#draft = new Draft(this.#host.clock.mono())
      this.#schedule()
    }
    return this.#draft
  }

  /** A batch will begin after now, so that its success proves the memory newest (D11). */
  get hasDraft(): boolean {
    return this.#draft !== null
  }

  get gated(): number {
    return (this.#draft?.gate.length ?? 0) + (this.#flight?.gate.length ?? 0)
  }

  gate(item: GateItem): void {
    if (this.#writeBehind) item.released()
    else this.gateDurable(item)
  }

  /** Waits for durability, whatever the type's mode. */
  gateDurable(item: GateItem): void {
    if (this.#draft !== null) this.#draft.gate.push(item)
    else this.gateFlight(item)
  }

  /** Waits for the verdict of what is in flight alone. */
  gateFlight(item: GateItem): void {
    if (this.#flight !== null) this.#flight.gate.push(item)
    else item.released()
  }

  effectIsDurable(effect: Effect): boolean {
    return this.#draft?.effects?.includes(effect) !== true && this.#flight?.effects?.includes(effect) !== true
  }

  effectDone(to: string, seq: number, refused: boolean): void {
    // Who has to claim by reading does when it leaves memory.
    this.answered ??= new Answered(this.#host, () => this.#mustReadToClaim || this.draft)
    this.answered.add(to, seq, refused)
  }

  /** J9: the oldest entry that is not durable is older than twice the period. */
  get late(): boolean {
    const { durability } = this.#owner.definition
    if (durability === 'event') return false
    const oldest = this.#flight?.openedAt ?? this.#draft?.begunAt
    return oldest !== undefined && this.#host.clock.mono() - oldest > 2 * durability.everyMs
  }

  /** Write-behind: the open batch is large enough to be written before its time; and too large to take more (promise 6). */
  bound(): 'ok' | 'full' {
    const bytes = this.#draft?.bytes ?? 0
    if (bytes >= this.#host.options.commitBytes) return 'full'
    if (bytes >= this.#host.options.snapshotBytes) this.flush()
    return 'ok'
  }

  /** Writes what is open now, also for write-behind. */
  flush(): void {
    if (this.#draft !== null && this.#flight === null) this.#host.committer.mark(this)
  }

  get inFlight(): boolean {
    return this.#flight !== null
  }

  /** The memory's state is not to be trusted now: nothing is sealed (a snapshot would keep it) until `release`. */
  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    this.#schedule()
  }

  /** What was taken and is not sealed yet, oldest first. */
  get open(): readonly DraftEntry[] {
    return this.#draft?.entries ?? []
  }

  #schedule(): void {
    if (this.#flight !== null || this.#draft === null) return
    const { durability } = this.#owner.definition
    if (durability === 'event' || this.#closing) {
      this.#host.committer.mark(this)
      return
    }
    if (this.#flushTimed) return
    this.#flushTimed = true
    const wait = this.#draft.begunAt + durability.everyMs - this.#host.clock.mono()
    this.#host.clock.after(Math.max(0, wait), () => {
      this.#flushTimed = false
      if (!this.#host.dead) this.flush()
    })
  }

  // ── Appending ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** For the committer: the batch in flight again (J4), or the draft, sealed (J3). */
  seal(): Append | null {
    if (this.#flight !== null) return this.#flight.append
    const draft = this.#draft
    if (draft === null || this.#held) return null
    this.#draft = null
    try {
      this.#flight = this.#sealed(draft)
      return this.#flight.append
    } catch (error) {
      // A state that JSON cannot carry: this actor's events fail, the others of the commit go on.
      this.#draft = draft
      const { id } = this.#owner
      this.#host.log.error({ actor: id }, `the actor cannot be written, its state is not JSON: ${String(error)}`)
      this.#owner.failed(fail('internal', 'the actor’s state cannot be written as JSON; nothing was recorded'))
      return null
    }
  }

  #sealed(draft: Draft): Flight {
    this.answered?.moveInto(draft)
    return sealDraft(this.#host, this.#owner, draft, {
      n: this.n + 1,
      hash: this.#hash,
      ref: this.#ref,
      epoch: this.epoch,
      closing: this.#closing,
      hints: this.#hints,
      snapshotDue: (entries, bytes) => this.#snapshotDue(entries, bytes),
    })
  }

  /** J5, with large snapshots written less often, so that writing them stays in proportion to what came since. */
  #snapshotDue(entries: number, bytes: number): boolean {
    if (this.#owner.definition.history === 'none') return false
    if (this.#migrated) return true
    const { snapshotEntries, snapshotBytes } = this.#host.options
    const bytesSince = this.#bytesSince + bytes
    if (bytesSince >= Math.max(snapshotBytes, this.#snapshotBytes)) return true
    return this.#entriesSince + entries >= snapshotEntries && bytesSince * 4 >= this.#snapshotBytes
  }

  verdict(verdict: Verdict, ref: number): void {
    const flight = this.#flight
    if (flight === null) return
    switch (verdict) {
      case 'committed':
        this.#committed(flight, ref, true)
        return
      case 'taken':
        this.#taken(flight)
        return
      case 'unknown':
        this.#host.counters.inDoubt++
        flight.inDoubt = true
        return // the committer gives it again (J4)
      case 'refused':
        // After a try of unknown outcome a refusal says nothing of that try: only 'committed' or 'taken' settles it (J4).
        // Write-behind has answered already: it keeps what it took, and `late` stops new events (J9).
        if (!this.#writeBehind && !flight.inDoubt && this.#host.clock.mono() - flight.begunAt >= this.#host.options.storePatienceMs)
          this.#owner.failed(
            fail('store_unavailable', 'the store does not take writes now, nothing was recorded: repeat later', { retryAfterMs: 1000 }),
          )
    }
  }

  #taken(flight: Flight): void {
    askHolder(
      this.#host,
      flight.append,
      () => this.#flight === flight,
      (holder, ref) => {
        if (holder !== 'own') {
          this.#owner.fenced(holder === 'another')
          return
        }
        this.#host.counters.settled++
        this.#committed(flight, ref ?? 0, ref !== null)
        if (ref === null) this.#owner.lost()
      },
    )
  }

  #committed(flight: Flight, ref: number, refKnown: boolean): void {
    const { append } = flight
    invariant(append.n === this.n + 1, `batch ${append.n} of ${append.actor} was committed after place ${this.n}`)
    this.#flight = null
    if (this.epoch === 0) countClaim(this.#host.counters, this.cause ?? 'claimsReturned')
    this.n = append.n
    this.durableOffset = flight.offset
    this.#hash = asBuffer(append.hash).toString('latin1')
    this.#ref = ref
    this.epoch = flight.epoch
    this.claimedEpoch = flight.epoch
    this.#entriesSince += append.entries
    this.#bytesSince += append.bytes.length
    this.proofAt = flight.begunAt
    if (flight.snapshot !== null && refKnown) this.#writeSnapshot(append, flight.snapshot, flight.offset, flight.pages)
    this.#hints.committed(append, flight.owed)
    if (flight.closing && this.#draft === null) this.unclean = false
    this.#release(flight.gate)
    if (!refKnown) return // `lost` follows: what comes next is read anew
    this.#owner.committed(flight)
    this.#schedule()
  }

  #release(gate: readonly GateItem[]): void {
    for (const item of gate) {
      try {
        item.released()
      } catch (error) {
        this.#host.log.error({ actor: this.#owner.id }, `an answer threw: ${String(error)}`)
      }
    }
  }

  #writeSnapshot(
    at: { readonly n: number; readonly hash: Uint8Array },
    snapshot: EncodedSnapshot,
    offset: number,
    pages: Flight['pages'],
  ): void {
    const actor = this.#owner.id
    this.#host.counters.snapshots++
    const write = {
      actor,
      n: at.n,
      hash: at.hash,
      bytes: snapshot.bytes,
      offset,
      ref: this.#ref,
      pages: pages ?? new Map<number, Uint8Array>(),
    }
    this.#host.committer.snapshot(write, (lost) => this.#owner.memory.dedupe?.pagesChanged(lost))
    this.#entriesSince = 0
    this.#bytesSince = 0
    this.#snapshotBytes = snapshot.bytes.length
    for (const page of pages?.values() ?? []) this.#snapshotBytes += page.length
    this.#migrated = false
    const { history } = this.#owner.definition
    if (typeof history === 'object' && offset > history.keep) this.#host.committer.trim({ actor, belowOffset: offset - history.keep + 1 })
  }

  // ── The end ────────────────────────────────────────────────────────────────────────────────────────────

  /** The scanner found this hint in the store. */
  foundHint(hint: Hint): void {
    this.#hints.found(hint, this.epoch !== 0 && this.quiet ? this.n : 0, this.#flight?.append ?? null)
  }

  /**
   * Prepares the end of the activation. 'ready': nothing is left to write but perhaps the snapshot. 'writing': a last batch is on
   * its way (effects answered, hints to drop or to set, the clean end of write-behind); nothing may be taken until it is durable.
   * 'claim': that batch needs a claim first (J9). `forGood`: nothing is taken any more, and the next owner sees to the hints (H1).
   */
  close(forGood = false): 'ready' | 'writing' | 'claim' | 'busy' {
    if (forGood) this.#closing = true // what is open is the end
    if (!this.quiet) return 'busy'
    const { memory } = this.#owner
    const owed = owedAt(memory)
    if (this.answered?.none !== false && !this.unclean && (forGood || this.#hints.right(owed, this.epoch))) return 'ready'
    if (this.#mustReadToClaim) return 'claim'
    this.#closing = true
    void this.draft
    return 'writing'
  }

  /** Nothing but claims came since the last: then there is nothing to write (J5). Returns the snapshot if it holds all of the memory, without pages beside it. */
  snapshotAtEnd(): EncodedSnapshot | null {
    if (this.#owner.definition.history === 'none' || this.epoch === 0 || this.#hash === null || this.#entriesSince === 0) return null
    const { memory, definition } = this.#owner
    const hash = Buffer.from(this.#hash, 'latin1')
    const header = { flags: FLAG_CLEAN, n: this.n, epoch: this.epoch, commitId: this.#host.newCommitId(), previous: hash }
    let whole: EncodedSnapshot | null = null
    guarded(this.#host.log, `writing the snapshot of ${this.#owner.id}`, () => {
      const snapshot = encodeSnapshot(header, memory, definition.version, this.#host.dropTime, false)
      const pages = memory.dedupe?.takeDirtyPages() ?? null
      this.#writeSnapshot({ n: this.n, hash }, snapshot, memory.offset, pages)
      if (pages === null) whole = snapshot
    })
    return whole
  }

  /** After `close(true)` has said 'ready': what the next owner needs (H1); null when it must read the store. A snapshot is on its way to the store too (J5). */
  leave(): Bundle | null {
    const snapshot = this.#host.committer.crowded ? null : this.snapshotAtEnd()
    if (this.#hash === null || this.endedUnclean) return null
    const at = {
      n: this.n,
      hash: Buffer.from(this.#hash, 'latin1'),
      ref: this.#ref,
      epoch: this.claimedEpoch,
      hints: this.#hints.known(),
      entriesSince: this.#entriesSince,
      bytesSince: this.#bytesSince,
      migrated: this.#migrated,
    }
    return bundled(this.#host, this.#owner, at, snapshot)
  }

  /** The activation is over. What was at the gate of the batch in flight and of the open one; the committer gets nothing more. */
  abandon(): { readonly inFlight: readonly GateItem[]; readonly open: readonly GateItem[] } {
    const gates = { inFlight: this.#flight?.gate ?? [], open: this.#draft?.gate ?? [] }
    this.#flight = null
    this.#draft = null
    this.answered?.forget()
    return gates
  }
}
