/**
 * HashiCorp's memberlist (github.com/hashicorp/memberlist, commit 1b4c746: state.go, suspicion.go, awareness.go, queue.go, net.go) as a machine of the same
 * world: SWIM with Lifeguard as it is there, with the settings of DefaultLANConfig. It is held beside ours; nothing of the product uses it.
 *
 * As there: a shuffled round of probes each node makes for itself; the direct time-out is not stretched by the health score; a fallback ping (its TCP ping)
 * goes out with the indirect ones; who is told of a suspicion does not look for itself; a silent member is dead at the end of the suspicion at whoever's timer runs
 * out first, and for all who hear it; a member that was declared dead refutes with a higher incarnation; push/pull takes another's dead for suspect.
 *
 * Ours, so that both are counted alike: the frames and their encoding (a suspicion carries the whole record, in memberlist about 50 bytes), the network, and that a ping
 * names its target. Left out: leaving, reconnecting after DeadNodeReclaimTime, conflicts of addresses, user data.
 */
import { hash32 } from '../../src/base/random.ts'
import type { Random } from '../../src/base/random.ts'
import { Agenda } from '../../src/cluster/agenda.ts'
import { Broadcasts, transmitLimit } from '../../src/cluster/broadcasts.ts'
import { chunked, type Effect } from '../../src/cluster/core.ts'
import { updateBytes } from '../../src/cluster/frame-codec.ts'
import { CHUNK_RECORDS_MAX, type Body, type Frame, type Update } from '../../src/cluster/frames.ts'
import { inService, isTerminal, type Member } from '../../src/cluster/member.ts'
import type { Input } from '../../src/cluster/membership.ts'
import { picked, shuffled } from '../../src/cluster/probe-order.ts'
import type { View } from '../../src/cluster/view.ts'
import type { Machine } from '../../test/cluster/world.ts'

/** DefaultLANConfig. */
const LAN = {
  probeIntervalMs: 1000,
  probeTimeoutMs: 500,
  indirectChecks: 3,
  suspicionMult: 4,
  suspicionMaxTimeoutMult: 6,
  awarenessMax: 8,
  gossipIntervalMs: 200,
  gossipNodes: 3,
  gossipToTheDeadMs: 30_000,
  retransmitMult: 4,
  pushPullMs: 30_000,
  udpBytes: 1400,
} as const
const PUSH_PULL_SCALED_ABOVE = 32
const JOIN_AGAIN_MS = 1000
const RECORD_OVERHEAD_BYTES = 8

interface Node {
  record: Member
  changedAt: number
  suspicion: Suspicion | null
}

interface Suspicion {
  readonly startedAt: number
  readonly minMs: number
  readonly maxMs: number
  readonly k: number
  confirmed: number
  readonly from: Set<string>
}

interface Probe {
  readonly seq: number
  readonly fallback: number
  readonly id: string
  readonly endsAt: number
  helpers: number
  nacks: number
  contacted: boolean
}

type Task =
  | { readonly kind: 'tick' | 'gossip' | 'pushpull' | 'join' }
  | { readonly kind: 'direct' | 'end' | 'nack'; readonly seq: number }
  | { readonly kind: 'verdict'; readonly id: string }

export class Memberlist implements Machine {
  readonly #cluster: number
  readonly #boot: number
  readonly #selfId: string
  readonly #seeds: readonly string[]
  readonly #random: Random
  readonly #agenda = new Agenda<Task>()
  readonly #nodes = new Map<string, Node>()
  /** The round of probes. */
  #round: Node[] = []
  #at = 0
  readonly #broadcasts = new Broadcasts()
  readonly #news = new Map<string, Update>()
  readonly #relays = new Map<number, { readonly forId: string; readonly forSeq: number }>()
  #probe: Probe | null = null
  #tickMissed = false
  #awareness = 0
  #seq = 0
  #joined = false
  #effects: Effect[] = []
  #changed = false
  #view: View | null = null
  #now: number

  constructor(self: Member, cluster: number, seeds: readonly string[], random: Random, now: number) {
    this.#cluster = cluster
    this.#random = random
    this.#seeds = seeds
    this.#now = now
    this.#selfId = self.id
    this.#boot = random.bytes(4).reduce((sum, byte) => ((sum << 8) | byte) >>> 0, 0)
    this.#add({ ...self, phase: 'ready' })
  }

