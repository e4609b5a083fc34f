/**
 * A reducer threw or refused, and may have changed the state it was given. The state is read anew, and what was taken but is not written yet
 * is applied to it again; until then no turn runs and nothing is sealed (a snapshot would keep what is not to be trusted).
 */
import type { ActorDefinition } from './define.ts'
import { foldEntries } from './fold.ts'
import type { Host } from './host.ts'
import { HOLE, type Unread } from './loading.ts'
import type { ActorMemory } from './memory.ts'
import { foldFor, foldParts } from './reading.ts'
import type { Writer } from './writer.ts'

export interface SettlingOwner {
  readonly id: string
  readonly key: string
  readonly definition: ActorDefinition
  readonly memory: ActorMemory
  readonly writer: Writer
  /** The state can be trusted again. */
  settled(): void
  /** Others have written since. */
  fenced(sure: boolean): void
  unread(why: Unread): void
}

const READ_AGAIN_MAX = 20

export class Settling {
  readonly #host: Host
  readonly #owner: SettlingOwner
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
  }

  /** A batch of the activation is durable. */
  committed(): void {
    if (!this.#rested) this.#read(0)
    else if (this.#owner.writer.quiet) this.#owner.settled()
  }

  #read(tries: number): void {
    if (this.#over || this.#owner.writer.inFlight) return
    this.#host.store.load(this.#owner.id).then(
      (loaded) => {
        if (this.#over || this.#host.dead) return
        const outcome = foldFor(this.#host, this.#owner, loaded)
        if (outcome.kind === 'again' && tries < READ_AGAIN_MAX) this.#read(tries + 1)
        else if (outcome.kind !== 'folded') this.#owner.unread(outcome.kind === 'again' ? HOLE : outcome)
        else if (outcome.n !== this.#owner.writer.n) this.#owner.fenced(true)
        else this.#applyOpen(outcome.memory.state)
      },
      (error: unknown) => {
        if (!this.#over && !this.#host.dead) this.#owner.unread({ kind: 'unreadable', error })
      },
    )
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
