/**
 * What the parts of the membership machine share: the records, what is due, what is still to be told, and the effects asked for so far. It
 * decides nothing but what each frame carries along.
 */
import type { Random } from '../base/random.ts'
import { Agenda } from './agenda.ts'
import { Broadcasts, transmitLimit } from './broadcasts.ts'
import { FRAME_BYTES_MAX, STEP_MAX, type Body, type Frame, type Identity, type Update } from './frames.ts'
import type { GossipOptions } from './gossip-options.ts'
import { Health } from './health.ts'
import { isTerminal, type Member } from './member.ts'
import { ProbeOrder } from './probe-order.ts'
import { Roster, updateOf, type Entry } from './roster.ts'

export type Effect =
  /** To that member, over the wire there is or a new one. */
  | { readonly kind: 'send'; readonly to: Identity; readonly address: string; readonly frame: Frame }
  /** On the wire on which the frame came that is being answered. */
  | { readonly kind: 'reply'; readonly frame: Frame }
  /** To whoever is at this address. */
  | { readonly kind: 'ask'; readonly address: string; readonly frame: Frame }
  /** The wires to this member serve no more. */
  | { readonly kind: 'drop'; readonly id: string }
  /** `view` has changed. */
  | { readonly kind: 'view' }
  | { readonly kind: 'joined'; readonly alone: boolean }
  | { readonly kind: 'left' }
  /** Others have this (id, generation) for dead, and that is final: drop every activation first (J7), then come back with the next generation. */
  | { readonly kind: 'declaredDead' }
  /** Another process speaks under this (id, generation): this one must end. */
  | { readonly kind: 'duplicate'; readonly message: string }
  /** A later process has this node's id: this one must end. */
  | { readonly kind: 'superseded'; readonly message: string }
  | { readonly kind: 'removed'; readonly id: string; readonly outcome: Removal }
  /** Give a `timer` again after what waits to be read was read (`Clock.soon`). */
  | { readonly kind: 'later' }
  | {
      readonly kind: 'log'
      readonly level: 'info' | 'warn' | 'error'
      readonly fields: Readonly<Record<string, string | number>>
      readonly message: string
    }

export type Removal = 'removed' | 'unknown' | 'alive'

export type Task =
  | { readonly kind: 'probe' | 'spread' | 'sync' | 'reseed' | 'sweep' | 'ask' | 'join' | 'census' | 'recount' | 'leave' | 'hold' }
  | { readonly kind: 'direct' | 'period' | 'relay'; readonly seq: number }
  | { readonly kind: 'verdict' | 'check'; readonly id: string }

const OWN_TOLD_MS = 30_000
const NEWS_MAX = 20
const NEWS_BYTES = 16 * 1024

export class Core {
  readonly options: GossipOptions
  readonly random: Random
  readonly boot: number
  readonly cluster: number
  readonly roster: Roster
  readonly broadcasts: Broadcasts = new Broadcasts()
  readonly health: Health = new Health()
  readonly agenda: Agenda<Task> = new Agenda<Task>()
  readonly order: ProbeOrder
  /** Hearsay that is to be pinged. */
  readonly unverified: Set<string> = new Set()
  /** How often hearsay was taken. */
  hearsay = 0
  now: number
  selfId = ''
  viewChanged = false
  /** When a record changed last. */
  changedAt = 0
  #effects: Effect[] = []
  #stepZeroAt: number
  #ownChangedAt = 0
  #seq = 0
  #frames = 0

  constructor(cluster: number, options: GossipOptions, random: Random, now: number) {
    this.now = now
    this.#stepZeroAt = now
    this.cluster = cluster
    this.options = options
    this.random = random
    this.boot = random.bytes(4).reduce((sum, byte) => ((sum << 8) | byte) >>> 0, 0)
    this.roster = new Roster(options.retentionMs)
    this.order = new ProbeOrder(random)
  }

  get self(): Member {
    return (this.roster.get(this.selfId) as Entry).record
  }

  get peers(): readonly Entry[] {
    return this.roster.peers(this.selfId)
  }

