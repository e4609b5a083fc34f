/**
 * The store in memory, for tests, the simulator and `memory:`. Same duties as every adapter but S3: nothing survives the process.
 *
 * `connect()` gives a further connection to the same data, as a second node would have. A test may give each connection a `fault`: it is
 * asked once a call and says what goes wrong: refused, applied or not with the answer lost, late, or never answered. Everything happens
 * synchronously at the moment it is applied; only the answer is a promise. With a Clock a call can be applied late (it travels) and
 * answered late.
 */
import type { Clock } from '../base/clock.ts'
import { MemoryData, type Placed } from './memory-data.ts'
import {
  StoreError,
  type Append,
  type Claim,
  type CommitGroup,
  type CommitResult,
  type Hint,
  type Loaded,
  type Store,
  type StoredBatch,
  type StoreHealth,
  type StoreTrouble,
  type WalkedBatch,
} from './store.ts'

export type StoreCall =
  | { readonly op: 'commit'; readonly group: CommitGroup }
  | { readonly op: 'claim'; readonly actor: string; readonly claim: Claim }
  | { readonly op: 'load'; readonly actor: string }
  | { readonly op: 'read'; readonly actor: string }
  | { readonly op: 'newest' | 'history' | 'hints' | 'meta' | 'generation' | 'actors' | 'walk' }

/** What goes wrong with one call. Nothing named: nothing. */
export interface Fault {
  /**
   * 'refused': fails, certainly not applied. 'unknown-before': fails with unknown outcome, not applied. 'unknown-after': the same, applied.
   * 'silent-before' and 'silent-after': never answered.
   */
  readonly kind?: 'refused' | 'unknown-before' | 'unknown-after' | 'silent-before' | 'silent-after'
  readonly reason?: StoreTrouble
  /** The call is applied only after this; needs a clock. */
  readonly applyAfterMs?: number
  /** Once applied, the answer takes this long; needs a clock. */
  readonly answerAfterMs?: number
  /** For a commit: what becomes of single appends (S2). 'unknown-after' is applied, the others are not; null: nothing goes wrong with it. */
  readonly append?: (append: Append) => 'refused' | 'unknown-before' | 'unknown-after' | null
}

export interface MemoryOptions {
  readonly clock?: Clock
  readonly fault?: (call: StoreCall) => Fault | null
}

export interface MemoryStore extends Store {
  /** A further connection to the same data, with faults of its own. */
  connect(options?: MemoryOptions): MemoryStore
  /** As if the process of this connection died: calls not yet applied never are, and nothing is answered any more. */
  crash(): void
}

/** `placed`: for tests that watch what becomes durable, through whichever connection. */
export function memoryStore(options: MemoryOptions = {}, placed?: Placed): MemoryStore {
  return new Connection(new MemoryData(placed), options)
}

class Connection implements MemoryStore {
  readonly #data: MemoryData
  readonly #clock: Clock | null
  readonly #fault: ((call: StoreCall) => Fault | null) | null
  #life: 'open' | 'closed' | 'crashed' = 'open'
  /** Delayed calls of this connection, for close() to wait for. */
  #underWay = 0
  #idle: (() => void)[] = []

  constructor(data: MemoryData, options: MemoryOptions) {
    this.#data = data
    this.#clock = options.clock ?? null
    this.#fault = options.fault ?? null
  }

