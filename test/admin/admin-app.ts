/** An app, an engine on the memory store, and the admin port over both, without sockets: requests go straight into the Hono app. */
import { actor, app, log, signal, view, type App } from '../../src/actors/define.ts'
import { createEngine, type Engine } from '../../src/actors/engine.ts'
import { createAdmin, type Admin } from '../../src/admin/admin.ts'
import { LatencyHistogram } from '../../src/admin/latency.ts'
import { metered } from '../../src/admin/metered.ts'
import type { Phase } from '../../src/admin/parts.ts'
import { silentLog } from '../../src/base/log.ts'
import { seeded } from '../../src/base/random.ts'
import { systemClock } from '../../src/base/system.ts'
import { resolveOptions } from '../../src/options.ts'
import { OwnFigures } from '../../src/node/own-figures.ts'
import { SingleAdmin } from '../../src/node/single-admin.ts'
import { memoryStore } from '../../src/store/memory.ts'
import type { StoreHealth } from '../../src/store/store.ts'

interface State {
  readonly notes: number
  readonly last: string
}

export const notesApp: App = app({
  actors: {
    user: actor('user', {
      state: (): State => ({ notes: 0, last: '' }),
      events: {
        'note.added': {
          reduce: (state: State, data: { text: string }, ctx) => {
            if (data.text === 'bad') return ctx.refuse('full', 'no more')
            ctx.notify('changed')
            return { notes: state.notes + 1, last: data.text }
          },
        },
      },
      topics: { changed: signal({ everyMs: 0 }), summary: view((state: State) => state, { everyMs: 0 }), feed: log() },
      queries: { count: (state: State, args: { add?: number } | undefined) => state.notes + (args?.add ?? 0) },
    }),
  },
})

export interface AdminUnderTest {
  readonly engine: Engine
  readonly admin: Admin
  phase: Phase
  storeHealth: StoreHealth | null
  drained: number
  get(path: string, headers?: Record<string, string>): Promise<Response>
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
  close(): Promise<void>
}

export function adminUnderTest(token: string | null = null): AdminUnderTest {
  const options = resolveOptions({ httpBodyBytes: 1024 })
  const store = memoryStore()
  const engine = createEngine({
    app: notesApp,
    store,
    clock: systemClock,
    random: seeded('admin'),
    log: silentLog,
    options,
    node: 'node-1',
    generation: 3,
    storeId: 'store-1',
    check: true,
  })
  engine.start()
  const latency = new LatencyHistogram()
  const phase = (): Phase => test.phase
  const figures = new OwnFigures({ clock: systemClock, phase, engine: () => engine, sockets: () => 2 })
  const own = { id: 'node-1', generation: 3, address: 'ws://127.0.0.1:7000', types: ['user'], version: '0.0.0' }
  const members = new SingleAdmin({
    shown: () => ({ ...own, client: own.address, admin: null, roles: ['gateway', 'actors'], labels: {}, weight: 1 }),
    engine: () => engine,
    figures,
    drain: () => void test.drained++,
  })
  const admin = createAdmin({
    node: own,
    phase,
    engine,
    members,
    calls: metered(engine, systemClock, latency),
    gateway: () => ({ sockets: 2, unauthenticated: 1, counters: { connected: 5, noPong: 1 } }),
    store: { health: async () => test.storeHealth ?? store.health() },
    latency,
    options,
    clock: systemClock,
    token,
  })
  const ask = async (path: string, init: RequestInit): Promise<Response> => admin.http.request(`http://localhost:7200${path}`, init)
  const test: AdminUnderTest = {
    engine,
    admin,
    phase: 'serving',
    storeHealth: null,
    drained: 0,
    get: (path, headers = {}) => ask(path, { headers: { host: 'localhost:7200', ...headers } }),
    post: (path, body, headers = {}) =>
      ask(path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { host: 'localhost:7200', 'content-type': 'application/json', ...headers },
      }),
    close: async () => {
      admin.stop()
      figures.stop()
      await engine.drain()
      await store.close()
    },
  }
  return test
}
