/**
 * The Store port on the simulated world: one handle per life of a node, one shared data set. Every call goes out, takes effect
 * and comes back at times drawn from the seed; each step can fail:
 *
 *  - refused before it took effect; failed with unknown outcome before or after; an answer that comes very late;
 *  - single appends of a group without a sure verdict (S2, S4);
 *  - a frozen node gets its answer when it thaws; a crashed one never; what it had under way takes effect or not;
 *  - 'atomic' groups are visible at once (as in SQLite), 'piecewise' ones append by append with hints first (as in MongoDB).
 */
import type { Random } from '../../src/base/random.ts'
import {
  StoreError,
  type Claim,
  type CommitGroup,
  type CommitResult,
  type Hint,
  type Loaded,
  type Store,
  type StoreHealth,
  type StoreTrouble,
  type StoredBatch,
  type Verdict,
  type WalkedBatch,
} from '../../src/store/store.ts'
import type { SimData } from './sim-data.ts'

export interface StoreFaults {
  /** One-way latency: median and how long the tail is. */
  latencyMs: number
  tailMs: number
  /** Probabilities for each call. */
  refused: number
  unknownBefore: number
  unknownAfter: number
  late: number
  /** For each append of a group. */
  verdictUnknown: number
  verdictRefused: number
  /** Takes no writes at all now. */
  down: boolean
  piecewise: boolean
  /** MongoDB only: for each write, the primary is lost at about that moment. */
  failover: number
}

export const NO_FAULTS: Readonly<StoreFaults> = Object.freeze({
  latencyMs: 0.5,
  tailMs: 1,
  refused: 0,
  unknownBefore: 0,
  unknownAfter: 0,
  late: 0,
  verdictUnknown: 0,
  verdictRefused: 0,
  down: false,
  piecewise: false,
  failover: 0,
})

/** An answer of a call comes after this at the latest. */
export const LATE_ANSWER_MS = 12_000

/** How a handle reaches its data: time, and the node it belongs to. */
export interface Carrier {
  readonly by: string
  later(ms: number, run: () => void): void
  /** Runs when the node can take it: not while it is frozen, never once it is dead. */
  deliver(run: () => void): void
  /** A promise of the node was just settled. */
  settled(): void
  proposed(group: CommitGroup): void
  /** What the node now hears of a commit: a verdict for each append, or one for all. */
  heard(group: CommitGroup, verdicts: readonly Verdict[] | 'refused' | 'unknown'): void
}

export interface StoreCounts {
  calls: number
  commits: number
  commitsUnderWay: number
  commitsUnderWayMax: number
  loads: number
}

/** A store as a process has it. */
export interface StoreHandle extends Store {
  readonly counts: StoreCounts
}

/** What all processes write to. */
export interface Disk {
  nextGeneration(node: string): number
  open(random: Random, carrier: Carrier): StoreHandle
}

export function plainDisk(data: SimData, faults: StoreFaults): Disk {
  return {
    nextGeneration: (node) => data.nextGeneration(node),
    open: (random, carrier) => new SimStore(data, faults, random, carrier),
  }
}

export class SimStore implements StoreHandle {
  readonly counts: StoreCounts = { calls: 0, commits: 0, commitsUnderWay: 0, commitsUnderWayMax: 0, loads: 0 }
  readonly #data: SimData
  readonly #faults: StoreFaults
  readonly #random: Random
  readonly #carrier: Carrier
  #closed = false

  constructor(data: SimData, faults: StoreFaults, random: Random, carrier: Carrier) {
    this.#data = data
    this.#faults = faults
    this.#random = random
    this.#carrier = carrier
  }

