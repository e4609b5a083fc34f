/** Load for clusters of real processes. */
import type { Client } from '../../src/client/index.ts'
import { until } from './nodes.ts'

/** Sends events one after the other, each with a time of its own, until told to stop: what was acknowledged is kept for the end. */
export class Load {
  readonly actor: string
  readonly acked: string[] = []
  readonly failed: string[] = []
  slowestMs = 0
  #stopped = false
  readonly #over: Promise<void>
  readonly #timeoutMs: number | undefined

  /** `timeoutMs`: of one send, instead of the client's own. */
  constructor(from: Client, actor: string, prefix: string, timeoutMs?: number) {
    this.actor = actor
    this.#timeoutMs = timeoutMs
    this.#over = this.#run(from, prefix)
  }

  async #run(from: Client, prefix: string): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const id = `${prefix}-${i}`
      const begun = performance.now()
      try {
        await from.actor(this.actor).send('add', { id }, this.#timeoutMs === undefined ? {} : { timeoutMs: this.#timeoutMs })
        this.acked.push(id)
      } catch (error) {
        this.failed.push(`${id}: ${String(error)}`)
      }
      this.slowestMs = Math.max(this.slowestMs, performance.now() - begun)
    }
  }

  /** That many more are acknowledged from here on. */
  async further(count: number): Promise<void> {
    const from = this.acked.length
    await until(
      `${count} more events of ${this.actor}`,
      () => Promise.resolve([this.acked.length, ...this.failed]),
      ([now]) => Number(now) >= from + count,
    )
  }

  stop(): Promise<void> {
    this.#stopped = true
    return this.#over
  }
}