  /** Which period it is, as the cluster counts. */
  get step(): number {
    return Math.min(STEP_MAX, Math.max(0, Math.floor((this.now - this.#stepZeroAt) / this.options.periodMs)))
  }

  /** Another is ahead: all count as the one that is furthest. */
  follow(step: number): void {
    if (step > this.step) this.#stepZeroAt = this.now - step * this.options.periodMs
  }

  nextSeq(): number {
    this.#seq = (this.#seq % 0xffff_fffe) + 1
    return this.#seq
  }

  effect(effect: Effect): void {
    this.#effects.push(effect)
  }

  takeEffects(): Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  log(level: 'info' | 'warn' | 'error', fields: Readonly<Record<string, string | number>>, message: string): void {
    this.effect({ kind: 'log', level, fields, message })
  }

  due(task: Task, inMs: number): void {
    const key = 'seq' in task ? `${task.kind} ${task.seq}` : 'id' in task ? `${task.kind} ${task.id}` : task.kind
    this.agenda.set(key, this.now + inMs, task)
  }

  /** Takes a record as the newest of its id, and tells. */
  put(record: Member, agedMs = 0): Entry {
    const before = this.roster.get(record.id)?.record
    const entry = this.roster.put(record, this.now, agedMs)
    if (record.id === this.selfId) this.#ownChangedAt = this.now
    else {
      if (isTerminal(record.liveness)) {
        this.order.remove(record.id)
        this.unverified.delete(record.id)
        this.agenda.clear(`verdict ${record.id}`)
      } else this.order.add(record.id)
      if (before?.generation !== record.generation) this.agenda.clear(`verdict ${record.id}`)
    }
    this.tell(record.id)
    this.changed()
    return entry
  }

  /** The record is news for others. */
  tell(id: string): void {
    this.broadcasts.put(id)
    this.spreadSoon()
  }

  spreadSoon(): void {
    if (!this.agenda.has('spread')) this.due({ kind: 'spread' }, this.options.spreadMs * (0.5 + this.random.float() / 2))
  }

  changed(): void {
    this.viewChanged = true
    this.changedAt = this.now
  }

  forget(id: string): void {
    this.roster.forget(id, this.now)
    this.forgotten(id)
  }

  forgotten(id: string): void {
    this.order.remove(id)
    this.broadcasts.drop(id)
    this.unverified.delete(id)
    this.agenda.clear(`verdict ${id}`)
    this.changed()
  }

  send(to: Entry, body: Body, extra: readonly Update[] = []): void {
    const { id, generation, address } = to.record
    this.effect({ kind: 'send', to: { id, generation }, address, frame: this.#frame(to, body, extra) })
  }

  /** To somebody of whom there need not be a record. */
  sendTo(to: Identity, address: string, body: Body): void {
    this.effect({ kind: 'send', to, address, frame: this.#frame(this.roster.get(to.id) ?? null, body, []) })
  }

  reply(to: Entry | null, body: Body, extra: readonly Update[] = []): void {
    this.effect({ kind: 'reply', frame: this.#frame(to, body, extra) })
  }

  ask(address: string, body: Body): void {
    this.effect({ kind: 'ask', address, frame: this.#frame(null, body, []) })
  }

  #frame(to: Entry | null, body: Body, extra: readonly Update[]): Frame {
    const { self } = this
    const { id, generation, incarnation } = self
    const { cluster, boot, roster } = this
    const header = { cluster, boot, id, generation, incarnation, digest: roster.digest, step: this.step }
    if (body.kind === 'records') return { header, body, updates: extra }
    const updates: Update[] = [...extra]
    this.#frames++
    for (const { record } of extra) this.#isCarried(roster.get(record.id))
    const carry = (entry: Entry): void => {
      if (!this.#isCarried(entry)) updates.push(updateOf(entry, this.now))
    }
    // Outside the budget: who has not been sent our newest record, and who is accused, learns it with the first frame (Lifeguard's buddy).
    // Later all have it by gossip, and who has not sees from the header that it lacks something, and asks.
    if (to === null || (to.told < incarnation && this.now - this.#ownChangedAt < OWN_TOLD_MS)) carry(roster.get(this.selfId) as Entry)
    if (to !== null) to.told = incarnation
    if (to !== null && to.record.liveness === 'suspect') carry(to)
    if (body.kind !== 'compare' && body.kind !== 'duplicate' && this.broadcasts.size > 0) this.#news(updates)
    return { header, body, updates }
  }

  /** Whether the frame being made has it already; from now on it has. */
  #isCarried(entry: Entry | undefined): boolean {
    if (entry === undefined) return false
    const carried = entry.carried === this.#frames
    entry.carried = this.#frames
    return carried
  }

  #news(updates: Update[]): void {
    let bytes = 0
    const limit = transmitLimit(this.roster.live, this.options.transmits)
    this.broadcasts.take(limit, (id) => {
      if (updates.length >= NEWS_MAX || bytes >= NEWS_BYTES) return 'full'
      const entry = this.roster.get(id)
      if (entry === undefined || this.#isCarried(entry)) return 'skipped'
      bytes += entry.bytes
      updates.push(updateOf(entry, this.now))
      return 'sent'
    })
  }
}

/** Cuts what is to be sent as `records` frames. */
export function chunked(updates: readonly Update[], bytesOf: (update: Update) => number, countMax: number): Update[][] {
  const chunks: Update[][] = []
  let bytes = Infinity
  for (const update of updates) {
    const size = bytesOf(update) + 256
    const last = chunks.at(-1)
    if (last === undefined || bytes + size > FRAME_BYTES_MAX - 1024 || last.length >= countMax) {
      chunks.push([update])
      bytes = size
    } else {
      last.push(update)
      bytes += size
    }
  }
  return chunks
}
