/**
 * Requests that change nothing (query, history, subscribe …): repeated freely, on this link and the next, until answered or due.
 */
import { TroupeError } from '../errors.ts'
import type { OkReply } from '../protocol/frames.ts'
import { backoffMs } from '../base/backoff.ts'
import type { ClientClock, ClientRandom } from './platform.ts'
import { errorOf, passes } from './send.ts'
import type { Question, Reply, Wire, Writer } from './wire.ts'

export interface RequestPorts {
  readonly clock: ClientClock
  readonly random: ClientRandom
  readonly wire: Wire
  readonly limit: number
  /** Why nothing is sent: begins with a colon. Empty while there is a connection. */
  offline(): string
  expired(): void
}

export const REQUEST_MS = 10_000
const RETRY_FIRST_MS = 50
const RETRY_MAX_MS = 2_000

export class Requests {
  readonly #ports: RequestPorts
  readonly #open = new Set<Request>()

  constructor(ports: RequestPorts) {
    this.#ports = ports
  }

  /** `question` is asked for at each write. Rejects with what the server said last, or `timeout`. */
  ask(what: string, question: () => Question, timeoutMs: number = REQUEST_MS): Promise<OkReply> {
    return new Promise((resolve, reject) => {
      if (this.#open.size >= this.#ports.limit)
        return reject(
          new TroupeError('overloaded', `${this.#open.size} requests wait for an answer already: wait for some, or raise queueMax`),
        )
      const request: Request = new Request(this.#ports, what, question, timeoutMs, {
        resolve: (reply) => {
          this.#open.delete(request)
          resolve(reply)
        },
        reject: (error) => {
          this.#open.delete(request)
          reject(error)
        },
      })
      this.#open.add(request)
      request.wake()
    })
  }

  up(): void {
    for (const request of this.#open) request.wake()
  }

  down(): void {
    for (const request of this.#open) request.down()
  }

  close(error: TroupeError): void {
    for (const request of [...this.#open]) request.end(error)
  }
}

interface Outcome {
  resolve(reply: OkReply): void
  reject(error: TroupeError): void
}

class Request implements Writer {
  readonly #ports: RequestPorts
  readonly #what: string
  readonly #question: () => Question
  readonly #outcome: Outcome
  readonly #deadline: { cancel(): void }
  #retry: { cancel(): void } | undefined
  #asked: number | undefined
  #attempt = 0
  #last: TroupeError | undefined

  constructor(ports: RequestPorts, what: string, question: () => Question, timeoutMs: number, outcome: Outcome) {
    this.#ports = ports
    this.#what = what
    this.#question = question
    this.#outcome = outcome
    this.#deadline = ports.clock.after(timeoutMs, () =>
      this.end(this.#last ?? new TroupeError('timeout', `no answer to ${what} in ${timeoutMs} ms${ports.offline()}`)),
    )
  }

  wake(): void {
    this.#ports.wire.ready(this)
  }

  down(): void {
    this.#asked = undefined
    this.#retry?.cancel()
  }

  end(error: TroupeError): void {
    this.#release()
    this.#outcome.reject(error)
  }

  write(): boolean {
    if (this.#asked !== undefined) return false
    this.#asked = this.#ports.wire.ask(this.#question(), (reply) => this.#reply(reply))
    if (this.#asked === undefined) this.end(new TroupeError('too_large', `${this.#what} is larger than a frame may be on this server`))
    return false
  }

  #reply(reply: Reply): void {
    this.#asked = undefined
    if (reply.ok) {
      this.#release()
      return this.#outcome.resolve(reply)
    }
    const { error } = reply
    if (!passes(error)) return this.end(errorOf(error))
    if (error.code === 'expired') this.#ports.expired()
    this.#last = errorOf(error)
    const { clock, random } = this.#ports
    const waitMs = Math.max(error.retryAfterMs ?? 0, backoffMs(this.#attempt++, RETRY_FIRST_MS, RETRY_MAX_MS, random))
    this.#retry = clock.after(waitMs, () => this.wake())
  }

  #release(): void {
    this.#deadline.cancel()
    this.#retry?.cancel()
    this.#ports.wire.unready(this)
    if (this.#asked !== undefined) this.#ports.wire.forget(this.#asked)
    this.#asked = undefined
  }
}
