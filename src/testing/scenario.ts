/**
 * What users of an app do, for `troupe simulate` and `runScenario`: operations drawn from a seed, and what must always hold. An operation only says what to
 * send or ask; the runner does it, at a time and among faults that the seed draws, and can leave it out to find the smallest run that still fails.
 */
import type { App, ActorTypes } from '../actors/define.ts'
import type { SendOptions } from '../client/send.ts'
import type { ActorName, DefinitionOf, QueryOptions, TypeIn } from '../client/types.ts'
import type { Via } from './calls.ts'
import type { Draw } from './draw.ts'
import type { Args, Data, Of, Queries, Rest, Topics, World } from './simulate.ts'

export type { Draw } from './draw.ts'

/** What an operation asks for. Made by `send`, `query` and `history` of its turn. */
export type Step =
  | { readonly do: 'send'; readonly actor: string; readonly type: string; readonly data: unknown; readonly options?: SendOptions & Via }
  | { readonly do: 'query'; readonly actor: string; readonly name: string; readonly args: unknown; readonly options?: QueryOptions & Via }

/** What an operation is given. */
export interface Turn<A extends App = App> {
  /** Whose turn it is: `u1`, `u2` … */
  readonly user: string
  readonly users: readonly string[]
  /** Draws of this one operation: leaving out another does not change them. */
  readonly draw: Draw
  /** Wall time of the world. */
  readonly now: number
  send<const Name extends ActorName<A>, Type extends keyof Data<Of<A, Name>> & string>(
    actor: Name,
    type: Type,
    ...rest: Rest<Data<Of<A, Name>>[Type], SendOptions & Via>
  ): Step
  query<const Name extends ActorName<A>, Query extends keyof Queries<Of<A, Name>> & string>(
    actor: Name,
    name: Query,
    ...rest: Rest<Args<Queries<Of<A, Name>>[Query]>, QueryOptions & Via>
  ): Step
}

/** null: nothing this time. */
export type Operation<A extends App = App> = (turn: Turn<A>) => Step | readonly Step[] | null

type Types<A extends App> = TypeIn<ActorName<A>>
type State<A extends App, Type extends string> = NonNullable<DefinitionOf<A, Type>['types']>['state']

/** A topic that a user follows through the whole run; absent `as`: as the world itself, which may follow everything. */
export type Follow<A extends App = App> = {
  readonly [Type in Types<A>]: {
    readonly actor: `${Type}/${string}`
    readonly topic: keyof Topics<DefinitionOf<A, Type>> & string
    readonly as?: Via['as']
  }
}[Types<A>]

/** true: it holds. false, or a text that says what is wrong: it does not. */
export type Holds = boolean | string

export interface ScenarioOptions<A extends App = App> {
  /** How many users there are, 1 to 64; named u1, u2 … Default 4. */
  readonly users?: number
  /** For each user, one after the other, before traffic and faults begin: registers it, say. */
  readonly begin?: (world: World<A>, user: string) => Promise<void>
  /** By name; each is drawn as often as the others, or by its weight. */
  readonly operations: Readonly<Record<string, Operation<A> | { readonly weight: number; readonly run: Operation<A> }>>
  /** What each user follows. It must end at the newest state. */
  readonly follow?: (user: string) => readonly Follow<A>[]
  /** Of every state that a reducer returns. By actor type, then by name. */
  readonly invariants?: { readonly [Type in Types<A>]?: Readonly<Record<string, (state: State<A, Type>, actor: string) => Holds>> }
  /** Of the whole, once all is healed and quiet. By name. */
  readonly checks?: Readonly<Record<string, (world: World<A>, users: readonly string[]) => Promise<Holds>>>
}

/** As the runner has it, without the app's types. */
export interface Scenario {
  readonly troupe: 'scenario'
  readonly app: App
  readonly users: readonly string[]
  readonly begin: (world: World, user: string) => Promise<void>
  readonly operations: readonly { readonly name: string; readonly weight: number; readonly run: Operation }[]
  readonly follow: (user: string) => readonly { readonly actor: string; readonly topic: string; readonly as?: Via['as'] }[]
  readonly invariants: ReadonlyMap<string, ReadonlyMap<string, (state: unknown, actor: string) => Holds>>
  readonly checks: ReadonlyMap<string, (world: World, users: readonly string[]) => Promise<Holds>>
}

const USERS = 4
const USERS_MAX = 64
const KNOWN = ['users', 'begin', 'operations', 'follow', 'invariants', 'checks']

/** Throws a TypeError where something is named that is not there. */
export function defineScenario<Actors extends ActorTypes>(app: App<Actors>, options: ScenarioOptions<App<Actors>>): Scenario {
  const given = options as unknown as ScenarioOptions
  if (app?.troupe !== 'app') throw new TypeError('defineScenario: the first argument is what app() returned')
  for (const name of Object.keys(given)) if (!KNOWN.includes(name)) throw new TypeError(`defineScenario: there is no option '${name}'`)
  const { users = USERS } = given
  if (!Number.isInteger(users) || users < 1 || users > USERS_MAX)
    throw new TypeError(`defineScenario: users is a whole number from 1 to ${USERS_MAX}, not ${String(users)}`)
  const operations = Object.entries(given.operations ?? {}).map(([name, each]) => {
    const { weight, run } = typeof each === 'function' ? { weight: 1, run: each } : each
    if (typeof run !== 'function' || !(weight > 0) || weight === Infinity)
      throw new TypeError(`defineScenario: operation '${name}' is a function, or { weight, run } with a weight above 0`)
    return { name, weight, run }
  })
  if (operations.length === 0) throw new TypeError('defineScenario: operations is empty: say what users do')
  const invariants = Object.entries(given.invariants ?? {}).map(([type, all]) => {
    if (!app.byType.has(type)) throw new TypeError(`defineScenario: invariants names '${type}', which is no actor type of this app`)
    return [type, new Map(Object.entries(all ?? {}))] as const
  })
  return {
    troupe: 'scenario',
    app: app as unknown as App,
    users: Array.from({ length: users }, (_, i) => `u${i + 1}`),
    begin: given.begin ?? (() => Promise.resolve()),
    operations,
    follow: (given.follow as Scenario['follow'] | undefined) ?? (() => []),
    invariants: new Map(invariants) as Scenario['invariants'],
    checks: new Map(Object.entries(given.checks ?? {})),
  }
}
