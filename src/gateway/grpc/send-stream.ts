/**
 * SendStream: events are sent as they come, in order, and answered as their outcomes come.
 *
 *     reading ⇄ full ──client has ended, or we retire──▶ finishing ──nothing is open──▶ ended
 *
 *  1. An event is open until the connection has taken its reply. With `rpcInflight` open, or `rpcInflightBytes` of them, the stream is not
 *     read, and HTTP/2 makes its client wait: so neither events nor replies that nobody reads pile up.
 *  2. What was taken is answered, whatever ends the stream from this side. What was not read has no reply: its client sends it again.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { Failure } from '../../errors.ts'
import type { Caller } from './callers.ts'
import type { Received, SendReply, SendRequest } from './messages.ts'
import { ReplyStream, type StreamOwner } from './reply-stream.ts'
import { sendCall } from './requests.ts'
import { enter, timeLeft, type RpcSite } from './rpc-site.ts'
import { errorMessage, statusOf } from './status.ts'

type Call = ServerDuplexStream<Received<SendRequest>, SendReply>

export function sendStreamHandler(site: RpcSite): (call: Call) => void {
  return (call) => {
    enter(site, call, 'stream', {
      serve: (caller) => new SendStream(site, call, caller).read(),
      refuse: (failure) => void call.emit('error', statusOf(failure)),
    })
  }
}

class SendStream implements StreamOwner {
  readonly #site: RpcSite
  readonly #call: Call
  readonly #caller: Caller
  readonly #replies: ReplyStream
  #open = 0
  #openBytes = 0
  /** How it ends when nothing is open; undefined while it reads. */
  #ending: Failure | 'ok' | undefined

  constructor(site: RpcSite, call: Call, caller: Caller) {
    this.#site = site
    this.#call = call
    this.#caller = caller
    this.#replies = new ReplyStream(site, call, caller, this)
  }

  read(): void {
    this.#call.on(
      'data',
      this.#replies.serving((received: Received<SendRequest>) => this.#take(received)),
    )
    this.#call.on('end', () => this.#finish('ok'))
  }

  taken(): void {
    this.#open--
    if (this.#ending !== undefined) this.#endIfDone()
    else if (this.#call.isPaused() && !this.#full) this.#call.resume()
  }

  retire(failure: Failure): void {
    this.#call.pause()
    this.#finish(failure)
  }

  over(): void {
    this.#ending ??= 'ok'
  }

  get #full(): boolean {
    const { rpcInflight, rpcInflightBytes } = this.#site.options
    return this.#open >= rpcInflight || this.#openBytes >= rpcInflightBytes
  }

  #take(received: Received<SendRequest>): void {
    if (this.#ending !== undefined) return
    // What cannot be read has no id to be answered under: this client and this node do not speak the same messages.
    if (!received.ok && received.id === null) return this.retire(received.failure)
    this.#open++
    if (received.ok) this.#send(received.request, received.bytes)
    else this.#reply({ id: received.id ?? '0', error: errorMessage(received.failure) })
    if (this.#full) this.#call.pause()
  }

  #send(request: SendRequest, bytes: number): void {
    const { id } = request
    const checked = sendCall(this.#caller, request, this.#site.options.frameDepth)
    if (!checked.ok) return this.#reply({ id, error: errorMessage(checked) })
    this.#openBytes += bytes
    this.#site.counters.sends++
    this.#site.calls.send(
      { ...checked.call, ...timeLeft(this.#site, this.#call) },
      this.#replies.serving((outcome) => {
        this.#openBytes -= bytes
        if (!outcome.ok) return this.#reply({ id, error: errorMessage(outcome) })
        const { offset, durable, duplicate } = outcome
        this.#reply({ id, offset, durable, duplicate })
      }),
    )
  }

  #reply(reply: SendReply): void {
    this.#replies.write(reply, reply.error?.message.length ?? 0)
  }

  #finish(ending: Failure | 'ok'): void {
    this.#ending ??= ending
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#open > 0 || this.#ending === undefined) return
    if (this.#ending === 'ok') this.#replies.end()
    else this.#replies.fail(this.#ending)
  }
}
