/** A gateway on a loopback port over a FakeCalls, and clients of it. Time is virtual where a test asks for it; sockets are real. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { WebSocket } from 'ws'
import { Decoder } from '@msgpack/msgpack'
import { actor, app, log, signal, view, type App, type AppOptions } from '../../src/actors/define.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Log, LogFields } from '../../src/base/log.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts'
import { resolveOptions, type Options } from '../../src/options.ts'
import { encodeValue } from '../../src/protocol/msgpack.ts'
import { FakeCalls } from '../support/fake-calls.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const event = { reduce: (state: object) => state }
export const user = actor('user', {
  state: () => ({}),
  events: { 'note.added': event, other: event, refuse: event, raw: event },
  topics: { changes: signal(), summary: view((s: object) => s), feed: log(), notes: log({ types: ['note.added'] }) },
  queries: { count: () => 0, echo: (_, args: unknown) => args, big: () => '' },
})
const mute = actor('mute', { state: () => ({}), events: { 'note.added': event } })

export type Frame = Readonly<Record<string, unknown>> & { readonly t: string }

export interface RigConfig {
  readonly options?: Partial<Options>
  readonly mode?: 'dev' | 'start'
  readonly app?: Partial<Omit<AppOptions<never>, 'actors'>>
  readonly virtual?: boolean
  readonly filesDir?: string
  readonly ticketKey?: Uint8Array
  /** Of another rig: two gateways of one cluster. */
  readonly calls?: FakeCalls
}

export interface Rig {
  readonly url: string
  readonly port: number
  readonly calls: FakeCalls
  readonly gateway: Gateway
  readonly server: Server
  /** The server's ends of all connections that are open, upgraded ones too. */
  readonly sockets: ReadonlySet<Socket>
  readonly clock: VirtualClock
  readonly lines: { readonly level: string; readonly fields: LogFields; readonly message: string }[]
  /** The process is stopped for so long: time passes, no timer runs. */
  lose(ms: number): void
  open(path?: string, subprotocols?: string[]): Promise<TestClient>
  /** Opened, connected and welcomed, as alice unless told otherwise. */
  join(name?: string, subprotocol?: string): Promise<TestClient>
  stop(): Promise<void>
}

/** Virtual time, but the end of a turn is the real one: sockets are real. */
function hybrid(clock: VirtualClock, lost: { ms: number }): Clock {
  return {
    now: () => clock.now() + lost.ms,
    mono: () => clock.mono() + lost.ms,
    after: (ms, run) => clock.after(ms, run),
    soon: (run) => systemClock.soon(run),
  }
}

export async function startRig(config: RigConfig = {}): Promise<Rig> {
  const calls = config.calls ?? new FakeCalls()
  const clock = new VirtualClock()
  const lost = { ms: 0 }
  const server = createServer()
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const lines: Rig['lines'] = []
  const line =
    (level: string) =>
    (fields: LogFields, message: string): void =>
      void lines.push({ level, fields, message })
  const log: Log = { info: line('info'), warn: line('warn'), error: line('error') }
  const gateway = createGateway({
    app: app({ actors: { user, mute }, ...config.app }) as unknown as App,
    calls,
    clock: config.virtual === true ? hybrid(clock, lost) : systemClock,
    random: systemRandom,
    log,
    options: resolveOptions(config.options),
    node: 'node-1',
    ticketKey: config.ticketKey ?? new Uint8Array(32).fill(7),
    mode: config.mode ?? 'dev',
    server,
    filesDir: config.filesDir ?? null,
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const clients: TestClient[] = []
  const rig: Rig = {
    url: `http://127.0.0.1:${port}`,
    port,
    calls,
    gateway,
    server,
    sockets,
    clock,
    lines,
    lose: (ms) => {
      lost.ms += ms
    },
    open: async (path = '/v1/ws', subprotocols = []) => {
      const client = new TestClient(`ws://127.0.0.1:${port}${path}`, subprotocols)
      clients.push(client)
      await client.opened
      return client
    },
    join: async (name = 'alice', subprotocol) => {
      const client = await rig.open('/v1/ws', subprotocol === undefined ? [] : [subprotocol])
      client.send({ t: 'connect', token: `dev:${name}` })
      await client.frame('welcome')
      return client
    },
    stop: async () => {
      for (const client of clients) client.socket.terminate()
      await gateway.close()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  return rig
}

export class TestClient {
  readonly socket: WebSocket
  readonly opened: Promise<void>
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  readonly frames: Frame[] = []
  /** How many messages the frames came in. */
  messages = 0
  /** Answers pings. */
  pongs = false
  readonly #binary: boolean
  #wake: (() => void) | null = null
  #over: string | null = null

  constructor(url: string, subprotocols: string[]) {
    this.#binary = subprotocols[0] === 'troupe.v1.msgpack'
    this.socket = new WebSocket(url, subprotocols)
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('open', resolve)
      this.socket.on('error', reject)
    })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.#over = `closed with ${code} ${reason.toString()}`
        this.#wake?.()
        resolve({ code, reason: reason.toString() })
      })
    })
    this.socket.on('message', (data: Buffer, isBinary) => {
      this.messages++
      const values = isBinary
        ? [...new Decoder().decodeMulti(data)]
        : data
            .toString()
            .split('\n')
            .map((text) => JSON.parse(text) as unknown)
      this.frames.push(...(values as Frame[]))
      if (this.pongs && (values as Frame[]).some(({ t }) => t === 'ping')) this.send({ t: 'pong' })
      this.#wake?.()
    })
  }

  send(...frames: unknown[]): void {
    if (this.#binary) this.socket.send(Buffer.concat(frames.map((frame) => encodeValue(frame))))
    else this.socket.send(frames.map((frame) => JSON.stringify(frame)).join('\n'))
  }

  text(text: string): void {
    this.socket.send(text)
  }

  /** Takes the first frame of this kind (and, if given, this id) out of those that came; waits for it. Others stay. */
  async frame(t: string, where: Readonly<Record<string, unknown>> = {}): Promise<Frame> {
    for (;;) {
      const at = this.frames.findIndex((frame) => frame.t === t && Object.entries(where).every(([name, value]) => frame[name] === value))
      if (at >= 0) return this.frames.splice(at, 1)[0] as Frame
      if (this.#over !== null)
        throw new Error(`waiting for ${t} ${JSON.stringify(where)}: ${this.#over}; have ${JSON.stringify(this.frames)}`)
      await this.#more(`${t} ${JSON.stringify(where)}`)
    }
  }

  async ask(frame: Readonly<Record<string, unknown>>): Promise<Frame> {
    this.send(frame)
    return this.frame('reply', { id: frame['id'] })
  }

  #more(what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(
        () => reject(new Error(`no ${what} came in 40 s; have ${JSON.stringify(this.frames).slice(0, 2000)}`)),
        40_000,
      )
      this.#wake = () => {
        clearTimeout(limit)
        this.#wake = null
        resolve()
      }
    })
  }
}

/** Turns of the event loop until it holds; fails after 40 s of real time, which a machine that does much else may need. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 40_000
  while (!holds()) {
    if (performance.now() > end) throw new Error(`did not happen in 40 s: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
