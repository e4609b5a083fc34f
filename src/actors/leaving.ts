/**
 * An activation on its way to the next owner (DESIGN H1): what it took is finished, batch after batch; then it ends, and what the next owner needs is handed
 * to who asked. While an append's outcome is unknown nothing goes on (J4), but not for ever.
 */
import type { Timer } from '../base/clock.ts'
import type { Bundle } from './handoff.ts'
import type { Host } from './host.ts'
import type { Writer } from './writer.ts'

/** The activation, as its way out sees it. */
export interface LeavingOwner {
  readonly id: string
  readonly writer: Writer
  /** Its last batch is on its way. */
  closing(): void
  /** It ends now. `sure`: no batch in flight may have been applied. */
  left(sure: boolean): void
}

/** Without having finished by then it ends as in a crash of the actor: nothing that was answered as durable is lost, and the next owner reads the store. */
export const RELEASE_MAX_MS = 5000

export class Leaving {
  readonly promise: Promise<Bundle | null>
  readonly #host: Host
  readonly #owner: LeavingOwner
  readonly #limit: Timer
  #bundle: Bundle | null = null
  #resolve: (bundle: Bundle | null) => void = () => undefined

  constructor(host: Host, owner: LeavingOwner) {
    this.#host = host
    this.#owner = owner
    this.promise = new Promise((resolve) => (this.#resolve = resolve))
    this.#limit = host.clock.after(RELEASE_MAX_MS, () => this.#late())
  }

  /** The activation is live, and nothing of it is in flight that was before. */
  step(): void {
    const { writer } = this.#owner
    switch (writer.close(true)) {
      case 'busy':
        writer.flush()
        return
      case 'writing':
        this.#owner.closing()
        return
      case 'claim': // only to say what was answered: the next owner asks again (D4)
        this.#owner.left(true)
        return
      case 'ready':
        this.finish()
    }
  }

  /** All that was taken is durable. */
  finish(): void {
    this.#bundle = this.#owner.writer.leave()
    this.#owner.left(true)
  }

  /** The activation is over, for whatever reason. */
  end(): void {
    this.#limit.cancel()
    this.#host.counters.released++
    if (this.#bundle !== null) this.#host.counters.handedOver++
    this.#resolve(this.#bundle)
  }

  #late(): void {
    if (this.#host.dead) {
      this.#resolve(null)
      return
    }
    this.#host.log.warn(
      { actor: this.#owner.id },
      'what the actor took could not be settled in time: its next owner reads it from the store',
    )
    this.#owner.left(false)
  }
}
