/**
 * A thread that runs seeds, from its start to its end. It is listened to all the time:
 *
 *  1. Whoever waits for it hears of its end, or that it gave no sign of life for too long, and never waits for ever.
 *  2. An end while a seed runs is that seed's verdict; one while it loads, or between two seeds, is nobody's: no verdict.
 */
import type { Clock, Timer } from '../../base/clock.ts'
import { failed } from '../failure.ts'
import type { About, FromWorker, SeedAsked, SeedResult } from './worker.ts'

/** What is used of a Worker. */
export interface WorkerPort {
  on(event: 'message', hear: (message: FromWorker) => void): unknown
  on(event: 'error', hear: (error: unknown) => void): unknown
  on(event: 'exit', hear: (code: number) => void): unknown
  postMessage(asked: SeedAsked): void
  terminate(): Promise<unknown>
}

export interface ThreadParts {
  readonly clock: Clock
  /** Ms without a sign of life. */
  readonly patienceMs: number
}

interface Waiting {
  readonly heard: (message: FromWorker) => void
  readonly lost: (what: string) => void
}

export class Thread {
  readonly about: About
  readonly #port: WorkerPort
  readonly #ears: Ears
  #lost = false

  private constructor(port: WorkerPort, ears: Ears, about: About) {
    this.#port = port
    this.#ears = ears
    this.about = about
  }

  /** Rejects with a CliError if it does not come to run seeds. */
  static async start(port: WorkerPort, parts: ThreadParts): Promise<Thread> {
    const ears = new Ears(port, parts)
    try {
      const about = await ears.until<About>(
        (message) => {
          if (message.kind === 'failed') throw failed(message.message)
          return message.kind === 'ready' ? message.about : null
        },
        (what) => {
          throw failed(`app or scenario do not load: ${what}`)
        },
      )
      return new Thread(port, ears, about)
    } catch (error) {
      void port.terminate()
      throw error
    }
  }

  /** It ended in the midst of a seed: the next needs another. */
  get lost(): boolean {
    return this.#lost
  }

  /** Rejects with a CliError where there is no verdict. */
  async run(asked: SeedAsked, progress: (virtualMs: number, shrinking: boolean) => void): Promise<SeedResult> {
    const { seed } = asked
    const { ended } = this.#ears
    if (ended !== null) throw failed(`no seed ran, before seed ${seed}: ${ended}`)
    let virtualMs = 0
    this.#port.postMessage(asked)
    return this.#ears.until<SeedResult>(
      (message) => {
        switch (message.kind) {
          case 'progress':
            virtualMs = message.virtualMs
            progress(virtualMs, message.shrinking)
            return null
          case 'done':
            return message.result
          case 'failed':
            throw failed(message.message)
          case 'ready':
            return null
        }
      },
      // It would have ended a process.
      (what) => {
        this.#lost = true
        void this.end()
        const violation = { property: 'no-throw', kind: 'safety', atMs: virtualMs, what } as const
        return { seed, violation, hash: '', virtualMs, operations: {}, faults: {}, lines: [], smallest: null }
      },
    )
  }

  async end(): Promise<void> {
    await this.#port.terminate()
  }
}

/** Hears all that comes of a thread, for the one who waits; the end also for who comes later. */
class Ears {
  readonly #parts: ThreadParts
  #waiting: Waiting | null = null
  #ended: string | null = null

  constructor(port: WorkerPort, parts: ThreadParts) {
    this.#parts = parts
    port.on('message', (message) => this.#waiting?.heard(message))
    port.on('error', (error) =>
      this.#end(`an error that nobody caught: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
    )
    port.on('exit', (code) =>
      this.#end(
        code === UNSETTLED
          ? 'its thread ended: an await that never settles'
          : `its thread ended with code ${code}: process.exit, or too little memory`,
      ),
    )
  }

  /** How the thread ended; null: it has not. */
  get ended(): string | null {
    return this.#ended
  }

  /** Until `heard` makes something of a message, or `lost` of the thread's end or silence. What they throw rejects. */
  until<Value>(heard: (message: FromWorker) => Value | null, lost: (what: string) => Value): Promise<Value> {
    const { clock, patienceMs } = this.#parts
    return new Promise((resolve, reject) => {
      const wait = (): Timer =>
        clock.after(patienceMs, () =>
          this.#waiting?.lost(`no sign of life in ${patienceMs / 1000} s: a loop without end, in a reducer perhaps`),
        )
      let patience = wait()
      const settle = (made: () => Value | null): void => {
        patience.cancel()
        try {
          const value = made()
          if (value === null) {
            patience = wait()
            return
          }
          this.#waiting = null
          resolve(value)
        } catch (error) {
          this.#waiting = null
          reject(error as Error)
        }
      }
      this.#waiting = { heard: (message) => settle(() => heard(message)), lost: (what) => settle(() => lost(what)) }
      if (this.#ended !== null) this.#waiting.lost(this.#ended)
    })
  }

  /** The first says why. */
  #end(why: string): void {
    if (this.#ended !== null) return
    this.#ended = why
    this.#waiting?.lost(why)
  }
}

/** Exit code of Node for a module that awaits what nothing will settle. */
const UNSETTLED = 13
