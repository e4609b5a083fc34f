/**
 * The app module (CONTRACT §1): `actor()`, `app()`, and the topics `signal`, `view`, `log`, with their types.
 * Definitions are data; nothing here runs an app. Checks that types cannot make are made once, by `app()`.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Hono } from 'hono'
import { isActorType } from './actor-id.ts'
import { isAsynchronous } from './async-schema.ts'

// ── What a reducer sees ────────────────────────────────────────────────────────────────────────────────────────────

declare const refusal: unique symbol
/** What `ctx.refuse` returns; return it from the reducer. The event is then not recorded and its sender gets `refused` with the reason. */
export interface Refusal {
  readonly [refusal]: true
}

/**
 * Passed to a reducer with each event. A reducer is pure and synchronous: all it may know beyond state and data is here,
 * and all it may ask for is asked here. On folding it runs again with the same values and what it asks for is ignored (J8).
 */
export interface ReduceContext<Signals extends string = string> {
  /** `type/key` */
  readonly id: string
  readonly type: string
  readonly key: string
  /** The entry's time: ms since 1970, never below the last entry's. */
  readonly now: number
  /** The offset the entry will have. */
  readonly offset: number
  /** `user:<sub>`, `service:<name>`, `actor:<type/key>` or `timer:<name>`. */
  readonly sender: string
  /** Uniform in [0, 1); the same numbers again when the entry is folded. */
  random(): number
  /** Marks a `signal` topic of this actor as changed. */
  notify(topic: Signals): void
  /** Sends an event to another actor: in the same batch as this entry, delivered exactly once, after commit (D4). */
  send<Data>(to: ActorRef<Data>, type: keyof Data & string, data: Data[keyof Data & string]): void
  send(to: string, type: string, data?: unknown): void
  /** A durable timer: sends this actor `type` with `data` at the time, once. The same name replaces. */
  schedule(name: string, when: { readonly inMs: number } | { readonly at: number }, type: string, data?: unknown): void
  cancel(name: string): void
  /** `return ctx.refuse('full', 'no more than 1000 notes')`. Reason: a word of at most 64 characters. */
  refuse(reason: string, message?: string): Refusal
}

/** Passed to a query after state and arguments. */
export interface QueryContext {
  /** `type/key` */
  readonly id: string
  readonly type: string
  readonly key: string
  /** ms since 1970, never below the time of the newest entry. */
  readonly now: number
}

// ── Parts of a definition ──────────────────────────────────────────────────────────────────────────────────────────

export interface EventDefinition<State, Data, Signals extends string> {
  /** Any Standard Schema (zod, valibot, arktype …), synchronous. Wrong data is answered `invalid`; nothing is recorded. */
  readonly schema?: StandardSchemaV1<unknown, Data>
  /** Pure and synchronous. Throwing records no entry and answers `internal`. */
  reduce(state: State, data: Data, ctx: ReduceContext<Signals>): State | Refusal
}

export interface SignalTopic {
  readonly kind: 'signal'
  readonly everyMs: number | null
}
export interface ViewTopic<in State, out Value> {
  readonly kind: 'view'
  readonly everyMs: number | null
  project(state: State): Value
}
export interface LogTopic<out Name extends string> {
  readonly kind: 'log'
  /** null: every event. */
  readonly types: readonly Name[] | null
}
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Topic<State = any> = SignalTopic | ViewTopic<State, unknown> | LogTopic<string>

/** "Something changed": only the newest counts. `everyMs`: debounce window (D7), default 200 ms, 0 for none. */
export function signal(options: { readonly everyMs?: number } = {}): SignalTopic {
  return { kind: 'signal', everyMs: window('signal', options.everyMs) }
}

