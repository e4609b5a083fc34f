/**
 * Probes: is it there?
 *
 *     this node          helper(s)           subject
 *        |------------------ ping -------------->|        one member each period
 *        |   (no ack in the probe timeout)       |
 *        |---- pingreq ---->|------- ping ------>|        k others are asked
 *        |<---- ack --------|<------ ack --------|        either ack ends the probe well
 *        |<---- nack -------|                             at 80 % of the time left: the helper is well, the subject silent
 *        |   (end of the period) → accuse
 *
 * A missing nack is evidence against this node's own health (Lifeguard). A refused connection accuses at once.
 */
import type { Core } from './core.ts'
import type { Body, Heard, Identity } from './frames.ts'
import { isTerminal } from './member.ts'
import { picked, turnOf } from './probe-order.ts'
import type { Entry } from './roster.ts'
import type { Suspects } from './suspects.ts'

interface Probe extends Identity {
  readonly sentAt: number
  readonly endsAt: number
  helpers: readonly string[]
  readonly nacks: Set<string>
  refused: boolean
  asked: boolean
}

interface Relay extends Identity {
  readonly forId: string
  readonly forSeq: number
  readonly endsAt: number
  nacked: boolean
}

const PROBES_MAX = 32
const RELAYS_MAX = 256
const ROUND_TRIPS = 32
const TIMEOUT_LEAST_MS = 100
const NACK_SHARE = 0.8

export class Probing {
  readonly #core: Core
  readonly #suspects: Suspects
  readonly #probes = new Map<number, Probe>()
  readonly #relays = new Map<number, Relay>()
  #roundTrips: number[] = []

  constructor(core: Core, suspects: Suspects) {
    this.#core = core
    this.#suspects = suspects
  }

