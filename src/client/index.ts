/**
 * `troupe/client`: the SDK for browsers, workers and Node >= 22. No dependencies.
 *
 *     const c = connect<typeof app>('wss://example.org', { token: () => fetchToken() })
 *     const me = c.actor()
 *     await me.send('note.added', { text: 'hi' })
 *     const stop = me.subscribe('summary', (note) => show(note.data))
 */
import { type ClientEvents, type ConnectOptions, TroupeClient } from './client.ts'
import type { ConnectionState } from './connection.ts'
import type { SendOptions } from './send.ts'
import type { AnyNote } from './subscription.ts'
import type {
  ActorHandle,
  ActorName,
  ActorType,
  AnyApp,
  DefinitionOf,
  HistoryOptions,
  OwnType,
  QueryOptions,
  SubscribeOptions,
  TypeIn,
} from './types.ts'

export { TroupeError, type ErrorCode } from '../errors.ts'
export type { Position } from '../protocol/frames.ts'
export type { ClientEvents, ConnectOptions } from './client.ts'
export { type Codec, jsonCodec } from './codec.ts'
export type { ConnectionState, StateDetail } from './connection.ts'
export type { TokenSource } from './credentials.ts'
export type { ClientClock, ClientRandom, Socket, SocketEvents, Transport, Wakeups } from './platform.ts'
export type { SendOptions, Sent } from './send.ts'
export type { Gap } from './subscription.ts'
export type { ActorHandle, AnyApp, Entry, HistoryOptions, HistoryPage, NoteOf, QueryOptions, SubscribeOptions } from './types.ts'

/** A connected app. */
export interface Client<App extends AnyApp = AnyApp> {
  readonly state: ConnectionState
  /** Returns how to stop listening. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): () => void
  /** One's own actor, as `authenticate` names it. */
  actor<Type extends ActorType<App> = OwnType<App>>(): ActorHandle<DefinitionOf<App, Type>>
  /** The actor of that name: `user/alice`. */
  actor<const Name extends ActorName<App>>(name: Name): ActorHandle<DefinitionOf<App, TypeIn<Name>>>
  /** For good. Sends that wait reject with `unavailable`, those on their way with `timeout`: they may have been applied. */
  close(): void
}

/**
 * Connects, and stays connected: reconnects by itself, at random within 0.5 s first, the bound doubling to 20 s, and goes on where it was.
 *
 * `url`: `wss://host`, `https://host` or a whole address; a bare host means `/v1/ws`. Throws a TypeError for another scheme or an unknown option.
 * A cluster has several gateways: given all their addresses, each client begins with one at random and goes on to the next when one fails or
 * drains, in the same session. (Behind one address that leads to any of them, one is enough.)
 *
 * What a broken connection does to a send: as long as the session's ticket holds, nothing but delay; it is repeated under its number and
 * applied once. If the server no longer takes the ticket, numbers cannot go on, so sends that were on their way reject with `timeout`
 * (they may have been applied), except those with a `key`, which are repeated; those that were not yet on their way are sent in the new session.
 */
export function connect<App extends AnyApp = AnyApp>(url: string | readonly string[], options: ConnectOptions = {}): Client<App> {
  const client = new TroupeClient(url, options)
  const handle = (to?: string): unknown => ({
    send: (type: string, data?: unknown, more?: SendOptions) => client.send(to, type, data, more),
    query: (name: string, args?: unknown, more?: QueryOptions) => client.query(to, name, args, more),
    subscribe: (topic: string, note: (note: AnyNote) => void, more?: SubscribeOptions) => client.subscribe(to, topic, note, more),
    history: (more?: HistoryOptions) => client.history(to, more),
  })
  return {
    get state() {
      return client.state
    },
    on: (name, listener) => client.on(name, listener),
    actor: handle as Client<App>['actor'],
    close: () => client.close(),
  }
}
