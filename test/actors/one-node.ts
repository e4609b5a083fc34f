/** One engine on virtual time and a store in memory, and calls as promises. For the tests of src/actors. */
import { createEngine, type Engine, type EngineParts } from '../../src/actors/engine.ts'
import type {
  HistoryOutcome,
  Note,
  NoteSink,
  QueryCall,
  QueryOutcome,
  SendCall,
  SendOutcome,
  TopicOutcome,
  Upstream,
} from '../../src/actors/calls.ts'
import type { App } from '../../src/actors/define.ts'
import type { LogFields } from '../../src/base/log.ts'
import { seeded } from '../../src/base/random.ts'
import { resolveOptions, type Options } from '../../src/options.ts'
import { memoryStore, type Fault, type MemoryStore, type StoreCall } from '../../src/store/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

export interface OneNode {
  readonly clock: VirtualClock
  readonly engine: Engine
  readonly store: MemoryStore
  readonly logged: { readonly level: string; readonly message: string; readonly fields: LogFields }[]
  /** What goes wrong with the store's calls from now on. */
  fault: (call: StoreCall) => Fault | null
  send(actor: string, type: string, data?: unknown, more?: Partial<SendCall>): Promise<SendOutcome>
  query(actor: string, name: string, args?: unknown, more?: Partial<QueryCall>): Promise<QueryOutcome>
  history(actor: string, from: number, limit: number): Promise<HistoryOutcome>
  subscribe(actor: string, topic: string): Subscriber
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>
  /** A second engine on the same data: as another process, or the same after a crash. */
  another(options?: { readonly app?: App; readonly generation?: number; readonly check?: boolean } & Ports): OneNode
}

/** Of a node in a cluster. */
export type Ports = Pick<EngineParts, 'owns' | 'outgoing'>

export interface Subscriber {
  readonly notes: Note[]
  readonly answers: TopicOutcome[]
  readonly upstream: Upstream
  ended: boolean
}

export function oneNode(app: App, given: Partial<Options> = {}, more: { readonly check?: boolean } & Ports = {}): OneNode {
  const clock = new VirtualClock()
  return nodeOn(clock, app, given, 1, more.check ?? false, more, (fault) => memoryStore({ clock, fault }))
}

function nodeOn(
  clock: VirtualClock,
  app: App,
  given: Partial<Options>,
  generation: number,
  check: boolean,
  { owns, outgoing }: Ports,
  connect: (fault: (call: StoreCall) => Fault | null) => MemoryStore,
): OneNode {
  const logged: { level: string; message: string; fields: LogFields }[] = []
  const logAt = (level: string) => (fields: LogFields, message: string) => void logged.push({ level, message, fields })
  const store = connect((call) => node.fault(call))
  const engine = createEngine({
    app,
    store,
    clock,
    random: seeded(`engine ${generation}`),
    log: { info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
    options: resolveOptions(given),
    node: 'n1',
    generation,
    storeId: 'store-1',
    check,
    ...(owns !== undefined && { owns }),
    ...(outgoing !== undefined && { outgoing }),
  })
  const node: OneNode = {
    clock,
    engine,
    store,
    logged,
    fault: () => null,
    send: (actor, type, data = {}, call = {}) =>
      new Promise((resolve) => engine.send({ actor, type, data, sender: 'user:u', ...call }, resolve)),
    query: (actor, name, args = null, call = {}) => new Promise((resolve) => engine.query({ actor, name, args, ...call }, resolve)),
    history: (actor, from, limit) => new Promise((resolve) => engine.history({ actor, from, limit }, resolve)),
    subscribe: (actor, topic) => subscribe(engine, actor, topic),
    settle: () => clock.run(0),
    another: (options = {}) =>
      nodeOn(clock, options.app ?? app, given, options.generation ?? generation + 1, options.check ?? check, options, (fault) =>
        store.connect({ clock, fault }),
      ),
  }
  return node
}

function subscribe(engine: Engine, actor: string, topic: string): Subscriber {
  const notes: Note[] = []
  const answers: TopicOutcome[] = []
  const state = { ended: false }
  const sink: NoteSink = { note: (note) => void notes.push(note), ended: () => void (state.ended = true) }
  const upstream = engine.subscribe({ actor, topic }, sink, (outcome) => void answers.push(outcome))
  return {
    notes,
    answers,
    upstream,
    get ended() {
      return state.ended
    },
    set ended(value) {
      state.ended = value
    },
  }
}

/** Waits for `promise` while virtual time passes. */
export async function during<T>(node: OneNode, promise: Promise<T>, limitMs = 60_000): Promise<T> {
  let settled = false
  const done = promise.finally(() => (settled = true))
  await node.clock.until(() => settled, limitMs, 'the answer')
  return done
}
