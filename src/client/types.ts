/**
 * From the type of an app to the types of its clients: `connect<typeof app>(url)` knows every event, query and topic.
 * Types only. Without an app everything is a string and any data goes.
 */
import type { ActorDefinition, ActorTypes, LogTopic, ViewTopic } from '../actors/define.ts'
import type { Position } from '../protocol/frames.ts'
import type { SendOptions, Sent } from './send.ts'
import type { Gap } from './subscription.ts'
import type { TroupeError } from '../errors.ts'

/** As much of an app as its types need. */
export interface AnyApp {
  readonly actors: ActorTypes
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyDefinition = ActorDefinition<string, any, any, any, any>
type Definitions<App extends AnyApp> = App['actors'][keyof App['actors']]

/** The names of an app's actor types. */
export type ActorType<App extends AnyApp> = Definitions<App>['type']
/** `type/key` for each actor type of an app. */
export type ActorName<App extends AnyApp> = string extends ActorType<App> ? string : `${ActorType<App>}/${string}`
/** The actor type in a name. */
export type TypeIn<Name extends string> = string extends Name ? string : Name extends `${infer Type}/${string}` ? Type : never
/** What one's own actor is taken to be: `user` if there is such a type, as `authenticate` with a JWT has it; else any. */
export type OwnType<App extends AnyApp> = 'user' extends ActorType<App> ? 'user' : ActorType<App>

/** The definition of an actor type. */
export type DefinitionOf<App extends AnyApp, Type extends string> = PickType<Definitions<App>, Type>
type PickType<Definition extends AnyDefinition, Type extends string> = Definition extends AnyDefinition
  ? Type extends Definition['type']
    ? Definition
    : never
  : never

type Data<Definition extends AnyDefinition> = NonNullable<Definition['types']>['data']
type Topics<Definition extends AnyDefinition> = NonNullable<Definition['types']>['topics']
type Queries<Definition extends AnyDefinition> = NonNullable<Definition['types']>['queries']

/** An entry of a journal, told apart by `type`. */
export type Entry<Definition extends AnyDefinition, Name extends string = keyof Data<Definition> & string> = Name extends unknown
  ? {
      readonly offset: number
      readonly type: Name
      readonly data: Data<Definition>[Name]
      /** ms since 1970 */
      readonly at: number
    }
  : never

interface Told {
  /** With `offset`, a position to subscribe `from` later. */
  readonly journal: string
  readonly offset: number
}

type IsAny<Type> = 0 extends 1 & Type ? true : false
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Untyped = Told & { readonly type?: string; readonly at?: number; readonly data?: any }

/** What a subscriber to a topic gets. */
export type NoteOf<Definition extends AnyDefinition, Topic> = IsAny<Topic> extends true ? Untyped : Typed<Definition, Topic>
type Typed<Definition extends AnyDefinition, Topic> = Topic extends { readonly kind: 'signal' }
  ? Told
  : // eslint-disable-next-line @typescript-eslint/no-explicit-any
    Topic extends ViewTopic<any, infer Value>
    ? Told & { readonly data: Value }
    : Topic extends LogTopic<infer Name>
      ? Told & Entry<Definition, string extends Name ? keyof Data<Definition> & string : Name>
      : never

type SendRest<Payload> = undefined extends Payload ? [data?: Payload, options?: SendOptions] : [data: Payload, options?: SendOptions]

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type QueryRest<Query> = Query extends (state: any, ...rest: infer Rest) => unknown
  ? undefined extends Rest[0]
    ? [args?: Rest[0], options?: QueryOptions]
    : [args: Rest[0], options?: QueryOptions]
  : never

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Answer<Query> = IsAny<Query> extends true ? any : Query extends (...args: any) => infer Result ? Awaited<Result> : never

export interface QueryOptions {
  /** Waits for a proof, begun after the query came, that the answer is the newest (D11). */
  readonly strict?: boolean
  /** The answer shows at least this offset. The SDK asks for the newest that it has seen of the actor anyway. */
  readonly atLeast?: number
  /** Milliseconds until the promise rejects with `timeout`, connected or not. Default 10 s. */
  readonly timeoutMs?: number
}

export interface SubscribeOptions {
  /** The last position one has: what came after it is replayed or, where it no longer can be, told as a gap. `'start'`: from the beginning. Absent: from now. */
  readonly from?: Position | 'start'
  /** Entries that cannot be replayed. Also told to `on('gap')`. */
  readonly onGap?: (gap: Gap) => void
  /** The server refused for good (`denied`, `unknown_topic` …): the subscription is over. Also told to `on('error')`. */
  readonly onError?: (error: TroupeError) => void
}

export interface HistoryOptions {
  /** First offset wanted. Default 1. */
  readonly from?: number
  /** Entries at most; a server gives up to 300. Default 100. */
  readonly limit?: number
  readonly timeoutMs?: number
}

export interface HistoryPage<Definition extends AnyDefinition> {
  /** Oldest first. */
  readonly entries: readonly Entry<Definition>[]
  /** Whether there are entries after the last of these. */
  readonly more: boolean
}

/** One actor, as a client sees it. Costs nothing to make; holds nothing. */
export interface ActorHandle<Definition extends AnyDefinition> {
  /**
   * Sends an event. Resolves when it is durable (unless the actor type says otherwise), applied exactly once, in the order of the calls.
   * Sent while offline it waits; unanswered when a connection breaks, it is repeated on the next under the same number.
   *
   * Rejects with a TroupeError: `refused` with the reducer's `reason`; `invalid`, `unknown_event`, `denied`, `too_large`: not applied;
   * `timeout`: may have been applied or not; a refusal that passes (`overloaded`, `store_unavailable` …) when it lasted until the deadline.
   */
  send<Name extends keyof Data<Definition> & string>(type: Name, ...rest: SendRest<Data<Definition>[Name]>): Promise<Sent>
  /** Asks the actor. The answer shows at least everything this client has seen of it. Rejects with a TroupeError. */
  query<Name extends keyof Queries<Definition> & string>(
    name: Name,
    ...rest: QueryRest<Queries<Definition>[Name]>
  ): Promise<Answer<Queries<Definition>[Name]>>
  /** Follows a topic across reconnections. Returns how to stop. */
  subscribe<Name extends keyof Topics<Definition> & string>(
    topic: Name,
    onNote: (note: NoteOf<Definition, Topics<Definition>[Name]>) => void,
    options?: SubscribeOptions,
  ): () => void
  /** A page of the journal. Rejects with a TroupeError; `gap`: the range is no longer kept. */
  history(options?: HistoryOptions): Promise<HistoryPage<Definition>>
}
