/**
 * The membership of one node as a machine: inputs and the time in, effects out; it touches no clock, timer, wire or randomness of its own. SWIM with
 * Lifeguard; docs/membership.md draws it.
 *
 *  G1 A member's record only ever grows in the order of member.ts; `dead` and `left` are final for a generation (M2, M4).
 *  G2 Only a node itself raises its incarnation (M3); only a node among a majority says for good that another is dead (M6, census.ts).
 *  G3 Who is known by hearsay serves nothing before it answered (M13).
 *  G4 Silence is judged after the refutation had its time (M7), and never by a node that just woke: a timer that fires late decides nothing until
 *     what waited to be read was read. Node runs an expired timer before the answer that lies in the socket.
 *  G5 A frame of another cluster, or of a generation that is over, changes nothing (M9, M10).
 *  G6 Whatever is sent or kept is bounded (M11, M12).
 */
import type { Random } from '../base/random.ts'
import { unreachable } from '../base/invariant.ts'
import { Census } from './census.ts'
import { Core, type Effect, type Removal, type Task } from './core.ts'
import type { Body, Frame } from './frames.ts'
import type { GossipOptions } from './gossip-options.ts'
import { Joining } from './joining.ts'
import { isTerminal, type Member, type MemberMeta, type Phase } from './member.ts'
import { OwnRecord } from './own-record.ts'
import { Probing } from './probing.ts'
import { picked } from './probe-order.ts'
import { Records } from './records.ts'
import { updateOf, type Entry } from './roster.ts'
import { Suspects } from './suspects.ts'
import { Sync } from './sync.ts'
import type { Peer, WireEnd } from './transport.ts'
import { shownOf, viewOf, type View } from './view.ts'

export type Input =
  | { readonly kind: 'start' }
  /** `nextAt` has come, or the `later` that was asked for. */
  | { readonly kind: 'timer' }
  | { readonly kind: 'frame'; readonly peer: Peer; readonly frame: Frame }
  /** The last wire to this member ended, or it could not be dialled at this address. */
  | { readonly kind: 'closed'; readonly id: string; readonly address: string; readonly end: WireEnd }
  | { readonly kind: 'phase'; readonly phase: Phase }
  | { readonly kind: 'meta'; readonly meta: MemberMeta }
  | { readonly kind: 'leave' }
  /** An operator says that this member is gone for good. */
  | { readonly kind: 'remove'; readonly id: string }
  /** Compare records with this member: somebody saw that it has another view. */
  | { readonly kind: 'sync'; readonly id: string }
  /** Somebody else was refused a connection to it, or lost one. */
  | { readonly kind: 'doubt'; readonly id: string }
  /** After `declaredDead`: the next generation. */
  | { readonly kind: 'reborn'; readonly generation: number }

/** A timer this late shows that the process slept. */
const LATE_MS = 50
const SWEEP_MS = 1000
const PRESUMED_PINGED = 3

export class Membership {
  readonly #core: Core
  readonly #own: OwnRecord
  readonly #census: Census
  readonly #suspects: Suspects
  readonly #records: Records
  readonly #probing: Probing
  readonly #sync: Sync
  readonly #joining: Joining
  /** live; dead: waits for the next generation; over: left, or must end. */
  #life: 'live' | 'dead' | 'over' = 'live'
  #waking = false
  #view: View | null = null

  constructor(self: Member, cluster: number, seeds: readonly string[], options: GossipOptions, random: Random, now: number) {
    this.#core = new Core(cluster, options, random, now)
    this.#core.selfId = self.id
    this.#census = new Census(this.#core)
    this.#own = new OwnRecord(this.#core)
    this.#suspects = new Suspects(this.#core, this.#census)
    this.#records = new Records(this.#core, this.#suspects, this.#own)
    this.#probing = new Probing(this.#core, this.#suspects)
    this.#sync = new Sync(this.#core)
    this.#joining = new Joining(this.#core, this.#sync, seeds)
    this.#own.begin(self)
  }

  get view(): View {
    this.#view ??= viewOf(this.#core.self, this.#core.roster.all())
    return this.#view
  }