  get self(): Member {
    return (this.#nodes.get(this.#selfId) as Node).record
  }

  get nextAt(): number {
    return this.#agenda.nextAt
  }

  get gauges(): Machine['gauges'] {
    const live = [...this.#nodes.values()].filter(({ record }) => !isTerminal(record.liveness)).length
    return { records: this.#nodes.size, live, remembered: 0, news: this.#broadcasts.size, health: this.#awareness }
  }

  get view(): View {
    if (this.#view !== null) return this.#view
    const members = Array.from(this.#nodes.values(), ({ record }) => record).sort((a, b) => (a.id < b.id ? -1 : 1))
    const text = members.filter(inService).map(({ id, generation }) => `${id} ${generation}`)
    this.#view = { self: { id: this.#selfId, generation: this.self.generation }, members, hash: String(hash32(text.join(), 1)) }
    return this.#view
  }

  member(id: string): Member | undefined {
    return this.#nodes.get(id)?.record
  }

  presumed(): boolean {
    return false
  }

  /** Has known these all along. */
  acquaint(records: readonly Member[]): void {
    for (const record of records) if (record.id !== this.#selfId) this.#add(record)
    shuffled(this.#round, this.#random)
  }

  input(input: Input, now: number): Effect[] {
    this.#now = Math.max(this.#now, now)
    switch (input.kind) {
      case 'start':
        this.#start()
        break
      case 'timer':
        for (let task = this.#agenda.take(this.#now); task !== undefined; task = this.#agenda.take(this.#now)) this.#run(task)
        break
      case 'frame':
        this.#frame(input.peer.id, input.frame)
        break
      case 'meta':
        this.#announce({ ...this.self, incarnation: this.self.incarnation + 1, meta: input.meta })
        break
      default:
        // Connections are not looked at; the rest is not part of what is measured.
        break
    }
    if (this.#changed) {
      this.#changed = false
      this.#view = null
      this.#effects.push({ kind: 'view' })
    }
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  // ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #start(): void {
    const { float } = this.#random
    this.#due({ kind: 'tick' }, LAN.probeIntervalMs * (1 + float()))
    this.#due({ kind: 'gossip' }, LAN.gossipIntervalMs * (1 + float()))
    // Who has been here for long is anywhere in its turn; who starts waits a random share first, then the whole.
    const met = this.#nodes.size > 1
    this.#due({ kind: 'pushpull' }, met ? this.#pushPullMs() * float() : LAN.pushPullMs * float() + this.#pushPullMs())
    if (!met) this.#join()
  }

  #due(task: Task, inMs: number): void {
    const key = 'seq' in task ? `${task.kind} ${task.seq}` : 'id' in task ? `${task.kind} ${task.id}` : task.kind
    this.#agenda.set(key, this.#now + inMs, task)
  }

  #run(task: Task): void {
    switch (task.kind) {
      case 'tick':
        this.#due(task, LAN.probeIntervalMs)
        if (this.#probe === null) return this.#begin()
        this.#tickMissed = true
        return
      case 'direct':
        return this.#direct(task.seq)
      case 'end':
        return this.#end(task.seq)
      case 'nack':
        return this.#nack(task.seq)
      case 'verdict':
        return this.#verdict(task.id)
      case 'gossip':
        this.#due(task, LAN.gossipIntervalMs)
        return this.#gossip()
      case 'pushpull':
        this.#due(task, this.#pushPullMs())
        return this.#pushPull()
      case 'join':
        return this.#join()
    }
  }

  /** pushPullScale. */
  #pushPullMs(): number {
    const nodes = this.#nodes.size
    if (nodes <= PUSH_PULL_SCALED_ABOVE) return LAN.pushPullMs
    return LAN.pushPullMs * (Math.ceil(Math.log2(nodes) - Math.log2(PUSH_PULL_SCALED_ABOVE)) + 1)
  }

  // ── Probes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #begin(): void {
    for (let looked = 0; looked < this.#nodes.size;) {
      if (this.#at >= this.#round.length) {
        this.#reset()
        looked++
        continue
      }
      const node = this.#round[this.#at++] as Node
      if (node.record.id !== this.#selfId && !isTerminal(node.record.liveness)) return this.#ping(node)
      looked++
    }
  }

  /** resetNodes: those long dead go, the rest is shuffled. */
  #reset(): void {
    this.#at = 0
    this.#round = this.#round.filter((node) => {
      const keep = !isTerminal(node.record.liveness) || this.#now - node.changedAt <= LAN.gossipToTheDeadMs
      if (!keep) this.#nodes.delete(node.record.id)
      return keep
    })
    shuffled(this.#round, this.#random)
  }

  #ping({ record }: Node): void {
    const withinMs = LAN.probeIntervalMs * (this.#awareness + 1)
    const [seq, fallback] = [++this.#seq, ++this.#seq]
    this.#probe = { seq, fallback, id: record.id, endsAt: this.#now + withinMs, helpers: 0, nacks: 0, contacted: false }
    const body: Body = { kind: 'ping', seq, target: record }
    if (record.liveness === 'alive') this.#send(record, body)
    else this.#send(record, body, [suspect(record, this.#selfId)])
    this.#due({ kind: 'direct', seq }, LAN.probeTimeoutMs)
    this.#due({ kind: 'end', seq }, withinMs)
  }

  #direct(seq: number): void {
    const probe = this.#probe
    const node = probe?.seq === seq ? this.#nodes.get(probe.id) : undefined
    if (probe === null || node === undefined) return
    const { record } = node
    const helpers = this.#some(LAN.indirectChecks, (other) => other.record.id === probe.id || other.record.liveness !== 'alive')
    probe.helpers = helpers.length
    const asked = { kind: 'pingreq', seq, target: record, address: record.address, withinMs: LAN.probeTimeoutMs } as const
    for (const helper of helpers) this.#send(helper.record, asked)
    this.#send(record, { kind: 'ping', seq: probe.fallback, target: record }, [])
  }

  #end(seq: number): void {
    const probe = this.#probe
    if (probe?.seq !== seq) return
    if (probe.contacted) return this.#probed(-1)
    this.#probed(probe.helpers > 0 ? probe.helpers - probe.nacks : 1)
    const node = this.#nodes.get(probe.id)
    if (node !== undefined) this.#suspected(node.record, this.#selfId)
  }

  #probed(awareness: number): void {
    this.#aware(awareness)
    if (this.#probe !== null) for (const kind of ['direct', 'end']) this.#agenda.clear(`${kind} ${this.#probe.seq}`)
    this.#probe = null
    if (!this.#tickMissed) return
    this.#tickMissed = false
    this.#begin()
  }

  #aware(delta: number): void {
    this.#awareness = Math.min(LAN.awarenessMax - 1, Math.max(0, this.#awareness + delta))
  }

  #nack(seq: number): void {
    const relay = this.#relays.get(seq)
    this.#relays.delete(seq)
    const origin = relay === undefined ? undefined : this.#nodes.get(relay.forId)
    if (relay !== undefined && origin !== undefined) this.#send(origin.record, { kind: 'nack', seq: relay.forSeq, refused: false })
  }

  #acked(seq: number): void {
    const relay = this.#relays.get(seq)
    if (relay !== undefined) {
      this.#relays.delete(seq)
      this.#agenda.clear(`nack ${seq}`)
      const origin = this.#nodes.get(relay.forId)
      if (origin !== undefined) this.#send(origin.record, { kind: 'ack', seq: relay.forSeq, subject: null })
    } else if (this.#probe?.seq === seq) this.#probed(-1)
    else if (this.#probe?.fallback === seq) this.#probe.contacted = true
  }

  // ── What others say ────────────────────────────────────────────────────────────────────────────────────────────────

  #frame(from: string, { header, body, updates }: Frame): void {
    if (header.cluster !== this.#cluster) return
    if (body.kind !== 'records') for (const update of updates) this.#heard(update)
    switch (body.kind) {
      case 'ping':
        if (body.target.id === this.#selfId) this.#reply({ kind: 'ack', seq: body.seq, subject: null }, this.#carried())
        return
      case 'ack':
        return this.#acked(body.seq)
      case 'nack':
        if (this.#probe?.seq === body.seq) this.#probe.nacks++
        return
      case 'pingreq': {
        const seq = ++this.#seq
        this.#relays.set(seq, { forId: from, forSeq: body.seq })
        const effect = { kind: 'send', to: body.target, address: body.address } as const
        this.#effects.push({ ...effect, frame: this.#frameOf({ kind: 'ping', seq, target: body.target }, this.#carried()) })
        return this.#due({ kind: 'nack', seq }, LAN.probeTimeoutMs)
      }
      case 'records':
        return this.#merged(updates, body.last, body.answer)
      default:
        return
    }
  }

  /** A broadcast. */
  #heard({ record, accusers }: Update): void {
    if (record.liveness === 'alive') this.#isAlive(record)
    else if (record.liveness === 'suspect') this.#suspected(record, accusers[0]?.id ?? '')
    else this.#isDead(record)
  }

  /** mergeState. */
  #merged(updates: readonly Update[], last: boolean, answer: boolean): void {
    for (const { record } of updates)
      if (record.liveness === 'alive') this.#isAlive(record)
      else if (record.liveness === 'left') this.#isDead(record)
      else this.#suspected(record, this.#selfId)
    if (!last) return
    if (answer) return this.#tellAll((body, chunk) => this.#reply(body, chunk), false)
    if (this.#joined) return
    this.#joined = true
    this.#agenda.clear('join')
    this.#effects.push({ kind: 'joined', alone: false })
  }

  #isAlive(record: Member): void {
    const node = this.#nodes.get(record.id)
    if (node === undefined) {
      this.#add(record)
      return this.#tell({ record, accusers: [], agedMs: 0 })
    }
    const known = node.record
    if (record.id === this.#selfId) {
      if (record.incarnation > known.incarnation) this.#refute(record.incarnation)
      return
    }
    if (record.incarnation <= known.incarnation) return
    this.#set(node, record)
    this.#tell({ record, accusers: [], agedMs: 0 })
  }

  #suspected(record: Member, from: string): void {
    const node = this.#nodes.get(record.id)
    if (node === undefined || record.incarnation < node.record.incarnation) return
    if (node.suspicion !== null) {
      if (this.#confirm(node, node.suspicion, from)) this.#tell(suspect(node.record, from))
      return
    }
    if (node.record.liveness !== 'alive') return
    if (record.id === this.#selfId) return this.#refute(record.incarnation)
    this.#set(node, { ...node.record, incarnation: record.incarnation, liveness: 'suspect' })
    this.#tell(suspect(node.record, from))
    const nodes = this.#nodes.size
    const wanted = LAN.suspicionMult - 2
    const k = nodes - 2 < wanted ? 0 : wanted
    const minMs = LAN.suspicionMult * Math.max(1, Math.log10(nodes)) * LAN.probeIntervalMs
    const maxMs = LAN.suspicionMaxTimeoutMult * minMs
    node.suspicion = { startedAt: this.#now, minMs, maxMs, k, confirmed: 0, from: new Set([from]) }
    this.#due({ kind: 'verdict', id: record.id }, k < 1 ? minMs : maxMs)
  }

  /** Suspicion.Confirm. */
  #confirm({ record }: Node, suspicion: Suspicion, from: string): boolean {
    const { k, minMs, maxMs, startedAt } = suspicion
    if (suspicion.confirmed >= k || suspicion.from.has(from)) return false
    suspicion.from.add(from)
    suspicion.confirmed++
    const share = Math.log(suspicion.confirmed + 1) / Math.log(k + 1)
    const timeoutMs = Math.max(minMs, Math.floor(maxMs - share * (maxMs - minMs)))
    this.#due({ kind: 'verdict', id: record.id }, Math.max(0, startedAt + timeoutMs - this.#now))
    return true
  }

  #verdict(id: string): void {
    const node = this.#nodes.get(id)
    if (node?.suspicion == null) return
    const { generation } = node.record
    this.#effects.push({ kind: 'log', level: 'info', fields: { node: id, generation }, message: `${id} is dead: suspect timeout` })
    this.#isDead({ ...node.record, liveness: 'dead' })
  }

  #isDead(record: Member): void {
    const node = this.#nodes.get(record.id)
    if (node === undefined || record.incarnation < node.record.incarnation || isTerminal(node.record.liveness)) return
    if (record.id === this.#selfId) return this.#refute(record.incarnation)
    this.#set(node, { ...node.record, incarnation: record.incarnation, liveness: record.liveness })
    this.#tell({ record: node.record, accusers: [], agedMs: 0 })
    this.#effects.push({ kind: 'drop', id: record.id })
  }

  #refute(accused: number): void {
    this.#aware(1)
    this.#announce({ ...this.self, incarnation: Math.max(this.self.incarnation, accused) + 1 })
  }

  #announce(record: Member): void {
    this.#set(this.#nodes.get(this.#selfId) as Node, record)
    this.#tell({ record, accusers: [], agedMs: 0 })
  }

  // ── Records and news ───────────────────────────────────────────────────────────────────────────────────────────────

  /** aliveNode: a new one at a random place of the round. */
  #add(record: Member): void {
    const node: Node = { record, changedAt: this.#now, suspicion: null }
    this.#nodes.set(record.id, node)
    const place = Math.floor(this.#random.float() * (this.#round.length + 1))
    this.#round.push(node)
    const last = this.#round.length - 1
    ;[this.#round[place], this.#round[last]] = [this.#round[last] as Node, this.#round[place] as Node]
    this.#changed = true
  }

  #set(node: Node, record: Member): void {
    node.record = record
    node.changedAt = this.#now
    node.suspicion = null
    this.#agenda.clear(`verdict ${record.id}`)
    this.#changed = true
  }

  #tell(update: Update): void {
    this.#broadcasts.put(update.record.id)
    this.#news.set(update.record.id, update)
  }

  /** getBroadcasts: what fits into the packet. */
  #carried(): Update[] {
    if (this.#broadcasts.size === 0) return []
    const updates: Update[] = []
    let bytes = 0
    this.#broadcasts.take(transmitLimit(this.#nodes.size, LAN.retransmitMult), (id) => {
      const update = this.#news.get(id) as Update
      const size = bytesOf(update)
      if (bytes + size > LAN.udpBytes) return updates.length === 0 ? 'skipped' : 'full'
      bytes += size
      updates.push(update)
      return 'sent'
    })
    if (this.#broadcasts.size === 0) this.#news.clear()
    return updates
  }

