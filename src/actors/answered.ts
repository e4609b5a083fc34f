/**
 * Effects that their targets have finally answered, and that no batch of their sender says yet (D4). That goes with the next batch, or soon in one of its
 * own (W6); until then a crash only means that the target hears them again.
 */
import type { Draft } from './draft.ts'
import type { Host } from './host.ts'

const MARKS_WITHIN_MS = 5000

export class Answered {
  readonly #host: Host
  readonly #late: () => void
  #byTarget = new Map<string, { seq: number; refused: number }>()
  #timed = false

  /** `late`: some wait for long enough. */
  constructor(host: Host, late: () => void) {
    this.#host = host
    this.#late = late
  }

  get none(): boolean {
    return this.#byTarget.size === 0
  }

  add(to: string, seq: number, refused: boolean): void {
    const known = this.#byTarget.get(to)
    this.#byTarget.set(to, { seq: Math.max(seq, known?.seq ?? 0), refused: (known?.refused ?? 0) + (refused ? 1 : 0) })
    if (this.#timed) return
    this.#timed = true
    this.#host.clock.after(MARKS_WITHIN_MS, () => {
      this.#timed = false
      if (!this.#host.dead && !this.none) this.#late()
    })
  }

  /** They go with this batch. */
  moveInto(draft: Draft): void {
    for (const [to, { seq, refused }] of this.#byTarget) draft.done(to, seq, refused)
    this.forget()
  }

  forget(): void {
    this.#byTarget = new Map()
  }
}
