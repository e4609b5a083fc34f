/**
 * The app that the simulated cluster runs: a few actor types that differ in how they are kept, all with the same events.
 *
 * Every accepted event appends exactly one id to the state, so that the state is its own log: `ids[i]` is the entry at offset i + 1,
 * whatever the type's history; `h` is a running hash of them, so that an answer `{ n, h }` proves a whole prefix.
 * An id tells where it came from: `o12` an operation of a client, `o12>` its delivery one hop on, `o12!` its timer.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import {
  actor,
  app,
  log,
  signal,
  view,
  type App,
  type ActorDefinition,
  type EventDefinition,
  type History,
  type Durability,
} from '../../src/actors/define.ts'
import { hash32 } from '../../src/base/random.ts'

export interface IdsState {
  readonly ids: readonly string[]
  readonly h: number
  /** Since version 2 of 'evolving'. */
  readonly count?: number
}

export const SIGNAL_EVERY_MS = 200
export const VIEW_EVERY_MS = 300
export const KEEP = 8
export const LAZY_EVERY_MS = 1000
/** Appended to an id whose timer fired before it was due. */
export const EARLY = '~early'

interface Data {
  readonly id: string
  /** Where the event goes on to, hop by hop. */
  readonly path?: readonly string[]
  readonly name?: string
  readonly inMs?: number
  readonly due?: number
}

type Definition = EventDefinition<IdsState, Data, string>

/** The running hash after one more id. */
export function chain(h: number, id: string): number {
  return hash32(id, h ^ 0x9e3779b9)
}

function grown(state: IdsState, id: string): IdsState {
  const ids = [...state.ids, id]
  const h = chain(state.h, id)
  return state.count === undefined ? { ids, h } : { ids, h, count: state.count + 1 }
}

const positive: StandardSchemaV1<unknown, Data> = {
  '~standard': {
    version: 1,
    vendor: 'sim',
    validate: (value) =>
      typeof (value as Data | null)?.inMs === 'number' && ((value as Data).inMs ?? 0) > 0
        ? { value: value as Data }
        : { issues: [{ message: 'inMs must be above 0', path: ['inMs'] }] },
  },
}

const EVENTS: Readonly<Record<string, Definition>> = {
  add: {
    reduce: (state, { id }, ctx) => {
      ctx.notify('changed')
      return grown(state, id)
    },
  },
  quiet: { reduce: (state, { id }) => grown(state, id) },
  send: {
    reduce: (state, { id, path = [] }, ctx) => {
      ctx.notify('changed')
      const [to, ...rest] = path
      if (to !== undefined) ctx.send(to, 'send', { id: `${id}>`, path: rest })
      return grown(state, id)
    },
  },
  later: {
    schema: positive,
    reduce: (state, { id, name = 'a', inMs = 0 }, ctx) => {
      ctx.schedule(name, { inMs }, 'fired', { id: `${id}!`, due: ctx.now + inMs })
      return grown(state, id)
    },
  },
  cancel: {
    reduce: (state, { id, name = 'a' }, ctx) => {
      ctx.cancel(name)
      return grown(state, id)
    },
  },
  fired: {
    reduce: (state, { id, due = 0 }, ctx) => {
      ctx.notify('changed')
      return grown(state, ctx.now < due || !ctx.sender.startsWith('timer:') ? id + EARLY : id)
    },
  },
  refuse: {
    reduce: (_state, { id }, ctx) => {
      ctx.notify('changed')
      ctx.send('counter/a', 'add', { id: `${id}-leak` })
      ctx.schedule('leak', { inMs: 10 }, 'fired', { id: `${id}-leak`, due: 0 })
      return ctx.refuse('no', `not ${id}`)
    },
  },
  boom: {
    reduce: (_state, { id }, ctx) => {
      ctx.send('counter/a', 'add', { id: `${id}-leak` })
      throw new Error(`boom ${id}`)
    },
  },
  /** Changes the state that it was given, and then throws. */
  spoil: {
    reduce: (state, { id }) => {
      ;(state.ids as string[]).push(`${id}-spoilt`)
      throw new Error(`spoilt ${id}`)
    },
  },
  promise: { reduce: (state, { id }) => Promise.resolve(grown(state, id)) as unknown as IdsState },
}

