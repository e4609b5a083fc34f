/** Asking the engine of this node, for callers here and on other nodes alike: after a pull when there may be something to pull (H1). */
import type { QueryCall, QueryOutcome, SendCall, SendOutcome } from '../actors/calls.ts'
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

  /** Not from memory alone where another node may have served the actor too since: an event that was acknowledged there would not be seen (D11). */
  query(engine: LocalEngine, call: QueryCall, done: (outcome: QueryOutcome) => void): void {
    const provenSince = this.#pulls.provenSince(call.actor)
    engine.query(provenSince === -Infinity ? call : { ...call, provenSince }, done)
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
