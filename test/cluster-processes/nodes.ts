/** A cluster of real processes on one machine, and what tests ask of it. Nothing here sleeps: it waits for lines, or asks until a deadline. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ShownNode } from '../../src/admin/parts.ts'
import { folder, Running } from '../cli/troupe.ts'

const APP = `
import { actor, app, log } from 'troupe'

const list = actor('list', {
  state: (): { readonly got: readonly string[] } => ({ got: [] }),
  events: { add: { reduce: (state, data: { id: string }) => ({ got: [...state.got, data.id] }) } },
  topics: { feed: log() },
  queries: { got: (state) => state.got },
})

export default app({
  actors: { list },
  authorize: () => true,
  routes: (http, tools) => http.post('/kick/:who', async (c) => c.json({ kicked: await tools.kick(c.req.param('who')) })),
})
`
export const SECRET = 'the secret of this cluster of processes'
/** How long anything may take on a busy machine. */
export const LIMIT_MS = 60_000
/** One question to one node. */
export const ASK_MS = 20_000
const EVERY_MS = 50

export function place(): string {
  const dir = folder({ 'app.ts': APP })
  writeFileSync(join(dir, 'secret'), SECRET)
  return dir
}

/** Asks until the answer is as wanted. */
export async function until<T>(what: string, ask: () => Promise<T>, wanted: (answer: T) => boolean, limitMs = LIMIT_MS): Promise<T> {
  const end = performance.now() + limitMs
  for (;;) {
    const answer = await ask().catch((error: unknown) => error as Error)
    if (!(answer instanceof Error) && wanted(answer)) return answer
    if (performance.now() > end) {
      const last = answer instanceof Error ? answer.message : JSON.stringify(answer)
      throw new Error(`${what}: not within ${limitMs} ms; the last answer was ${last}`)
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
  }
}

export interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

/** One started node. */
export class NodeProcess {
  readonly name: string
  readonly running: Running
  #client = ''
  #rpc = ''
  #admin = ''

  constructor(name: string, dir: string, more: readonly string[] = []) {
    this.name = name
    const any = ['--listen', '127.0.0.1:0', '--rpc-listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0']
    const own = ['--node', name, '--secret-file', 'secret', '--insecure', '--option', 'drainSpreadMs=500']
    this.running = new Running(['start', 'app.ts', ...any, ...own, ...more], { cwd: dir })
  }

  async ready(): Promise<this> {
    this.#client = ((await this.running.line('out', /^client (ws:\S+)$/))[1] as string).replace(/^ws/, 'http')
    this.#rpc = (await this.running.line('out', /^rpc (\S+)$/))[1] as string
    this.#admin = (await this.running.line('out', /^admin (\S+)$/))[1] as string
    await this.running.line('out', /^ready$/)
    return this
  }

  get client(): string {
    return this.#client
  }

  get socket(): string {
    return this.#client.replace(/^http/, 'ws')
  }

  get rpc(): string {
    return this.#rpc
  }

  get admin(): string {
    return this.#admin
  }

  async ask(path: string, method: 'GET' | 'POST' = 'GET'): Promise<Answer> {
    const response = await fetch(`${this.#admin}${path}`, { method, signal: AbortSignal.timeout(ASK_MS) })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  async nodes(): Promise<readonly ShownNode[]> {
    return (await this.ask('/v1/nodes')).body['nodes'] as readonly ShownNode[]
  }

  async node(id: string): Promise<ShownNode | undefined> {
    return (await this.nodes()).find((node) => node.id === id)
  }

  /** One HTTP request on the client port, as a service would make it. */
  async post(actor: string, id: string, key: string): Promise<Answer> {
    const response = await fetch(`${this.#client}/v1/actors/${actor}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer dev:service' },
      body: JSON.stringify({ type: 'add', data: { id }, key }),
      signal: AbortSignal.timeout(LIMIT_MS),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  /** What the actor got, in order, as the store has it. */
  async got(actor: string): Promise<readonly string[]> {
    const { status, body } = await this.ask(`/v1/actors/${actor}/queries/got?strict=true`)
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
    return body['data'] as readonly string[]
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.#admin}/metrics`, { signal: AbortSignal.timeout(ASK_MS) })).text()
    return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1])
  }
}

/** Waits until each of these sees all of them alive and serving, and nobody else in service. */
export async function together(nodes: readonly NodeProcess[]): Promise<void> {
  const names = nodes.map(({ name }) => name).toSorted()
  for (const node of nodes)
    await until(
      `${node.name} sees ${names.join(', ')}`,
      () => node.nodes(),
      (shown) => {
        const serving = shown.filter(({ state, phase, actors }) => state === 'alive' && phase === 'serving' && actors !== null)
        return serving.map(({ id }) => id).join() === names.join()
      },
    )
}

/** An actor that this node owns, as `asked` sees it. */
export async function actorOf(owner: string, asked: NodeProcess, prefix: string): Promise<string> {
  for (let i = 0; i < 200; i++) {
    const actor = `list/${prefix}${i}`
    if ((await asked.ask(`/v1/locate?actor=${actor}`)).body['owner'] === owner) return actor
  }
  throw new Error(`${owner} owns none of 200 actors`)
}
