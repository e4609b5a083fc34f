/** Asking the engine of this node, for callers here and on other nodes alike: after a pull when there may be something to pull (H1). */
import type {
  HistoryCall,
  HistoryOutcome,
  NoteSink,
  QueryCall,
  QueryOutcome,
  SendCall,
  SendOutcome,
  TopicCall,
  TopicOutcome,
  Upstream,
} from '../actors/calls.ts'
import { MOVED } from '../actors/requests.ts'
import type { LocalEngine } from './ports.ts'
import type { Pulls } from './pulls.ts'
import { CLOSING } from './repeats.ts'

export class Local {
  readonly #pulls: Pulls
  /** null: disowned, and not replaced yet. */
  engine: LocalEngine | null

  constructor(engine: LocalEngine, pulls: Pulls) {
    this.engine = engine
    this.#pulls = pulls
  }

  has(actor: string): boolean {
    return this.engine !== null && this.engine.has(actor)
  }

  /** `bytes`: about what it takes while it waits. */
  send(call: SendCall, bytes: number, done: (outcome: SendOutcome) => void): void {
    const { engine } = this
    if (engine === null) done(CLOSING)
    else if (this.#pulls.wants(call.actor))
      this.#pulls.hold(
        call.actor,
        bytes,
        () => (this.engine === null ? done(CLOSING) : this.engine.send(call, done)),
        () => done(MOVED),
      )
    else engine.send(call, done)
  }

  query(engine: LocalEngine, call: QueryCall, done: (outcome: QueryOutcome) => void): void {
    engine.query(this.#proven(call), done)
  }

  topic(engine: LocalEngine, call: TopicCall, done: (outcome: TopicOutcome) => void): void {
    engine.topic(this.#proven(call), done)
  }

  history(engine: LocalEngine, call: HistoryCall, done: (outcome: HistoryOutcome) => void): void {
    engine.history(this.#proven(call), done)
  }

  subscribe(engine: LocalEngine, call: TopicCall, sink: NoteSink, done: (outcome: TopicOutcome) => void): Upstream {
    return engine.subscribe(this.#proven(call), sink, done)
  }

  /** Since when the actor's memory must be proven the newest, monotonic: another node may have served it until then. */
  provenSince(actor: string): number {
    return this.#pulls.provenSince(actor)
  }

  /** Not from memory alone where another node may have served the actor too since: an event that was acknowledged there would not be seen (D11). */
  #proven<Call extends QueryCall | TopicCall | HistoryCall>(call: Call): Call {
    const provenSince = this.provenSince(call.actor)
    return provenSince === -Infinity ? call : { ...call, provenSince }
  }

  /** `run` with the engine, or with null: not here now. */
  read(actor: string, run: (engine: LocalEngine | null) => void): void {
    if (this.engine !== null && this.#pulls.wants(actor))
      this.#pulls.hold(
        actor,
        READ_BYTES,
        () => run(this.engine),
        () => run(null),
      )
    else run(this.engine)
  }
}

const READ_BYTES = 256
