/**
 * History: recorded entries from the store, a page at a time; the next page is read when the client has taken enough of the last, so that
 * neither a long journal nor a slow client costs memory.
 */
import type { ServerWritableStream } from '@grpc/grpc-js'
import type { HistoryCall, HistoryOutcome, HistoryPage } from '../../actors/calls.ts'
import { fail, type Failure } from '../../errors.ts'
import { wholePage } from '../requests.ts'
import type { Caller } from './callers.ts'
import type { EntryMessage, HistoryRequest, Received } from './messages.ts'
import { ReplyStream, type StreamOwner } from './reply-stream.ts'
import { historyCall } from './requests.ts'
import { enter, timeLeft, type RpcSite } from './rpc-site.ts'
import { statusOf } from './status.ts'

type Call = ServerWritableStream<Received<HistoryRequest>, EntryMessage>

export function historyHandler(site: RpcSite): (call: Call) => void {
  return (call) => {
    const { request: received } = call
    const refuse = (failure: Failure): void => void call.emit('error', statusOf(failure))
    if (!received.ok) return refuse(received.failure)
    enter(site, call, 'stream', {
      refuse,
      serve: (caller) => {
        const checked = historyCall(caller, received.request)
        if (!checked.ok) return refuse(checked)
        site.counters.histories++
        new HistoryStream(site, call, caller, checked.call).pull()
      },
    })
  }
}

class HistoryStream implements StreamOwner {
  readonly #site: RpcSite
  readonly #call: Call
  readonly #actor: string
  readonly #entries: ReplyStream
  #next: number
  #left: number
  #journal: string | null = null
  #asking = false

  constructor(site: RpcSite, call: Call, caller: Caller, { actor, from, limit }: Pick<HistoryCall, 'actor' | 'from' | 'limit'>) {
    this.#site = site
    this.#call = call
    this.#actor = actor
    this.#next = from
    this.#left = limit === 0 ? Infinity : limit
    this.#entries = new ReplyStream(site, call, caller, this)
  }

  pull(): void {
    if (this.#asking || !this.#entries.room) return
    this.#asking = true
    const limit = Math.min(this.#left, this.#site.options.historyEntries)
    this.#site.calls.history(
      { actor: this.#actor, from: this.#next, limit, ...timeLeft(this.#site, this.#call) },
      this.#entries.serving((outcome) => this.#answer(outcome)),
    )
  }

  taken(): void {
    this.pull()
  }

  retire(failure: Failure): void {
    this.#entries.fail(failure)
  }

  over(): void {
    this.#asking = true
  }

  #answer(outcome: HistoryOutcome): void {
    const page = wholePage(outcome, this.#next)
    if (!page.ok) return this.#entries.fail(page)
    if (this.#journal !== null && page.journal !== this.#journal) return this.#entries.fail(OTHER_JOURNAL)
    this.#journal = page.journal
    this.#write(page)
    if (!page.more || this.#left === 0) return this.#entries.end()
    if (page.next <= this.#next) return this.#entries.fail(STUCK)
    this.#next = page.next
    this.#asking = false
    // A turn of the event loop for others between two pages.
    this.#site.clock.soon(() => this.pull())
  }

  #write({ entries }: HistoryPage): void {
    for (const { offset, type, at, json } of entries) {
      const data = Buffer.from(json)
      this.#left--
      this.#entries.write({ offset, type, at, data }, data.length)
    }
  }
}

const OTHER_JOURNAL: Failure = fail('gap', 'the actor’s journal has changed while it was read: read it from the beginning')
const STUCK: Failure = fail('unavailable', 'the history cannot be read on now: repeat from the offset after the last entry', {
  retryAfterMs: 500,
})