  /** A new period. */
  next(): void {
    const core = this.#core
    core.due({ kind: 'probe' }, core.options.periodMs * core.health.stretch)
    const busy = new Set([...this.#probes.values()].map(({ id }) => id))
    const wanted = (id: string): boolean => {
      const entry = core.roster.get(id)
      return entry !== undefined && entry.presumedAt === null && !busy.has(id)
    }
    const turn = turnOf(core.selfId, core.roster.liveIds, core.step)
    const id = turn !== null && wanted(turn) ? turn : core.order.next(wanted)
    if (id !== null) this.#begin(core.roster.get(id) as Entry)
  }

  /** Out of turn: there is a sign that it is gone. */
  probeNow(entry: Entry): void {
    const { id, liveness } = entry.record
    if (entry.presumedAt !== null || isTerminal(liveness) || id === this.#core.selfId || this.#probes.size >= PROBES_MAX) return
    for (const probe of this.#probes.values()) if (probe.id === id) return
    this.#begin(entry)
  }

  /** Nothing listens at its address. */
  refused(entry: Entry): void {
    for (const [seq, relay] of this.#relays) if (relay.id === entry.record.id) this.#nack(seq, relay, true)
    for (const [seq, probe] of this.#probes)
      if (probe.id === entry.record.id) {
        probe.refused = true
        this.direct(seq)
      }
    this.#suspects.accuse(entry, [{ id: this.#core.selfId, refused: true }])
  }

  /** No direct answer in time. */
  direct(seq: number): void {
    const core = this.#core
    const probe = this.#probes.get(seq)
    if (probe === undefined || probe.asked) return
    probe.asked = true
    const entry = core.roster.get(probe.id)
    if (entry === undefined) return
    const able = core.peers.filter(({ record }) => record.id !== probe.id && record.liveness === 'alive')
    const helpers = picked(able, core.options.indirect, core.random)
    probe.helpers = helpers.map(({ record }) => record.id)
    const { id, generation, address } = entry.record
    const withinMs = Math.max(1, probe.endsAt - core.now)
    for (const helper of helpers) core.send(helper, { kind: 'pingreq', seq, target: { id, generation }, address, withinMs })
  }

  /** The period of a probe is over. */
  ended(seq: number): void {
    const probe = this.#probes.get(seq)
    if (probe === undefined) return
    this.#probes.delete(seq)
    const core = this.#core
    const entry = core.roster.get(probe.id)
    if (entry === undefined || entry.record.generation !== probe.generation) return
    if (!probe.refused) core.health.worse(probe.helpers.length === 0 ? 1 : probe.helpers.filter((id) => !probe.nacks.has(id)).length)
    this.#suspects.accuse(entry, [{ id: core.selfId, refused: probe.refused }])
  }

  asked(from: Entry, { seq, target, address, withinMs }: Extract<Body, { kind: 'pingreq' }>): void {
    const core = this.#core
    if (this.#relays.size >= RELAYS_MAX) return
    const own = core.nextSeq()
    this.#relays.set(own, { ...target, forId: from.record.id, forSeq: seq, endsAt: core.now + withinMs, nacked: false })
    core.sendTo(target, address, { kind: 'ping', seq: own, target })
    core.due({ kind: 'relay', seq: own }, withinMs * NACK_SHARE)
  }

  /** A relayed ping was not answered: first a nack, then the end of it. */
  relayDue(seq: number): void {
    const relay = this.#relays.get(seq)
    if (relay === undefined) return
    if (relay.nacked) this.#relays.delete(seq)
    else this.#nack(seq, relay, false)
  }

  acked(from: Heard, seq: number, subject: Heard | null): void {
    const relay = this.#relays.get(seq)
    if (relay !== undefined && subject === null && same(relay, from)) {
      this.#relays.delete(seq)
      this.#core.agenda.clear(`relay ${seq}`)
      const origin = this.#core.roster.get(relay.forId)
      if (origin !== undefined) this.#core.send(origin, { kind: 'ack', seq: relay.forSeq, subject: from })
      return
    }
    const probe = this.#probes.get(seq)
    if (probe === undefined || !same(probe, subject ?? from)) return
    this.#probes.delete(seq)
    this.#core.agenda.clear(`direct ${seq}`)
    this.#core.agenda.clear(`period ${seq}`)
    this.#core.health.better()
    if (subject === null && !probe.asked) this.#roundTrips = [...this.#roundTrips.slice(1 - ROUND_TRIPS), this.#core.now - probe.sentAt]
  }

  nacked(fromId: string, seq: number, refused: boolean): void {
    const probe = this.#probes.get(seq)
    if (probe === undefined || !probe.helpers.includes(fromId)) return
    probe.nacks.add(fromId)
    const entry = this.#core.roster.get(probe.id)
    if (refused && entry?.suspicion != null) this.#suspects.accuse(entry, [{ id: fromId, refused }])
  }

  clear(): void {
    this.#probes.clear()
    this.#relays.clear()
  }

  #begin(entry: Entry): void {
    const core = this.#core
    const { id, generation } = entry.record
    const seq = core.nextSeq()
    const withinMs = core.options.periodMs * core.health.stretch
    const probe = { id, generation, sentAt: core.now, endsAt: core.now + withinMs, helpers: [], nacks: new Set<string>() }
    this.#probes.set(seq, { ...probe, refused: false, asked: false })
    core.send(entry, { kind: 'ping', seq, target: { id, generation } })
    core.due({ kind: 'direct', seq }, this.#timeoutMs() * core.health.stretch)
    core.due({ kind: 'period', seq }, withinMs)
  }

  /** Four of the longest lately seen round trips, within bounds. */
  #timeoutMs(): number {
    const most = this.#core.options.probeTimeoutMs
    if (this.#roundTrips.length < ROUND_TRIPS) return most
    return Math.min(most, Math.max(TIMEOUT_LEAST_MS, 4 * Math.max(...this.#roundTrips)))
  }

  #nack(seq: number, relay: Relay, refused: boolean): void {
    if (relay.nacked) return
    relay.nacked = true
    const origin = this.#core.roster.get(relay.forId)
    if (origin !== undefined) this.#core.send(origin, { kind: 'nack', seq: relay.forSeq, refused })
    this.#core.due({ kind: 'relay', seq }, Math.max(0, relay.endsAt - this.#core.now))
  }
}

function same(a: Identity, b: Identity): boolean {
  return a.id === b.id && a.generation === b.generation
}