/**
 * A projection of the state: subscribers get it on subscribing and then the newest value, at most once per `everyMs` (default 200).
 * TypeScript cannot infer the parameter here: annotate it (`(s: State) => …`) for a checked projection.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export function view<Value, State = any>(
  project: (state: State) => Value,
  options: { readonly everyMs?: number } = {},
): ViewTopic<State, Value> {
  return { kind: 'view', everyMs: window('view', options.everyMs), project }
}

/** Every entry of the named types (or of all), in order, resumable by offset. */
export function log<const Name extends string = string>(options: { readonly types?: readonly Name[] } = {}): LogTopic<Name> {
  return { kind: 'log', types: options.types ?? null }
}

function window(what: string, everyMs: number | undefined): number | null {
  if (everyMs === undefined) return null
  if (!Number.isInteger(everyMs) || everyMs < 0 || everyMs > 3_600_000)
    throw new TypeError(`${what}({ everyMs }) must be a whole number of ms from 0 to 3600000, not ${everyMs}`)
  return everyMs
}

/** `'event'`: an answer means durable. `{ everyMs }`: write-behind (J9): answers leave early, marked `durable: false`. */
export type Durability = 'event' | { readonly everyMs: number }
/** `'all'`: for ever. `{ keep }`: so many entries. `'none'`: the state only (J10). */
export type History = 'all' | 'none' | { readonly keep: number }

type SignalNames<Topics> = string extends keyof Topics
  ? never
  : { [Name in keyof Topics]: Topics[Name] extends SignalTopic ? Name : never }[keyof Topics] & string

/** The data of each event as a sender gives it: its schema's input, else the annotation of its reducer. */
type EventData<BySchema, Events> = {
  [Name in keyof BySchema]: Name extends keyof Events
    ? Events[Name] extends { readonly schema: StandardSchemaV1<infer Input, unknown> }
      ? Input
      : // eslint-disable-next-line @typescript-eslint/no-explicit-any
        Events[Name] extends { reduce(state: any, data: infer Data, ctx: any): any }
        ? Data
        : never
    : never
}

/** None were named: then there are none. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
type Named<Parts> = string extends keyof Parts ? {} : Parts

/** What `actor()` takes. */
export interface ActorOptions<State, BySchema, Events, Topics, Queries> {
  /** The state of an actor that has no entries. */
  readonly state: (key: string) => State
  readonly events: { readonly [Name in keyof BySchema]: EventDefinition<State, BySchema[Name], SignalNames<Topics>> } & Events
  readonly topics?: Topics
  /** Each gets the state, the arguments and a context, and returns JSON. Pure and synchronous. */
  readonly queries?: Queries
  readonly durability?: Durability
  readonly history?: History
  /** Version of the state's shape, a whole number from 1 (the default). */
  readonly version?: number
  /** `migrate[n]` turns a state of version n into one of n + 1; each from 1 to `version` - 1 is needed. */
  readonly migrate?: { readonly [version: number]: (old: never) => unknown }
  readonly idleMs?: number
}

/** A named actor of a known type, for typed sends: `ctx.send(stats.at('all'), 'note.counted', { … })`. */
export interface ActorRef<Data> {
  readonly id: string
  readonly data?: Data
}

/** An actor type. The type parameters carry payload types to `app` and from there to the client. */
export interface ActorDefinition<
  Type extends string = string,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  State = any,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  Data = any,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  Topics = any,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  Queries = any,
> {
  readonly type: Type
  readonly state: (key: string) => State
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly events: ReadonlyMap<string, EventDefinition<any, any, string>>
  readonly topics: ReadonlyMap<string, Topic>
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly queries: ReadonlyMap<string, (state: any, args: any, ctx?: any) => unknown>
  readonly durability: Durability
  readonly history: History
  readonly version: number
  readonly migrate: ReadonlyMap<number, (old: unknown) => unknown>
  readonly idleMs: number | null
  at(key: string): ActorRef<Data>
  /** Types only; never there at run time. */
  readonly types?: { readonly data: Data; readonly topics: Topics; readonly queries: Queries; readonly state: State }
}

export function actor<
  const Type extends string,
  State,
  BySchema,
  Events,
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  Topics extends Readonly<Record<string, Topic<State>>>,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any, @typescript-eslint/no-empty-object-type
  Queries extends Readonly<Record<string, (state: State, args: any, ctx: QueryContext) => unknown>>,
