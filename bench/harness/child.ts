/**
 * A program in a process of its own, started by fork and asked over its IPC channel.
 * Both sides are here: `startChild` for the bench, `serveParent` for the program.
 * A program ends when its parent's channel closes, so nothing outlives a bench that was killed.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a program says when it can be used. */
export interface Ready {
  /** Ports on 127.0.0.1 that clients spread over. */
  readonly ports: readonly number[]
  /** Processes whose CPU is counted, by name; the program's own is added. */
  readonly pids: Readonly<Record<string, number>>
}

export interface Child {
  readonly pid: number
  readonly ready: Ready
  ask<Answer>(question: string, argument?: unknown): Promise<Answer>
  stop(): Promise<void>
}

interface Question {
  readonly ask: number
  readonly question: string
  readonly argument: unknown
}
interface Answer {
  readonly answer: number
  readonly value?: unknown
  readonly error?: string
}

const START_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 15_000
const STDERR_KEPT = 4096

export async function startChild(program: URL, args: readonly string[], execArgv: readonly string[] = []): Promise<Child> {
  const child = fork(fileURLToPath(program), [...args], {
    execArgv: ['--disable-warning=ExperimentalWarning', ...execArgv],
    env: cleanEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-STDERR_KEPT)))
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let asked = 0
  const ready = Promise.withResolvers<Ready>()
  const timer = setTimeout(
    () => ready.reject(new Error(`${program.pathname} was not ready in ${START_TIMEOUT_MS} ms\n${stderr}`)),
    START_TIMEOUT_MS,
  )
  child.on('message', (message) => {
    const said = message as Answer | { readonly ready: Ready }
    if ('ready' in said) return ready.resolve(said.ready)
    const asker = waiting.get(said.answer)
    waiting.delete(said.answer)
    if (said.error === undefined) asker?.resolve(said.value)
    else asker?.reject(new Error(said.error))
  })
  const gone = once(child, 'exit').then(([code, signal]) => {
    const error = new Error(`${program.pathname} ended (${String(code ?? signal)})\n${stderr}`)
    ready.reject(error)
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  })
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    if (child.connected) child.disconnect()
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await gone
    clearTimeout(force)
  }
  try {
    return {
      pid: child.pid as number,
      ready: await ready.promise,
      ask: <T>(question: string, argument?: unknown) => {
        if (!child.connected) return Promise.reject(new Error(`${program.pathname} is gone\n${stderr}`))
        const { promise, resolve, reject } = Promise.withResolvers<unknown>()
        waiting.set(++asked, { resolve, reject })
        child.send({ ask: asked, question, argument } satisfies Question)
        return promise as Promise<T>
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Test runners and loaders leave settings in the environment that would change what is measured. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_|VITEST|npm_)/.test(name)))
}

export type Handlers = Readonly<Record<string, (argument: never) => unknown>>

export interface Memory {
  readonly rss: number
  readonly heapUsed: number
  readonly heapTotal: number
  readonly external: number
}

/** What every program answers. */
const COMMON: Handlers = {
  /** After two full collections, where `--expose-gc` was given: what lives, not what is about to be collected. */
  memory: (): Memory => {
    // 'last-resort' also gives free pages back to the system.
    const collect = globalThis.gc as undefined | ((how: object) => void)
    for (let times = 0; times < 2; times++) collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
    return { rss, heapUsed, heapTotal, external }
  },
}

/** In the program: answers the parent's questions; `onEnd` runs when the parent lets go, then the process exits. */
export function serveParent(ready: Ready, handlers: Handlers, onEnd: () => unknown = () => undefined): void {
  process.on('message', (message) => {
    const { ask, question, argument } = message as Question
    void (async () => {
      let answer: Answer
      try {
        const handler = handlers[question] ?? COMMON[question]
        if (handler === undefined) throw new Error(`no handler for '${question}'`)
        answer = { answer: ask, value: await handler(argument as never) }
      } catch (error) {
        answer = { answer: ask, error: String(error instanceof Error ? error.stack : error) }
      }
      if (process.connected) process.send?.(answer)
    })()
  })
  process.on('disconnect', () => {
    void (async () => {
      try {
        await onEnd()
      } finally {
        process.exit(0)
      }
    })()
  })
  process.on('SIGINT', () => undefined)
  process.send?.({ ready: { ...ready, pids: { server: process.pid, ...ready.pids } } })
}
