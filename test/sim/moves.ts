/**
 * Who owns what, and how actors move between nodes (H1), without a router: nodes have views that change and reach them at different times; an actor that
 * a node's view gives to another is released and carried there; and now and then one is moved for no reason at all. What is carried may be lost, come
 * twice, or come long after others have written.
 */
import { decodeBundle, encodeBundle, type Bundle } from '../../src/actors/engine.ts'
import type { ActorCalls, SendCall, SendOutcome } from '../../src/actors/calls.ts'
import { hash32, type Random } from '../../src/base/random.ts'
import { fail } from '../../src/errors.ts'
import type { Life, SimNode } from './sim-node.ts'
import type { Sim } from './sim.ts'

const LOST = fail('timeout', 'simulated: no answer from the other node')
const REFUSED = fail('unavailable', 'simulated: nobody listens there')

export class Moves {
  readonly #sim: Sim
  readonly #random: Random
  /** The newest view, and those that nodes have. */
  #view = 0
  readonly #viewOf = new Map<SimNode, number>()

  constructor(sim: Sim) {
    this.#sim = sim
    this.#random = sim.world.random('moves')
  }

  start(): void {
    this.#every(this.#sim.swarm.moveEveryMs, () => this.#anyMove())
    this.#every(this.#sim.swarm.shiftEveryMs, () => this.#shift())
    this.#every(this.#sim.swarm.disownEveryMs, () => this.#disown())
  }

  /** Where the newest view places an actor; null where nobody places anything. */
  home(actor: string): SimNode | null {
    return this.#sim.swarm.shiftEveryMs === Infinity ? null : this.#placed(actor, this.#view)
  }

  owns(node: SimNode, actor: string): boolean {
    const { healed, swarm } = this.#sim
    return healed || swarm.shiftEveryMs === Infinity || this.#placed(actor, this.#viewOf.get(node) ?? 0) === node
  }

  #placed(actor: string, view: number): SimNode {
    const { nodes } = this.#sim
    return nodes[hash32(actor, view + 1) % nodes.length] as SimNode
  }

  /** The way of a node's actors to other actors (D4): over the network, to whom its view says. */
  outgoing(from: SimNode, life: () => Life): ActorCalls {
    const send = (call: SendCall, done: (outcome: SendOutcome) => void): void => {
      const own = life()
      const to = this.#placed(call.actor, this.#viewOf.get(from) ?? 0)
      if (this.#sim.healed || this.#sim.swarm.shiftEveryMs === Infinity || to === from) own.engine.send(call, done)
      else this.#sendOn(from, own, to, call, done)
    }
    const engine = (): ActorCalls => life().engine
    return {
      send,
      query: (call, done) => engine().query(call, done),
      topic: (call, done) => engine().topic(call, done),
      subscribe: (call, sink, done) => engine().subscribe(call, sink, done),
      history: (call, done) => engine().history(call, done),
    }
  }

  #sendOn(from: SimNode, life: Life, to: SimNode, call: SendCall, done: (outcome: SendOutcome) => void): void {
    const sim = this.#sim
    let open = true
    const settle = (outcome: SendOutcome): void =>
      from.deliver(life, () => {
        if (open) done(outcome)
        open = false
      })
    sim.world.after(1000, () => settle(LOST))
    sim.carry(this.#random, () => {
      const reached = sim.reach(to, (other) => {
        other.engine.send(call, (outcome) => {
          if (other.alive) sim.carry(this.#random, () => settle(outcome))
        })
        sim.world.settled()
      })
      if (!reached) settle(REFUSED)
      else sim.count('send between nodes')
    })
  }

  #every(meanMs: number, run: () => void): void {
    if (meanMs === Infinity) return
    this.#sim.world.after(-Math.log(1 - this.#random.float()) * meanMs, () => {
      if (this.#sim.healed) return
      if (this.#sim.strikes.pass()) run()
      this.#every(meanMs, run)
    })
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.float() * list.length)] as T
  }

  #anyMove(): void {
    const { nodes, swarm } = this.#sim
    const actor = this.#pick(swarm.actors)
    const holders = nodes.filter(({ life }) => life?.engine.has(actor) === true)
    this.move(actor, this.#pick(holders.length > 0 && this.#random.float() < 0.9 ? holders : nodes), this.#pick(nodes))
  }

  /** The others took it for dead. */
  #disown(): void {
    const node = this.#pick(this.#sim.nodes)
    if (node.life === null || node.frozen) return
    this.#sim.count('disowned')
    node.disown()
    this.#sim.world.after(500 * this.#random.float(), () => {
      if (!this.#sim.healed && node.life === null) node.start()
    })
  }

  /** The view changes, and each node hears of it in its own time. */
  #shift(): void {
    const { world, nodes } = this.#sim
    const view = ++this.#view
    this.#sim.count('view shift')
    world.note('shift', view)
    for (const node of nodes)
      world.after(2000 * this.#random.float() ** 2, () => {
        if (this.#sim.healed || (this.#viewOf.get(node) ?? 0) >= view) return
        this.#viewOf.set(node, view)
        for (const { actor } of node.life?.engine.activations() ?? []) {
          const to = this.#placed(actor, view)
          if (to !== node) world.after(100 * this.#random.float(), () => this.move(actor, node, to))
        }
      })
  }

  move(actor: string, from: SimNode, to: SimNode): void {
    const sim = this.#sim
    sim.reach(from, (life) => {
      if (sim.healed) return
      sim.world.note('release', actor, life.id)
      life.engine.release(actor).then(
        (bundle) => {
          if (!life.alive) return
          sim.world.note('released', actor, life.id, bundle?.n ?? 'cold')
          for (const released of sim.hooks.released) released(actor, bundle, life)
          if (bundle !== null) this.#carry(bundle, to)
        },
        (error: unknown) => sim.fail('no-throw', `release() of ${actor} at ${life.id} rejected: ${String(error)}`),
      )
      sim.world.settled()
    })
  }

  #carry(bundle: Bundle, to: SimNode): void {
    const sim = this.#sim
    const bytes = encodeBundle(bundle)
    const fate = this.#random.float()
    const arrive = (node: SimNode, ms: number): void => {
      sim.world.after(sim.swarm.netMs + ms, () => sim.reach(node, (life) => this.#adopt(bytes, life)))
    }
    if (fate < 0.1) {
      sim.count('bundle lost')
    } else if (fate < 0.25) {
      sim.count('bundle twice')
      arrive(to, 0)
      arrive(this.#random.float() < 0.5 ? to : this.#pick(sim.nodes), 500 * this.#random.float())
    } else if (fate < 0.45) {
      sim.count('bundle late')
      arrive(to, 5000 * this.#random.float() ** 2)
    } else arrive(to, 0)
  }

  #adopt(bytes: Uint8Array, life: Life): void {
    if (this.#sim.healed) return
    const bundle = decodeBundle(bytes)
    if (bundle === null) return this.#sim.fail('handoff', 'a bundle that was encoded does not decode')
    const taken = life.engine.adopt(bundle)
    this.#sim.world.note('adopt', bundle.actor, bundle.n, life.id, taken)
    this.#sim.world.settled()
  }
}
