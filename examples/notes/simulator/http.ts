/**
 * HTTP with kept-alive connections, to one node or to several in turn, and repetition through outages. Every failure is counted by its code.
 *
 * Several nodes are used as a service without a load balancer would: one after the other, and a repeat goes to the next. A node that could
 * not be connected to is passed over for a second, as long as there is another.
 */
import { Agent, request } from 'node:http'
import type { Tally } from './tally.ts'

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** `code` is the app's, or the socket's (ECONNREFUSED …). */
export class HttpError extends Error {
  readonly code: string
  readonly reason: string | undefined
  readonly retryable: boolean

  constructor(code: string, retryable: boolean, message: string, reason?: string) {
    super(message)
    this.name = 'HttpError'
    this.code = code
    this.retryable = retryable
    this.reason = reason
  }
}

const TIMEOUT_MS = 30_000
const WAIT_MS_MAX = 1000
const AVOID_MS = 1000

interface Host {
  readonly url: URL
  /** Passed over until then. */
  badUntil: number
}

export class Http {
  readonly #hosts: readonly Host[]
  #turn = 0
  readonly #agent: Agent
  readonly #tally: Tally
  readonly #patienceMs: number

  constructor(
    urls: readonly string[],
    { sockets, patienceS, tally }: { readonly sockets: number; readonly patienceS: number; readonly tally: Tally },
  ) {
    this.#hosts = urls.map((url) => ({ url: new URL(url), badUntil: 0 }))
    this.#agent = new Agent({ keepAlive: true, maxSockets: sockets, scheduling: 'lifo' })
    this.#tally = tally
    this.#patienceMs = patienceS * 1000
  }

  /** The next in turn that is not known to be away; if all are, the next. */
  #next(): Host {
    const now = performance.now()
    const first = this.#turn++ % this.#hosts.length
    for (let i = 0; i < this.#hosts.length; i++) {
      const host = this.#hosts[(first + i) % this.#hosts.length] as Host
      if (host.badUntil <= now) return host
    }
    return this.#hosts[first] as Host
  }

  /** Once, at one node. Throws HttpError for everything but a 2xx. */
  call(
    method: string,
    path: string,
    { token, body, key }: { readonly token?: string; readonly body?: unknown; readonly key?: string } = {},
  ): Promise<unknown> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers: Record<string, string | number> = {}
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`
    if (key !== undefined) headers['idempotency-key'] = key
    if (text !== undefined) {
      headers['content-type'] = 'application/json'
      headers['content-length'] = Buffer.byteLength(text)
    }
    const node = this.#next()
    return new Promise((resolve, reject) => {
      const lost = (error: NodeJS.ErrnoException): void => {
        if (error.code === 'ECONNREFUSED') node.badUntil = performance.now() + AVOID_MS
        reject(new HttpError(error.code ?? 'network', true, error.message))
      }
      const { hostname: host, port } = node.url
      const sent = request({ method, host, port, path, headers, agent: this.#agent, timeout: TIMEOUT_MS }, (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', lost)
        response.on('end', () => {
          try {
            resolve(answerOf(response.statusCode ?? 0, Buffer.concat(parts).toString()))
          } catch (error) {
            reject(error as Error)
          }
        })
      })
      sent.on('timeout', () => sent.destroy(Object.assign(new Error('no answer in time'), { code: 'timeout' })))
      sent.on('error', lost)
      sent.end(text)
    })
  }

  /** Until it is answered for certain, or patience ends. Safe for what is idempotent: all that the simulator sends. */
  async persist(method: string, path: string, options: Parameters<Http['call']>[2] = {}): Promise<unknown> {
    const until = performance.now() + this.#patienceMs
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.call(method, path, options)
      } catch (error) {
        if (!(error instanceof HttpError) || !error.retryable || performance.now() > until) throw error
        this.#tally.retry(error.code)
        await this.pause(attempt)
      }
    }
  }

  /** Full jitter, so that a thousand clients do not come back as one. */
  pause(attempt: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(WAIT_MS_MAX, 50 * 2 ** Math.min(attempt, 8))))
  }

  close(): void {
    this.#agent.destroy()
  }
}

function answerOf(status: number, text: string): unknown {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new HttpError(`http_${status}`, status >= 500, `an answer of status ${status} that is not JSON`)
  }
  if (status >= 200 && status < 300) return body
  const { code, message, retryable, reason } = (body as { readonly error?: { readonly [name: string]: unknown } }).error ?? {}
  throw new HttpError(
    String(code ?? `http_${status}`),
    retryable === true || status === 503,
    String(message ?? text),
    reason as string | undefined,
  )
}
