/**
 * A whole cluster in one process on virtual time (docs/testing.md). The nodes are the production code over ports in memory; so are their gateways, and the
 * clients are the SDK. Time moves only while somebody waits for a method of this.
 *
 *  1. The same app, options, seed and calls give the same world: same order, same trace.
 *  2. Faults take effect at the call, or, before the first wait, once the world has started.
 *  3. `close` settles and checks, unless it was told not to, also where `await using` calls it.
 */
import type { App } from '../actors/define.ts'
import type { Random } from '../base/random.ts'
import { TroupeError } from '../errors.ts'
import type { Options } from '../options.ts'
import { memoryStore, type MemoryStore } from '../store/memory.ts'
import { MemoryNetwork } from '../transport/memory.ts'
import { alwaysBroken, notYet, type Broken, type Evidence } from './checks.ts'
import { ANY_NODE } from './clients.ts'
import { Driver } from './driver.ts'
import { Journals } from './journal.ts'
import { idleOf, leftOver } from './leaks.ts'
import { Nemesis, type FaultRates } from './nemesis.ts'
import type { NodeProcess } from './process.ts'
import { Processes, type NodeState } from './processes.ts'
import { unrest } from './rest.ts'
import { Sockets, type Watch } from './sockets.ts'
import { StoreFaults, type StoreFailure } from './store-faults.ts'
import { Talks } from './talks.ts'
import { SimulationError, stackOf, Trace, type Property } from './trace.ts'
import { VirtualTime } from './virtual-time.ts'
import { clientApp, watchedApp } from './watched-app.ts'

export interface WorldParts {
  readonly app: App
  readonly seed: number
  readonly nodes: readonly string[]
  readonly faults: Required<FaultRates>
  readonly options: Options
  /** Empty, and in memory. Absent: one that nobody else looks into. */
  readonly store?: MemoryStore | undefined
  /** Sees what passes the clients' sockets. */
  readonly watch?: Watch | undefined
  /** Told now and then how far time is. */
  readonly moved?: ((virtualMs: number) => void) | undefined
}

const START_MS = 60_000
const CALL_MS = 60_000
const SETTLE_MS = 300_000
/** How soon a world that is to come to rest is looked at again: this, and a tenth of the time that it has had. */
const LOOK_MS = 100
/** Beyond the idle times: leases and sessions end by themselves. */
const ABANDONED_MS = 180_000
const NET_LATENCY_MS = [0.1, 2] as const

export class WorldCore {
  readonly seed: number
  readonly store: { fail(how: StoreFailure, times?: number): void }
  readonly #parts: WorldParts
  readonly time: VirtualTime
  readonly #trace = new Trace()
  readonly #driver: Driver
  readonly #network: MemoryNetwork
  readonly sockets: Sockets
  readonly #faults: StoreFaults
  readonly #journals: Journals
  #nemesis: Nemesis | null = null
  readonly #watched: App
  readonly processes: Processes
  readonly talks: Talks
  #started: Promise<void> | null = null
  #early: (() => void)[] | null = []
  #broken: Broken | null = null
  #settled = false
  #life: 'open' | 'closing' | 'closed' = 'open'