/** Refuses whatever other actors send. */
const REFUSING: Readonly<Record<string, Definition>> = {
  ...EVENTS,
  send: { reduce: (_state, _data, ctx) => ctx.refuse('never') },
}

/** The shape of the state before version 2. */
interface OldState {
  readonly names: readonly string[]
  readonly h: number
}

function ofOld({ names, h }: OldState): IdsState {
  return { ids: names, h }
}

/** The same events on the old shape: code that meets a state of version 2 throws. */
function oldEvents(): Record<string, Definition> {
  const wrapped = ({ schema, reduce }: Definition): Definition => ({
    ...(schema !== undefined && { schema }),
    reduce: (state, data, ctx) => {
      const next = reduce(ofOld(state as unknown as OldState), data, ctx)
      return 'ids' in next ? ({ names: next.ids, h: next.h } as unknown as IdsState) : next
    },
  })
  return Object.fromEntries(Object.entries(EVENTS).map(([name, event]) => [name, wrapped(event)]))
}

interface Kept {
  readonly durability?: Durability
  readonly history?: History
  readonly events?: Readonly<Record<string, Definition>>
  readonly idleMs: number
  readonly version?: number
}

function define(type: string, kept: Kept): ActorDefinition {
  const { version = 2, events = version === 1 ? oldEvents() : EVENTS, ...rest } = kept
  const versioned = type === 'evolving'
  const current = (state: IdsState | OldState): IdsState => ('names' in state ? ofOld(state) : state)
  return actor(type, {
    state: (): IdsState =>
      version === 1 ? ({ names: [], h: 0 } as unknown as IdsState) : versioned ? { ids: [], h: 0, count: 0 } : { ids: [], h: 0 },
    events: events as Record<string, EventDefinition<IdsState, never, string>>,
    topics: {
      changed: signal({ everyMs: SIGNAL_EVERY_MS }),
      sum: view<unknown, IdsState>((state) => sumOf(current(state)), { everyMs: VIEW_EVERY_MS }),
      feed: log(),
      adds: log({ types: ['add', 'send'] }),
    },
    queries: {
      sum: (state: IdsState) => sumOf(current(state)),
      ids: (state: IdsState) => current(state).ids,
    },
    ...(versioned && { version }),
    ...(versioned && version === 2 && { migrate: { 1: (old: never) => ({ ...ofOld(old), count: (old as OldState).names.length }) } }),
    ...rest,
  }) as unknown as ActorDefinition
}

function sumOf({ ids, h, count }: IdsState): unknown {
  return { n: ids.length, h, fits: count === undefined || count === ids.length }
}

/** How a type is kept, as far as the checks care. */
export interface TypeFacts {
  /** An answer means durable; else it may be lost with the node (J9). */
  readonly durable: boolean
  /** The journal has entries; else only the state (J10). */
  readonly journal: boolean
  readonly keep: number
}

const facts = (durable: boolean, journal: boolean, keep = Infinity): TypeFacts => ({ durable, journal, keep })
export const TYPES: ReadonlyMap<string, TypeFacts> = new Map([
  ['counter', facts(true, true)],
  ['kept', facts(true, true, KEEP)],
  ['head', facts(true, false)],
  ['lazy', facts(false, true)],
  ['lazyhead', facts(false, false)],
  ['evolving', facts(true, true)],
  ['refuser', facts(true, true)],
])

export function typeOf(actorId: string): TypeFacts {
  const found = TYPES.get(actorId.slice(0, actorId.indexOf('/')))
  if (found === undefined) throw new Error(`the simulated app has no actors like ${actorId}`)
  return found
}

/** `version`: of the type 'evolving'; nodes of one cluster may run different ones. */
export function simApp(version: number, idleMs: number): App {
  const durability = { everyMs: LAZY_EVERY_MS }
  return app({
    actors: {
      counter: define('counter', { idleMs }),
      kept: define('kept', { idleMs, history: { keep: KEEP } }),
      head: define('head', { idleMs, history: 'none' }),
      lazy: define('lazy', { idleMs, durability }),
      lazyhead: define('lazyhead', { idleMs, durability, history: 'none' }),
      evolving: define('evolving', { idleMs, version }),
      refuser: define('refuser', { idleMs, events: REFUSING }),
    },
  })
}
