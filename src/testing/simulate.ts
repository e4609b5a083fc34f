/** The world as an app's tests have it: its types, and `simulate`, which makes one. */
import type { ActorDefinition, ActorTypes, App } from '../actors/define.ts'
import { systemRandom } from '../base/system.ts'
import type { Sent, SendOptions } from '../client/send.ts'
import type {
  ActorName,
  DefinitionOf,
  HistoryOptions,
  HistoryPage,
  NoteOf,
  QueryOptions,
  SubscribeOptions,
  TypeIn,
} from '../client/types.ts'
import { resolveOptions, type Options } from '../options.ts'
import type { Via } from './calls.ts'
import { checkedRates, type FaultRates } from './nemesis.ts'
import type { StoreFailure } from './store-faults.ts'
import type { NodeState } from './processes.ts'
import { WorldCore } from './world.ts'

export interface SimulateOptions {
  /** A whole number from 0. Default: `TROUPE_SEED` of the environment, or one drawn at random; a failure names it. */
  readonly seed?: number
  /** How many, named n1, n2 …, 1 to 32. Default 3. */
  readonly nodes?: number
  /** What happens by itself, and how often; by default nothing. `settle` ends it. */
  readonly faults?: FaultRates
  /** As of a node (docs/options.md). */
  readonly options?: Partial<Options>
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyDefinition = ActorDefinition<string, any, any, any, any>
export type Of<A extends App, Name extends string> = DefinitionOf<A, TypeIn<Name>>
export type Data<Definition extends AnyDefinition> = NonNullable<Definition['types']>['data']
export type Topics<Definition extends AnyDefinition> = NonNullable<Definition['types']>['topics']
export type Queries<Definition extends AnyDefinition> = NonNullable<Definition['types']>['queries']
export type Rest<Payload, More> = undefined extends Payload ? [data?: Payload, options?: More] : [data: Payload, options?: More]
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Args<Query> = Query extends (state: any, ...rest: infer More) => unknown ? More[0] : never
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Answer<Query> = Query extends (...args: any) => infer Result ? Awaited<Result> : never

/** Every method that returns a promise lets virtual time pass until it is done. The others take effect at once. */
export interface World<A extends App = App> extends AsyncDisposable {
  readonly seed: number
  /** Wall time of the world, ms since 1970: what reducers see as `ctx.now`. */
  readonly now: number
  readonly nodes: readonly NodeState[]

  /** As a client sends it. Rejects with a TroupeError; `timeoutMs` is 60 s of virtual time unless given. */
  send<const Name extends ActorName<A>, Type extends keyof Data<Of<A, Name>> & string>(
    actor: Name,
    type: Type,
    ...rest: Rest<Data<Of<A, Name>>[Type], SendOptions & Via>
  ): Promise<Sent>
  query<const Name extends ActorName<A>, Query extends keyof Queries<Of<A, Name>> & string>(
    actor: Name,
    name: Query,
    ...rest: Rest<Args<Queries<Of<A, Name>>[Query]>, QueryOptions & Via>
  ): Promise<Answer<Queries<Of<A, Name>>[Query]>>
  /** Resolves, once the subscription stands, with how to end it. */
  subscribe<const Name extends ActorName<A>, Topic extends keyof Topics<Of<A, Name>> & string>(
    actor: Name,
    topic: Topic,
    onNote: (note: NoteOf<Of<A, Name>, Topics<Of<A, Name>>[Topic]>) => void,
    options?: Pick<SubscribeOptions, 'from' | 'onGap'> & Via,
  ): Promise<() => void>
  history<const Name extends ActorName<A>>(actor: Name, options?: HistoryOptions & Via): Promise<HistoryPage<Of<A, Name>>>
  /** The node that has the actor in memory, or would. */
  ownerOf(actor: ActorName<A>): Promise<string>

  /** Lets so much time pass. */
  advance(ms: number): Promise<void>

