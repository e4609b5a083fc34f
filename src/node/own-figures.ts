/** What a node says of itself to any operator: what it holds, and how busy it was in the last seconds. */
import type { Engine } from '../actors/engine.ts'
import type { Phase } from '../admin/parts.ts'
import type { Clock, Timer } from '../base/clock.ts'

export interface NodeFigures {
  readonly phase: Phase
  /** In memory. */
  readonly actors: number
  readonly sockets: number
  readonly eventsPerSecond: number
}

export interface OwnFiguresParts {
  readonly clock: Clock
  readonly phase: () => Phase
  readonly engine: () => Pick<Engine, 'stats'>
  readonly sockets: () => number
}

const EVERY_MS = 1000
/** Shorter, and a table would flicker; longer, and it would not show what just happened. */
const OVER = 5

export class OwnFigures {
  readonly #parts: OwnFiguresParts
  /** Events taken in each of the last seconds, oldest first. */
  #taken: { readonly events: number; readonly ms: number }[] = []
  #events = 0
  #at: number
  #timer: Timer

  constructor(parts: OwnFiguresParts) {
    this.#parts = parts
    this.#at = parts.clock.mono()
    this.#timer = parts.clock.after(EVERY_MS, () => this.#tick())
  }

  now(): NodeFigures {
    const { phase, engine, sockets } = this.#parts
    return { phase: phase(), actors: engine().stats().activations, sockets: sockets(), eventsPerSecond: this.#perSecond() }
  }

  stop(): void {
    this.#timer.cancel()
  }

  #perSecond(): number {
    let [events, ms] = [0, 0]
    for (const taken of this.#taken) {
      events += taken.events
      ms += taken.ms
    }
    return ms === 0 ? 0 : Math.round((events / ms) * 10_000) / 10
  }

  #tick(): void {
    const { clock, engine } = this.#parts
    const events = engine().stats().counters['events'] ?? 0
    const at = clock.mono()
    // Fewer than before: the engine is a new one (the node was declared dead and came back), and counts from nought.
    this.#taken.push({ events: events < this.#events ? events : events - this.#events, ms: at - this.#at })
    if (this.#taken.length > OVER) this.#taken.shift()
    this.#events = events
    this.#at = at
    this.#timer = clock.after(EVERY_MS, () => this.#tick())
  }
}
