/**
 * What an open connection asks, one frame at a time: rights, then the call, then the reply. Each request that waits for the engine is
 * counted (`began`, `finished`), so that a connection has at most `inflight` of them.
 */
import type { HistoryOutcome, QueryCall, SendCall } from '../actors/calls.ts'
import { fail, type Failure } from '../errors.ts'
import { CLOSE } from '../protocol/close-codes.ts'
import type { HistoryFrame, QueryFrame, RefreshFrame, SendFrame, SubscribeFrame, UnsubscribeFrame } from '../protocol/frames.ts'
import type { ServerCodec } from '../protocol/encode.ts'
import { inTime } from './auth-limit.ts'
import type { Message } from './outbox.ts'
import type { PullTurn } from './pull-turn.ts'
import type { Open, RawEvent, Runnable } from './session.ts'
import type { Site } from './site.ts'
import { startOf, type Subscriber, type Subscription } from './subscription.ts'
import { ticketOf } from './welcome.ts'

/** The connection, as its requests see it. Once it is closing all of these do nothing. */
export interface Client extends Subscriber {
  readonly site: Site
  readonly codec: ServerCodec<Message>
  readonly closing: boolean
  readonly address: string
  /** More bytes wait on its socket than it should hold: big answers are refused. */
  readonly crowded: boolean
  readonly subscriptions: ClientSubscriptions
  reply(message: Message): void
  /** One more request waits for an answer. */
  began(): void
  /** It was answered, or nobody wants the answer (null). */
  finished(message: Message | null): void
  refreshed(): void
  /** A request of it was refused because there are too many. */
  strained(retryAfterMs: number): void
  bye(code: number, reason: string): void
  /** Serving it threw: ends this connection, and nothing else. */
  broken(error: unknown): void
}

export interface ClientSubscriptions {
  readonly pullTurn: PullTurn
  readonly count: number
  reserve(): number
  cancel(): void
  keep(subscription: Subscription): void
  end(sub: number): boolean
}

export function run(client: Client, open: Open, what: Runnable): void {
  switch (what.t) {
    case 'send':
      return send(client, open, what)
    case 'query':
      return query(client, open, what)
    case 'subscribe':
      return subscribe(client, open, what)
    case 'unsubscribe':
      return unsubscribe(client, what)
    case 'history':
      return history(client, open, what)
    case 'refresh':
      return refresh(client, open, what)
    case 'refused':
      return client.reply(client.codec.failed(what.id, what.failure))
    case 'raw':
      return raw(client, open, what)
    case 'pong':
      return
  }
}