  /** The process is gone at once, without a word; nothing that was not durable is kept. */
  crash(node: string): void
  /** A crashed or drained node starts again under its name; resolves when it serves. */
  restart(node: string): Promise<void>
  /** A further node; resolves when it serves. */
  join(node: string): Promise<void>
  /** The node hands over its actors, asks its clients to move, and leaves. */
  drain(node: string): Promise<void>
  /** The process stands still, as in a long pause; its connections hold. */
  freeze(node: string): void
  thaw(node: string): void
  /** Nothing gets through between two nodes any more; `one-way`: from the first to the second. Clients are not cut off. */
  cut(a: string, b: string, how?: 'both' | 'one-way'): void
  /** Mends the line between two nodes, or all lines. */
  heal(a?: string, b?: string): void
  readonly store: {
    /** The next writes fail: refused before they were applied, after it with the answer lost, or lost in either way as the seed says. */
    fail(how: StoreFailure, times?: number): void
  }

  /** Ends all faults, and lets time pass until all is quiet and everybody has the newest. Nodes that are down stay down, unless all are. Rejects with a SimulationError after 5 min. */
  settle(): Promise<void>
  /** Holds the promises against the store; directly after `settle` also those that hold only at rest. Rejects with a SimulationError that names what broke. */
  check(): Promise<void>
  /** What happened, oldest first: time in seconds and what. The newest 5,000 lines. */
  trace(): readonly string[]
  /** `settle`, `check`, then the end of all. `check: false`: only the end. `await using` calls it too. */
  close(options?: { readonly check?: boolean }): Promise<void>
}

const NODES_MAX = 32
const SEED_MAX = 2 ** 32

/** A world of this app. Nothing is printed; what breaks is thrown as a SimulationError. */
export function simulate<Actors extends ActorTypes>(app: App<Actors>, options: SimulateOptions = {}): World<App<Actors>> {
  return opened(app, options).world
}

/** The same with what it is made of, for the runner of scenarios. `moved`: told now and then how far time is. */
export function opened<Actors extends ActorTypes>(
  app: App<Actors>,
  options: SimulateOptions,
  moved?: (virtualMs: number) => void,
): { readonly world: World<App<Actors>>; readonly core: WorldCore } {
  if (app?.troupe !== 'app') throw new TypeError('simulate: the first argument is what app() returned')
  for (const name of Object.keys(options))
    if (!['seed', 'nodes', 'faults', 'options'].includes(name)) throw new TypeError(`simulate: there is no option '${name}'`)
  const { nodes = 3 } = options
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > NODES_MAX)
    throw new TypeError(`simulate: nodes is a whole number from 1 to ${NODES_MAX}, not ${String(nodes)}`)
  const core = new WorldCore({
    app: app as unknown as App,
    seed: seedOf(options.seed),
    nodes: Array.from({ length: nodes }, (_, i) => `n${i + 1}`),
    faults: checkedRates(options.faults ?? {}),
    options: resolveOptions(options.options),
    moved,
  })
  const world: World = {
    seed: core.seed,
    get now() {
      return core.now
    },
    get nodes() {
      return core.nodes
    },
    store: core.store,
    send: (actor: string, type: string, data?: unknown, more?: SendOptions & Via) =>
      core.talks.send({ actor, type, data, ...(more && { options: more }) }),
    query: (actor: string, name: string, args?: unknown, more?: QueryOptions & Via) =>
      core.talks.query({ actor, name, args, ...(more && { options: more }) }) as never,
    subscribe: (actor, topic, onNote, more) => core.talks.subscribe({ actor, topic, onNote, ...(more && { options: more }) }),
    history: (actor, more) => core.talks.history({ actor, ...(more && { options: more }) }) as never,
    ownerOf: (actor) => core.ownerOf(actor),
    advance: (ms) => core.advance(ms),
    crash: (node) => core.crash(node),
    restart: (node) => core.restart(node),
    join: (node) => core.join(node),
    drain: (node) => core.drain(node),
    freeze: (node) => core.freeze(node),
    thaw: (node) => core.thaw(node),
    cut: (a, b, how) => core.cut(a, b, how),
    heal: (a, b) => core.heal(a, b),
    settle: () => core.settle(),
    check: () => core.check(),
    trace: () => core.trace(),
    close: (more) => core.close(more),
    [Symbol.asyncDispose]: () => core.close(),
  }
  return { world: world as unknown as World<App<Actors>>, core }
}

function seedOf(given: number | undefined): number {
  const named = process.env['TROUPE_SEED']
  const seed = given ?? (named === undefined || named === '' ? Math.floor(systemRandom.float() * SEED_MAX) : Number(named))
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new TypeError(`simulate: a seed is a whole number from 0, not ${String(given ?? named)}`)
  return seed
}
