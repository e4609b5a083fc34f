/**
 * What a node says of itself. Only here is an incarnation raised (M3): to change phase or data, and to refute.
 *
 * A node that was declared dead after it had refuted three times in a window was flapping, whoever was at fault: with its next generation it stays
 * `joining` for `holdDownMs`, twice as long each further time, at most 10 min (M14).
 */
import type { Core } from './core.ts'
import { META_BYTES_MAX, metaText, type Liveness, type Member, type MemberMeta, type Phase } from './member.ts'

const REFUTATIONS = 3
const HOLD_DOWN_MS_MAX = 10 * 60_000
const LEAVE_MS = 1000
const LEAVE_TOLD_AT_ONCE = 32

export class OwnRecord {
  readonly #core: Core
  #wanted: Phase = 'joining'
  #refutations: number[] = []
  #flaps = 0
  #heldUntil = -Infinity
  leaving = false

  constructor(core: Core) {
    this.#core = core
  }

  begin(record: Member): void {
    const entry = this.#core.put({ ...record, liveness: 'alive', incarnation: 1, phase: 'joining' })
    entry.verified = true
    this.#core.roster.touched()
  }

  phase(phase: Phase): void {
    this.#wanted = phase
    if (this.leaving) return
    const held = this.#heldUntil - this.#core.now
    if (phase === 'ready' && held > 0) {
      this.#core.due({ kind: 'hold' }, held)
      this.#core.log(
        'warn',
        { ms: Math.round(held) },
        'this node kept dropping out: it stays `joining` until it has been steady for a while',
      )
      return
    }
    if (this.#core.self.phase !== phase) this.#change({ phase })
  }

  /** The hold-down is over. */
  released(): void {
    this.phase(this.#wanted)
  }

  meta(meta: MemberMeta): void {
    if (new TextEncoder().encode(metaText(meta)).length > META_BYTES_MAX) {
      this.#core.log('error', {}, `what this node says of itself is over ${META_BYTES_MAX} bytes: give it fewer or shorter labels`)
      return
    }
    this.#change({ meta })
  }

  /** Somebody accused this node of its incarnation `accused`. */
  refute(accused: number): void {
    const core = this.#core
    if (this.leaving || accused < core.self.incarnation) return
    core.health.worse()
    this.#refutations = [...this.#refutations.filter((at) => at > core.now - core.options.flapWindowMs), core.now].slice(-16)
    this.#change({ incarnation: accused + 1 })
  }

  /** This generation is over; the next begins with `reborn`. */
  died(): void {
    const { options, now } = this.#core
    const recent = this.#refutations.filter((at) => at > now - options.flapWindowMs)
    this.#refutations = []
    if (recent.length < REFUTATIONS) return
    this.#heldUntil = now + Math.min(HOLD_DOWN_MS_MAX, options.holdDownMs * 2 ** Math.min(this.#flaps, 16))
    this.#flaps++
  }

  reborn(generation: number): void {
    const { self } = this.#core
    this.#wanted = 'joining'
    this.begin({ ...self, generation })
  }

  leave(): void {
    const core = this.#core
    if (this.leaving) return
    this.leaving = true
    this.#change({ liveness: 'left' })
    for (const entry of core.peers.slice(0, LEAVE_TOLD_AT_ONCE)) core.send(entry, { kind: 'gossip' })
    core.due({ kind: 'leave' }, core.peers.length === 0 ? 0 : LEAVE_MS)
  }

  #change(change: { phase?: Phase; meta?: MemberMeta; incarnation?: number; liveness?: Liveness }): void {
    const { self } = this.#core
    this.#core.put({ ...self, incarnation: self.incarnation + 1, ...change })
  }
}