>(
  type: Type,
  options: ActorOptions<State, BySchema, Events, Topics, Queries>,
): ActorDefinition<Type, State, EventData<BySchema, Events>, Named<Topics>, Named<Queries>> {
  const where = `actor('${type}')`
  if (!isActorType(type)) throw new TypeError(`${where}: a type is a letter and up to 63 letters, digits, _ . or -`)
  if (typeof options.state !== 'function') throw new TypeError(`${where}: state must be a function that returns the first state`)
  const version = options.version ?? 1
  if (!Number.isInteger(version) || version < 1) throw new TypeError(`${where}: version must be a whole number from 1`)
  const known = new Set(['state', 'events', 'topics', 'queries', 'durability', 'history', 'version', 'migrate', 'idleMs'])
  for (const name of Object.keys(options)) if (!known.has(name)) throw new TypeError(`${where}: there is no option '${name}'`)
  const events = new Map(Object.entries(options.events as Record<string, EventDefinition<unknown, unknown, string>>))
  for (const [name, event] of events) {
    if (name === '' || name.length > 128) throw new TypeError(`${where}: an event name has 1–128 characters`)
    if (typeof event?.reduce !== 'function') throw new TypeError(`${where}: event '${name}' needs a reduce function`)
    if (isAsynchronous(event.schema))
      throw new TypeError(
        `${where}: the schema of event '${name}' is asynchronous: use a synchronous one, and check what must wait before the event is sent`,
      )
  }
  const topics = new Map(Object.entries((options.topics ?? {}) as Record<string, Topic>))
  for (const [name, topic] of topics)
    if (topic.kind === 'log')
      for (const of of topic.types ?? [])
        if (!events.has(of)) throw new TypeError(`${where}: topic '${name}' names an unknown event '${of}'`)
  const migrate = new Map(
    Object.entries(options.migrate ?? {}).map(([from, step]) => [Number(from), step as (old: unknown) => unknown] as const),
  )
  for (let from = 1; from < version; from++)
    if (typeof migrate.get(from) !== 'function')
      throw new TypeError(
        `${where}: version ${version} needs migrate[${from}], which turns a stored state of version ${from} into one of ${from + 1}`,
      )
  checkDurability(where, options.durability ?? 'event')
  checkHistory(where, options.history ?? 'all')
  const { idleMs } = options
  if (idleMs !== undefined && (!Number.isInteger(idleMs) || idleMs < 100)) throw new TypeError(`${where}: idleMs must be at least 100`)
  return {
    type,
    state: options.state,
    events,
    topics,
    queries: new Map(
      Object.entries((options.queries ?? {}) as Record<string, (state: unknown, args: unknown, ctx: QueryContext) => unknown>),
    ),
    durability: options.durability ?? 'event',
    history: options.history ?? 'all',
    version,
    migrate,
    idleMs: idleMs ?? null,
    at: (key) => ({ id: `${type}/${key}` }),
  }
}

function checkDurability(where: string, durability: Durability): void {
  if (durability === 'event') return
  const { everyMs } = durability
  if (!Number.isInteger(everyMs) || everyMs < 1 || everyMs > 3_600_000)
    throw new TypeError(`${where}: durability is 'event' or { everyMs } from 1 to 3600000`)
}

function checkHistory(where: string, history: History): void {
  if (history === 'all' || history === 'none') return
  if (!Number.isInteger(history.keep) || history.keep < 1) throw new TypeError(`${where}: history is 'all', 'none' or { keep } from 1`)
}

// ── The app ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Who is calling, as `authenticate` found. */
export interface Identity {
  /** The user or principal. */
  readonly sub: string
  /** One's own actor; where `to` is absent events go there. */
  readonly actor?: string
  /** ms since 1970; the connection is asked to refresh before, and closed with 3005 after. */
  readonly expiresAt?: number
  readonly claims?: Readonly<Record<string, unknown>>
}

