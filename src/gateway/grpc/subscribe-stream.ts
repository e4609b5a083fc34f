/** Subscribe: a topic as a stream of notifications; the same subscriptions as on WebSockets: no queue, conflation, pulling from history (D9). */
import type { ServerWritableStream } from '@grpc/grpc-js'
import type { Failure } from '../../errors.ts'
import { PullTurn } from '../pull-turn.ts'
import type { SharedNote } from '../shared-note.ts'
import { startOf, type Subscriber, type Subscription } from '../subscription.ts'
import type { Joined } from '../upstreams.ts'
import type { Caller } from './callers.ts'
import type { Notification, Received, SubscribeRequest } from './messages.ts'
import { ReplyStream, type StreamOwner } from './reply-stream.ts'
import { subscribeCall, type SubscribeCall } from './requests.ts'
import { enter, type RpcSite } from './rpc-site.ts'
import { statusOf } from './status.ts'

type Call = ServerWritableStream<Received<SubscribeRequest>, Notification>
const SUB = 1

export function subscribeHandler(site: RpcSite): (call: Call) => void {
  return (call) => {
    const { request: received } = call
    const refuse = (failure: Failure): void => void call.emit('error', statusOf(failure))
    if (!received.ok) return refuse(received.failure)
    enter(site, call, 'stream', {
      refuse,
      serve: (caller) => {
        const checked = subscribeCall(caller, received.request)
        if (!checked.ok) return refuse(checked)
        site.counters.subscribes++
        new SubscribeStream(site, call, caller).join(checked.call)
      },
    })
  }
}

class SubscribeStream implements Subscriber, StreamOwner {
  readonly #site: RpcSite
  readonly #notes: ReplyStream
  readonly pullTurn: PullTurn = new PullTurn()
  #subscription: Subscription | null = null

  constructor(site: RpcSite, call: Call, caller: Caller) {
    this.#site = site
    this.#notes = new ReplyStream(site, call, caller, this)
  }

  join({ actor, topic, from }: SubscribeCall): void {
    this.#site.upstreams.join(
      actor,
      topic,
      this.#notes.serving((outcome) => {
        if (!this.#notes.open) return
        if (outcome.ok) this.#begin(outcome, from)
        else this.#notes.fail(outcome)
      }),
    )
  }

  #begin({ state, attach }: Joined, from: SubscribeCall['from']): void {
    const start = startOf(state, from)
    const { journal, offset, json } = state
    this.#subscription = attach(SUB, start, this)
    const next = start.gap?.from ?? start.offset + 1
    const { recovered } = start
    this.#write({ journal, offset, recovered, from: next, ...(json !== undefined && { data: Buffer.from(json) }) })
    this.#subscription.begin(start)
  }

  // ── Subscriber ─────────────────────────────────────────────────────────────────────────────────────────────────────

  get room(): boolean {
    return this.#notes.room
  }

  note(_: Subscription, { note }: SharedNote, from: number): void {
    const { offset, type, at, json } = note
    this.#site.counters.notes++
    this.#write({
      offset,
      from,
      ...(type !== undefined && { type }),
      ...(at !== undefined && { at }),
      ...(json !== undefined && { data: Buffer.from(json) }),
    })
  }

  gap(_: Subscription, from: number, to: number, journal: string | undefined): void {
    this.#site.counters.gaps++
    this.#write({ gap: true, from, offset: to, ...(journal !== undefined && { journal }) })
  }

  // ── StreamOwner ────────────────────────────────────────────────────────────────────────────────────────────────────

  taken(): void {
    if (this.room) this.#subscription?.roomAgain()
  }

  retire(failure: Failure): void {
    this.#subscription?.close()
    this.#notes.fail(failure)
  }

  over(): void {
    this.#subscription?.close()
  }

  #write(message: Notification): void {
    this.#notes.write(message, message.data?.length ?? 0)
  }
}