  /** As `view` shows it. */
  member(id: string): Member | undefined {
    const entry = this.#core.roster.get(id)
    return entry === undefined ? undefined : (shownOf(entry) ?? undefined)
  }

  /** Shown `dead` by this node alone: others have not been told so, and it may come back with its generation. */
  presumed(id: string): boolean {
    return this.#core.roster.get(id)?.presumedAt != null
  }

  get self(): Member {
    return this.#core.self
  }

  /** When the next `timer` is wanted. */
  get nextAt(): number {
    return this.#life === 'live' ? this.#core.agenda.nextAt : Infinity
  }

  /** For metrics and for the bounds that tests hold it to. */
  get gauges(): {
    readonly records: number
    readonly live: number
    readonly remembered: number
    readonly news: number
    readonly health: number
  } {
    const { roster, broadcasts, health } = this.#core
    return { records: roster.size, live: roster.live, remembered: roster.remembered, news: broadcasts.size, health: health.score }
  }

  /** How often a record was taken from somebody else than its subject, and kept out of service until that was heard itself. */
  get hearsay(): number {
    return this.#core.hearsay
  }

  input(input: Input, now: number): Effect[] {
    const core = this.#core
    core.now = Math.max(core.now, now)
    if (this.#life === 'live' || (this.#life === 'dead' && input.kind === 'reborn')) this.#take(input)
    else if (input.kind === 'leave') core.effect({ kind: 'left' })
    this.#judgeSelf()
    if (core.viewChanged) {
      core.viewChanged = false
      this.#view = null
      core.effect({ kind: 'view' })
    }
    return core.takeEffects()
  }

  #take(input: Input): void {
    switch (input.kind) {
      case 'start':
        return this.#start()
      case 'timer':
        return this.#timer()
      case 'frame':
        return this.#frame(input.peer, input.frame)
      case 'closed':
        return this.#closed(input.id, input.address, input.end)
      case 'phase':
        return this.#own.phase(input.phase)
      case 'meta':
        return this.#own.meta(input.meta)
      case 'leave':
        return this.#own.leave()
      case 'remove':
        return this.#core.effect({ kind: 'removed', id: input.id, outcome: this.#remove(input.id) })
      case 'sync':
        return this.#with(input.id, (entry) => this.#sync.compareWith(entry))
      case 'doubt':
        return this.#with(input.id, (entry) => this.#probing.probeNow(entry))
      case 'reborn':
        return this.#reborn(input.generation)
      default:
        return unreachable(input)
    }
  }

