/** Gateways and owners of actors apart, as processes that a Supervisor keeps running and restarts; and callers that keep asking them. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { seeded } from '../../src/base/random.ts'
import { systemClock } from '../../src/base/system.ts'
import { Supervisor, type NodeSpec } from '../../src/cli/cluster/supervisor.ts'
import { freePort } from '../support/ports.ts'
import { LIMIT_MS } from './nodes.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
/** Compiled sources: halves the cost of a child. */
const ENV = { NODE_COMPILE_CACHE: join(tmpdir(), `troupe-rolling-compiled-${process.ppid}`) }

export const OWNERS = ['owner-1', 'owner-2']
export const GATEWAYS = ['gateway-1', 'gateway-2']
/** In the order in which they are restarted. */
export const NAMES: readonly string[] = [...OWNERS, ...GATEWAYS]

type Port = 'client' | 'rpc' | 'admin'
const STEP: Readonly<Record<Port, number>> = { client: 0, rpc: 100, admin: 200 }

export class SupervisedCluster {
  readonly supervisor: Supervisor
  /** What the supervisor said, and when. */
  readonly said: { readonly line: string; readonly at: number }[] = []
  /** Called with each line, before what it tells of happens. */
  heard: (line: string) => void = () => undefined
  readonly #port: number
  #ready = false
  #wake = (): void => undefined

  static async start(dir: string): Promise<SupervisedCluster> {
    const above = Object.values(STEP).flatMap((step) => NAMES.map((_, i) => step + 10 * i))
    const cluster = new SupervisedCluster(dir, await freePort(above.filter((step) => step > 0)))
    cluster.supervisor.start()
    while (!cluster.#ready) await Promise.race([cluster.supervisor.done, new Promise<void>((resolve) => (cluster.#wake = resolve))])
    return cluster
  }

  private constructor(dir: string, port: number) {
    this.#port = port
    const seeds = NAMES.map((name) => this.at('rpc', name)).join(',')
    const specs = NAMES.map((name): NodeSpec => {
      const roles = OWNERS.includes(name) ? 'actors' : 'gateway'
      const ports = ['--listen', this.at('client', name), '--rpc-listen', this.at('rpc', name), '--admin-listen', this.at('admin', name)]
      const rest = ['--insecure', '--log-level', 'warn', '--option', 'drainSpreadMs=300', '--store', `sqlite:${dir}/store`]
      const own = ['--node', name, '--roles', roles, '--join', seeds, '--secret-file', `${dir}/secret`]
      return { name, args: ['start', `${dir}/app.ts`, ...own, ...ports, ...rest], env: ENV }
    })
    this.supervisor = new Supervisor(specs, {
      main: MAIN,
      clock: systemClock,
      random: seeded('rolling'),
      said: (node, line, of) => {
        if (of !== 'supervisor') return
        this.said.push({ line: `${node} ${line}`, at: performance.now() })
        this.heard(`${node} ${line}`)
      },
      ready: () => {
        this.#ready = true
        this.#wake()
      },
    })
  }

  at(port: Port, name: string): string {
    return `127.0.0.1:${this.#port + STEP[port] + 10 * NAMES.indexOf(name)}`
  }

  async admin(name: string, path: string): Promise<unknown> {
    return (await fetch(`http://${this.at('admin', name)}${path}`, { signal: AbortSignal.timeout(LIMIT_MS) })).json()
  }

  async metric(name: string, metric: string): Promise<number> {
    const text = await (await fetch(`http://${this.at('admin', name)}/metrics`, { signal: AbortSignal.timeout(LIMIT_MS) })).text()
    return Number(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1])
  }

  /** One event over HTTP, once. */
  async post(name: string, actor: string, id: string): Promise<void> {
    const response = await fetch(`http://${this.at('client', name)}/v1/actors/${actor}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer dev:service' },
      body: JSON.stringify({ type: 'add', data: { id }, key: id }),
      signal: AbortSignal.timeout(LIMIT_MS),
    })
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
  }

  /** When the restart of this node began, and when the next one's did. */
  restartOf(node: string): { readonly from: number; readonly to: number } {
    const from = this.said.findIndex(({ line }) => line.startsWith(`${node} restarts (`))
    const to = this.said.findIndex(({ line }, i) => i > from && / (restarts \(|was the last)/.test(line))
    return { from: this.said[from]?.at ?? Infinity, to: this.said[to]?.at ?? Infinity }
  }
}

/** Something that was asked of one node, once. */
export interface Try {
  readonly node: string
  readonly from: number
  readonly to: number
  readonly failure: string | null
}

/** Between two requests of a caller: load, and CPU left for the processes that start. */
const PACE_MS = 25

/**
 * Sends to an actor of its own, each event when the one before was acknowledged, until it is told to stop. It begins with the first of its
 * nodes, and what is refused there is asked of the next under the same key.
 */
export class Caller {
  readonly actor: string
  readonly acked: string[] = []
  readonly failed: string[] = []
  readonly tries: Try[] = []
  #stopped = false
  readonly #over: Promise<void>

  constructor(actor: string, nodes: readonly string[], ask: (node: string, id: string) => Promise<void>) {
    this.actor = actor
    this.#over = this.#run(nodes, ask)
  }

  async #run(nodes: readonly string[], ask: (node: string, id: string) => Promise<void>): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const id = String(i)
      const end = performance.now() + LIMIT_MS
      let failure: string | null = 'not asked yet'
      for (let turn = 0; failure !== null && performance.now() < end; turn++) {
        failure = await this.#try(nodes[turn % nodes.length] as string, id, ask)
        await new Promise((resolve) => setTimeout(resolve, PACE_MS))
      }
      if (failure === null) this.acked.push(id)
      else this.failed.push(`${id}: ${failure}`)
    }
  }

  async #try(node: string, id: string, ask: (node: string, id: string) => Promise<void>): Promise<string | null> {
    const from = performance.now()
    const failure = await ask(node, id).then(
      () => null,
      (error: unknown) => (error instanceof Error ? String(error) : JSON.stringify(error)),
    )
    this.tries.push({ node, from, to: performance.now(), failure })
    return failure
  }

  stop(): Promise<void> {
    this.#stopped = true
    return this.#over
  }
}
