/**
 * Read proofs (DESIGN D11): the store's word on an actor's newest place, asked for many actors at once,
 * at the end of the turn of the event loop in which they were wanted.
 */
import { guarded } from '../base/guard.ts'
import type { Host } from './host.ts'

/** The newest place and when the question began (monotonic), or null when the store did not answer. */
export type ProofAnswer = { readonly n: number; readonly begunAt: number } | null

export class Proofs {
  readonly #host: Host
  #wanted = new Map<string, ((answer: ProofAnswer) => void)[]>()
  #scheduled = false

  constructor(host: Host) {
    this.#host = host
  }

  ask(actor: string, then: (answer: ProofAnswer) => void): void {
    const waiting = this.#wanted.get(actor)
    if (waiting === undefined) this.#wanted.set(actor, [then])
    else waiting.push(then)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#host.clock.soon(() => this.#flush())
  }

  #flush(): void {
    this.#scheduled = false
    if (this.#host.dead) return
    const wanted = this.#wanted
    this.#wanted = new Map()
    const begunAt = this.#host.clock.mono()
    this.#host.counters.proofs += wanted.size
    const answer = (places: readonly number[] | null): void => {
      if (this.#host.dead) return
      let i = 0
      for (const waiting of wanted.values()) {
        const n = places?.[i++]
        for (const then of waiting) guarded(this.#host.log, 'a proof', () => then(n === undefined ? null : { n, begunAt }))
      }
    }
    this.#host.store.newest([...wanted.keys()]).then(answer, () => answer(null))
  }
}