  #start(): void {
    const { options, random } = this.#core
    this.#core.due({ kind: 'probe' }, options.periodMs * random.float())
    this.#core.due({ kind: 'sync' }, options.syncMs * random.float())
    this.#core.due({ kind: 'sweep' }, SWEEP_MS)
    this.#joining.begin()
  }

  #timer(): void {
    const core = this.#core
    const lateMs = core.now - core.agenda.nextAt
    // G4. What was to be judged now is judged after the input that waits, and later by as long as this node slept.
    if (!this.#waking && lateMs > LATE_MS) {
      this.#waking = true
      if (lateMs > core.options.periodMs / 4) core.health.worse()
      this.#suspects.slept(lateMs)
      core.agenda.putOff(lateMs, ({ kind }) => kind === 'direct' || kind === 'period' || kind === 'relay' || kind === 'census')
      return core.effect({ kind: 'later' })
    }
    this.#waking = false
    for (let task = core.agenda.take(core.now); task !== undefined && this.#life === 'live'; task = core.agenda.take(core.now))
      this.#run(task)
  }

  #run(task: Task): void {
    switch (task.kind) {
      case 'probe':
        return this.#probing.next()
      case 'direct':
        return this.#probing.direct(task.seq)
      case 'period':
        return this.#probing.ended(task.seq)
      case 'relay':
        return this.#probing.relayDue(task.seq)
      case 'verdict':
        return this.#suspects.verdict(task.id)
      case 'check':
        return this.#with(task.id, (entry) => this.#probing.probeNow(entry))
      case 'census':
        return this.#census.expired()
      case 'recount':
        return this.#census.recount()
      case 'spread':
        return this.#spread()
      case 'sync':
        return this.#sync.turn()
      case 'reseed':
        return this.#joining.reseed()
      case 'sweep':
        return this.#sweep()
      case 'ask':
        return this.#joining.ask()
      case 'join':
        return this.#joining.expired()
      case 'hold':
        return this.#own.released()
      case 'leave':
        this.#life = 'over'
        return this.#core.effect({ kind: 'left' })
      default:
        return unreachable(task)
    }
  }

  #spread(): void {
    const core = this.#core
    this.#joining.verifySome()
    if (core.peers.length === 0) core.broadcasts.clear()
    if (core.broadcasts.size > 0)
      for (const peer of picked(core.peers, core.options.fanout, core.random)) core.send(peer, { kind: 'gossip' })
    if (core.broadcasts.size > 0 || core.unverified.size > 0) core.due({ kind: 'spread' }, core.options.spreadMs)
  }

  #sweep(): void {
    const core = this.#core
    core.due({ kind: 'sweep' }, SWEEP_MS)
    for (const id of core.roster.ended()) {
      const entry = core.roster.get(id)
      if (entry !== undefined && core.now - entry.endedAt >= core.options.retentionMs) this.#joining.remember(entry)
    }
    for (const id of core.roster.sweep(core.now, core.selfId)) core.forgotten(id)
    const presumed: Entry[] = []
    for (const entry of core.roster.all()) {
      if (isTerminal(entry.record.liveness)) continue
      if (!entry.verified) core.unverified.add(entry.record.id)
      if (entry.presumedAt !== null) presumed.push(entry)
    }
    for (const entry of presumed)
      if (core.now - (entry.presumedAt ?? core.now) >= core.options.retentionMs) {
        this.#joining.remember(entry)
        core.forget(entry.record.id)
      }
    // They may be back, and waiting to hear what they are accused of.
    for (const { record } of picked(presumed, PRESUMED_PINGED, core.random))
      this.#with(record.id, (entry) => core.send(entry, { kind: 'ping', seq: 0, target: { id: record.id, generation: record.generation } }))
    if (core.unverified.size > 0) core.spreadSoon()
  }

  #frame(peer: Peer, { header, body, updates }: Frame): void {
    const core = this.#core
    // G5. The wire has proved who is at its other end; a frame speaks for no one else.
    if (header.cluster !== core.cluster) return
    if (header.id === core.selfId) return this.#namesake(header.generation, header.boot)
    if (header.id !== peer.id || header.generation !== peer.generation) return
    if (body.kind === 'duplicate') return this.#namesake(core.self.generation, body.boot)
    if (this.#over(peer, header.generation)) return
    core.follow(header.step)
    const known = core.roster.get(header.id)
    if (known?.record.generation === header.generation && (known.boot ?? header.boot) !== header.boot)
      return core.reply(null, { kind: 'duplicate', boot: known.boot ?? 0 })
    const stale = this.#records.take(updates)
    const entry = core.roster.get(header.id)
    if (stale.length > 0) core.reply(entry ?? null, { kind: 'gossip' }, stale)
    if (this.#over(peer, header.generation)) return
    if (entry === undefined || entry.record.generation < header.generation) return this.#sync.compareInReply(null)
    entry.boot = header.boot
    this.#verify(entry)
    if (entry.record.incarnation < header.incarnation) this.#sync.compareInReply(entry)
    this.#body(entry, body, updates, header.incarnation)
    this.#sync.noticed(entry, header.digest)
  }

  /** Whether the sender's generation is over: then it is told so, and nothing it says is taken. */
  #over(peer: Peer, generation: number): boolean {
    const core = this.#core
    const entry = core.roster.get(peer.id)
    if (entry === undefined) {
      const before = core.roster.highWater(peer.id)
      if (before === undefined || generation > before.generation) return false
      core.reply(null, { kind: 'gossip' }, [{ record: before, accusers: [], agedMs: 0 }])
      return true
    }
    const { record } = entry
    if (record.generation < generation || (record.generation === generation && !isTerminal(record.liveness))) return false
    core.reply(null, { kind: 'gossip' }, [updateOf(entry, core.now)])
    return true
  }

  #body(from: Entry, body: Body, updates: Frame['updates'], incarnation: number): void {
    const core = this.#core
    const { id, generation } = from.record
    switch (body.kind) {
      case 'ping':
        // Meant for another tenant of this address, or an earlier life: the header says who answers.
        return core.reply(from, { kind: 'ack', seq: body.seq, subject: null })
      case 'ack':
        if (body.subject !== null) this.#relayed(body.subject)
        if (body.subject === null && this.#census.acked(id, body.seq)) return
        return this.#probing.acked({ id, generation, incarnation }, body.seq, body.subject)
      case 'pingreq':
        return this.#probing.asked(from, body)
      case 'nack':
        return this.#probing.nacked(id, body.seq, body.refused)
      case 'compare':
        return this.#sync.compared(from, body.buckets)
      case 'records':
        if (this.#sync.told(from, body, updates)) this.#joining.told()
        return
      case 'gossip':
      case 'duplicate':
        return
      default:
        return unreachable(body)
    }
  }

  #relayed(subject: { readonly id: string; readonly generation: number }): void {
    const entry = this.#core.roster.get(subject.id)
    if (entry?.record.generation === subject.generation) this.#verify(entry)
  }

  #verify(entry: Entry): void {
    if (entry.verified) return
    entry.verified = true
    this.#core.unverified.delete(entry.record.id)
    this.#core.roster.touched()
    this.#core.viewChanged = true
    this.#joining.verified()
  }

  #closed(id: string, address: string, end: WireEnd): void {
    this.#with(id, (entry) => {
      entry.told = 0
      if (isTerminal(entry.record.liveness) || entry.record.address !== address) return
      if (end === 'refused') this.#probing.refused(entry)
      else if (end === 'lost' || end === 'closed') this.#probing.probeNow(entry)
    })
  }

  /** A frame bears this node's own id. */
  #namesake(generation: number, boot: number): void {
    const { id, generation: own } = this.#core.self
    if (boot === this.#core.boot || generation < own) return
    if (generation > own) return this.#superseded(generation)
    this.#life = 'over'
    const message = `another process runs as node ${id}, generation ${own}: give each node its own --node name, and do not copy a node's data directory while it runs`
    this.#core.effect({ kind: 'duplicate', message })
  }

  #superseded(generation: number): void {
    const { id, generation: own } = this.#core.self
    this.#life = 'over'
    const message = `a later process runs as node ${id} (generation ${generation}, this one has ${own}): stop it, or start one of the two with another --node name`
    this.#core.effect({ kind: 'superseded', message })
  }

  /** What was said of this node itself while taking records in. */
  #judgeSelf(): void {
    const { verdict } = this.#records
    if (verdict === 'none' || this.#life !== 'live') return
    this.#records.verdict = 'none'
    if (verdict !== 'dead') return this.#superseded(verdict.superseded.generation)
    this.#life = 'dead'
    this.#own.died()
    this.#core.effect({ kind: 'declaredDead' })
  }

  #reborn(generation: number): void {
    const core = this.#core
    this.#life = 'live'
    this.#waking = false
    core.agenda.clearAll()
    core.broadcasts.clear()
    this.#probing.clear()
    this.#census.clear()
    this.#sync.clear()
    this.#own.reborn(generation)
    for (const entry of core.roster.all()) {
      entry.told = 0
      entry.suspicion = null
      if (entry.record.liveness === 'suspect') this.#suspects.accuse(entry, [])
    }
    this.#start()
  }

  #remove(id: string): Removal {
    const entry = this.#core.roster.get(id)
    if (entry === undefined || id === this.#core.selfId) return entry === undefined ? 'unknown' : 'alive'
    if (entry.record.liveness === 'alive') return 'alive'
    if (entry.record.liveness !== 'left') this.#core.put({ ...entry.record, liveness: 'left' })
    this.#core.effect({ kind: 'drop', id })
    return 'removed'
  }

  #with(id: string, act: (entry: Entry) => void): void {
    const entry = this.#core.roster.get(id)
    if (entry !== undefined && id !== this.#core.selfId) act(entry)
  }
}