  commit(group: CommitGroup): Promise<CommitResult> {
    const { counts } = this
    counts.commits++
    counts.commitsUnderWayMax = Math.max(counts.commitsUnderWayMax, ++counts.commitsUnderWay)
    this.#carrier.proposed(group)
    const heard = (verdicts: readonly Verdict[] | 'refused' | 'unknown'): void => {
      counts.commitsUnderWay--
      this.#carrier.heard(group, verdicts)
    }
    return this.#call(
      'write',
      () => this.#apply(group),
      ({ verdicts }) => heard(verdicts),
      heard,
    )
  }

  claim(actor: string, claim: Claim): Promise<Loaded> {
    return this.#call('write', () => this.#data.claim(actor, claim, this.#carrier.by))
  }

  load(actor: string): Promise<Loaded | null> {
    this.counts.loads++
    return this.#call('read', () => this.#data.load(actor))
  }

  read(actor: string, n: number): Promise<StoredBatch | null> {
    return this.#call('read', () => this.#data.read(actor, n))
  }

  newest(actors: readonly string[]): Promise<number[]> {
    return this.#call('read', () => actors.map((actor) => this.#data.newestOf(actor)))
  }

  history(actor: string, from: number, maxBytes: number): Promise<StoredBatch[]> {
    return this.#call('read', () => this.#data.history(actor, from, maxBytes))
  }

  hints(dueBy: number, limit: number, after?: Hint): Promise<Hint[]> {
    return this.#call('read', () => this.#data.hints(dueBy, limit, after))
  }

  meta(key: string, create?: Uint8Array): Promise<Uint8Array | null> {
    return this.#call(create === undefined ? 'read' : 'write', () => this.#data.meta(key, create))
  }

  nextGeneration(node: string): Promise<number> {
    return this.#call('write', () => this.#data.nextGeneration(node))
  }

  actors(after: string | null, limit: number): Promise<string[]> {
    return this.#call('read', () => this.#data.list(after, limit))
  }

  walk(actor: string, afterN: number, limit: number): Promise<WalkedBatch[]> {
    return this.#call('read', () => this.#data.walk(actor, afterN, limit))
  }

  health(): Promise<StoreHealth> {
    return Promise.resolve({ ok: !this.#closed, summary: 'simulated', counters: { ...this.counts } })
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }

  #apply(group: CommitGroup): CommitResult {
    const { piecewise, verdictRefused, verdictUnknown } = this.#faults
    const ref = this.#data.nextRef()
    const verdicts = group.appends.map((append): Verdict => {
      if (this.#random.float() < verdictRefused) return 'refused'
      const unsure = this.#random.float() < verdictUnknown
      if (unsure && this.#random.float() < 0.5) {
        // Hints go first in a piecewise store: one may be durable without its batch.
        if (piecewise) this.#data.putHint(append)
        return 'unknown'
      }
      const verdict = this.#data.append(append, this.#carrier.by, ref, piecewise)
      return unsure ? 'unknown' : verdict
    })
    this.#data.finish(group)
    return { verdicts, ref }
  }

  #call<T>(kind: 'read' | 'write', apply: () => T, won?: (result: T) => void, lost?: (outcome: 'refused' | 'unknown') => void): Promise<T> {
    this.counts.calls++
    if (this.#closed) return Promise.reject(new StoreError('refused', 'closed', 'the simulated store handle is closed'))
    const faults = this.#faults
    const draw = this.#random.float()
    // Half of the calls have left the node once made; the others wait with it while it is frozen, and die with it.
    const left = this.#random.float() < 0.5
    const out = this.#latency()
    const back = this.#random.float() < faults.late ? LATE_ANSWER_MS * (0.2 + 0.8 * this.#random.float()) : this.#latency()
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void): void => {
        this.#carrier.later(back, () => {
          this.#carrier.deliver(() => {
            this.#carrier.settled()
            settle()
          })
        })
      }
      const failed = (outcome: 'refused' | 'unknown', message: string): void =>
        answer(() => {
          lost?.(outcome)
          reject(trouble(outcome, outcome === 'refused' ? 'io' : 'lost', message))
        })
      const arrive = (): void => {
        const refusedBelow = faults.down ? 1 : faults.refused
        if (draw < refusedBelow) return failed('refused', 'certainly not applied')
        const before = refusedBelow + (kind === 'write' ? faults.unknownBefore : 0)
        if (draw < before) {
          // A third of what seems lost is only slow, and takes effect long after its caller has given it up.
          if (draw < refusedBelow + faults.unknownBefore / 3) this.#carrier.later(5000 * this.#random.float() ** 3, () => void apply())
          return failed('unknown', 'connection lost')
        }
        let result: T
        try {
          result = apply()
        } catch (error) {
          return answer(() => reject(new StoreError('refused', 'corrupt', `simulated: ${String(error)}`)))
        }
        if (kind === 'write' && draw < before + faults.unknownAfter) return failed('unknown', 'connection lost')
        answer(() => {
          won?.(result)
          resolve(result)
        })
      }
      this.#carrier.later(out, left ? arrive : () => this.#carrier.deliver(arrive))
    })
  }

  #latency(): number {
    const { latencyMs, tailMs } = this.#faults
    const u = this.#random.float()
    return latencyMs * (0.5 + u) + (u > 0.95 ? tailMs * this.#random.float() : 0)
  }
}

/** Without a stack, which costs more than the call that failed: the simulator is the one who made it up. */
function trouble(outcome: 'refused' | 'unknown', reason: StoreTrouble, message: string): StoreError {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new StoreError(outcome, reason, `simulated: ${message}`)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