export interface AuthRequest {
  readonly token?: string
  readonly headers: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly address: string
  readonly transport: 'ws' | 'http' | 'grpc'
}

/** Verify JSON Web Tokens (RFC 7519) instead of a function of one's own. Exactly one of secret, publicKey and jwksUrl. */
export interface JwtOptions {
  readonly secret?: string
  readonly publicKey?: string
  readonly jwksUrl?: string
  /** Accepted `alg` values; default HS256 with a secret, RS256, ES256 and EdDSA otherwise. */
  readonly algorithms?: readonly string[]
  readonly issuer?: string
  readonly audience?: string
  /** One's own actor: `user/{sub}` by default; `{claim}` is replaced. */
  readonly actor?: string
}

export type Authenticate = (request: AuthRequest) => Identity | null | Promise<Identity | null>
export type Action = 'send' | 'query' | 'subscribe' | 'history'

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type ActorTypes = Readonly<Record<string, ActorDefinition<string, any, any, any, any>>>

export interface AppOptions<Actors extends ActorTypes> {
  readonly actors: Actors
  readonly authenticate?: Authenticate | { readonly jwt: JwtOptions }
  /** Default: only one's own actor. */
  readonly authorize?: (who: Identity, action: Action, target: { readonly actor: string; readonly name: string }) => boolean
  /** Adds routes to the client port: a Hono app, before Troupe's own. `tools` reaches actors from there. */
  readonly routes?: (http: Hono, tools: AppTools) => void
  /** A folder of static files, served at `/` of the client port; relative to the app module. */
  readonly files?: string
}

/** What an app's own routes can use. Sends and queries run as `service:app`, without `authorize`. */
export interface AppTools {
  /** `data` is taken as `JSON.stringify` writes it, or is bytes (Uint8Array); what that cannot write rejects with `invalid`. */
  send(
    actor: string,
    type: string,
    data?: unknown,
    options?: { readonly key?: string; readonly timeoutMs?: number },
  ): Promise<{ readonly offset: number; readonly duplicate: boolean }>
  query(actor: string, name: string, args?: unknown, options?: { readonly strict?: boolean }): Promise<unknown>
  /** How many sockets (connections and event streams) of those whose own actor this is are open on this node. */
  sockets(actor: string): number
  /** The same on all nodes: asks them. What a node that does not answer has is not in it. */
  connected(actor: string): Promise<number>
  /**
   * Closes the sockets of all nodes whose own actor, or whose `sub`, this is, with `bye 3503`: their clients do not come back by themselves.
   * Make `authenticate` refuse them first, where they are to stay away. Resolves with how many there were; a node that does not answer is not asked again.
   */
  kick(who: string, options?: { readonly device?: string; readonly reason?: string }): Promise<number>
  /** Runs `authenticate` on a token, as a connection would. */
  authenticate(request: AuthRequest): Promise<Identity | null>
}

export interface App<Actors extends ActorTypes = ActorTypes> extends AppOptions<Actors> {
  readonly troupe: 'app'
  /** Actor types by type name. */
  readonly byType: ReadonlyMap<string, ActorDefinition>
}

export function app<const Actors extends ActorTypes>(options: AppOptions<Actors>): App<Actors> {
  const known = new Set(['actors', 'authenticate', 'authorize', 'routes', 'files'])
  for (const name of Object.keys(options)) if (!known.has(name)) throw new TypeError(`app(): there is no option '${name}'`)
  const byType = new Map<string, ActorDefinition>()
  for (const definition of Object.values(options.actors)) {
    if (byType.has(definition.type)) throw new TypeError(`app(): two actor types are named '${definition.type}'`)
    byType.set(definition.type, definition)
  }
  if (byType.size === 0) throw new TypeError('app(): actors is empty')
  return { ...options, troupe: 'app', byType }
}

/** Whether the actor's answers leave before they are durable (J9). */
export function answersEarly({ byType }: App, actor: string): boolean {
  const definition = byType.get(actor.slice(0, Math.max(0, actor.indexOf('/'))))
  return definition !== undefined && definition.durability !== 'event'
}
