/** The load process of F3, F4 and F5: SDK clients, services beside them, a producer. One command at a time, but for those that go on by themselves. */
import { seeded } from '../../src/base/random.ts'
import { serveParent } from '../harness/child.ts'
import { percentiles, Samples, type Percentiles } from '../harness/statistics.ts'
import { pause } from './events.ts'
import { Producer } from './producer.ts'
import { SdkClients, type OpenClients } from './sdk-clients.ts'
import { SdkSends, type SdkSendCounts } from './sdk-sends.ts'
import { ServiceCalls, type ServiceCounts, type ServicePlan } from './service-calls.ts'

export interface ClientCounts {
  readonly live: number
  readonly dropped: number
  readonly received: number
  readonly duplicates: number
  readonly missed: number
  readonly gaps: number
  readonly resumes: Percentiles
  readonly errors: Readonly<Record<string, number>>
}
export interface CutPlan {
  readonly ms: number
  /** Each client is cut at a time of its own within this. */
  readonly spreadMs: number
  readonly seed: string
}
export interface CutResult {
  readonly cuts: number
  /** From the network's return to the newest state of that moment. */
  readonly replay: Percentiles
  /** Clients that did not get there in time. */
  readonly never: number
}
export interface NewestResult {
  /** Clients whose newest offset is the newest that was acknowledged to anybody. */
  readonly there: number
  readonly published: number
  readonly received: number
}

const PATIENCE_MS = 30_000

let clients: SdkClients | null = null
let producer: Producer | null = null
let sends: SdkSends | null = null
let services: ServiceCalls | null = null

serveParent(
  { ports: [], pids: {} },
  {
    open: async (plan: OpenClients): Promise<void> => {
      clients = new SdkClients(plan.clients)
      await clients.open(plan)
    },
    counts: (): ClientCounts => {
      const { live, dropped, received, duplicates, missed, gaps, resumes, errors } = opened()
      const counted = { live, dropped, received, duplicates, missed, gaps, errors, resumes: resumes.percentiles() }
      return counted
    },
    /** What is counted from here on is of what comes. */
    resetResumes: () => {
      const all = opened()
      all.resumes = new Samples()
      all.dropped = 0
    },
    /** Events to the clients' actors by sockets of services that nothing happens to. */
    produce: async ({ ports, rate }: { ports: readonly number[]; rate: number }): Promise<void> => {
      producer = new Producer(opened().size)
      await producer.open(ports)
      producer.start(rate)
    },
    produced: async (): Promise<NewestResult> => {
      const made = producer as Producer
      await made.stop()
      const all = opened()
      const until = performance.now() + PATIENCE_MS
      const there = (): number => all.last.reduce((sum, last, i) => sum + (last === made.newest(i) ? 1 : 0), 0)
      while (there() < all.size && performance.now() < until) await pause(20)
      return { there: there(), published: made.acknowledged, received: all.received - all.duplicates }
    },
    cut: async ({ ms, spreadMs, seed }: CutPlan): Promise<CutResult> => {
      const all = opened()
      const random = seeded(seed)
      const before = all.cuts
      all.replays = new Samples()
      const cuts = Array.from({ length: all.size }, async (_, i) => {
        await pause(random.float() * spreadMs)
        await all.cut(i, ms, () => (producer as Producer).newest(i))
      })
      await Promise.all(cuts)
      const until = performance.now() + PATIENCE_MS
      while (all.waiting > 0 && performance.now() < until) await pause(20)
      return { cuts: all.cuts - before, replay: all.replays.percentiles(), never: all.waiting }
    },
    send: ({ everyMs }: { everyMs: number }): void => {
      sends = new SdkSends(opened())
      sends.start(everyMs)
    },
    sent: (): Promise<SdkSendCounts> => (sends as SdkSends).stop(),
    serve: (plan: ServicePlan): void => {
      services = new ServiceCalls(plan)
      services.start()
    },
    served: async (): Promise<ServiceCounts & { readonly http: Percentiles; readonly grpc: Percentiles }> => {
      const calls = services as ServiceCalls
      const counts = await calls.stop()
      return { ...counts, http: calls.latency.http.percentiles(), grpc: calls.latency.grpc.percentiles() }
    },
    /** Waits until all are live on links that began after that moment (epochMs); of each, how long after it that was. */
    back: async ({ after }: { after: number }): Promise<{ readonly back: number; readonly times: Percentiles }> => {
      const all = opened()
      const from = after - performance.timeOrigin
      const until = performance.now() + PATIENCE_MS
      const back = (): number[] => [...all.liveAt].flatMap((at) => (at > from ? [at - from] : []))
      while (back().length < all.size && performance.now() < until) await pause(20)
      return { back: back().length, times: percentiles(Float64Array.from(back())) }
    },
    close: () => clients?.close(),
  },
)

function opened(): SdkClients {
  if (clients === null) throw new Error('open first')
  return clients
}
