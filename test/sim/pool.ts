/** Runs seeds over worker processes. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { RunAsked, RunResult } from './run.ts'
import type { SeedKind } from './swarm.ts'

export interface PoolAsked {
  readonly seeds: Iterable<number>
  readonly minutes: number
  readonly nodes?: number
  readonly kind?: SeedKind
  readonly workers: number
  /** Stop at the first violation. */
  readonly stopAtFirst: boolean
  /** A seed that takes longer has a loop in it. Real time. */
  readonly patienceMs: number
  /** File of the worker; another one for a mutated copy. */
  readonly worker?: string
  progress?(result: RunResult): void
}

/** Every how many seeds one is run twice: 2 %. */
const TWICE = 50

export function runSeeds(asked: PoolAsked): Promise<RunResult[]> {
  const file = asked.worker ?? fileURLToPath(new URL('./seed-worker.ts', import.meta.url))
  const seeds = asked.seeds[Symbol.iterator]()
  const results: RunResult[] = []
  let stopped = false
  const work = async (): Promise<void> => {
    let child: ChildProcess | null = null
    try {
      for (;;) {
        const next = stopped ? { done: true as const } : seeds.next()
        if (next.done === true) return
        const seed = next.value as number
        child ??= await started(file)
        const { minutes, nodes, kind } = asked
        const result = await runOne(
          child,
          { seed, minutes, ...(nodes !== undefined && { nodes }), ...(kind !== undefined && { kind }), twice: seed % TWICE === 0 },
          asked.patienceMs,
        )
        if (result.violation?.property === 'worker') {
          child.kill('SIGKILL')
          child = null
        }
        results.push(result)
        asked.progress?.(result)
        if (result.violation !== null && asked.stopAtFirst) stopped = true
      }
    } finally {
      child?.kill()
    }
  }
  return Promise.all(Array.from({ length: asked.workers }, work)).then(() => results.sort((a, b) => a.seed - b.seed))
}

function started(file: string): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const child = fork(file, [], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'], execArgv: [] })
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
