/**
 * Building large rings away from the main thread: at 300 nodes it takes a tenth of a second, in which a node would answer nobody, no probe either.
 */
import { Worker } from 'node:worker_threads'
import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { buildRings, Ring, type Share } from './ring.ts'

/**
 * Port. Duties of an adapter:
 *  B1 `done` is called once, never from inside `build`, with the rings of these sets (normal shares) in their order, or null when they could not
 *     be built here (the caller then builds them itself). After `close` it is not called any more.
 *  B2 One build at a time; the caller waits for `done`.
 */
export interface RingBuilder {
  build(sets: readonly (readonly Share[])[], done: (rings: readonly Ring[] | null) => void): void
  /** Idempotent. */
  close(): Promise<void>
}

/** What the thread answers: the arrays of each ring, moved and not copied. */
export interface BuiltRing {
  readonly points: Uint32Array<ArrayBuffer>
  readonly owners: Uint16Array<ArrayBuffer>
}

/** A thread for each build, which ends after it: large builds are rare (a start, a second type of many nodes), changes of a few nodes need none. */
export class RingThreads implements RingBuilder {
  readonly #log: Log
  #thread: Worker | null = null

  constructor(log: Log) {
    this.#log = log
  }

  build(sets: readonly (readonly Share[])[], done: (rings: readonly Ring[] | null) => void): void {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const thread = new Worker(new URL(`./ring-thread.${extension}`, import.meta.url), {
      workerData: sets,
      execArgv: [],
      name: 'troupe-ring',
    })
    // A node that has nothing else to do may end.
    thread.unref()
    this.#thread = thread
    let why = 'it ended by itself'
    thread.on('error', (error: Error) => (why = error.message))
    const finish = (rings: readonly Ring[] | null): void => {
      if (this.#thread !== thread) return
      this.#thread = null
      done(rings)
    }
    thread.on('message', (built: readonly BuiltRing[]) =>
      finish(sets.map((shares, i) => new Ring(shares, (built[i] as BuiltRing).points, (built[i] as BuiltRing).owners))),
    )
    thread.on('exit', () => {
      if (this.#thread !== thread) return
      this.#log.warn({ rings: sets.length, why }, 'the thread that builds rings was lost; they are built on the main thread')
      finish(null)
    })
  }

  async close(): Promise<void> {
    const thread = this.#thread
    this.#thread = null
    await thread?.terminate()
  }
}

/** Builds in place and hands over after `delayMs` of the clock: for the simulator, where a build takes time too, but virtual. */
export class TimedRingBuilder implements RingBuilder {
  readonly #clock: Clock
  readonly #delayMs: number
  #timer: Timer | null = null

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock
    this.#delayMs = delayMs
  }

  build(sets: readonly (readonly Share[])[], done: (rings: readonly Ring[] | null) => void): void {
    this.#timer = this.#clock.after(this.#delayMs, () => {
      this.#timer = null
      done(buildRings(sets))
    })
  }

  close(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = null
    return Promise.resolve()
  }
}
