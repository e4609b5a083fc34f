/**
 * One simulated cluster: world, disk, nodes, clients, followers and checks put together, and the few verbs that they use on each other.
 */
import { asBuffer } from '../../src/actors/batch.ts'
import type { Random } from '../../src/base/random.ts'
import type { Append, SnapshotWrite } from '../../src/store/store.ts'
import { CHECKS } from './checks/all.ts'
import { hooksOf, type Check, type Facts, type Hooks, type Op } from './check.ts'
import { eyesOf } from './eyes.ts'
import { ActorLedger } from './ledger.ts'
import { mongoDisk } from './mongo-disk.ts'
import { Moves } from './moves.ts'
import { simApp } from './sim-app.ts'
import { SimClient } from './sim-client.ts'
import { SimCluster, type Entry } from './sim-cluster.ts'
import { SimData, type ActorRecord, type DataWatcher, type LedgerBatch } from './sim-data.ts'
import { SimFollower } from './sim-follower.ts'
import { SimNode, type Life } from './sim-node.ts'
import { Gate, type Scenario } from './scenario.ts'
import { plainDisk, type StoreFaults } from './sim-store.ts'
import type { Swarm } from './swarm.ts'
import type { Kind } from './verdict.ts'
import type { World } from './world.ts'

const TOPICS = ['changed', 'sum', 'feed', 'adds']

export class Sim implements Facts, DataWatcher {
  readonly world: World
  readonly swarm: Swarm
  readonly data: SimData
  /** As they are now; the faults change them. */
  readonly faults: StoreFaults
  readonly nodes: readonly SimNode[]
  readonly clients: readonly SimClient[]
  readonly followers: readonly SimFollower[]
  readonly hooks: Hooks
  readonly moves: Moves
  /** null in seeds of the kind `engine`. */
  readonly cluster: SimCluster | null
  /** Which faults strike and which actions are taken. */
  readonly strikes: Gate
  readonly acts: Gate
  readonly ops: Op[] = []
  /** What clients have sent, by the id that its data carries. */
  readonly posted: Map<string, Op> = new Map()
  readonly counts: Map<string, number> = new Map()
  /** All that ever were. */
  readonly lives: Life[] = []
  /** In the liveness phase all go where the actor lives. */
  healed = false
  readonly #opsById = new Map<string, Op>()
  readonly #ledgers = new Map<string, ActorLedger>()
  #opIds = 0

  constructor(world: World, swarm: Swarm, scenario: Scenario = {}) {
    this.world = world
    this.strikes = new Gate(scenario.strikes)
    this.acts = new Gate(scenario.acts)
    this.swarm = swarm
    this.data = new SimData(() => world.nowUs)
    this.data.watcher = this
    this.faults = { ...swarm.store }
    const disk = !swarm.mongodb
      ? plainDisk(this.data, this.faults)
      : mongoDisk(this.data, this.faults, world.random('mongodb'), {
          nowMs: () => world.nowMs,
          later: (ms, run) => void world.after(ms, run),
          count: (what) => this.count(what),
          broken: (what) => this.fail('layout', what),
        })
    this.moves = new Moves(this)
    this.cluster = swarm.cluster === null ? null : new SimCluster(world, swarm.cluster, eyesOf(this))
    const apps = new Map([1, 2].map((version) => [version, simApp(version, swarm.idleMs)]))
    this.nodes = Array.from({ length: swarm.nodes }, (_, i) => {
      const version = swarm.upgrades ? 1 : 2
      return new SimNode(world, `n${i + 1}`, version, {
        disk,
        options: swarm.options,
        check: swarm.check,
        cluster: this.cluster,
        owns: (node, actor) => this.moves.owns(node, actor),
        outgoing: (node, life) => this.moves.outgoing(node, life),
        appOf: (wanted) => apps.get(wanted) ?? simApp(wanted, swarm.idleMs),
        born: (life) => this.lives.push(life),
        proposed: (life, group) => {
          for (const proposed of this.hooks.proposed) proposed(life, group)
        },
        heard: (life, group, verdicts) => {
          for (const heard of this.hooks.heard) heard(life, group, verdicts)
        },
        logged: (life, level, message) => {
          // Stacks differ between machines and between versions of Node.
          world.note('log', life.id, level, message.replace(/\n.*/s, ''))
          this.count(`log ${level}: ${message.replace(/[:(].*/s, '')}`)
        },
      })
    })
    this.hooks = hooksOf(
      CHECKS.map(({ kind, make }) => {
        const check: Check = make(this, (message) => this.fail(check.name, message, kind))
        return check
      }),
    )
    const userOf = (i: number): string => `u${Math.floor(i / swarm.devices) + 1}`
    this.clients = Array.from({ length: swarm.clients }, (_, i) => new SimClient(this, `c${i + 1}`, userOf(i)))
    const draw = world.random('followers')
    let followed = { actor: '', topic: '' }
    this.followers = Array.from({ length: swarm.subscribers }, (_, i) => {
      const actor = swarm.actors[Math.floor(draw.float() * swarm.actors.length)] as string
      const topic = TOPICS[Math.floor(draw.float() * TOPICS.length)] as string
      // The devices of one user follow the same, wherever each is connected.
      if (i % swarm.devices === 0) followed = { actor, topic }
      return new SimFollower(this, `f${i + 1}`, followed.actor, followed.topic)
    })
    if (swarm.devices > 1) this.count('several devices')
    if (swarm.hot > 0) this.count('hot actor')
  }