  constructor(parts: WorldParts) {
    this.#parts = parts
    this.seed = parts.seed
    const time = (this.time = new VirtualTime(String(parts.seed)))
    this.#driver = new Driver(time, (error) => this.#break('no-throw', `a callback threw: ${stackOf(error)}`), parts.moved)
    this.#network = new MemoryNetwork(time, time.random('network'), { latencyMs: NET_LATENCY_MS })
    const chooser = time.random('load-balancer')
    this.sockets = new Sockets(
      time,
      (host) => {
        if (host !== ANY_NODE) return this.processes.get(host) ?? null
        const taking = this.processes.all.filter(({ clients }) => clients !== null)
        return taking[Math.floor(chooser.float() * taking.length)] ?? null
      },
      parts.watch,
    )
    this.#faults = new StoreFaults(time.random('store'), 0)
    this.#watched = watchedApp(parts.app, (what) => this.#break('purity', what))
    const data = parts.store ?? memoryStore()
    this.#journals = new Journals(data, parts.app, parts.options)
    this.processes = new Processes((names) => ({
      app: this.#watched,
      clientApp: clientApp(this.#watched, parts.app),
      options: parts.options,
      time,
      network: this.#network,
      sockets: () => this.sockets,
      store: data,
      faults: this.#faults,
      ticketKey: time.random('ticket-key').bytes(32),
      seeds: [...new Set([...parts.nodes, ...names])],
      note: (text) => this.note(text),
    }))
    this.store = {
      fail: (how, times = 1) => {
        if (!['before', 'after', 'unknown'].includes(how)) throw new TypeError(`store.fail: 'before', 'after' or 'unknown', not '${how}'`)
        if (!Number.isInteger(times) || times < 1) throw new TypeError('store.fail: times is a whole number from 1')
        this.#do(`the next ${times} writes to the store fail: ${how}`, () => this.#faults.fail(how, times))
      },
    }
    this.talks = new Talks({
      app: parts.app,
      time,
      sockets: this.sockets,
      driver: this.#driver,
      note: (text) => this.note(text),
      threw: (what) => this.#break('no-throw', what),
      answered: (what, limitMs, via, ask) => this.#answered(what, limitMs, via, ask),
    })
    for (const name of parts.nodes) this.#start(name)
  }

  // ── What it is ─────────────────────────────────────────────────────────────────────────────────────────────────────

  get now(): number {
    return this.time.now()
  }

  get nodes(): readonly NodeState[] {
    return this.processes.states
  }

  trace(): readonly string[] {
    return this.#trace.lines()
  }

  get hash(): string {
    return this.#trace.hash
  }

  /** Virtual ms since the beginning. */
  get elapsedMs(): number {
    return this.time.mono()
  }

  /** A stream of its own, by name. */
  random(stream: string): Random {
    return this.time.random(stream)
  }

  /** Something outside found a promise broken: whoever waits for the world hears of it at once. */
  blame(property: Property, what: string): void {
    this.#break(property, what)
  }

  async ownerOf(actor: string): Promise<string> {
    await this.#ready()
    const up = this.processes.up
    const holder = up.find(({ member }) => member?.engine.has(actor) === true)
    const owner = holder?.name ?? up[0]?.member?.placement.ownerOf(actor)?.id
    if (owner === undefined) throw new TroupeError('unavailable', `no node can have ${actor} now`)
    return owner
  }

  // ── Time and faults ────────────────────────────────────────────────────────────────────────────────────────────────

  async advance(ms: number): Promise<void> {
    if (!(ms >= 0) || ms === Infinity) throw new TypeError(`advance: milliseconds from 0, not ${String(ms)}`)
    await this.#ready()
    this.#settled = false
    await this.#driver.until(() => this.#broken !== null, ms)
    this.#throwBroken()
  }

  crash(node: string): void {
    const found = this.#known(node)
    this.#do(`${node} crashes`, () => found().crash())
  }

  async restart(node: string): Promise<void> {
    this.#known(node)
    await this.#ready()
    if (this.processes.get(node)?.alive === true) throw new TypeError(`restart: ${node} is up: crash or drain it first`)
    await this.#serves(node)
  }

  async join(node: string): Promise<void> {
    if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(node) || node === ANY_NODE)
      throw new TypeError(`join: a node's name has 1–32 of a–z, 0–9 and -, not '${node}'`)
    await this.#ready()
    if (this.processes.get(node) !== undefined) throw new TypeError(`join: there is a node ${node}; restart it if it is down`)
    await this.#serves(node)
  }

  async drain(node: string): Promise<void> {
    this.#known(node)
    await this.#ready()
    this.#settled = false
    const process = this.processes.get(node) as NodeProcess
    if (process.state !== 'up') throw new TypeError(`drain: ${node} is ${process.state}`)
    this.note(`${node} drains`)
    await this.#settles(process.drain(), `${node} drains`, CALL_MS)
  }

  /** Begins a drain; resolves when it is over, however long that takes among faults. */
  drainAlong(node: string): Promise<void> {
    this.note(`${node} drains`)
    return (this.processes.get(node) as NodeProcess).drain()
  }

  /** Begins to start a node that is down, or a further one. */
  startAlong(node: string): void {
    this.#settled = false
    if (this.processes.get(node)?.alive !== true) this.#start(node)
  }

