/** Events by the SDK, open loop: each client one to its own actor in turn. What rejects has failed: the SDK has repeated it as long as it may. */
import { TroupeError } from '../../src/errors.ts'
import { Samples, type Percentiles } from '../harness/statistics.ts'
import { pause } from './events.ts'
import type { SdkClients } from './sdk-clients.ts'

export interface SdkSendCounts {
  readonly acknowledged: number
  readonly failed: Readonly<Record<string, number>>
  /** From the intended time to the SDK's word that it is recorded. */
  readonly latency: Percentiles
  /** Clients that have seen all their events as notifications. */
  readonly there: number
}

const PATIENCE_MS = 30_000

export class SdkSends {
  readonly #all: SdkClients
  readonly #latency = new Samples()
  readonly #acknowledged: Float64Array
  readonly #failed: Record<string, number> = {}
  #underWay = 0
  #timer: NodeJS.Timeout | undefined

  constructor(all: SdkClients) {
    this.#all = all
    this.#acknowledged = new Float64Array(all.size)
  }

  start(everyMs: number): void {
    const start = performance.now()
    const { size } = this.#all
    let number = 0
    this.#timer = setInterval(() => {
      for (let at = start; (at = start + (number * everyMs) / size) <= performance.now(); number++)
        void this.#send(number % size, number, at)
    }, 2)
  }

  /** Throws unless each actor has exactly the events that were acknowledged. */
  async stop(): Promise<SdkSendCounts> {
    clearInterval(this.#timer)
    while (this.#underWay > 0) await pause(10)
    const { clients, last } = this.#all
    // A failed one may have been applied: there is nothing to compare then.
    if (Object.keys(this.#failed).length === 0)
      for (const [i, client] of clients.entries()) {
        const count = await client.actor().query('count', undefined, { strict: true })
        if (count !== this.#acknowledged[i])
          throw new Error(`user/u${i} was acknowledged ${String(this.#acknowledged[i])} events and has ${String(count)}`)
      }
    const there = (): number => this.#acknowledged.reduce((sum, count, i) => sum + (count === last[i] ? 1 : 0), 0)
    const until = performance.now() + PATIENCE_MS
    while (there() < last.length && performance.now() < until) await pause(20)
    const acknowledged = this.#acknowledged.reduce((sum, count) => sum + count, 0)
    return { acknowledged, failed: this.#failed, latency: this.#latency.percentiles(), there: there() }
  }

  async #send(index: number, mark: number, from: number): Promise<void> {
    this.#underWay++
    try {
      await this.#all.clients[index]?.actor().send('ev', { kind: 'progress', mark: 10_000_000 + mark, page: 'chapter0007' })
      this.#acknowledged[index] = (this.#acknowledged[index] as number) + 1
      this.#latency.add(performance.now() - from)
    } catch (error) {
      const code = error instanceof TroupeError ? error.code : String(error)
      this.#failed[code] = (this.#failed[code] ?? 0) + 1
    }
    this.#underWay--
  }
}
