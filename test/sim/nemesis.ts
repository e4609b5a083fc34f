/** Makes the faults of the swarm happen, at times drawn from the seed, until it is told to heal everything. */
import type { Random } from '../../src/base/random.ts'
import { LineNemesis } from './nemesis-lines.ts'
import { NO_FAULTS } from './sim-store.ts'
import type { Sim } from './sim.ts'
import type { SimNode } from './sim-node.ts'

export class Nemesis {
  readonly #sim: Sim
  readonly #random: Random
  readonly #lines: LineNemesis | null
  #healed = false

  constructor(sim: Sim) {
    this.#sim = sim
    this.#lines = sim.cluster === null ? null : new LineNemesis(sim, sim.cluster)
    this.#random = sim.world.random('nemesis')
  }

  start(): void {
    const { swarm } = this.#sim
    this.#every(swarm.crashEveryMs, (node) => this.#crash(node))
    this.#every(swarm.drainEveryMs, (node) => this.#drain(node))
    this.#every(swarm.freezeEveryMs, (node) => this.#freeze(node))
    this.#every(swarm.jumpEveryMs, (node) => this.#jump(node))
    this.#every(swarm.sluggishEveryMs, (node) => this.#sluggish(node))
    this.#every(swarm.slowEveryMs, () => this.#slow())
    this.#every(swarm.downEveryMs, () => this.#down())
    this.#every(swarm.cluster?.machineEveryMs ?? Infinity, (node) => this.#machine(node))
    this.#every(swarm.cluster?.rollEveryMs ?? Infinity, () => this.#roll(0))
    this.#lines?.start()
  }

  /**
   * The store is quick and sure, clocks are right, nobody is frozen. One node stays, with the newest code; the others are gone:
   * nothing here says who should own an actor, so several would take turns.
   */
  heal(): void {
    const { world, nodes, swarm, faults } = this.#sim
    this.#healed = true
    world.note('heal')
    Object.assign(faults, { ...NO_FAULTS, piecewise: swarm.store.piecewise })
    for (const node of nodes) {
      node.thaw()
      node.turnMs = 0
      node.skewMs = 0
    }
    if (this.#sim.cluster === null) this.#leaveOne()
    else this.#restore()
    this.#sim.healed = true
  }

  /** A cluster stays as it is, but for those who are gone for good and for old code. */
  #restore(): void {
    const { nodes, cluster } = this.#sim
    this.#lines?.heal()
    for (const [i, node] of nodes.entries()) {
      const gone = i > 0 && node.life === null && this.#random.float() < 0.3
      if (node.life !== null && (node.version === 1 || node.life.draining)) node.crash()
      node.version = 2
      cluster?.trouble(node.name)
      if (node.life === null && !gone) node.start()
    }
  }

  #leaveOne(): void {
    const { nodes } = this.#sim
    const last = Math.floor(this.#random.float() * nodes.length)
    for (const [i, node] of nodes.entries()) {
      // A restart leaves answers behind that would come late, and old code.
      if (node.life !== null && (node.version === 1 || node.life.draining || i !== last)) node.crash()
      node.version = 2
      if (node.life === null && i === last) node.start()
    }
  }

  #every(meanMs: number, strike: (node: SimNode) => void): void {
    if (meanMs === Infinity) return
    const { world, nodes } = this.#sim
    world.after(-Math.log(1 - this.#random.float()) * meanMs, () => {
      if (this.#healed) return
      const node = nodes[Math.floor(this.#random.float() * nodes.length)] as SimNode
      if (this.#sim.strikes.pass()) strike(node)
      this.#every(meanMs, strike)
    })
  }

  #later(ms: number, run: () => void): void {
    this.#sim.world.after(ms, () => {
      if (!this.#healed) run()
    })
  }

  #crash(node: SimNode): void {
    if (node.life === null) return
    this.#sim.count('crash')
    node.crash()
    this.#later(50 + 4000 * this.#random.float() ** 2, () => this.#restart(node))
  }

  /** The whole machine: connections to it hold, until somebody tires of the silence. */
  #machine(node: SimNode): void {
    const { cluster, nodes, world } = this.#sim
    if (cluster === null || node.life === null) return
    this.#sim.count('machine lost')
    world.note('machine', node.name)
    cluster.trouble(node.name)
    for (const other of nodes) if (other !== node) cluster.network.cut(node.name, other.name)
    node.crash()
    this.#later(500 + 10_000 * this.#random.float(), () => {
      for (const other of nodes) if (other !== node) cluster.network.heal(node.name, other.name)
      cluster.trouble(node.name)
      this.#restart(node)
    })
  }

  #restart(node: SimNode): void {
    if (node.life !== null) return
    if (this.#sim.swarm.upgrades && this.#random.float() < 0.5) node.version = 2
    node.start()
    this.#rush()
  }

  #rush(): void {
    const { swarm, cluster, clients } = this.#sim
    if (cluster === null || swarm.rush === 0) return
    this.#sim.count('rush')
    for (const client of clients) client.rush(swarm.rush)
  }

  #drain(node: SimNode): void {
    if (node.life === null || node.frozen || node.life.draining) return
    this.#sim.count('drain')
    const { life } = node
    this.#rush()
    node.drain(() => {
      this.#sim.count('drained')
      this.#later(50 + 500 * this.#random.float(), () => this.#restart(node))
    })
    // Whoever deploys loses patience.
    this.#later(this.#sim.cluster === null ? 20_000 : 70_000, () => {
      if (node.life !== life) return
      node.crash()
      this.#restart(node)
    })
  }

  /** A rolling upgrade: the next node goes once the one before is back. */
  #roll(at: number): void {
    const node = this.#sim.nodes[at]
    if (node === undefined) return
    this.#sim.count('rolled')
    this.#drain(node)
    this.#later(3000 + 4000 * this.#random.float(), () => this.#roll(at + 1))
  }

  #freeze(node: SimNode): void {
    if (node.life === null || node.frozen) return
    this.#sim.count('freeze')
    node.freeze()
    this.#later(20 + (this.#sim.swarm.cluster?.longestMs ?? 8000) * this.#random.float() ** 2, () => node.thaw())
  }

  /** Its processor has little time for it: whatever it does comes late, in order. */
  #sluggish(node: SimNode): void {
    this.#sim.count('sluggish node')
    node.turnMs = 0.2 + 8 * this.#random.float() ** 2
    this.#sim.world.note('sluggish', node.name, Math.round(node.turnMs * 1000))
    this.#sim.cluster?.sluggish(node.name, node.turnMs * 10)
    this.#later(100 + 5000 * this.#random.float(), () => {
      node.turnMs = 0
      this.#sim.cluster?.sluggish(node.name, 0)
    })
  }

  #jump(node: SimNode): void {
    this.#sim.count('clock jump')
    node.skewMs = (this.#random.float() - 0.5) * 20_000
    this.#sim.world.note('jump', node.name, Math.round(node.skewMs))
  }

  #slow(): void {
    const { faults, swarm, world } = this.#sim
    this.#sim.count('slow store')
    world.note('slow')
    faults.latencyMs = swarm.store.latencyMs * (5 + 200 * this.#random.float())
    this.#later(200 + 4000 * this.#random.float(), () => {
      world.note('quick')
      faults.latencyMs = swarm.store.latencyMs
    })
  }

  #down(): void {
    const { faults, world } = this.#sim
    this.#sim.count('store down')
    world.note('down')
    faults.down = true
    this.#later(100 + 6000 * this.#random.float() ** 2, () => {
      world.note('up')
      faults.down = false
    })
  }
}
