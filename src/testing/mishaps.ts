/** The faults of a plan as they happen: each where it can, and its end after its time. One node is always left alone, so that somebody serves. */
import { Cuts } from './cuts.ts'
import type { FaultKind, Mishap } from './plan.ts'
import type { WorldCore } from './world.ts'

interface End {
  readonly atMs: number
  readonly run: () => void
}

export class Mishaps {
  readonly counts: Map<FaultKind, number> = new Map()
  readonly #core: WorldCore
  readonly #cuts: Cuts
  #ends: End[] = []
  #over = false

  constructor(core: WorldCore) {
    this.#core = core
    this.#cuts = new Cuts({ cut: (from, to, how) => core.cut(from, to, how), mend: (a, b) => core.heal(a, b) })
  }

  /** When the next one ends. */
  get nextAt(): number {
    return this.#ends[0]?.atMs ?? Infinity
  }

  /** Ends those that are due. */
  ended(nowMs: number): void {
    while (this.nextAt <= nowMs) this.#ends.shift()?.run()
  }

  /** Nothing more begins, and what goes on ends now. */
  stop(): void {
    this.#over = true
    for (const { run } of this.#ends.splice(0)) run()
  }

  begin(item: Mishap, nowMs: number): void {
    if (!this.#begun(item, nowMs)) return
    this.counts.set(item.kind, (this.counts.get(item.kind) ?? 0) + 1)
  }

  #begun(item: Mishap, nowMs: number): boolean {
    const core = this.#core
    switch (item.kind) {
      case 'crash':
        if (!this.#sparable(item.node)) return false
        core.crash(item.node)
        this.#later(nowMs + item.forMs, () => core.startAlong(item.node))
        return true
      case 'freeze':
        if (!this.#sparable(item.node)) return false
        core.freeze(item.node)
        this.#later(nowMs + item.forMs, () => core.thaw(item.node))
        return true
      case 'drain':
        if (!this.#sparable(item.node)) return false
        // It takes as long as it takes; what it throws, the process's own callbacks would.
        core.drainAlong(item.node).then(
          () => (this.#over ? undefined : this.#later(core.elapsedMs + item.forMs, () => core.startAlong(item.node))),
          (error: unknown) => core.blame('no-throw', `the drain of ${item.node} failed: ${String(error)}`),
        )
        return true
      case 'cut':
        this.#later(nowMs + item.forMs, this.#cuts.begin(item.from, item.to, item.how))
        return true
      case 'store':
        core.store.fail(item.how, item.times)
        return true
      case 'join':
        core.startAlong(item.node)
        return true
    }
  }

  /** Whether another would serve on. The only node of a world may crash. */
  #sparable(node: string): boolean {
    const { nodes } = this.#core
    if (nodes.find(({ name }) => name === node)?.state !== 'up') return false
    return nodes.length === 1 || nodes.some(({ name, state }) => name !== node && state === 'up')
  }

  #later(atMs: number, run: () => void): void {
    const at = this.#ends.findIndex((end) => end.atMs > atMs)
    this.#ends.splice(at < 0 ? this.#ends.length : at, 0, { atMs, run })
  }
}
