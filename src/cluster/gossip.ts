/**
 * The shell of the membership machine: gives it time and frames, and does what it asks. It decides nothing.
 *
 * Who composes a node gives `accept` the wires of the 'gossip' channel, calls `setPhase('ready')` when `joined` has resolved and the node is warm,
 * and on `disown` drops every activation before anything else (J7).
 *
 * What throws in the machine, in what it asked for, or in who listens to views, leaves a picture of the cluster that nobody can trust: half a record
 * taken, a verdict on this node not carried out, actors routed by a view that is over. The membership ends then, and says `broken`.
 */
import { backoffMs } from '../base/backoff.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Options } from '../options.ts'
import type { Effect, Removal } from './core.ts'
import { encodeFrame } from './frame-codec.ts'
import { clusterHash } from './frames.ts'
import { gossipOptions } from './gossip-options.ts'
import { Links, type LinkCounters } from './links.ts'
import type { Member, MemberMeta, Phase } from './member.ts'
import { Membership, type Input } from './membership.ts'
import type { Transport, Wire, WireEvents } from './transport.ts'
import type { View } from './view.ts'

const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 10_000
/** Who is not let in asks for ever; it is said once, and again after this. */
const DENIED_AGAIN_MS = 600_000
const DENIED_MAX = 256

export interface GossipParts {
  readonly self: { readonly id: string; readonly generation: number; readonly address: string; readonly meta: MemberMeta }
  /** The cluster's name. */
  readonly cluster: string
  /** HOST:PORT each; one's own is passed over. */
  readonly seeds: readonly string[]
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  /** This generation was declared dead: drop every activation, before anything else (J7). */
  disown(): void
  /** After that: the next one. Asked again if it fails. */
  nextGeneration(): Promise<number>
  /** Another process has this node's name; the message says what to do. The node must end; the membership has. */
  ended(reason: 'duplicate' | 'superseded', message: string): void
  /** The membership cannot be trusted any more, and has ended: so must the node. */
  broken(error: unknown): void
}

/** `alone`: nobody at the seeds answered in time; they are asked for ever. */
export type Joined = 'joined' | 'alone'

export interface Gossip {
  view(): View
  /** One member as the view shows it. */
  member(id: string): Member | undefined
  /** Shown `dead` by this node alone, which was not among a majority: it may come back with its generation. */
  presumed(id: string): boolean
  /** Told of each new view, at most once a turn of the event loop. Returns how to stop that. */
  onView(listener: (view: View) => void): () => void
  readonly joined: Promise<Joined>
  /** Told each time it is in: the first time, and with each generation after having been declared dead. */
  onJoined(listener: (how: Joined) => void): void
  /** For `Transport.listen`: the wires of the 'gossip' channel. */
  accept(wire: Wire): WireEvents
  setPhase(phase: Phase): void
  setMeta(meta: MemberMeta): void
  /** Tells the others; resolves when they had the time to hear. Then `stop`. */
  leave(): Promise<void>
  /** An operator's word that a member is gone for good. `alive`: drain it instead. */
  remove(id: string): Removal
  /** Compare records with it: a link saw that it has another view. */
  syncWith(id: string): void
  /** A data link to it was refused or broke. */
  reportRefused(id: string): void
  readonly gauges: Membership['gauges'] & LinkCounters & { readonly wires: number; readonly hearsay: number }
  stop(): void
}

export function startGossip(parts: GossipParts): Gossip {
  return new GossipShell(parts)
}

class GossipShell implements Gossip {
  readonly #parts: GossipParts
  readonly #machine: Membership
  readonly #links: Links
  readonly #viewListeners = new Set<(view: View) => void>()
  readonly #joinListeners = new Set<(how: Joined) => void>()
  readonly #left = Promise.withResolvers<void>()
  readonly #joined = Promise.withResolvers<Joined>()
  readonly #deniedSaid = new Map<string, { readonly why: string; readonly at: number }>()
  #timer: Timer | null = null
  #armedAt = Infinity
  #later = false
  #viewDue = false
  #stopped = false

