/**
 * Backend services without a library of ours: plain HTTP and plain gRPC, each event under an idempotency key, repeated as docs/errors.md says: while an answer says
 * `retryable`, or there is none (refused, broken, timed out), the same key goes to the next address after a wait, until 10 s are over. Then it has failed.
 * Open loop at a fixed rate; each kind writes to users of its own, so that what was recorded can be compared with what was acknowledged.
 */
import { credentials, loadPackageDefinition, Metadata, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { Agent, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { Samples } from '../harness/statistics.ts'
import { eventData, token } from './dialects.ts'
import { pause } from './events.ts'

export interface ServicePlan {
  readonly http: readonly number[]
  readonly grpc: readonly number[]
  /** Events a second of each kind. */
  readonly rate: number
  /** Users of each kind: `user/h0` … and `user/g0` … */
  readonly users: number
}
export interface ServiceCounts {
  readonly acknowledged: number
  readonly repeated: number
  readonly failed: Readonly<Record<string, number>>
}

/** `again`: with what is to be waited first. */
type Outcome =
  | { readonly kind: 'ok' }
  | { readonly kind: 'again'; readonly why: string; readonly afterMs: number }
  | { readonly kind: 'failed'; readonly why: string }
type Call = (address: number, user: string, key: string, data: string) => Promise<Outcome>

const DEADLINE_MS = 10_000
const TRY_MS = 5000
const AGAIN_MS = 100
const PROTO = fileURLToPath(new URL('../../proto/troupe/v1/actors.proto', import.meta.url))

export class ServiceCalls {
  readonly latency: { readonly http: Samples; readonly grpc: Samples } = { http: new Samples(), grpc: new Samples() }
  readonly #plan: ServicePlan
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 })
  readonly #grpc: readonly GrpcClient[]
  readonly #counts = new Map<string, number>()
  readonly #failed: Record<string, number> = {}
  #repeated = 0
  #sent = 0
  #underWay = 0
  #timer: NodeJS.Timeout | undefined

  constructor(plan: ServicePlan) {
    this.#plan = plan
    this.#grpc = plan.grpc.map(grpcClient)
  }

  start(): void {
    const start = performance.now()
    let number = 0
    this.#timer = setInterval(() => {
      for (let at = start; (at = start + (number * 1000) / this.#plan.rate) <= performance.now(); number++) {
        const user = number % this.#plan.users
        void this.#event('http', `h${user}`, at)
        void this.#event('grpc', `g${user}`, at)
      }
    }, 2)
  }

  /** Resolves when all have an answer or failed; throws unless each actor has exactly the events that were acknowledged. */
  async stop(): Promise<ServiceCounts> {
    clearInterval(this.#timer)
    while (this.#underWay > 0) await pause(10)
    // A failed one may have been applied: there is nothing to compare then.
    if (Object.keys(this.#failed).length === 0) for (const [user, count] of this.#counts) await this.#verify(user, count)
    this.#agent.destroy()
    for (const client of this.#grpc) client.close()
    const acknowledged = [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
    return { acknowledged, repeated: this.#repeated, failed: this.#failed }
  }

  async #event(kind: 'http' | 'grpc', user: string, from: number): Promise<void> {
    this.#underWay++
    const call: Call = kind === 'http' ? this.#http : this.#unary
    const addresses = kind === 'http' ? this.#plan.http.length : this.#grpc.length
    const key = `${kind}-${this.#sent}`
    const data = eventData(this.#sent++)
    const until = performance.now() + DEADLINE_MS
    for (let address = this.#sent; ; address++) {
      const outcome = await call(address % addresses, user, key, data)
      if (outcome.kind === 'ok') {
        this.#counts.set(user, (this.#counts.get(user) ?? 0) + 1)
        this.latency[kind].add(performance.now() - from)
        break
      }
      if (outcome.kind === 'failed' || performance.now() + outcome.afterMs > until) {
        const why = `${kind}: ${outcome.why}`
        this.#failed[why] = (this.#failed[why] ?? 0) + 1
        break
      }
      this.#repeated++
      await pause(outcome.afterMs)
    }
    this.#underWay--
  }

  readonly #http: Call = async (address, user, key, data) => {
    const answer = await this.#ask(address, user, 'POST', 'events', `{"type":"ev","data":${data},"key":"${key}"}`)
    if (answer === null) return { kind: 'again', why: 'no answer', afterMs: AGAIN_MS }
    if (answer.status === 200) return { kind: 'ok' }
    const { error } = JSON.parse(answer.body) as { error?: { code: string; retryable: boolean; retryAfterMs?: number } }
    const why = error?.code ?? String(answer.status)
    return error?.retryable === true ? { kind: 'again', why, afterMs: error.retryAfterMs ?? AGAIN_MS } : { kind: 'failed', why }
  }

  readonly #unary: Call = (address, user, key, data) =>
    new Promise((resolve) => {
      const request = { actor: `user/${user}`, type: 'ev', data: Buffer.from(data), key }
      ;(this.#grpc[address] as GrpcClient).Send(request, new Metadata(), { deadline: Date.now() + TRY_MS }, (error) => {
        if (error === null) return resolve({ kind: 'ok' })
        // docs/errors.md: UNAVAILABLE 14, RESOURCE_EXHAUSTED 8, ABORTED 10 and DEADLINE_EXCEEDED 4 may succeed when repeated.
        const again = [4, 8, 10, 14].includes(error.code)
        const why = `${error.code} ${error.details.slice(0, 60)}`
        resolve(again ? { kind: 'again', why, afterMs: AGAIN_MS } : { kind: 'failed', why })
      })
    })

  #ask(address: number, user: string, method: string, path: string, body: string): Promise<{ status: number; body: string } | null> {
    return new Promise((resolve) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: this.#plan.http[address] as number,
          method,
          path: `/v1/actors/user/${user}/${path}`,
          agent: this.#agent,
          timeout: TRY_MS,
          headers: {
            authorization: `Bearer ${token(user)}`,
            ...(body !== '' && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          },
        },
        (answer) => {
          let text = ''
          answer.setEncoding('utf8').on('data', (part: string) => (text += part))
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: text }))
          answer.on('error', () => resolve(null))
        },
      )
      sent.on('timeout', () => sent.destroy())
      sent.on('error', () => resolve(null))
      sent.end(body)
    })
  }

  async #verify(user: string, acknowledged: number): Promise<void> {
    const answer = await this.#ask(0, user, 'GET', 'queries/count', '')
    const count = answer?.status === 200 ? (JSON.parse(answer.body) as { data: number }).data : -1
    if (count !== acknowledged)
      throw new Error(`user/${user} was acknowledged ${acknowledged} events and has ${count}: ${answer?.body ?? 'no answer'}`)
  }
}

interface GrpcClient {
  Send(request: object, metadata: Metadata, options: { deadline: number }, done: (error: ServiceError | null) => void): void
  close(): void
}

function grpcClient(port: number): GrpcClient {
  const definition = loadSync(PROTO, {
    longs: Number,
    defaults: true,
    includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
  })
  const loaded = loadPackageDefinition(definition) as unknown as {
    readonly troupe: { readonly v1: { readonly Actors: new (address: string, credentials: unknown, options: object) => GrpcClient } }
  }
  // A node that restarts is looked for at once, and not after grpc-js's two minutes.
  return new loaded.troupe.v1.Actors(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 500,
  })
}