  freeze(node: string): void {
    const found = this.#known(node)
    this.#do(`${node} freezes`, () => found().freeze())
  }

  thaw(node: string): void {
    const found = this.#known(node)
    this.#do(`${node} thaws`, () => found().thaw())
  }

  cut(a: string, b: string, how: 'both' | 'one-way' = 'both'): void {
    this.#known(a)
    this.#known(b)
    if (how === 'both') this.#do(`the line between ${a} and ${b} is cut`, () => this.#network.cut(a, b))
    else this.#do(`the line from ${a} to ${b} is cut`, () => this.#network.cutOneWay(a, b))
  }

  heal(a?: string, b?: string): void {
    if (a !== undefined && b !== undefined) this.#do(`the line between ${a} and ${b} is mended`, () => this.#network.heal(a, b))
    else this.#do('all lines are mended', () => this.#network.heal())
  }

  // ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async settle(): Promise<void> {
    await this.#ready()
    this.#throwBroken()
    this.note('everything is healed')
    this.#nemesis?.stop()
    this.#faults.heal()
    this.#network.heal()
    for (const process of this.processes.all) process.thaw()
    if (this.processes.all.every(({ alive }) => !alive)) for (const name of this.processes.names) this.#start(name)
    const begunAt = this.time.mono()
    for (let [looked, proven] = [false, false]; ;) {
      const unquiet = unrest(this.processes.all)
      const broken = unquiet === null ? await this.#inTime(notYet(this.#evidence())) : null
      this.#throwBroken()
      if (unquiet === null && broken === null) {
        if (proven) break
        // So long an owner that was cut off may answer queries from an older memory (D11).
        proven = true
        await this.#driver.until(() => this.#broken !== null, this.#parts.options.readProofMs)
        continue
      }
      // What no time will mend is said at once.
      if (broken !== null && !looked) await this.check()
      looked ||= broken !== null
      if (this.time.mono() >= begunAt + SETTLE_MS)
        this.#break(broken?.property ?? 'convergence', `${SETTLE_MS / 1000} s after all was healed ${broken?.what ?? unquiet}`)
      this.#throwBroken()
      await this.#driver.until(() => false, LOOK_MS + (this.time.mono() - begunAt) / 10)
    }
    this.#settled = true
    this.note('everything is at rest')
  }

  async check(): Promise<void> {
    await this.#ready()
    this.#throwBroken()
    const evidence = this.#evidence()
    const always = await alwaysBroken(evidence)
    if (always !== null) this.#break(always.property, always.what)
    for (const process of this.processes.ever) {
      if (process.count('impure') > 0)
        this.#break('purity', `a reducer that was run twice on one event did two things; the log of ${process.name} names it`)
      if (process.count('notJson') > 0)
        this.#break('purity', `a state is not JSON, so it is another after the next activation (${process.name})`)
    }
    const broken = this.#settled ? await this.#inTime(notYet(evidence)) : null
    if (broken !== null) this.#break(broken.property, broken.what)
    this.#throwBroken()
  }

  /** Nobody uses it any more: soon after the longest idle time that is waited for nothing may be left in memory. Clients do not come back. */
  async abandon(): Promise<void> {
    await this.#ready()
    this.talks.close()
    const { idleMs, lasting } = idleOf(this.#parts)
    const endMs = this.time.mono() + 2 * idleMs + ABANDONED_MS
    for (let left: string | null; (left = await this.#inTime(leftOver(this.#evidence(), lasting))) !== null;) {
      if (this.time.mono() >= endMs) this.#break('memory', `${Math.round(2 * idleMs + ABANDONED_MS)} ms after the last use ${left}`)
      this.#throwBroken()
      await this.#driver.until(() => this.#broken !== null, idleMs / 10)
    }
  }

  async close({ check = true }: { readonly check?: boolean } = {}): Promise<void> {
    if (this.#life !== 'open') return
    this.#life = 'closing'
    try {
      if (check) {
        await this.settle()
        await this.check()
      }
    } finally {
      this.#life = 'closed'
      this.#nemesis?.stop()
      this.talks.close()
      for (const process of this.processes.all) process.crash()
    }
  }

  // ── How ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Runs a client's call until it is answered. A promise of the world that broke meanwhile matters more than the answer. */
  async #answered<Answer>(what: string, limitMs: number, via: string | undefined, ask: () => Promise<Answer>): Promise<Answer> {
    if (via !== undefined) this.#known(via)
    await this.#ready()
    this.#settled = false
    try {
      return await this.#settles(ask(), what, limitMs)
    } finally {
      this.#throwBroken()
    }
  }

  async #settles<Value>(promise: Promise<Value>, what: string, limitMs: number): Promise<Value> {
    let over = false
    const settled = (): void => {
      over = true
    }
    promise.then(settled, settled)
    if (!(await this.#driver.until(() => over, limitMs))) {
      this.#break('answered', `${what}: neither an answer nor an error in ${limitMs} ms`)
      this.#throwBroken()
    }
    return promise
  }

  #ready(): Promise<void> {
    if (this.#life === 'closed') throw new TroupeError('unavailable', 'this world is closed')
    this.#started ??= (async () => {
      const rests = (): boolean => unrest(this.processes.all) === null
      if (!(await this.#driver.until(() => this.#broken !== null || rests(), START_MS)))
        this.#break('convergence', `the cluster did not come up: ${unrest(this.processes.all)}`)
      this.#throwBroken()
      this.note('everything serves')
      this.#faults.share = this.#parts.faults.store
      const early = this.#early ?? []
      this.#early = null
      for (const run of early) run()
      this.#nemesis = this.#newNemesis()
    })()
    return this.#started
  }

  #newNemesis(): Nemesis {
    return new Nemesis(this.time, this.#parts.faults, {
      serving: () => this.processes.up.map(({ name }) => name),
      crash: (node) => this.crash(node),
      restart: (node) => this.processes.get(node)?.alive !== true && this.#start(node),
      freeze: (node) => this.freeze(node),
      thaw: (node) => this.thaw(node),
      cut: (a, b, how) => this.cut(a, b, how),
      mend: (a, b) => this.heal(a, b),
    })
  }

  #do(what: string, run: () => void): void {
    const now = (): void => {
      this.#settled = false
      this.note(what)
      run()
    }
    if (this.#early === null) now()
    else this.#early.push(now)
  }

  #known(node: string): () => NodeProcess {
    if (this.processes.get(node) === undefined)
      throw new TypeError(`there is no node ${node}; there are ${this.processes.names.join(', ')}`)
    return () => this.processes.get(node) as NodeProcess
  }

  #start(name: string): void {
    this.processes.start(name).catch((error: unknown) => this.#break('no-throw', `${name} did not start: ${stackOf(error)}`))
  }

  async #serves(node: string): Promise<void> {
    this.#settled = false
    this.#start(node)
    const process = this.processes.get(node) as NodeProcess
    const ready = (): boolean => process.member?.view().members.find(({ id }) => id === node)?.phase === 'ready' && process.state === 'up'
    await this.#driver.until(() => this.#broken !== null || !process.alive || ready(), START_MS)
    this.#throwBroken()
    if (!ready()) throw new TroupeError('unavailable', `${node} does not serve after ${START_MS / 1000} s: it is ${process.state}`)
  }

  #evidence(): Evidence {
    return {
      journals: this.#journals,
      options: this.#parts.options,
      acks: this.talks.acks,
      followers: this.talks.followers,
      processes: this.processes.all,
      now: this.now,
    }
  }

  /** Inspecting an activation may wait for the store, which needs time. */
  #inTime<Value>(promise: Promise<Value>): Promise<Value> {
    return this.#settles(promise, 'looking into the nodes', CALL_MS)
  }

  /** Into the trace, and so into the hash. */
  note(text: string): void {
    this.#trace.note(this.time.mono(), text)
  }

  /** The first counts. */
  #break(property: Property, what: string): void {
    this.note(`BROKEN ${property}: ${what}`)
    this.#broken ??= { property, what }
  }

  #throwBroken(): void {
    if (this.#broken === null) return
    const { property, what } = this.#broken
    throw new SimulationError(property, what, this.seed, this.time.mono(), this.trace())
  }
}
