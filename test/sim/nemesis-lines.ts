/** What happens between nodes: lines cut both ways or one way, nodes cut off, the cluster split, lines slow or clogged one after another. */
import type { Random } from '../../src/base/random.ts'
import type { SimCluster } from './sim-cluster.ts'
import type { Sim } from './sim.ts'
import type { SimNode } from './sim-node.ts'

export class LineNemesis {
  readonly #sim: Sim
  readonly #cluster: SimCluster
  readonly #random: Random
  #healed = false

  constructor(sim: Sim, cluster: SimCluster) {
    this.#sim = sim
    this.#cluster = cluster
    this.#random = sim.world.random('nemesis/lines')
  }

  start(): void {
    const { swarm } = this.#cluster
    if (this.#sim.nodes.length < 2) return
    if (swarm.bornSplit) this.#split()
    this.#every(swarm.cutEveryMs, () => this.#cut(...this.#pair()))
    this.#every(swarm.oneWayEveryMs, () => this.#oneWay(...this.#pair()))
    this.#every(swarm.isolateEveryMs, () => this.#isolate(this.#pick(this.#sim.nodes)))
    this.#every(swarm.splitEveryMs, () => this.#split())
    this.#every(swarm.clogEveryMs, () => this.#clog())
    this.#every(swarm.slowLineEveryMs, () => this.#slow(...this.#pair()))
    this.#every(swarm.ioEveryMs, () => this.#blockIo(this.#pick(this.#sim.nodes)))
  }

  heal(): void {
    this.#healed = true
    this.#cluster.network.heal()
  }

  #every(meanMs: number, strike: () => void): void {
    if (meanMs === Infinity) return
    this.#later(-Math.log(1 - this.#random.float()) * meanMs, () => {
      if (this.#sim.strikes.pass()) strike()
      this.#every(meanMs, strike)
    })
  }

  #later(ms: number, run: () => void): void {
    this.#sim.world.after(ms, () => {
      if (!this.#healed) run()
    })
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.float() * list.length)] as T
  }

  #pair(): [string, string] {
    const { nodes } = this.#sim
    const a = this.#pick(nodes)
    const b = this.#pick(nodes.filter((node) => node !== a))
    return [a.name, b.name]
  }

  /** Most are short, some are longer than any suspicion. */
  #long(): number {
    return 50 + this.#cluster.swarm.longestMs * this.#random.float() ** 2
  }

  #said(what: string, ...names: readonly string[]): void {
    this.#sim.count(what)
    this.#sim.world.note(what, ...names)
    this.#cluster.trouble(...names)
  }

  #mend(a: string, b: string): void {
    this.#sim.world.note('mend', a, b)
    this.#cluster.trouble(a, b)
    this.#cluster.network.heal(a, b)
  }

  #cut(a: string, b: string): void {
    this.#said('cut', a, b)
    this.#cluster.network.cut(a, b)
    this.#later(this.#long(), () => this.#mend(a, b))
  }

  #oneWay(from: string, to: string): void {
    this.#said('cut one way', from, to)
    this.#cluster.network.cutOneWay(from, to)
    this.#later(this.#long(), () => this.#mend(from, to))
  }

  #isolate({ name }: SimNode): void {
    const others = this.#sim.nodes.filter((node) => node.name !== name)
    this.#said('isolated', name)
    for (const other of others) this.#cluster.network.cut(name, other.name)
    this.#later(this.#long(), () => {
      for (const other of others) this.#mend(name, other.name)
    })
  }

  #split(): void {
    const names = this.#sim.nodes.map(({ name }) => name)
    const left = names.filter(() => this.#random.float() < 0.5)
    const right = names.filter((name) => !left.includes(name))
    const oneWay = this.#random.float() < 0.2
    this.#said(oneWay ? 'split one way' : 'split', ...names)
    for (const a of left)
      for (const b of right) {
        if (oneWay) this.#cluster.network.cutOneWay(a, b)
        else this.#cluster.network.cut(a, b)
      }
    this.#later(this.#long(), () => {
      for (const a of left) for (const b of right) this.#mend(a, b)
    })
  }

  /** Swizzle-clog: lines stop one after another, and go on in another order. */
  #clog(): void {
    const names = this.#sim.nodes.map(({ name }) => name)
    const lines = names.flatMap((a) => names.filter((b) => b !== a && this.#random.float() < 0.4).map((b) => [a, b] as const))
    const spanMs = this.#long()
    this.#said('clog')
    for (const [a, b] of lines) {
      const from = (this.#random.float() * spanMs) / 2
      const to = spanMs / 2 + (this.#random.float() * spanMs) / 2
      this.#later(from, () => {
        this.#cluster.trouble(a, b)
        this.#cluster.network.cutOneWay(a, b)
      })
      this.#later(to, () => this.#mend(a, b))
    }
  }

  #slow(a: string, b: string): void {
    this.#said('slow line', a, b)
    this.#cluster.network.delay(a, b, 10 + 600 * this.#random.float() ** 2)
    this.#later(this.#long(), () => {
      this.#cluster.trouble(a, b)
      this.#cluster.network.delay(a, b, 0)
    })
  }

  #blockIo(node: SimNode): void {
    if (node.life === null || node.frozen) return
    this.#said('I/O blocked', node.name)
    node.freeze('io')
    this.#later(this.#long(), () => node.thaw())
  }
}
