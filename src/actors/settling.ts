/**
 * A reducer threw or refused, and may have changed the state it was given. The state is read anew, and what was taken but is not written yet
 * is applied to it again; until then no turn runs and nothing is sealed (a snapshot would keep what is not to be trusted).
 *
 *  - A read that fails, or that the store does not answer in time, ends the activation: who waits comes again, and nothing of it was acknowledged.
 *  - But where answers left early (J9) what is open was acknowledged: it is read again, after a back-off, until the store answers. Who waits
 *    hears meanwhile that the store is away.
 */
import { backoffMs } from '../base/backoff.ts'
import type { Timer } from '../base/clock.ts'
import { guarded } from '../base/guard.ts'
import type { Loaded } from '../store/store.ts'
import type { ActorDefinition } from './define.ts'
import { foldEntries } from './fold.ts'
import type { Host } from './host.ts'
import { HOLE, LATE, UNREADABLE, type Unread } from './loading.ts'
import type { ActorMemory } from './memory.ts'
import { foldFor, foldParts } from './reading.ts'
import type { Task } from './requests.ts'
import { turnAway } from './take.ts'
import type { Writer } from './writer.ts'

export interface SettlingOwner {
  readonly id: string
  readonly key: string
  readonly definition: ActorDefinition
  readonly memory: ActorMemory
  readonly known: boolean
  readonly writer: Writer
  /** The state can be trusted again. */
  settled(): void
  /** The state cannot be read now: what waits is to be offered to `turnsAway`. */
  unsettled(): void
  /** Others have written since. */
  fenced(sure: boolean): void
  unread(why: Unread): void
}

const READ_AGAIN_MAX = 20
const RETRY_MAX_MS = 2000

export class Settling {
  readonly #host: Host
  readonly #owner: SettlingOwner
  /** Of the read under way, or until the next. */
  #timer: Timer | null = null
  /** Reads that failed. */
  #failures = 0
  /** The state is read anew, and only the open batch is waited for. */
  #rested = false
  #over = false

  constructor(host: Host, owner: SettlingOwner) {
    this.#host = host
    this.#owner = owner
  }

  begin(): void {
    this.#owner.writer.hold()
    this.#read(0)
  }

  cancel(): void {
    this.#over = true
    this.#timer?.cancel()
  }

  /** A batch of the activation is durable. */
  committed(): void {
    if (!this.#rested) this.#read(0)
    else if (this.#owner.writer.quiet) this.#owner.settled()
  }

  /** Whether a task need not wait for the store: then it was answered. */
  turnsAway(task: Task): boolean {
    if (this.#failures === 0 || task.waits === true) return false
    guarded(this.#host.log, 'an answer', () => turnAway(this.#owner, task, UNREADABLE))
    return true
  }

  #read(tries: number): void {
    if (this.#over || this.#owner.writer.inFlight) return
    const { clock, store, options } = this.#host
    this.#timer?.cancel()
    const limit = clock.after(options.activationTimeoutMs, () => this.#failed(LATE))
    this.#timer = limit
    // An answer after its time is nobody's: the next read may be under way.
    const wanted = (): boolean => {
      limit.cancel()
      return this.#timer === limit && !this.#over && !this.#host.dead
    }
    store.load(this.#owner.id).then(
      (loaded) => {
        if (wanted()) this.#loaded(loaded, tries)
      },
      (error: unknown) => {
        if (wanted()) this.#failed(error)
      },
    )
  }

  #loaded(loaded: Loaded | null, tries: number): void {
    const outcome = foldFor(this.#host, this.#owner, loaded)
    if (outcome.kind === 'again' && tries < READ_AGAIN_MAX) this.#read(tries + 1)
    else if (outcome.kind !== 'folded') this.#owner.unread(outcome.kind === 'again' ? HOLE : outcome)
    else if (outcome.n !== this.#owner.writer.n) this.#owner.fenced(true)
    else this.#applyOpen(outcome.memory.state)
  }

  #failed(error: unknown): void {
    if (this.#over || this.#host.dead) return
    const { definition, writer, id } = this.#owner
    if (definition.durability === 'event' || !writer.hasDraft) {
      this.#owner.unread({ kind: 'unreadable', error })
      return
    }
    const { counters, clock, options, random, log } = this.#host
    counters.storeFailures++
    if (this.#failures === 0) log.warn({ actor: id }, `the actor could not be read, and keeps what is not written yet: ${String(error)}`)
    const wait = backoffMs(this.#failures++, options.storeRetryMs, RETRY_MAX_MS, random)
    this.#timer = clock.after(Math.max(1, wait), () => this.#read(0))
    this.#owner.unsettled()
  }

  #applyOpen(state: unknown): void {
    const { writer, memory, definition } = this.#owner
    const again = foldEntries(state, writer.open, foldParts(this.#host, this.#owner))
    if ('wrong' in again) {
      this.#owner.unread({ kind: 'broken', why: again.wrong })
      return
    }
    memory.state = again.state
    writer.release()
    // What is open is written before the next turn, or a stream of failing events would hold it back for ever.
    if (definition.durability === 'event' && !writer.quiet) this.#rested = true
    else this.#owner.settled()
  }
}
