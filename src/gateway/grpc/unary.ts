/** Send and Query: one request, one answer. */
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import type { DeadlineList, Waiting } from '../../base/deadline.ts'
import { fail, type Failure } from '../../errors.ts'
import type { Caller } from './callers.ts'
import type { QueryReply, QueryRequest, Received, SendReply, SendRequest } from './messages.ts'
import { queryCall, sendCall } from './requests.ts'
import { cut, enter, guardedly, timeLeft, type RpcSite, type ServerCall } from './rpc-site.ts'
import { statusOf } from './status.ts'

type Unary<Request, Reply> = (call: ServerUnaryCall<Received<Request>, Reply>, answer: sendUnaryData<Reply>) => void

export function sendHandler(site: RpcSite): Unary<SendRequest, SendReply> {
  return unary(site, (caller, request, call, reply) => {
    const checked = sendCall(caller, request, site.options.frameDepth)
    if (!checked.ok) return reply.fail(checked)
    site.counters.sends++
    site.calls.send(
      { ...checked.call, ...timeLeft(site, call) },
      reply.serving((outcome) => {
        if (!outcome.ok) return reply.fail(outcome)
        const { offset, durable, duplicate } = outcome
        reply.answer({ offset, durable, duplicate, id: request.id }, 0)
      }),
    )
  })
}

export function queryHandler(site: RpcSite): Unary<QueryRequest, QueryReply> {
  const { options, live } = site
  return unary(site, (caller, request, call, reply) => {
    const checked = queryCall(caller, request, options.frameDepth)
    if (!checked.ok) return reply.fail(checked)
    site.counters.queries++
    site.calls.query(
      { ...checked.call, ...timeLeft(site, call) },
      reply.serving((outcome) => {
        if (!outcome.ok) return reply.fail(outcome)
        const { json, offset } = outcome
        const data = Buffer.from(json)
        if (live.answerBytes + data.length > options.rpcAnswerBytes) return reply.fail(CROWDED)
        reply.answer({ data, offset }, data.length)
      }),
    )
  })
}

const CROWDED: Failure = fail('overloaded', 'callers do not take their answers fast enough (rpcAnswerBytes): read, then ask again', {
  retryAfterMs: 1000,
})

function unary<Request, Reply>(
  site: RpcSite,
  serve: (caller: Caller, request: Request, call: ServerCall, reply: UnaryReply<Reply>) => void,
): Unary<Request, Reply> {
  return (call, answer) => {
    const { request: received } = call
    const reply = new UnaryReply(site, call, answer)
    const refuse = (failure: Failure): void => reply.fail(failure)
    if (!received.ok) return refuse(received.failure)
    enter(site, call, 'unary', { serve: (caller) => serve(caller, received.request, call, reply), refuse })
  }
}

/** An answer that is not taken within `slowConsumerMs` is taken back (D9). */
class UnaryReply<Reply> implements Waiting {
  readonly #site: RpcSite
  readonly #call: ServerCall
  readonly #answer: sendUnaryData<Reply>
  #phase: 'waiting' | 'answered' | 'over' = 'waiting'
  #bytes = 0
  list: DeadlineList | null = null
  expiresAt = 0
  before: Waiting | null = null
  after: Waiting | null = null

  constructor(site: RpcSite, call: ServerCall, answer: sendUnaryData<Reply>) {
    this.#site = site
    this.#call = call
    this.#answer = answer
    call.once('cancelled', () => {
      this.#phase = 'over'
      site.live.answerBytes -= this.#bytes
      site.deadlines.end(this)
    })
  }

  answer(reply: Reply, bytes: number): void {
    if (this.#phase !== 'waiting') return
    this.#answered(bytes)
    this.#answer(null, reply)
  }

  fail(failure: Failure): void {
    if (this.#phase !== 'waiting') return
    this.#answered(0)
    this.#answer(statusOf(failure))
  }

  /** For callbacks of the engine. */
  serving<Outcome>(run: (outcome: Outcome) => void): (outcome: Outcome) => void {
    return (outcome) =>
      guardedly(
        this.#site,
        (failure) => this.fail(failure),
        () => run(outcome),
      )
  }

  expired(): void {
    this.#site.counters.slow++
    cut(this.#call)
  }

  #answered(bytes: number): void {
    this.#phase = 'answered'
    this.#bytes = bytes
    this.#site.live.answerBytes += bytes
    this.#site.deadlines.begin(this, this.#site.options.slowConsumerMs)
  }
}