  #gossip(): void {
    const excluded = ({ record, changedAt }: Node): boolean => {
      if (record.liveness === 'dead') return this.#now - changedAt > LAN.gossipToTheDeadMs
      return record.liveness === 'left'
    }
    for (const { record } of this.#broadcasts.size === 0 ? [] : this.#some(LAN.gossipNodes, excluded)) {
      const updates = this.#carried()
      if (updates.length === 0) return
      this.#send(record, { kind: 'gossip' }, updates)
    }
  }

  #join(): void {
    const seeds = this.#seeds.filter((seed) => seed !== this.self.address)
    if (seeds.length === 0) return void (this.#joined = true)
    const [address] = picked(seeds, 1, this.#random) as [string]
    this.#tellAll((body, chunk) => this.#effects.push({ kind: 'ask', address, frame: this.#frameOf(body, chunk) }), true)
    this.#due({ kind: 'join' }, JOIN_AGAIN_MS)
  }

  #pushPull(): void {
    const [node] = this.#some(1, ({ record }) => record.liveness !== 'alive')
    if (node !== undefined) this.#tellAll((body, chunk) => this.#send(node.record, body, chunk), true)
  }

  /** All that it holds. */
  #tellAll(say: (body: Body, chunk: readonly Update[]) => void, answer: boolean): void {
    const updates = Array.from(this.#nodes.values(), ({ record }): Update => ({ record, accusers: [], agedMs: 0 }))
    const chunks = chunked(updates, updateBytes, CHUNK_RECORDS_MAX)
    chunks.forEach((chunk, i) => say({ kind: 'records', low: 0, high: 0, last: i === chunks.length - 1, answer }, chunk))
  }

  /** kRandomNodes: tries, not a shuffle. */
  #some(count: number, excluded: (node: Node) => boolean): Node[] {
    const found = new Set<Node>()
    for (let tries = 0; tries < 3 * this.#round.length && found.size < count; tries++) {
      const node = this.#round[Math.floor(this.#random.float() * this.#round.length)] as Node
      if (node.record.id !== this.#selfId && !excluded(node)) found.add(node)
    }
    return [...found]
  }

  #send(to: Member, body: Body, updates: readonly Update[] = this.#carried()): void {
    this.#effects.push({ kind: 'send', to, address: to.address, frame: this.#frameOf(body, updates) })
  }

  #reply(body: Body, updates: readonly Update[]): void {
    this.#effects.push({ kind: 'reply', frame: this.#frameOf(body, updates) })
  }

  #frameOf(body: Body, updates: readonly Update[]): Frame {
    const { generation, incarnation } = this.self
    const header = { cluster: this.#cluster, boot: this.#boot, id: this.#selfId, generation, incarnation, digest: { a: 0, b: 0 }, step: 0 }
    return { header, body, updates }
  }
}

function suspect(record: Member, from: string): Update {
  return { record: { ...record, liveness: 'suspect' }, accusers: [{ id: from, refused: false }], agedMs: 0 }
}

/** As memberlist writes it: only `alive` carries the record. */
function bytesOf(update: Update): number {
  const { record, accusers } = update
  if (record.liveness === 'alive') return updateBytes(update) + RECORD_OVERHEAD_BYTES
  return 40 + record.id.length + (accusers[0]?.id.length ?? 0)
}
