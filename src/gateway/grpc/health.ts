/**
 * grpc.health.v1.Health: whether the services of this node serve. Open to all, as probes have no credentials: so what strangers may hold
 * here is bounded. (The implementation that comes with the definition keeps an entry for each name that was ever asked for.)
 */
import {
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'

type Serving = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN'
type Call = ServerUnaryCall<{ readonly service: string }, unknown>
type Watch = ServerWritableStream<{ readonly service: string }, { readonly status: Serving }>

const WATCHERS_MAX = 1000

export class Health {
  readonly #known: ReadonlySet<string>
  readonly #watchers = new Set<Watch>()
  #serving = false

  /** `services`: full names; the empty name is the node itself. */
  constructor(services: readonly string[]) {
    this.#known = new Set(['', ...services])
  }

  set serving(serving: boolean) {
    if (serving === this.#serving) return
    this.#serving = serving
    for (const watch of this.#watchers) this.#tell(watch)
  }

  readonly implementation: UntypedServiceImplementation = {
    check: ({ request: { service } }: Call, answer: sendUnaryData<object>) => {
      if (this.#known.has(service)) return answer(null, { status: this.#of(service) })
      answer({ code: status.NOT_FOUND, details: `there is no service '${service.slice(0, 100).toWellFormed()}' here` })
    },
    list: (_: Call, answer: sendUnaryData<object>) =>
      answer(null, { statuses: Object.fromEntries([...this.#known].map((service) => [service, { status: this.#of(service) }])) }),
    watch: (watch: Watch) => {
      if (this.#watchers.size >= WATCHERS_MAX)
        return void watch.emit('error', {
          code: status.RESOURCE_EXHAUSTED,
          details: `at most ${WATCHERS_MAX} watch this node: ask with Check`,
        })
      this.#watchers.add(watch)
      watch.once('cancelled', () => this.#watchers.delete(watch))
      this.#tell(watch)
    },
  }

  #of(service: string): Serving {
    return this.#known.has(service) ? (this.#serving ? 'SERVING' : 'NOT_SERVING') : 'SERVICE_UNKNOWN'
  }

  #tell(watch: Watch): void {
    watch.write({ status: this.#of(watch.request.service) })
  }
}
