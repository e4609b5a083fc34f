/**
 * The engine's contract: all actors of one node, the ports it runs on, and how the router hands actors from one node to another (H1). Built in actor-engine.ts.
 */
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Failure } from '../errors.ts'
import type { Options } from '../options.ts'
import type { Store } from '../store/store.ts'
import { ActorEngine } from './actor-engine.ts'
import type { ActorCalls } from './calls.ts'
import type { App } from './define.ts'
import type { Bundle } from './handoff.ts'
import type { Inspection } from './inspect.ts'

export { decodeBundle, encodeBundle, type Bundle } from './handoff.ts'
export type { Inspection } from './inspect.ts'

/** Actors that other nodes may still have in memory (H1). */
export interface Arrivals {
  /** Another node may have it, and can be asked for it. */
  awaited(actor: string): boolean
  /** Asks that node. In a bounded time: true, the actor may be woken here now; false, it is not this node's any more. Never rejects. */
  here(actor: string): Promise<boolean>
}

/** The ports an engine runs on. */
export interface EngineParts {
  readonly app: App
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  readonly node: string
  readonly generation: number
  /** An id that the store keeps and another store has not: the first journal id of its actors. */
  readonly storeId: string
  /** Fold twice, freeze states, and report impure reducers (J8): for `dev` and `troupe/testing`. */
  readonly check: boolean
  /**
   * Whether the ring places the actor here, in this node's view now; without it, always. It routes and never fences (J1): who asks for an actor gets it,
   * owned or not. It decides only whether a request that met a fence is asked again here, and whose hints are this node's to wake (D5).
   */
  readonly owns?: (actor: string) => boolean
  /** In a cluster: before an actor that owes something is woken (D5), a node that may still have it in memory is asked for it. Absent: no other node has any. */
  readonly arrivals?: Arrivals
  /**
   * How what actors send each other reaches them (D4): in a cluster, the router; without it, this engine. Every `done` must be called in the end. Whatever is
   * not a final answer is repeated under the same number, after a back-off.
   */
  readonly outgoing?: ActorCalls
}

/** All actors of one node. */
export interface Engine extends ActorCalls {
  /** Begins to wake actors that owe something (D5). */
  start(): void
  /** Takes nothing new, finishes what was taken, writes snapshots, drops everything. Resolves when all is durable or given up. */
  drain(): Promise<void>
  /** Stops at once, as a crash would, without writing. */
  kill(): void
  /** What is known of an actor, from memory or read from the store; `n` 0 if nothing was ever written. Writes nothing. */
  inspect(actor: string): Promise<Inspection | Failure>
  stats(): EngineStats
  /** An activation is here that serves or will: not one that is leaving. */
  has(actor: string): boolean
  /**
   * Gives an actor up (H1). From now on nothing more is taken: what comes, and what waits and was not yet taken, is answered `moved`. What was taken is finished:
   * all batches decided, write-behind flushed, answers gone. While an append's outcome is unknown it waits (J4). Then the activation ends, its subscribers
   * are told, and the promise gives what the next owner needs to claim without reading the store. The store gets a snapshot too, without being waited for (J5).
   *
   * Null, and the next owner reads the store: there was no activation, or nothing was ever written, or it is larger than `handoffBytes`; or it could not be
   * settled within 5 s, and ended as in a crash of the actor. Afterwards nothing of it is kept here: a later request reads the store. Never rejects.
   */
  release(actor: string): Promise<Bundle | null>
  /**
   * Takes up what another owner gave up (H1), unless the actor is here already. The claim at place n + 1 is appended at once, and nothing leaves before it is
   * durable (J2); if the place is taken the store is read, as after any fence. False, and nothing has happened: the bundle cannot be used here (malformed, of
   * newer code, too large), or this engine takes nothing now. Never throws. `claimed`: called once after true, when the store has decided the claim; false: another
   * owner was before it, or the store did not take it.
   */
  adopt(bundle: Bundle, claimed?: (durable: boolean) => void): boolean
  /** The actors here that are not leaving. `busy`: what waits and what came lately, to compare by: the busiest should move first. */
  activations(): Iterable<{ readonly actor: string; readonly busy: number }>
  /**
   * This node was declared dead (J7). At once: nothing that waits at a gate leaves, every request is answered `moved` (or `timeout`, if it may have been
   * applied and has no identity that would show it), every subscriber is told. The engine is dead for ever: a new life needs a new generation, and a new engine.
   */
  disown(): void
}

export interface EngineStats {
  readonly activations: number
  readonly pendingEvents: number
  /** Monotonic counters by name (counters.ts). */
  readonly counters: Readonly<Record<string, number>>
}

export function createEngine(parts: EngineParts): Engine {
  return new ActorEngine(parts)
}
