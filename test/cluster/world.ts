/**
 * Many membership machines on virtual time: an event heap, links with latency, loss and one-way cuts, processes that crash (their address refuses),
 * freeze, block or restart. No wires and no bytes unless `measure` asks: frames are handed over as they are. One seed, one course.
 *
 * As in Node, a process that wakes from a whole freeze runs its overdue timers before it reads what lies in its sockets.
 */
import { seeded, type Random } from '../../src/base/random.ts'
import { clusterHash, type Frame } from '../../src/cluster/frames.ts'
import { encodeFrame } from '../../src/cluster/frame-codec.ts'
import { gossipOptions, type GossipOptions } from '../../src/cluster/gossip-options.ts'
import type { Effect } from '../../src/cluster/core.ts'
import { compareRecords, inService, type Member, type MemberMeta } from '../../src/cluster/member.ts'
import { Membership, type Input } from '../../src/cluster/membership.ts'
import type { Peer, WireEnd } from '../../src/cluster/transport.ts'
import { resolveOptions, type Options } from '../../src/options.ts'
import { EventHeap } from '../sim/event-heap.ts'

export const META: MemberMeta = {
  roles: ['gateway', 'actors'],
  types: { user: 1, room: 1, device: 2 },
  version: '0.1.0',
  labels: { zone: 'a' },
  weight: 1,
  client: 'ws://10.0.0.1:7000',
}

/** Bytes on the cable beside a frame's own: gRPC and HTTP/2 framing, TLS record, TCP and IP headers, and the other end's share of TCP acks. */
export const WIRE_OVERHEAD_BYTES = 80

export interface Verdict {
  readonly at: number
  readonly by: string
  readonly about: string
  readonly generation: number
}

/** What a world runs: the production machine, or another protocol to hold beside it (bench/scale). */
export type Machine = Pick<Membership, 'input' | 'nextAt' | 'member' | 'view' | 'self' | 'presumed' | 'gauges'>
export type MakeMachine = (
  self: Member,
  cluster: number,
  seeds: readonly string[],
  options: GossipOptions,
  random: Random,
  now: number,
) => Machine

export interface WorldSettings {
  readonly seed: string | number
  readonly options?: Partial<Options>
  readonly loss?: number
  /** Counts bytes by encoding every frame. */
  readonly measure?: boolean
  /** Holds every view against the one before (M2, M4). */
  readonly audit?: boolean
  readonly machine?: MakeMachine
}

export interface Process {
  readonly id: string
  readonly cluster: string
  readonly machine: Machine
  address: string
  generation: number
  life: 'running' | 'blocked' | 'frozen' | 'gone'
  /** When it was last not entirely well (also while it is not). */
  sickAt: number
  readyAt: number
  joinedAlone: boolean | null
  ended: string | null
  left: boolean
  inbox: (() => void)[]
  outbox: (() => void)[]
  armedAt: number
  timerOwed: boolean
  readonly wires: Set<Process>
  readonly seen: Map<string, Member>
  readonly buried: Map<string, number>
  sentBytes: number
  sentFrames: number
  lastSent: Map<Process, number>
  boot: number
}

const START = 1000
const CLUSTER = 'test'

export class World {
  now = START
  readonly verdicts: Verdict[] = []
  readonly violations: string[] = []
  /** Each time that a view begins to show a member dead, for good or not; with `audit`. */
  readonly shownDead: Verdict[] = []
  readonly logs: string[] = []
  readonly settings: WorldSettings
  readonly options: GossipOptions
  readonly processes: Process[] = []
  /** Asked for each frame: whether the way from one to the other is cut. */
  cut: (from: Process, to: Process) => boolean = () => false
  /** For each frame from one to the other: the share that is lost. */
  loss: (from: Process, to: Process) => number
  /** Told of each frame as it is sent. */
  sent: (from: Process, to: Process | undefined, frame: Frame) => void = () => undefined
  /** Told when one gives another up, for good or not. */
  dropped: (by: Process, id: string) => void = () => undefined
  events = 0
  /** Of the cluster that processes are in unless they say otherwise. */
  readonly cluster: number = clusterHash(CLUSTER)
  readonly #heap = new EventHeap()
  readonly #random: Random
  readonly #generations = new Map<string, number>()
  readonly #byAddress = new Map<string, Process>()
  #tie = 0