  constructor(parts: GossipParts) {
    this.#parts = parts
    const { self, cluster, seeds, transport, clock, random, options } = parts
    const record: Member = { ...self, incarnation: 1, liveness: 'alive', phase: 'joining' }
    this.#machine = new Membership(record, clusterHash(cluster), seeds, gossipOptions(options), random, clock.mono())
    this.#links = new Links(self.id, transport, clock, random, {
      frame: (peer, frame, reply) => void this.#input({ kind: 'frame', peer, frame }, reply),
      closed: (id, address, end) => void this.#input({ kind: 'closed', id, address, end }),
      denied: (address, why) => this.#denied(address, why),
    })
    this.#input({ kind: 'start' })
  }

  get joined(): Promise<Joined> {
    return this.#joined.promise
  }

  get gauges(): Gossip['gauges'] {
    return { ...this.#machine.gauges, ...this.#links.counters, wires: this.#links.wires, hearsay: this.#machine.hearsay }
  }

  view(): View {
    return this.#machine.view
  }

  member(id: string): Member | undefined {
    return this.#machine.member(id)
  }

  presumed(id: string): boolean {
    return this.#machine.presumed(id)
  }

  onView(listener: (view: View) => void): () => void {
    this.#viewListeners.add(listener)
    return () => this.#viewListeners.delete(listener)
  }

  onJoined(listener: (how: Joined) => void): void {
    this.#joinListeners.add(listener)
  }

  accept(wire: Wire): WireEvents {
    return this.#links.accept(wire)
  }

  setPhase(phase: Phase): void {
    this.#input({ kind: 'phase', phase })
  }

  setMeta(meta: MemberMeta): void {
    this.#input({ kind: 'meta', meta })
  }

  leave(): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    this.#input({ kind: 'leave' })
    return this.#left.promise
  }

  remove(id: string): Removal {
    for (const effect of this.#input({ kind: 'remove', id })) if (effect.kind === 'removed') return effect.outcome
    return 'unknown'
  }

  syncWith(id: string): void {
    this.#input({ kind: 'sync', id })
  }

  reportRefused(id: string): void {
    this.#input({ kind: 'doubt', id })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#links.stop()
    this.#left.resolve()
  }

  #input(input: Input, reply: ((bytes: Uint8Array) => void) | null = null): readonly Effect[] {
    if (this.#stopped) return []
    try {
      const effects = this.#machine.input(input, this.#parts.clock.mono())
      for (const effect of effects) this.#do(effect, reply)
      this.#arm()
      return effects
    } catch (error) {
      this.#break(error)
      return []
    }
  }

  #break(error: unknown): void {
    if (this.#stopped) return
    this.stop()
    this.#parts.broken(error)
  }

  #do(effect: Effect, reply: ((bytes: Uint8Array) => void) | null): void {
    const { log, clock } = this.#parts
    switch (effect.kind) {
      case 'send':
        return this.#links.send(effect.to.id, effect.address, encodeFrame(effect.frame))
      case 'reply':
        return reply?.(encodeFrame(effect.frame))
      case 'ask':
        return this.#links.ask(effect.address, encodeFrame(effect.frame))
      case 'drop':
        return this.#links.drop(effect.id)
      case 'view':
        if (this.#viewDue) return
        this.#viewDue = true
        return clock.soon(() => this.#tellView())
      case 'joined': {
        const how: Joined = effect.alone ? 'alone' : 'joined'
        log.info({ how }, joinedText(effect.alone, this.#parts.seeds.length))
        this.#joined.resolve(how)
        return clock.soon(() => this.#tell(this.#joinListeners, how))
      }
      case 'left':
        return this.#left.resolve()
      case 'declaredDead':
        log.warn({}, 'the others declared this node dead: it drops its actors and comes back with its next generation')
        this.#parts.disown()
        return void this.#comeBack(0)
      case 'duplicate':
      case 'superseded':
        log.error({ reason: effect.kind }, effect.message)
        this.stop()
        return this.#parts.ended(effect.kind, effect.message)
      case 'later':
        this.#later = true
        return clock.soon(() => {
          this.#later = false
          this.#input({ kind: 'timer' })
        })
      case 'log':
        return log[effect.level](effect.fields, effect.message)
      case 'removed':
        return
    }
  }

  #denied(address: string, why: string): void {
    const { log, clock, cluster } = this.#parts
    const said = this.#deniedSaid.get(address)
    if (said !== undefined && said.why === why && clock.mono() - said.at < DENIED_AGAIN_MS) return
    if (this.#deniedSaid.size >= DENIED_MAX) this.#deniedSaid.clear()
    this.#deniedSaid.set(address, { why, at: clock.mono() })
    log.warn({ address }, `${address} does not take this node of cluster ${cluster} in: ${why}`)
  }

  #arm(): void {
    const at = this.#machine.nextAt
    if (this.#stopped || this.#later || (at === this.#armedAt && this.#timer !== null)) return
    this.#timer?.cancel()
    this.#timer = null
    this.#armedAt = at
    if (at === Infinity) return
    this.#timer = this.#parts.clock.after(Math.max(0, at - this.#parts.clock.mono()), () => {
      this.#timer = null
      this.#input({ kind: 'timer' })
    })
  }

  #tellView(): void {
    this.#viewDue = false
    if (this.#stopped) return
    this.#tell(this.#viewListeners, this.#machine.view)
  }

  #tell<What>(listeners: Iterable<(what: What) => void>, what: What): void {
    try {
      for (const listener of listeners) listener(what)
    } catch (error) {
      this.#break(error)
    }
  }

  async #comeBack(attempt: number): Promise<void> {
    const { clock, random, log } = this.#parts
    let generation: number
    try {
      generation = await this.#parts.nextGeneration()
    } catch (error) {
      log.error({ attempt }, `no next generation yet, asked again soon: ${error instanceof Error ? error.message : String(error)}`)
      clock.after(backoffMs(attempt, RETRY_FIRST_MS, RETRY_MAX_MS, random), () => {
        if (!this.#stopped) void this.#comeBack(attempt + 1)
      })
      return
    }
    if (!this.#stopped) this.#become(generation)
  }

  #become(generation: number): void {
    const { self, transport } = this.#parts
    try {
      this.#links.reset()
      transport.become({ id: self.id, generation, address: self.address })
    } catch (error) {
      return this.#break(error)
    }
    this.#input({ kind: 'reborn', generation })
  }
}

function joinedText(alone: boolean, seeds: number): string {
  if (!alone) return 'joined the cluster'
  return seeds === 0 ? 'no --join: serving alone until others join' : 'nobody answers at --join: serving alone, and asking on'
}
