/** The processes of a world by name: those that there are, and those that were there under the same names before. */
import { NodeProcess, type ProcessParts } from './process.ts'

export interface NodeState {
  readonly name: string
  readonly state: 'starting' | 'up' | 'frozen' | 'draining' | 'down'
  /** That are in its memory. */
  readonly actors: number
}

export class Processes {
  readonly #parts: (names: readonly string[]) => ProcessParts
  readonly #now = new Map<string, NodeProcess>()
  readonly #past: NodeProcess[] = []

  /** `parts`: what a process is made of that knows these names. */
  constructor(parts: (names: readonly string[]) => ProcessParts) {
    this.#parts = parts
  }

  /** The newest of each name. */
  get all(): readonly NodeProcess[] {
    return [...this.#now.values()]
  }

  /** Also those that ended, and were followed by another. */
  get ever(): readonly NodeProcess[] {
    return [...this.#past, ...this.#now.values()]
  }

  get names(): readonly string[] {
    return [...this.#now.keys()]
  }

  get up(): readonly NodeProcess[] {
    return this.all.filter(({ state }) => state === 'up')
  }

  get states(): readonly NodeState[] {
    return this.all.map(({ name, state, member }) => ({
      name,
      state,
      actors: state === 'down' ? 0 : (member?.engine.stats().activations ?? 0),
    }))
  }

  get(name: string): NodeProcess | undefined {
    return this.#now.get(name)
  }

  /** A further life under this name. Rejects when it does not start. */
  start(name: string): Promise<void> {
    const before = this.#now.get(name)
    if (before !== undefined) this.#past.push(before)
    const process = new NodeProcess(name, this.#past.length, this.#parts(this.names))
    this.#now.set(name, process)
    return process.start()
  }
}
