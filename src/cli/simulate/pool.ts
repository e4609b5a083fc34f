/** Runs seeds over threads. A seed without a word for long has a loop in it; its thread is ended. */
import { Worker } from 'node:worker_threads'
import { systemClock } from '../../base/system.ts'
import type { SubjectAsked } from './subject.ts'
import { Thread } from './thread.ts'
import type { About, SeedAsked, SeedResult } from './worker.ts'

export interface PoolAsked extends Omit<SeedAsked, 'seed'> {
  readonly subject: SubjectAsked
  readonly seeds: readonly number[]
  readonly workers: number
  readonly keepGoing: boolean
  /** Real ms without a sign of life. */
  readonly patienceMs: number
  readonly ready: (about: About) => void
  readonly progress: (seed: number, virtualMs: number, shrinking: boolean) => void
  /** Each result as it comes; none is kept here. */
  readonly done: (result: SeedResult) => void
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** Resolves when all are done, or one has failed and that is enough; rejects with a CliError where there is no verdict. */
export async function runSeeds(asked: PoolAsked): Promise<void> {
  const { subject, patienceMs, nodes, minutes, only, options, triesMax } = asked
  const seeds = asked.seeds[Symbol.iterator]()
  const state = { stopped: false, introduced: false }
  const start = (): Promise<Thread> => {
    const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), { workerData: subject, execArgv: [] })
    return Thread.start(worker, { clock: systemClock, patienceMs })
  }
  const work = async (): Promise<void> => {
    let thread: Thread | null = null
    try {
      for (;;) {
        const next = state.stopped ? undefined : seeds.next()
        if (next === undefined || next.done === true) return
        const seed = next.value
        thread ??= await start()
        if (!state.introduced) asked.ready(thread.about)
        state.introduced = true
        const result = await thread.run({ seed, nodes, minutes, only, options, triesMax }, (virtualMs, shrinking) =>
          asked.progress(seed, virtualMs, shrinking),
        )
        if (thread.lost) thread = null
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
}
