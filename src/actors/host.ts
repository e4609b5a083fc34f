/** What an activation asks of the engine around it. Implemented by engine.ts; kept small so that the parts can be read alone. */
import type { Clock } from '../base/clock.ts'
import type { Deadlines } from '../base/deadline.ts'
import type { Log } from '../base/log.ts'
import type { Failure } from '../errors.ts'
import type { Random } from '../base/random.ts'
import type { Options } from '../options.ts'
import type { Store } from '../store/store.ts'
import type { Activation, Ending } from './activation.ts'
import type { Alarms } from './alarms.ts'
import type { Committer } from './committer.ts'
import type { Counters } from './counters.ts'
import type { Delivery } from './delivery.ts'
import type { DropTime } from './drop-time.ts'
import type { Learnt } from './learnt.ts'
import type { Proofs } from './proofs.ts'
import type { SendRequest } from './requests.ts'
import type { TurnContext } from './turn.ts'

export interface Host {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  readonly check: boolean
  /** Node id and generation, as claims name it. */
  readonly owner: string
  readonly turn: TurnContext
  readonly committer: Committer
  readonly alarms: Alarms
  readonly delivery: Delivery
  readonly proofs: Proofs
  readonly deadlines: Deadlines
  readonly counters: Counters
  /** What the app's code has shown of itself on this engine. */
  readonly learnt: Learnt
  /** By which remembered things are dropped (D3). */
  readonly dropTime: DropTime
  /** Activations that are being read from the store now. */
  readonly reading: { count: number }
  /** The engine was killed: nothing may happen any more. */
  readonly dead: boolean
  /** Journal id of actors that never had one: the store's. */
  readonly firstJournal: string
  newCommitId(): Uint8Array
  newJournal(): string
  /** The activation is over; the next request makes a new one, which claims first if this one was fenced (J2). */
  retire(activation: Activation, why: Ending, failure: Failure | null): void
  /** How long to wait before claiming an actor that was lost to another owner lately; null: it need not be claimed first. */
  claimWait(actor: string): number | null
  /** Whether a request that met the end of its activation is asked again here: not on the way to another owner, nor where the ring no longer places the actor. */
  servesHere(actor: string): boolean
  /** A send was answered: it counts no more among those that wait. */
  answered(request: SendRequest): void
  /** A send that met a fence: asks again, or answers `moved`. */
  again(request: SendRequest): void
}
