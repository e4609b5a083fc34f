/**
 * Requests on their way through an activation: each is a task (it waits for the activation, then runs) and a gate item
 * (its answer waits for durability, J7). Each calls its caller back exactly once; after its deadline the rest is silence.
 */
import type { DeadlineList, Waiting } from '../base/deadline.ts'
import { fail, type Failure } from '../errors.ts'
import type { Activation } from './activation.ts'
import type { SendCall, SendOutcome } from './calls.ts'
import type { GateItem } from './draft.ts'
import type { Host } from './host.ts'

/** Something to run on a live activation. Exactly one of `run`, `moved`, `failed` is called by who holds it. */
export interface Task {
  /** Nobody waits for its answer: it waits where others are turned away. */
  readonly waits?: true
  run(activation: Activation): void
  moved(sure: boolean): void
  failed(failure: Failure): void
}

export const MOVED: Failure = fail('moved', 'the actor changed owner; repeat under the same identity')

export class SendRequest implements Task, GateItem, Waiting {
  readonly call: SendCall
  /** The data as it will be recorded; null if JSON cannot carry it. */
  readonly json: string | null
  readonly #host: Host
  #done: ((outcome: SendOutcome) => void) | null
  list: DeadlineList | null = null
  expiresAt: number = 0
  before: Waiting | null = null
  after: Waiting | null = null
  attempts = 0
  /** Decided in the turn, told at the gate. */
  outcome: SendOutcome = MOVED

  constructor(host: Host, call: SendCall, json: string | null, done: (outcome: SendOutcome) => void) {
    this.#host = host
    this.call = call
    this.json = json
    this.#done = done
    host.deadlines.begin(this, call.timeoutMs ?? host.options.sendTimeoutMs)
  }

  /** Nobody waits any more; the event may still be taken. */
  get over(): boolean {
    return this.#done === null
  }

  run(activation: Activation): void {
    activation.take(this)
  }

  released(): void {
    this.answer(this.outcome)
  }

  /** Asked again, unless it may have been applied and has no identity that would show it. */
  moved(sure: boolean): void {
    if (this.#done === null) return
    const { seq, key } = this.call
    if (sure || seq !== undefined || key !== undefined) this.#host.again(this)
    else this.answer(fail('timeout', 'the outcome is unknown: the actor’s owner stopped or changed while this was written'))
  }

  failed(failure: Failure): void {
    this.answer(failure)
  }

  expired(): void {
    this.#host.counters.timeouts++
    this.answer(fail('timeout', 'no answer in time, the outcome is unknown: repeat it under the same identity'))
  }

  answer(outcome: SendOutcome): void {
    if (this.#done === null || this.#host.dead) return
    const done = this.#done
    this.#done = null
    this.#host.deadlines.end(this)
    this.#host.answered(this)
    done(outcome)
  }
}

/** A request that only reads: a query, a topic's state, a page of history. Asked again by `repeat` when the activation went away. */
export class ReadRequest<Call extends { readonly actor: string }, Outcome> implements Task, Waiting {
  readonly call: Call
  readonly #host: Host
  readonly #run: (request: ReadRequest<Call, Outcome>, activation: Activation) => void
  readonly #repeat: (request: ReadRequest<Call, Outcome>) => void
  #done: ((outcome: Outcome | Failure) => void) | null
  list: DeadlineList | null = null
  expiresAt: number = 0
  before: Waiting | null = null
  after: Waiting | null = null
  attempts = 0

  constructor(
    host: Host,
    call: Call & { readonly timeoutMs?: number },
    run: (request: ReadRequest<Call, Outcome>, activation: Activation) => void,
    repeat: (request: ReadRequest<Call, Outcome>) => void,
    done: (outcome: Outcome | Failure) => void,
  ) {
    this.#host = host
    this.call = call
    this.#run = run
    this.#repeat = repeat
    this.#done = done
    host.deadlines.begin(this, call.timeoutMs ?? host.options.sendTimeoutMs)
  }

  get over(): boolean {
    return this.#done === null
  }

  run(activation: Activation): void {
    if (this.#done !== null) this.#run(this, activation)
  }

  moved(): void {
    if (this.#done === null) return
    if (++this.attempts > 5 || !this.#host.servesHere(this.call.actor)) this.answer(MOVED)
    else this.#repeat(this)
  }

  failed(failure: Failure): void {
    this.answer(failure)
  }

  expired(): void {
    this.#host.counters.timeouts++
    this.answer(fail('timeout', 'no answer in time: ask again'))
  }

  answer(outcome: Outcome | Failure): void {
    if (this.#done === null || this.#host.dead) return
    const done = this.#done
    this.#done = null
    this.#host.deadlines.end(this)
    done(outcome)
  }
}
