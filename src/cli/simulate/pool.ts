/** Runs seeds over threads. A seed without a word for long has a loop in it; its thread is ended. */
import { Worker } from 'node:worker_threads'
import type { Timer } from '../../base/clock.ts'
import { systemClock } from '../../base/system.ts'
import { failed } from '../failure.ts'
import type { SubjectAsked } from './subject.ts'
import type { About, FromWorker, SeedAsked, SeedResult } from './worker.ts'

export interface PoolAsked extends Omit<SeedAsked, 'seed'> {
  readonly subject: SubjectAsked
  readonly seeds: readonly number[]
  readonly workers: number
  readonly keepGoing: boolean
  /** Real ms without a sign of life. */
  readonly patienceMs: number
  readonly ready: (about: About) => void
  readonly progress: (seed: number, virtualMs: number, shrinking: boolean) => void
  readonly done: (result: SeedResult) => void
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** Resolves with all results, in the order of the seeds; rejects with a CliError where there is no verdict. */
export async function runSeeds(asked: PoolAsked): Promise<SeedResult[]> {
  const seeds = asked.seeds[Symbol.iterator]()
  const results: SeedResult[] = []
  const state = { stopped: false, introduced: false }
  const work = async (): Promise<void> => {
    let thread: Thread | null = null
    try {
      for (;;) {
        const next = state.stopped ? undefined : seeds.next()
        if (next === undefined || next.done === true) return
        thread ??= await Thread.start(asked)
        if (!state.introduced) asked.ready(thread.about)
        state.introduced = true
        const result = await thread.run(next.value)
        if (thread.over) thread = null
        results.push(result)
        asked.done(result)
        if (result.violation !== null && !asked.keepGoing) state.stopped = true
      }
    } catch (error) {
      state.stopped = true
      throw error
    } finally {
      await thread?.end()
    }
  }
  await Promise.all(Array.from({ length: Math.min(asked.workers, asked.seeds.length) }, work))
  return results.sort((a, b) => a.seed - b.seed)
}

class Thread {
  readonly about: About
  readonly #worker: Worker
  readonly #asked: PoolAsked
  over = false

  private constructor(worker: Worker, asked: PoolAsked, about: About) {
    this.#worker = worker
    this.#asked = asked
    this.about = about
  }

  static start(asked: PoolAsked): Promise<Thread> {
    const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), { workerData: asked.subject, execArgv: [] })
    return new Promise((resolve, reject) => {
      worker.once('error', (error) => reject(failed(`the simulation does not start: ${String(error)}`, error)))
      worker.once('message', (message: FromWorker) => {
        if (message.kind === 'ready') resolve(new Thread(worker, asked, message.about))
        else if (message.kind === 'failed') reject(failed(message.message))
      })
    })
  }

  run(seed: number): Promise<SeedResult> {
    const { patienceMs, progress, nodes, minutes, only, options, triesMax } = this.#asked
    const worker = this.#worker
    return new Promise((resolve, reject) => {
      let virtualMs = 0
      const wait = (): Timer =>
        systemClock.after(patienceMs, () => lost(`no sign of life in ${patienceMs / 1000} s: a loop without end, in a reducer perhaps`))
      let patience = wait()
      const over = (): void => {
        patience.cancel()
        worker.off('error', threw).off('exit', exited).off('message', heard)
      }
      // What was thrown where nobody looks would have ended a process.
      const lost = (what: string): void => {
        over()
        this.over = true
        void worker.terminate()
        const violation = { property: 'no-throw', kind: 'safety', atMs: virtualMs, what } as const
        resolve({ seed, violation, hash: '', virtualMs, operations: {}, faults: {}, begun: [], lines: [], smallest: null })
      }
      const threw = (error: unknown): void =>
        lost(`an error that nobody caught: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      const exited = (): void => lost('the thread of the simulation ended: process.exit, or too little memory')
      const heard = (message: FromWorker): void => {
        switch (message.kind) {
          case 'progress':
            virtualMs = message.virtualMs
            progress(seed, virtualMs, message.shrinking)
            patience.cancel()
            patience = wait()
            return
          case 'done':
            over()
            return resolve(message.result)
          case 'failed':
            over()
            return reject(failed(message.message))
          case 'ready':
            return
        }
      }
      worker.on('error', threw).on('exit', exited).on('message', heard)
      worker.postMessage({ seed, nodes, minutes, only, options, triesMax } satisfies SeedAsked)
    })
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}
