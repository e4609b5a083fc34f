/** A cluster of production members in one process, on virtual time and a network in memory, with what operators see of each. */
import type { App } from '../../src/actors/define.ts'
import type { SendOutcome } from '../../src/actors/calls.ts'
import { silentLog } from '../../src/base/log.ts'
import { seeded } from '../../src/base/random.ts'
import { TimedRingBuilder } from '../../src/cluster/ring-builder.ts'
import { RingCache } from '../../src/cluster/ring-cache.ts'
import { ClusterAdmin } from '../../src/node/cluster-admin.ts'
import { ClusterNode } from '../../src/node/cluster-node.ts'
import { OwnFigures } from '../../src/node/own-figures.ts'
import type { Phase } from '../../src/admin/parts.ts'
import { resolveOptions } from '../../src/options.ts'
import type { Asked } from '../../src/routing/questions.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { MemoryNetwork } from '../../src/transport/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { notesApp } from './admin-app.ts'

export class VirtualCluster {
  readonly clock: VirtualClock = new VirtualClock()
  readonly network: MemoryNetwork = new MemoryNetwork(this.clock, seeded('network'), { latencyMs: 1 })
  readonly nodes: VirtualNode[] = []
  readonly #store = memoryStore({ clock: this.clock })
  readonly #app: App

  constructor(app: App = notesApp) {
    this.#app = app
  }

  /** Starts them, and waits until all see each other in service. */
  async start(...names: readonly string[]): Promise<VirtualNode[]> {
    const seeds = this.nodes.map(({ id }) => `${id}:7100`)
    const made = names.map((id) => new VirtualNode(this, id, [...seeds, ...names.map((name) => `${name}:7100`)]))
    this.nodes.push(...made)
    await this.clock.until(() => this.agreed, 60_000, 'one view')
    return made
  }

  get agreed(): boolean {
    const views = this.nodes.filter(({ up }) => up).map(({ member }) => member.placement)
    const serving = (id: string): boolean => views[0]?.member(id)?.phase === 'ready'
    return new Set(views.map(({ hash }) => hash)).size === 1 && this.nodes.every(({ id, up }) => !up || serving(id))
  }

  parts(): { app: App; store: ReturnType<typeof memoryStore> } {
    return { app: this.#app, store: this.#store.connect({ clock: this.clock }) }
  }

  async during<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let settled = false
    const done = promise.finally(() => (settled = true))
    await this.clock.until(() => settled, limitMs, 'the answer')
    return done
  }

  close(): void {
    for (const node of this.nodes) node.stop()
  }
}

export class VirtualNode {
  readonly id: string
  readonly member: ClusterNode
  readonly admin: ClusterAdmin
  readonly figures: OwnFigures
  readonly #cluster: VirtualCluster
  phase: Phase = 'serving'
  sockets = 0
  drains = 0
  kicked: unknown[] = []
  up = true
  /** What it says to questions; replaced by tests of bad answers. */
  asked: Asked = (what, json) => this.admin.asked(what, json)

  constructor(cluster: VirtualCluster, id: string, seeds: readonly string[]) {
    this.#cluster = cluster
    this.id = id
    const { clock, network } = cluster
    const address = `${id}:7100`
    this.member = new ClusterNode({
      ...cluster.parts(),
      transport: network.transport({ id, generation: 1, address }),
      rings: new RingCache(new TimedRingBuilder(clock, 1)),
      clock,
      random: seeded(`member ${id}`),
      log: silentLog,
      options: resolveOptions(),
      check: true,
      cluster: 'test',
      node: id,
      generation: 1,
      storeId: 'store-1',
      address,
      meta: {
        roles: ['gateway', 'actors'],
        types: { user: 1 },
        version: '1.2.3',
        labels: { zone: id },
        weight: 1,
        admin: `http://${id}:7200`,
      },
      seeds: seeds.filter((seed) => seed !== address),
      replaced: () => undefined,
      broken: (error) => {
        throw error
      },
      asked: (what, json) => this.asked(what, json),
    })
    this.figures = new OwnFigures({ clock, phase: () => this.phase, engine: () => this.member.engine, sockets: () => this.sockets })
    this.admin = new ClusterAdmin({
      member: this.member,
      figures: this.figures,
      drain: () => {
        this.drains++
        this.phase = 'draining'
      },
      kick: (kick) => this.kicked.push(kick),
      sockets: () => this.sockets,
    })
    void this.member.joined().then(() => this.member.serve())
  }

  /** An actor that this node owns in its own view. */
  owned(prefix = 'a'): string {
    for (let i = 0; i < 1000; i++) {
      const actor = `user/${prefix}${i}`
      if (this.member.placement.ownerOf(actor)?.id === this.id) return actor
    }
    throw new Error(`${this.id} owns nothing`)
  }

  add(actor: string): Promise<SendOutcome> {
    const call = { actor, type: 'note.added', data: { text: 'hi' }, sender: 'user:u' }
    return this.#cluster.during(new Promise((resolve) => this.member.calls.send(call, resolve)))
  }

  crash(): void {
    this.#cluster.network.kill(this.id)
    this.stop()
  }

  stop(): void {
    this.up = false
    this.figures.stop()
    this.member.close()
  }
}
