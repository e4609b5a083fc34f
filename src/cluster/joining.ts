/**
 * Coming in, and finding those again who were lost from sight.
 *
 * A joining node asks its seeds each second. It is in when one has told all it holds and it had answers of its own from three members (or all, if
 * fewer): it can reach them and they can reach it. With no answer for `joinMs` it serves alone. Either way a seed that is no member's address, and a
 * member thought dead, are asked every `reseedMs` for ever: that alone heals a split that lasted longer than anything is remembered (M8).
 */
import type { Core } from './core.ts'
import { isTerminal } from './member.ts'
import { picked } from './probe-order.ts'
import type { Entry } from './roster.ts'
import type { Sync } from './sync.ts'

const ASK_EVERY_MS = 1000
const ASKED_AT_ONCE = 8
const ANSWERS = 3
const FORMER_MAX = 256
const FORMER_MS = 24 * 3_600_000
/** Hearsay pinged at once, each `spreadMs`. */
const VERIFIED_AT_ONCE = 64

export class Joining {
  readonly #core: Core
  readonly #sync: Sync
  readonly #seeds: readonly string[]
  /** Addresses of members that died and were forgotten, until when. */
  readonly #former = new Map<string, number>()
  #asking = false
  #contacted = false

  constructor(core: Core, sync: Sync, seeds: readonly string[]) {
    this.#core = core
    this.#sync = sync
    this.#seeds = seeds
  }

  begin(): void {
    this.#asking = true
    this.#contacted = false
    const nobody = this.#seedsElsewhere().length === 0 && this.#core.peers.length === 0
    this.#core.due({ kind: 'join' }, nobody ? 0 : this.#core.options.joinMs)
    this.ask()
    this.#reseedLater()
  }

  ask(): void {
    if (!this.#asking) return
    const core = this.#core
    for (const seed of picked(this.#seedsElsewhere(), ASKED_AT_ONCE, core.random)) core.ask(seed, this.#sync.question())
    for (const entry of picked(core.peers, ANSWERS, core.random)) core.send(entry, this.#sync.question())
    core.due({ kind: 'ask' }, ASK_EVERY_MS)
  }

  /** A member has told all it holds. */
  told(): void {
    this.#contacted = true
    this.verified()
  }

  verified(): void {
    if (!this.#asking || !this.#contacted) return
    const others = this.#core.roster.live - 1
    if (this.#core.peers.length >= Math.min(ANSWERS, others)) this.#joined()
  }

  /** `joinMs` are over. */
  expired(): void {
    if (this.#asking) this.#joined()
  }

  #joined(): void {
    this.#asking = false
    this.#core.agenda.clear('ask')
    this.#core.agenda.clear('join')
    this.#core.effect({ kind: 'joined', alone: this.#core.peers.length === 0 })
  }

  reseed(): void {
    this.#reseedLater()
    const core = this.#core
    const present = new Set(core.peers.map(({ record }) => record.address))
    const lost = this.#seedsElsewhere().filter((seed) => !present.has(seed))
    for (const [address, until] of this.#former) if (until <= core.now) this.#former.delete(address)
    const gone = [...this.#former.keys()]
    for (const { record, presumedAt } of core.roster.all()) if (record.liveness === 'dead' || presumedAt !== null) gone.push(record.address)
    const asked = new Set([
      ...picked(lost, 1, core.random),
      ...picked(
        gone.filter((address) => !present.has(address)),
        1,
        core.random,
      ),
    ])
    for (const address of asked) if (address !== '') core.ask(address, this.#sync.question())
  }

  /** A dead member is forgotten; its address is asked for a day more. */
  remember({ record }: Entry): void {
    if (record.liveness === 'left') return
    this.#former.delete(record.address)
    this.#former.set(record.address, this.#core.now + FORMER_MS)
    for (const oldest of this.#former.keys()) {
      if (this.#former.size <= FORMER_MAX) break
      this.#former.delete(oldest)
    }
  }

  /** Pings who is known by hearsay alone: an answer brings it into service (M13). */
  verifySome(): void {
    const core = this.#core
    let pinged = 0
    for (const id of core.unverified) {
      if (pinged >= VERIFIED_AT_ONCE) return
      core.unverified.delete(id)
      const entry = core.roster.get(id)
      if (entry === undefined || entry.verified || isTerminal(entry.record.liveness)) continue
      pinged++
      core.send(entry, { kind: 'ping', seq: 0, target: { id, generation: entry.record.generation } })
    }
  }

  #reseedLater(): void {
    this.#core.due({ kind: 'reseed' }, this.#core.options.reseedMs * (0.8 + 0.4 * this.#core.random.float()))
  }

  #seedsElsewhere(): string[] {
    return this.#seeds.filter((seed) => seed !== this.#core.self.address)
  }
}
