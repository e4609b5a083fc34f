/** Runs seeds over worker processes. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { RunAsked, RunResult } from './run.ts'
import type { SeedKind, StoreKind } from './swarm.ts'
import { Tally } from './tally.ts'

export interface PoolAsked {
  /** May be without end: who asks stops. A seed alone is of the kind below. */
  readonly seeds: Iterable<number | Pick<RunAsked, 'seed' | 'kind' | 'store'>>
  /** Virtual. */
  readonly minutes: number
  readonly nodes?: number
  readonly kind?: SeedKind
  readonly store?: StoreKind
  readonly workers: number
  /** Stop at the first violation. */
  readonly stopAtFirst: boolean
  /** A seed that takes longer has a loop in it. Real time. */
  readonly patienceMs: number
  /** File of the worker; another one for a mutated copy. */
  readonly worker?: string
  progress?(result: RunResult, asked: RunAsked): void
}

export interface Ran {
  readonly tally: Tally
  /** By seed. */
  readonly failed: readonly Failed[]
}

export interface Failed {
  readonly result: RunResult
  readonly asked: RunAsked
}

/** What a seed leaves behind is garbage at once: an old space that is small beside what passes through would be collected several times a second. */
const HEAP = ['--max-semi-space-size=32', '--heap-growing-percent=400']

/** Every how many seeds one is run twice: 2 %. */
const TWICE = 50

export function runSeeds(given: PoolAsked): Promise<Ran> {
  const { minutes, nodes, kind, store } = given
  const file = given.worker ?? fileURLToPath(new URL('./seed-worker.ts', import.meta.url))
  const seeds = given.seeds[Symbol.iterator]()
  const tally = new Tally()
  const failed: Failed[] = []
  let stopped = false
  const work = async (): Promise<void> => {
    let child: ChildProcess | null = null
    try {
      for (;;) {
        const next = stopped ? { done: true as const } : seeds.next()
        if (next.done === true) return
        const of = typeof next.value === 'number' ? { seed: next.value } : next.value
        const asked: RunAsked = {
          minutes,
          ...(nodes !== undefined && { nodes }),
          ...(kind !== undefined && { kind }),
          ...(store !== undefined && { store }),
          ...of,
        }
        child ??= await started(file)
        const result = await runOne(child, { ...asked, twice: asked.seed % TWICE === 0 }, given.patienceMs)
        if (result.violation?.property === 'worker') {
          child.kill('SIGKILL')
          child = null
        }
        tally.add(result, asked)
        if (result.violation !== null) failed.push({ result, asked })
        given.progress?.(result, asked)
        if (result.violation !== null && given.stopAtFirst) stopped = true
      }
    } finally {
      child?.kill()
    }
  }
  const all = Promise.all(Array.from({ length: given.workers }, work))
  return all.then(() => ({ tally, failed: failed.sort((a, b) => a.asked.seed - b.asked.seed) }))
}

function started(file: string): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    // An older Node takes the types out only when it is told to.
    const execArgv = process.execArgv.filter((arg) => arg.startsWith('--experimental-strip-types'))
    const child = fork(file, [], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'], execArgv: [...HEAP, ...execArgv] })
    let errors = ''
    child.stderr?.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4000)))
    child.once('message', () => resolve(child))
    child.once('exit', () => reject(new Error(`the simulator's worker ended at once:\n${errors}`)))
  })
}

function runOne(child: ChildProcess, asked: RunAsked & { readonly twice: boolean }, patienceMs: number): Promise<RunResult> {
  return new Promise((resolve) => {
    const broken = (message: string): void =>
      end({
        seed: asked.seed,
        violation: { property: 'worker', kind: 'safety', message },
        hash: '',
        virtualMs: 0,
        events: 0,
        counts: {},
        lines: [],
      })
    const onMessage = (message: RunResult | { readonly crashed: string }): void =>
      'crashed' in message ? broken(`a promise was rejected and nobody looked: ${message.crashed}`) : end(message)
    const onExit = (code: number | null): void => broken(`the worker ended with code ${code}`)
    const timer = setTimeout(() => broken(`no verdict within ${patienceMs} ms of real time: a loop without end`), patienceMs)
    const end = (result: RunResult): void => {
      clearTimeout(timer)
      child.off('message', onMessage)
      child.off('exit', onExit)
      resolve(result)
    }
    child.on('message', onMessage)
    child.on('exit', onExit)
    child.send(asked)
  })
}