/** A callback of the engine or the app, in whose stack a throw would end the node. */
function serving<Outcome>(client: Client, done: (outcome: Outcome) => void): (outcome: Outcome) => void {
  return (outcome) => {
    try {
      done(outcome)
    } catch (error) {
      client.broken(error)
    }
  }
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

function send(client: Client, open: Open, frame: SendFrame): void {
  const { site, codec } = client
  const { id, type, seq, key, timeoutMs } = frame
  const actor = site.rights.target(open.who, 'send', frame.to, type)
  if (typeof actor !== 'string') return client.reply(codec.failed(id, actor))
  const { sub } = open.who
  const call: Mutable<SendCall> = { actor, type, data: incoming(frame.data), sender: `user:${sub}` }
  // D1: sources and keys are qualified here, where the caller is known.
  if (seq !== undefined) {
    call.source = `session:${open.session}`
    call.seq = seq
    if (frame.base !== undefined) call.base = frame.base
  }
  if (key !== undefined) call.key = qualifiedKey(sub, key)
  if (timeoutMs !== undefined) call.timeoutMs = timeoutMs
  client.began()
  site.counters.sends++
  site.calls.send(
    call,
    serving(client, (outcome) =>
      client.finished(outcome.ok ? codec.sent(id, outcome.offset, outcome.durable, outcome.duplicate) : failed(client, id, outcome)),
    ),
  )
}

/** The reply to a request that was asked for. Too many of these, and the client is asked to be slower. */
function failed(client: Client, id: number, failure: Failure): Message {
  if (failure.code === 'overloaded' || failure.code === 'rate_limited') client.strained(failure.retryAfterMs ?? 0)
  return client.codec.failed(id, failure)
}

/** Keys of one user do not meet those of another (D1). A sub has no NUL. */
export function qualifiedKey(sub: string, key: string): string {
  return `${sub}\u0000${key}`
}

/** Bytes sent by a JSON client, as the engine writes them. MessagePack's are copied: they are a view of the socket's buffer. */
export function incoming(data: unknown): unknown {
  if (typeof data !== 'object' || data === null) return data
  if (data instanceof Uint8Array) return data.slice()
  const { $bytes } = data as { readonly $bytes?: unknown }
  return typeof $bytes === 'string' && Object.keys(data).length === 1 ? new Uint8Array(Buffer.from($bytes, 'base64')) : data
}

function query(client: Client, open: Open, frame: QueryFrame): void {
  const { site, codec } = client
  const { id, name, args, strict, atLeast, timeoutMs } = frame
  const actor = site.rights.target(open.who, 'query', frame.to, name)
  if (typeof actor !== 'string') return client.reply(codec.failed(id, actor))
  const call: Mutable<QueryCall> = { actor, name, args }
  if (strict !== undefined) call.strict = strict
  if (atLeast !== undefined) call.atLeast = atLeast
  if (timeoutMs !== undefined) call.timeoutMs = timeoutMs
  client.began()
  site.counters.queries++
  site.calls.query(
    call,
    serving(client, (outcome) => {
      if (!outcome.ok) client.finished(failed(client, id, outcome))
      else client.finished(client.crowded ? codec.failed(id, CROWDED) : codec.answered(id, outcome.json, outcome.offset))
    }),
  )
}

const CROWDED: Failure = fail('overloaded', 'this connection does not take its answers fast enough: read, then ask again', {
  retryAfterMs: 1000,
})

function subscribe(client: Client, open: Open, frame: SubscribeFrame): void {
  const { site, codec, subscriptions } = client
  const { id, topic, from } = frame
  const actor = site.rights.target(open.who, 'subscribe', frame.to, topic)
  if (typeof actor !== 'string') return client.reply(codec.failed(id, actor))
  if (subscriptions.count >= site.options.subscriptions)
    return client.reply(codec.failed(id, fail('overloaded', `a connection has at most ${site.options.subscriptions} subscriptions`)))
  const sub = subscriptions.reserve()
  client.began()
  site.upstreams.join(
    actor,
    topic,
    serving(client, (outcome) => {
      if (client.closing) return client.finished(null)
      // A view's value is a big answer like any other.
      if (!outcome.ok || (client.crowded && outcome.state.json !== undefined)) {
        subscriptions.cancel()
        return client.finished(failed(client, id, outcome.ok ? CROWDED : outcome))
      }
      const { state } = outcome
      const start = startOf(state, from)
      const { journal, epoch, offset, json } = state
      const subscription = outcome.attach(sub, start, client)
      subscriptions.keep(subscription)
      client.finished(
        codec.subscribed(id, { sub, journal, epoch, offset, recovered: start.recovered, ...(json !== undefined && { json }) }),
      )
      subscription.begin(start)
    }),
  )
}

function unsubscribe(client: Client, { id, sub }: UnsubscribeFrame): void {
  const ended = client.subscriptions.end(sub)
  client.reply(
    ended
      ? client.codec.frame({ t: 'reply', id, ok: true })
      : client.codec.failed(id, fail('not_found', `there is no subscription ${sub} on this connection`)),
  )
}

function history(client: Client, open: Open, frame: HistoryFrame): void {
  const { site, codec } = client
  const { id } = frame
  const actor = site.rights.target(open.who, 'history', frame.to, '')
  if (typeof actor !== 'string') return client.reply(codec.failed(id, actor))
  client.began()
  site.calls.history(
    { actor, from: Math.max(1, frame.from), limit: Math.min(frame.limit, site.options.historyEntries) },
    serving(client, (given) => {
      const outcome = wholePage(given, frame.from)
      if (!outcome.ok) client.finished(failed(client, id, outcome))
      else client.finished(client.crowded ? codec.failed(id, CROWDED) : codec.page(id, outcome.entries, outcome.more))
    }),
  )
}

/** From 0 or 1 is from the oldest that is kept; any other first offset that is no longer kept is a `gap`. */
export function wholePage(outcome: HistoryOutcome, from: number): HistoryOutcome {
  if (!outcome.ok || from <= 1 || from >= outcome.oldest) return outcome
  return fail('gap', `entries before ${outcome.oldest} are no longer kept: ask from there`)
}

function refresh(client: Client, open: Open, { id, token }: RefreshFrame): void {
  const { site, codec } = client
  client.began()
  const outcome = site.auth.authenticate({ token, headers: {}, query: {}, address: client.address, transport: 'ws' })
  inTime(
    site,
    outcome,
    serving(client, (judged) => {
      if (!judged.ok) return client.finished(codec.failed(id, judged))
      if (judged.who.sub !== open.who.sub) return client.finished(codec.failed(id, fail('denied', 'the token is of another user')))
      // The session's own actor stays, also none: subscriptions and numbers belong to it.
      const { actor: _, ...renewed } = judged.who
      const { actor } = open.who
      open.who = { ...renewed, ...(actor !== undefined && { actor }) }
      client.refreshed()
      const { expiresAt } = open.who
      const ticket = ticketOf(site, open)
      client.finished(
        codec.frame({ t: 'reply', id, ok: true, ...(ticket !== '' && { ticket }), ...(expiresAt !== undefined && { expiresAt }) }),
      )
    }),
  )
}

/** Unacknowledged: its outcome goes nowhere, but it counts until it is known. */
function raw(client: Client, open: Open, { data }: RawEvent): void {
  const { site } = client
  const actor = site.rights.target(open.who, 'send', undefined, 'raw')
  if (typeof actor !== 'string') return client.bye(CLOSE.denied, actor.message)
  const type = actor.slice(0, actor.indexOf('/'))
  if (site.app.byType.get(type)?.events.has('raw') !== true)
    return client.bye(CLOSE.protocolError, `the actor type '${type}' has no event 'raw'`)
  client.began()
  site.counters.sends++
  site.calls.send(
    { actor, type: 'raw', data, sender: `user:${open.who.sub}` },
    serving(client, () => client.finished(null)),
  )
}
