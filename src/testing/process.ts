/**
 * One process of a world: a node from its start to its end, with its own clock, store connection, member and gateway, built as node.ts builds a real one.
 * A crash is silent: from one instant on nothing reaches it and nothing leaves it. Frozen, it takes nothing until it thaws, and then all at once.
 */
import { createServer } from 'node:http'
import type { App } from '../actors/define.ts'
import { createEngine, type Engine } from '../actors/engine.ts'
import type { Clock } from '../base/clock.ts'
import type { Log, LogFields } from '../base/log.ts'
import { RingCache } from '../cluster/ring-cache.ts'
import { TimedRingBuilder } from '../cluster/ring-builder.ts'
import type { GatewayCounters } from '../gateway/counters.ts'
import { createGateway, type Gateway } from '../gateway/gateway.ts'
import { ClusterNode } from '../node/cluster-node.ts'
import type { Options } from '../options.ts'
import type { MemoryStore } from '../store/memory.ts'
import type { MemoryNetwork } from '../transport/memory.ts'
import type { Sockets } from './sockets.ts'
import type { StoreFaults } from './store-faults.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface ProcessParts {
  readonly app: App
  /** The same with the world's own rights, for the gateway. */
  readonly clientApp: App
  readonly options: Options
  readonly time: VirtualTime
  readonly network: MemoryNetwork
  readonly sockets: () => Sockets
  readonly store: MemoryStore
  readonly faults: StoreFaults
  readonly ticketKey: Uint8Array
  readonly seeds: readonly string[]
  readonly note: (text: string) => void
}

/** A ring of many points takes this long to build. */
const RING_MS = 30

export class NodeProcess {
  readonly name: string
  readonly #parts: ProcessParts
  readonly #stream: string
  readonly #clock: Clock
  readonly #store: MemoryStore
  readonly #engines: Engine[] = []
  #life: 'starting' | 'serving' | 'draining' | 'over' = 'starting'
  #member: ClusterNode | null = null
  #gateway: Gateway | null = null
  #frozen = false
  #parked: (() => void)[] = []

  constructor(name: string, count: number, parts: ProcessParts) {
    this.name = name
    this.#parts = parts
    this.#stream = `${name}/${count}`
    const { time } = parts
    const lateness = time.random(`timers/${this.#stream}`)
    this.#clock = {
      now: () => time.now(),
      mono: () => time.mono(),
      after: (ms, run) => {
        let open = true
        // Node's timers have 1 ms at least, and are a little late.
        const timer = time.after(Math.max(1, ms) + lateness.float(), () =>
          this.deliver(() => {
            if (!open) return
            open = false
            run()
          }),
        )
        return {
          cancel: () => {
            open = false
            timer.cancel()
          },
        }
      },
      soon: (run) => time.soon(() => this.deliver(run)),
    }
    this.#store = parts.store.connect({
      clock: { ...this.#clock, after: (ms, run) => time.after(ms, () => this.deliver(run)) },
      fault: (call) => parts.faults.of(call),
    })
  }

  get state(): 'starting' | 'up' | 'frozen' | 'draining' | 'down' {
    if (this.#frozen) return 'frozen'
    return this.#life === 'serving' ? 'up' : this.#life === 'over' ? 'down' : this.#life
  }

  get alive(): boolean {
    return this.#life !== 'over'
  }

  get frozen(): boolean {
    return this.#frozen
  }

  get member(): ClusterNode | null {
    return this.#member
  }

  /** Takes new connections; null: not now. */
  get clients(): Gateway | null {
    return this.#life === 'serving' ? this.#gateway : null
  }

  /** What its gateway has counted, also when it is over. */
  get counters(): Readonly<Partial<GatewayCounters>> {
    return this.#gateway?.stats().counters ?? {}
  }

  /** What its engines have found wrong with the app's code, by name. */
  count(name: 'impure' | 'notJson'): number {
    return this.#engines.reduce((sum, engine) => sum + (engine.stats().counters[name] ?? 0), 0)
  }

  /** Runs it now, when the process thaws, or never. */
  deliver(run: () => void): void {
    if (this.#life === 'over') return
    if (this.#frozen) this.#parked.push(run)
    else run()
  }

  async start(): Promise<void> {
    const { name } = this
    const { app, options, time, network, ticketKey, seeds, note } = this.#parts
    note(`${name} starts`)
    const generation = await this.#store.nextGeneration(name)
    if (!this.alive) return
    const address = addressOf(name)
    const random = time.random(`node/${this.#stream}`)
    const member = new ClusterNode({
      app,
      store: this.#store,
      transport: network.transport({ id: name, generation, address }),
      rings: new RingCache(new TimedRingBuilder(this.#clock, RING_MS)),
      clock: this.#clock,
      random,
      log: this.#log(),
      options,
      check: true,
      cluster: 'simulated',
      node: name,
      generation,
      storeId: 'simulated',
      address,
      meta: {
        roles: ['gateway', 'actors'],
        types: Object.fromEntries([...app.byType].map(([type, { version }]) => [type, version])),
        version: '0.0.0',
        labels: {},
        weight: 1,
      },
      seeds: seeds.map(addressOf).filter((seed) => seed !== address),
      replaced: (why) => {
        note(`${name} ends: ${why}`)
        this.crash()
      },
      // Heard by who drives the clock, as what throws in a callback is.
      broken: (error) =>
        time.soon(() => {
          throw error
        }),
      engines: (parts) => {
        const engine = createEngine(parts)
        this.#engines.push(engine)
        return engine
      },
    })
    this.#member = member
    await member.joined()
    if (!this.alive) return
    this.#gateway = createGateway({
      app: this.#parts.clientApp,
      calls: member.calls,
      clock: this.#clock,
      random,
      log: this.#log(),
      options,
      node: name,
      ticketKey,
      mode: 'start',
      // Never listens: clients come through `connect`.
      server: createServer(),
      filesDir: null,
    })
    member.serve()
    this.#life = 'serving'
    note(`${name} serves`)
  }

  crash(): void {
    if (!this.alive) return
    this.#life = 'over'
    this.#frozen = false
    this.#parked = []
    this.#store.crash()
    this.#parts.network.kill(this.name)
    this.#parts.sockets().killed(this)
  }

  freeze(): void {
    if (this.#frozen || !this.alive) return
    this.#frozen = true
    this.#parts.network.freeze(this.name)
  }

  thaw(): void {
    if (!this.#frozen) return
    this.#frozen = false
    this.#parts.network.thaw(this.name)
    for (const run of this.#parked.splice(0)) this.#parts.time.after(0, () => this.deliver(run))
  }

  /** As a real node goes: others get its actors while clients are asked to move; then it writes what is left and leaves. */
  async drain(): Promise<void> {
    const [member, gateway] = [this.#member, this.#gateway]
    if (this.#life !== 'serving' || member === null || gateway === null) return
    this.#life = 'draining'
    await Promise.all([gateway.drain(), member.handOver(() => undefined)])
    await member.engine.drain()
    await member.leave()
    await gateway.close()
    if (!this.alive) return
    this.#parts.note(`${this.name} has drained`)
    this.crash()
  }

  #log(): Log {
    const say = (level: string) => (fields: LogFields, message: string) => {
      if (this.alive) this.#parts.note(`${this.name} ${level}: ${message}${shown(fields)}`)
    }
    return { info: say('info'), warn: say('warn'), error: say('error') }
  }
}

function shown(fields: LogFields): string {
  const said = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)
  return said.length === 0 ? '' : ` (${said.map(([name, value]) => `${name} ${value}`).join(', ')})`
}

function addressOf(name: string): string {
  return `${name}:1`
}