  connect(options: MemoryOptions = {}): MemoryStore {
    return new Connection(this.#data, { ...(this.#clock !== null && { clock: this.#clock }), ...options })
  }

  crash(): void {
    this.#life = 'crashed'
  }

  commit(group: CommitGroup): Promise<CommitResult> {
    if (this.#fault === null) return this.#plain(() => this.#data.commit(group, null))
    const fault = this.#fault({ op: 'commit', group })
    return this.#faulty(fault, () => this.#data.commit(group, fault?.append ?? null))
  }

  claim(actor: string, claim: Claim): Promise<Loaded> {
    return this.#run({ op: 'claim', actor, claim }, () => this.#data.claim(actor, claim))
  }

  load(actor: string): Promise<Loaded | null> {
    return this.#run({ op: 'load', actor }, () => this.#data.load(actor))
  }

  read(actor: string, n: number): Promise<StoredBatch | null> {
    return this.#run({ op: 'read', actor }, () => this.#data.read(actor, n))
  }

  newest(actors: readonly string[]): Promise<number[]> {
    return this.#run({ op: 'newest' }, () => actors.map((actor) => this.#data.newest(actor)))
  }

  history(actor: string, from: number, maxBytes: number): Promise<StoredBatch[]> {
    return this.#run({ op: 'history' }, () => this.#data.history(actor, from, maxBytes))
  }

  hints(dueBy: number, limit: number, after?: Hint): Promise<Hint[]> {
    return this.#run({ op: 'hints' }, () => this.#data.hints(dueBy, limit, after ?? null))
  }

  meta(key: string, create?: Uint8Array): Promise<Uint8Array | null> {
    return this.#run({ op: 'meta' }, () => this.#data.meta(key, create ?? null))
  }

  nextGeneration(node: string): Promise<number> {
    return this.#run({ op: 'generation' }, () => this.#data.nextGeneration(node))
  }

  actors(after: string | null, limit: number): Promise<string[]> {
    return this.#run({ op: 'actors' }, () => this.#data.actors(after, limit))
  }

  walk(actor: string, afterN: number, limit: number): Promise<WalkedBatch[]> {
    return this.#run({ op: 'walk' }, () => this.#data.walk(actor, afterN, limit))
  }

  health(): Promise<StoreHealth> {
    const { actorCount: actors, batches } = this.#data
    return Promise.resolve({
      ok: this.#life === 'open',
      summary: `memory: ${this.#life}, nothing is kept on disk`,
      counters: { actors, batches },
    })
  }

  close(): Promise<void> {
    if (this.#life === 'open') this.#life = 'closed'
    if (this.#underWay === 0 || this.#life === 'crashed') return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #run<T>(call: StoreCall, apply: () => T): Promise<T> {
    if (this.#fault === null) return this.#plain(apply)
    return this.#faulty(this.#fault(call), apply)
  }

  #plain<T>(apply: () => T): Promise<T> {
    if (this.#life !== 'open') return this.#ended()
    try {
      return Promise.resolve(apply())
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  #ended<T>(): Promise<T> {
    if (this.#life === 'crashed') return new Promise(() => undefined)
    return Promise.reject(new StoreError('refused', 'closed', 'the memory store is closed'))
  }

  #faulty<T>(fault: Fault | null, apply: () => T): Promise<T> {
    if (fault === null) return this.#plain(apply)
    if (this.#life !== 'open') return this.#ended()
    return new Promise((resolve, reject) => {
      this.#underWay++
      this.#later(fault.applyAfterMs, () => {
        const settle = this.#applied(fault, apply, resolve, reject)
        this.#later(fault.answerAfterMs, () => {
          settle()
          this.#done()
        })
      })
    })
  }

  /** Applies the call, or not, and returns how to answer it. */
  #applied<T>(fault: Fault, apply: () => T, resolve: (value: T) => void, reject: (error: unknown) => void): () => void {
    const { kind } = fault
    const fail = (outcome: 'refused' | 'unknown') => () =>
      reject(new StoreError(outcome, fault.reason ?? (outcome === 'refused' ? 'io' : 'lost'), `memory store: ${outcome} as the test asked`))
    if (kind === 'refused') return fail('refused')
    if (kind === 'unknown-before') return fail('unknown')
    if (kind === 'silent-before') return () => undefined
    try {
      const value = apply()
      if (kind === 'unknown-after') return fail('unknown')
      if (kind === 'silent-after') return () => undefined
      return () => resolve(value)
    } catch (error) {
      return () => reject(error)
    }
  }

  /** Nothing is run after a crash: neither applied nor answered. */
  #later(ms: number | undefined, run: () => void): void {
    if (ms === undefined) return run()
    if (this.#clock === null) throw new TypeError('a memory store that delays calls needs a clock')
    this.#clock.after(ms, () => {
      if (this.#life !== 'crashed') run()
    })
  }

  #done(): void {
    if (--this.#underWay > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
