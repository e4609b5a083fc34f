/** The calls of a world without their types, as the core takes them; testing.ts gives them the app's. */
import type { Identity } from '../actors/define.ts'
import type { SendOptions, Sent } from '../client/send.ts'
import type { AnyNote, Gap } from '../client/subscription.ts'
import type { HistoryOptions, QueryOptions, SubscribeOptions } from '../client/types.ts'

export interface Via {
  /**
   * Who asks: a user by name, whose own actor is `user/<as>`, or an identity as `authenticate` would give it; the app's `authorize` judges. Absent: the
   * world itself, which may do everything.
   */
  readonly as?: string | Identity | undefined
  /** The node to connect to. Absent: any that takes clients, and another when that fails. */
  readonly via?: string | undefined
}

export interface SendCall {
  readonly actor: string
  readonly type: string
  readonly data: unknown
  readonly options?: SendOptions & Via
}

export interface QueryCall {
  readonly actor: string
  readonly name: string
  readonly args: unknown
  readonly options?: QueryOptions & Via
}

export interface HistoryCall {
  readonly actor: string
  readonly options?: HistoryOptions & Via
}

export interface SubscribeCall {
  readonly actor: string
  readonly topic: string
  readonly onNote: (note: never) => void
  readonly options?: Pick<SubscribeOptions, 'from' | 'onGap'> & Via
}

/** An actor's handle of the SDK, without its types. */
export interface Caller {
  send(type: string, data: unknown, options: SendOptions): Promise<Sent>
  query(name: string, args: unknown, options: QueryOptions): Promise<unknown>
  subscribe(
    topic: string,
    onNote: (note: AnyNote) => void,
    options: { from?: SubscribeOptions['from']; onGap: (gap: Gap) => void; onError: (error: Error) => void },
  ): () => void
  history(options: HistoryOptions): Promise<{ readonly entries: readonly unknown[]; readonly more: boolean }>
}
