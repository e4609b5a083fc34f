/** What operators see and steer of a node without an rpc port: a cluster of one. */
import type { Engine } from '../actors/engine.ts'
import type { DrainPlan, Inspected, Located, Members, Phase, ShownNode } from '../admin/parts.ts'
import type { Figure } from '../admin/figures.ts'
import { hash32 } from '../base/random.ts'
import { fail, type Failure } from '../errors.ts'
import type { OwnFigures } from './own-figures.ts'

export type ShownAlone = Omit<ShownNode, 'state' | 'presumed' | 'phase' | 'actors' | 'sockets' | 'eventsPerSecond'>

export interface SingleAdminParts {
  readonly shown: () => ShownAlone
  readonly engine: () => Pick<Engine, 'inspect' | 'stats'>
  readonly figures: OwnFigures
  /** Begins to drain the node; returns at once. */
  readonly drain: () => void
}

export class SingleAdmin implements Members {
  readonly #parts: SingleAdminParts

  constructor(parts: SingleAdminParts) {
    this.#parts = parts
  }

  nodes(): Promise<readonly ShownNode[]> {
    return Promise.resolve([{ ...this.#parts.shown(), state: 'alive', ...this.#parts.figures.now() }])
  }

  locate(actor: string): Located | Failure {
    const { id, generation } = this.#parts.shown()
    const viewHash = hash32(`${id}@${generation}`).toString(16).padStart(8, '0')
    return this.#unknown(actor) ?? { ok: true, owner: id, viewHash }
  }

  async inspect(actor: string): Promise<Inspected | Failure> {
    const found = this.#unknown(actor) ?? (await this.#parts.engine().inspect(actor))
    return found.ok ? { ...found, node: this.#parts.shown().id } : found
  }

  drain(node: string): Promise<{ readonly ok: true; readonly phase: Phase } | Failure> {
    const stranger = this.#stranger(node)
    if (stranger !== null) return Promise.resolve(stranger)
    this.#parts.drain()
    return Promise.resolve({ ok: true, phase: this.#parts.figures.now().phase })
  }

  plan(node: string): Promise<DrainPlan | Failure> {
    const { actors, sockets } = this.#parts.figures.now()
    return Promise.resolve(this.#stranger(node) ?? { ok: true, node, moves: {}, unplaced: actors, sockets })
  }

  remove(node: string): Failure {
    return this.#stranger(node) ?? fail('refused', `node '${node}' is the one that answers: drain it instead`, { reason: 'alive' })
  }

  metrics(): readonly Figure[] {
    return []
  }

  #unknown(actor: string): Failure | null {
    const { types } = this.#parts.shown()
    const type = actor.slice(0, actor.indexOf('/'))
    return types.includes(type) ? null : fail('not_found', `there is no actor type '${type}'; this node has ${types.join(', ')}`)
  }

  #stranger(node: string): Failure | null {
    const { id } = this.#parts.shown()
    return node === id ? null : fail('not_found', `there is no node '${node}'; this one is '${id}'`)
  }
}