  constructor(settings: WorldSettings) {
    this.settings = settings
    this.options = gossipOptions(resolveOptions(settings.options ?? {}))
    this.#random = seeded(settings.seed)
    this.loss = () => settings.loss ?? 0
  }

  /** Starts a process; again with the id of one that is gone: it restarts with the next generation. */
  start(
    id: string,
    { seeds = [], address = `${id}:7100`, cluster = CLUSTER, generation = 0, held = false } = {} as StartSettings,
  ): Process {
    const number = generation > 0 ? generation : (this.#generations.get(`${cluster} ${id}`) ?? 0) + 1
    this.#generations.set(`${cluster} ${id}`, Math.max(number, this.#generations.get(`${cluster} ${id}`) ?? 0))
    const random = seeded(`${this.settings.seed} ${cluster} ${id} ${number} ${this.processes.length}`)
    const self: Member = { id, generation: number, incarnation: 1, liveness: 'alive', phase: 'joining', address, meta: META }
    const process: Process = {
      id,
      cluster,
      address,
      generation: number,
      machine: (this.settings.machine ?? membership)(self, clusterHash(cluster), seeds, this.options, random, this.now),
      life: 'running',
      sickAt: -Infinity,
      readyAt: Infinity,
      joinedAlone: null,
      ended: null,
      left: false,
      inbox: [],
      outbox: [],
      armedAt: Infinity,
      timerOwed: false,
      wires: new Set(),
      seen: new Map(),
      buried: new Map(),
      sentBytes: 0,
      sentFrames: 0,
      lastSent: new Map(),
      boot: 0,
    }
    this.processes.push(process)
    this.#byAddress.set(address, process)
    if (!held) this.input(process, { kind: 'start' })
    return process
  }

  /** Starts `count` processes n0, n1 … within `withinMs`, the first three being the seeds of all. */
  startMany(count: number, withinMs = 0, prefix = 'n'): Process[] {
    const seeds = Array.from({ length: Math.min(3, count) }, (_, i) => `${prefix}${i}:7100`)
    return Array.from({ length: count }, (_, i) => `${prefix}${i}`).map((id) => {
      if (withinMs > 0) this.run(withinMs / count)
      return this.start(id, { seeds })
    })
  }

  get running(): Process[] {
    return this.processes.filter(({ life }) => life !== 'gone')
  }

  node(id: string): Process {
    const found = this.processes.findLast((process) => process.id === id)
    if (found === undefined) throw new Error(`there is no ${id}`)
    return found
  }

  /** Its sockets are reset and its address refuses. */
  crash(process: Process): void {
    process.life = 'gone'
    process.sickAt = this.now
    for (const other of process.wires) {
      other.wires.delete(process)
      this.#deliver(process, other, () => this.input(other, { kind: 'closed', id: process.id, address: process.address, end: 'lost' }))
    }
    process.wires.clear()
  }

  /** `frozen`: nothing runs (SIGSTOP, a long pause). `blocked`: timers run, nothing comes in or goes out. */
  freeze(process: Process, how: 'frozen' | 'blocked' = 'frozen'): void {
    process.life = how
    process.sickAt = this.now
  }

  thaw(process: Process): void {
    if (process.life === 'gone') return
    process.life = 'running'
    process.sickAt = this.now
    // The order of Node's event loop: timers, then what came in.
    if (process.timerOwed) this.#timer(process)
    const { inbox, outbox } = process
    process.inbox = []
    process.outbox = []
    for (const run of [...outbox, ...inbox]) this.after(0, run)
  }

  run(ms: number): void {
    const end = this.now + ms
    for (let next = this.#heap.peek(); next !== undefined && next.at <= end; next = this.#heap.peek()) {
      this.#heap.pop()
      this.now = next.at
      this.events++
      next.run?.()
    }
    this.now = end
  }

  /** Runs until `done` holds, looking every `stepMs`; gives the time it took, Infinity after `limitMs`. */
  until(done: () => boolean, limitMs: number, stepMs = 20): number {
    const begin = this.now
    while (!done()) {
      if (this.now - begin >= limitMs) return Infinity
      this.run(stepMs)
    }
    return this.now - begin
  }

  after(ms: number, run: () => void): void {
    this.#heap.push({ at: this.now + ms, tie: this.#tie++, run })
  }

  input(process: Process, input: Input): void {
    if (process.life === 'gone') return
    this.#do(process, process.machine.input(input, this.now), null)
  }

  /** Whether all running, unhindered processes have one view, with exactly each other in service. */
  settled(processes: readonly Process[] = this.running): boolean {
    const [first] = processes
    if (first === undefined) return true
    const { hash } = first.machine.view
    const served = first.machine.view.members.filter(inService)
    if (served.length !== processes.length) return false
    return (
      processes.every(({ machine }) => machine.view.hash === hash) && processes.every(({ id }) => served.some((member) => member.id === id))
    )
  }

  knows(observer: Process, about: Process, generation: number = about.generation): boolean {
    const shown = observer.machine.member(about.id)
    return shown === undefined || shown.generation > generation || shown.liveness === 'dead' || shown.liveness === 'left'
  }

  #do(process: Process, effects: readonly Effect[], answering: Process | null): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':
          this.#send(process, this.#byAddress.get(effect.address), effect.to.id, effect.address, effect.frame)
          break
        case 'ask':
          this.#send(process, this.#byAddress.get(effect.address), null, effect.address, effect.frame)
          break
        case 'reply':
          if (answering !== null) this.#send(process, answering, answering.id, answering.address, effect.frame)
          break
        case 'drop':
          this.dropped(process, effect.id)
          break
        case 'view':
          this.#viewed(process)
          break
        case 'joined':
          process.joinedAlone = effect.alone
          this.after(0, () => this.input(process, { kind: 'phase', phase: 'ready' }))
          break
        case 'left':
          process.left = true
          process.life = 'gone'
          break
        case 'declaredDead':
          this.#reborn(process)
          break
        case 'duplicate':
        case 'superseded':
          process.ended = effect.kind
          this.crash(process)
          break
        case 'later':
          // After what waits: `thaw` put that in first.
          this.after(0.01, () => process.life !== 'gone' && this.#timer(process))
          break
        case 'removed':
          this.logs.push(`${process.id} removes ${effect.id}: ${effect.outcome}`)
          break
        case 'log':
          this.logs.push(`${Math.round(this.now)} ${process.id} ${effect.message}`)
          if (effect.message.includes(' is dead: '))
            this.verdicts.push({
              at: this.now,
              by: process.id,
              about: String(effect.fields['member']),
              generation: Number(effect.fields['generation']),
            })
      }
    }
    this.#arm(process)
  }

  #reborn(process: Process): void {
    const key = `${process.cluster} ${process.id}`
    process.readyAt = Infinity
    process.wires.clear()
    this.after(5, () => {
      const generation = (this.#generations.get(key) ?? 0) + 1
      this.#generations.set(key, generation)
      process.generation = generation
      this.input(process, { kind: 'reborn', generation })
    })
  }

  #arm(process: Process): void {
    const at = process.machine.nextAt
    if (at >= process.armedAt || at === Infinity) return
    process.armedAt = at
    this.#heap.push({
      at: Math.max(at, this.now),
      tie: this.#tie++,
      run: () => {
        if (process.armedAt !== at) return
        process.armedAt = Infinity
        if (process.life === 'gone') return
        if (process.life === 'frozen') process.timerOwed = true
        else this.#timer(process)
      },
    })
  }

  #timer(process: Process): void {
    process.timerOwed = false
    this.input(process, { kind: 'timer' })
  }

  #send(from: Process, to: Process | undefined, id: string | null, address: string, frame: Frame): void {
    from.sentFrames++
    this.sent(from, to, frame)
    from.boot = frame.header.boot
    if (this.settings.measure === true) from.sentBytes += encodeFrame(frame).length + WIRE_OVERHEAD_BYTES
    if (from.life === 'blocked') {
      from.outbox.push(() => this.#transmit(from, to, id, address, frame))
      return
    }
    this.#transmit(from, to, id, address, frame)
  }

  #transmit(from: Process, to: Process | undefined, id: string | null, address: string, frame: Frame): void {
    if (from.life === 'gone') return
    if (to === undefined || to.life === 'gone' || to.address !== address) {
      const cut = to !== undefined && (this.cut(from, to) || this.cut(to, from))
      const end: WireEnd = cut ? 'unreachable' : 'refused'
      if (id !== null) this.after(cut ? 2000 : this.#latency(), () => this.input(from, { kind: 'closed', id, address, end }))
      return
    }
    if (to === from || this.cut(from, to) || this.#random.float() < this.loss(from, to)) return
    from.wires.add(to)
    to.wires.add(from)
    const peer: Peer = { id: from.id, generation: frame.header.generation, address: from.address }
    this.#deliver(from, to, () => {
      if (to.life === 'gone' || from.generation !== peer.generation) return
      this.#do(to, to.machine.input({ kind: 'frame', peer, frame }, this.now), from)
    })
  }

  /** In the order sent, for each pair. */
  #deliver(from: Process, to: Process, run: () => void): void {
    const at = Math.max(this.now + this.#latency(), from.lastSent.get(to) ?? 0)
    from.lastSent.set(to, at)
    this.#heap.push({
      at,
      tie: this.#tie++,
      run: () => {
        if (to.life === 'frozen' || to.life === 'blocked') to.inbox.push(run)
        else run()
      },
    })
  }

  #latency(): number {
    return 0.3 - 0.5 * Math.log(1 - this.#random.float())
  }

  #viewed(process: Process): void {
    const own = process.machine.self
    if (own.phase === 'ready' && process.readyAt === Infinity) process.readyAt = this.now
    if (this.settings.audit !== true) return
    for (const member of process.machine.view.members) {
      const before = process.seen.get(member.id)
      const buried = process.buried.get(member.id) ?? 0
      const subject = this.processes.find(({ id, generation }) => id === member.id && generation === member.generation)
      if (subject !== undefined && member.incarnation > subject.machine.self.incarnation)
        this.violations.push(`M3 ${process.id} holds an incarnation of ${member.id} that it never had`)
      const real = this.processes.some(({ id, generation }) => id === member.id && generation >= member.generation)
      if (inService(member) && !real) this.violations.push(`M13 ${process.id} takes ${member.id} into service, which is hearsay`)
      if (inService(member) && member.generation <= buried)
        this.violations.push(`M4 ${process.id} takes ${member.id} generation ${member.generation} back into service`)
      if (before !== undefined && before.liveness !== 'dead' && compareRecords(member, before) < 0)
        this.violations.push(`M2 ${process.id} holds less of ${member.id} than before`)
      if (before !== undefined && before.generation > member.generation)
        this.violations.push(`M2 ${process.id} goes back to generation ${member.generation} of ${member.id}`)
      if (member.liveness === 'dead' && before?.liveness !== 'dead')
        this.shownDead.push({ at: this.now, by: process.id, about: member.id, generation: member.generation })
      process.seen.set(member.id, member)
    }
    for (const { id, generation, liveness } of process.machine.view.members)
      if (liveness === 'dead' && !process.machine.presumed(id)) process.buried.set(id, Math.max(generation, process.buried.get(id) ?? 0))
  }
}

const membership: MakeMachine = (...parts) => new Membership(...parts)

export interface StartSettings {
  readonly seeds?: readonly string[]
  readonly address?: string
  readonly cluster?: string
  readonly generation?: number
  /** Its `start` is given by the caller, later. */
  readonly held?: boolean
}