  fail(property: string, message: string, kind: Kind = 'safety'): void {
    const text = message.replaceAll(/k{100,}/g, 'kkk…')
    this.world.note('FAILED', property, text)
    this.world.verdict.fail(property, kind, text)
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  /** What routers and gossip counted, of all processes that there were. */
  countRouting(): void {
    const members = new Set(this.lives.map(({ member }) => member))
    for (const member of members) {
      const self = member?.view().members.find(({ id }) => id === member.view().self.id)
      // The first two are for joining and being ready.
      if (self?.phase === 'ready' && self.incarnation > 2) this.count('refutation')
      if (member !== null) this.counts.set('hearsay', (this.counts.get('hearsay') ?? 0) + member.gossip.gauges.hearsay)
      for (const [name, count] of Object.entries(member?.router.stats().counters ?? {}))
        this.counts.set(`router ${name}`, (this.counts.get(`router ${name}`) ?? 0) + count)
    }
  }

  nextOpId(): string {
    return `o${++this.#opIds}`
  }

  add(op: Op): void {
    this.ops.push(op)
    this.#opsById.set(op.id, op)
  }

  /** The operation that an id of a state came from. */
  op(id: string): Op | undefined {
    return this.#opsById.get(/^o\d+/.exec(id)?.[0] ?? id)
  }

  ledger(actor: string): ActorLedger | undefined {
    return this.#ledgers.get(actor)
  }

  ledgers(): Iterable<ActorLedger> {
    return this.#ledgers.values()
  }

  /**
   * The node that a message for this actor goes to: its home, unless that did not answer or somebody knows better. In a cluster: where its sender is
   * connected.
   */
  route(actor: string, random: Random, attempt: number, at: Entry): SimNode {
    const { nodes, cluster } = this
    if (cluster !== null) {
      const open = this.healed ? nodes.filter(({ life }) => life !== null && !life.draining) : nodes
      return cluster.entry(at, random, attempt, open, this.healed ? 0 : this.swarm.wander * 0.2)
    }
    let sum = actor.length
    for (let i = 0; i < actor.length; i++) sum += actor.charCodeAt(i)
    const serving = this.healed ? nodes.filter(({ life }) => life !== null && !life.draining) : nodes
    const fixed = serving[sum % serving.length] ?? (nodes[0] as SimNode)
    if (this.healed) return fixed
    const home = this.moves.home(actor) ?? fixed
    const stray = random.float() < this.swarm.wander || (attempt > 2 && random.float() < 0.5)
    return stray ? (nodes[Math.floor(random.float() * nodes.length)] as SimNode) : home
  }

  /** A message between a client and a node: delayed, perhaps overtaken, perhaps lost. */
  carry(random: Random, run: () => void): void {
    const { netMs, reorder, lose } = this.swarm
    if (!this.healed && random.float() < lose) return
    const late = !this.healed && random.float() < reorder ? random.float() * 500 : 0
    this.world.after(netMs + late, run)
  }

  /** Runs `run` on the node, once it takes it; false: nobody listens there. */
  reach(node: SimNode, run: (life: Life) => void): boolean {
    const { life } = node
    if (life === null) return false
    node.deliver(life, () => run(life))
    return true
  }

  appending(append: Append, record: ActorRecord): void {
    for (const appending of this.hooks.appending) appending(append, record)
  }

  applied(batch: LedgerBatch, record: ActorRecord): void {
    let ledger = this.#ledgers.get(batch.actor)
    if (ledger === undefined) {
      ledger = new ActorLedger(record)
      this.#ledgers.set(batch.actor, ledger)
    }
    ledger.add(batch)
    this.world.note('durable', batch.actor, batch.n, batch.by, batch.entries, asBuffer(batch.hash).toString('hex', 0, 6))
    for (const applied of this.hooks.applied) applied(batch, ledger)
  }

  snapshot(write: SnapshotWrite): void {
    this.world.note('snapshot', write.actor, write.n, write.offset)
    for (const snapshot of this.hooks.snapshot) snapshot(write, this.#ledgers.get(write.actor))
  }

  touched(record: ActorRecord): void {
    const ledger = this.#ledgers.get(record.actor)
    if (ledger !== undefined) for (const touched of this.hooks.touched) touched(ledger)
  }
}
