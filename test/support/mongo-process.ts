/**
 * The protocol server (mongo-server.ts) as a process of its own, for tests whose nodes are processes: it must not stand still while the test's process is busy,
 * nor go with one of the nodes. Told what to do over IPC; every order is answered once it is done.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What it can be told. `dropAnswers`: the next writes of batches are applied, and their answers lost with the connection. */
export type Order =
  | { readonly do: 'stepDown' | 'killPrimary'; readonly lose: boolean }
  | { readonly do: 'away' | 'back' | 'count' | 'close' }
  | { readonly do: 'dropAnswers'; readonly times: number }

export interface Told {
  readonly id: number
  readonly order: Order
}

/** `commands`: of data, since it began. */
export type Done =
  { readonly id: number; readonly commands: number; readonly dropped: number } | { readonly id: number; readonly failed: string }

export class MongoProcess {
  readonly url: string
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve(done: Done & { commands: number }): void; reject(error: Error): void }>()
  #next = 1

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
    child.on('message', (done: Done) => {
      const waiting = this.#waiting.get(done.id)
      this.#waiting.delete(done.id)
      if ('failed' in done) waiting?.reject(new Error(done.failed))
      else waiting?.resolve(done)
    })
    child.once('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the protocol server ended with ${code}`))
    })
  }

  static async start(): Promise<MongoProcess> {
    const child = fork(fileURLToPath(new URL('./mongo-process-main.ts', import.meta.url)), [], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const [url] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [unknown]
    if (typeof url !== 'string') throw new Error('the protocol server did not start')
    return new MongoProcess(child, url)
  }

  tell(order: Order): Promise<{ readonly commands: number; readonly dropped: number }> {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as never, reject })
      this.#child.send({ id, order } satisfies Told)
    })
  }

  /** Rejects with what it could not serve. */
  async stop(): Promise<void> {
    try {
      await this.tell({ do: 'close' })
    } finally {
      this.#child.kill('SIGKILL')
    }
  }
}
