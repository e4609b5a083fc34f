/**
 * A cluster of real node processes for the benches in which nodes come, go, freeze and die. Unlike the systems of systems.ts, which run from start
 * to end, each node here is a child of its own that keeps its name and its ports when it is started again.
 *
 *  N1. `start` resolves when that node serves and everyone who runs sees everyone who runs; `gone` waits for the opposite.
 *  N2. `stop` ends what was ever started, whatever state it is in: a frozen one is killed.
 */
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { MemberSettings } from '../servers/member.ts'
import { profileFlags, type BenchOptions } from './bench.ts'
import { startChild, type Child } from './child.ts'
import { dataDirectory, SERVER_FLAGS, type System } from './systems.ts'

export interface NodeSpec extends Omit<MemberSettings, 'port'> {
  readonly name: string
}

interface Place {
  readonly spec: NodeSpec
  readonly clientPort: number
  readonly rpcPort: number
  child: Child | null
  frozen: boolean
}

const PATIENCE_MS = 30_000
const LOOK_MS = 20

export class Nodes {
  readonly #program: URL
  readonly #directory: string
  readonly #places: readonly Place[]
  readonly #flags: readonly string[]

  private constructor(program: URL, directory: string, places: readonly Place[], flags: readonly string[]) {
    this.#program = program
    this.#directory = directory
    this.#places = places
    this.#flags = flags
  }

  /** All of them, on one fresh embedded store, under this checkout's or (`troupe=DIR`) another's code. */
  static async open(options: BenchOptions, system: System, specs: readonly NodeSpec[]): Promise<Nodes> {
    const ports = await freePorts(2 * specs.length)
    const places = specs.map((spec, i): Place => ({
      spec,
      clientPort: ports[2 * i] as number,
      rpcPort: ports[2 * i + 1] as number,
      child: null,
      frozen: false,
    }))
    const nodes = new Nodes(new URL('member.ts', system.program), await dataDirectory(), places, [
      ...SERVER_FLAGS,
      ...profileFlags(options, system),
    ])
    try {
      await Promise.all(places.map((place) => nodes.#launch(place)))
      await nodes.#agree()
    } catch (error) {
      await nodes.stop()
      throw error
    }
    return nodes
  }

  clientPort(name: string): number {
    return this.#place(name).clientPort
  }

  rpcPort(name: string): number {
    return this.#place(name).rpcPort
  }

  /** Of those that run. */
  get pids(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#running().map(({ spec, child }) => [spec.name, child.pid]))
  }

  /** Resolves with the moment (epochMs) at which it said that it serves. */
  async start(name: string): Promise<number> {
    const place = this.#place(name)
    await this.#launch(place)
    const at = epochMs()
    await this.#agree()
    return at
  }

  /** Hands over, moves its clients, leaves, ends. */
  async drain(name: string): Promise<void> {
    const place = this.#place(name)
    await place.child?.ask('drain')
    await place.child?.stop()
    place.child = null
  }

  /** `kill -9`. Resolves with the moment. */
  async kill(name: string): Promise<number> {
    const place = this.#place(name)
    if (place.child === null) throw new Error(`${name} does not run`)
    const at = epochMs()
    process.kill(place.child.pid, 'SIGKILL')
    await place.child.stop()
    place.child = null
    return at
  }

  freeze(name: string): number {
    const place = this.#place(name)
    if (place.child === null) throw new Error(`${name} does not run`)
    place.frozen = true
    const at = epochMs()
    process.kill(place.child.pid, 'SIGSTOP')
    return at
  }

  /** False: it is not there any more (others end a process that was frozen with the store's lock). */
  thaw(name: string): boolean {
    const place = this.#place(name)
    place.frozen = false
    try {
      process.kill((place.child as Child).pid, 'SIGCONT')
      return true
    } catch {
      place.child = null
      return false
    }
  }

  /** Resolves when everyone who runs sees as many ready as run. */
  settled(): Promise<void> {
    return this.#agree()
  }

  /** Owners of `user/u0` … in the view of that node. */
  owners(name: string, count: number): Promise<readonly string[]> {
    return (this.#place(name).child as Child).ask<readonly string[]>('owners', count)
  }

  /** What the nodes that run have counted between them, summed. */
  async routing(): Promise<Readonly<Record<string, number>>> {
    const all = await Promise.all(this.#running().map(({ child }) => child.ask<Record<string, number>>('routing')))
    const sums: Record<string, number> = {}
    for (const counters of all) for (const [name, count] of Object.entries(counters)) sums[name] = (sums[name] ?? 0) + count
    return sums
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#places.map(async (place) => {
        const { child } = place
        if (child === null) return
        if (place.frozen) process.kill(child.pid, 'SIGKILL')
        place.child = null
        await child.stop()
      }),
    )
  }

  async #launch(place: Place): Promise<void> {
    const { name, ...settings } = place.spec
    const rpcPorts = this.#places.map(({ rpcPort }) => rpcPort).join(',')
    place.frozen = false
    place.child = await startChild(
      this.#program,
      [this.#directory, name, String(place.rpcPort), rpcPorts, JSON.stringify({ ...settings, port: place.clientPort })],
      this.#flags,
    )
  }

  async #agree(): Promise<void> {
    const end = performance.now() + PATIENCE_MS
    for (;;) {
      const running = this.#running()
      const seen = await Promise.all(running.map(({ child }) => child.ask<number>('ready')))
      if (seen.every((ready) => ready === running.length)) return
      if (performance.now() > end) throw new Error(`the ${running.length} nodes see ${seen.join(', ')} ready after ${PATIENCE_MS} ms`)
      await setTimeout(LOOK_MS)
    }
  }

  #running(): readonly (Place & { readonly child: Child })[] {
    return this.#places.filter((place): place is Place & { readonly child: Child } => place.child !== null && !place.frozen)
  }

  #place(name: string): Place {
    const place = this.#places.find(({ spec }) => spec.name === name)
    if (place === undefined) throw new Error(`there is no node ${name}`)
    return place
  }
}

/** Milliseconds since 1970 with fractions: what processes of one machine compare. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now()
}

/** Each node must know the others' ports before it starts, and finds its own again. */
export async function freePorts(wanted: number): Promise<number[]> {
  const servers = Array.from({ length: wanted }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) => new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
