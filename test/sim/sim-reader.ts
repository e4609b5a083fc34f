/** What a client reads: queries of every kind, history, and actors and names that do not exist. */
import type { SendOutcome } from '../../src/actors/calls.ts'
import type { Random } from '../../src/base/random.ts'
import { typeOf } from './sim-app.ts'
import type { Query } from './check.ts'
import type { Entry } from './sim-cluster.ts'
import type { Sim } from './sim.ts'

/** Queries of one client under way at most. */
const OPEN_MAX = 8
/** After this a query is given up. */
const GIVEN_UP_MS = 8000

export class SimReader {
  readonly #sim: Sim
  readonly #random: Random
  #open = 0
  #ghosts = 0
  readonly #name: string
  readonly #at: Entry

  constructor(sim: Sim, name: string, at: Entry) {
    this.#at = at
    this.#sim = sim
    this.#name = name
    this.#random = sim.world.random(`reader/${name}`)
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.float() * list.length)] as T
  }

  /** `known`: the newest answer that this client got from the actor. */
  query(actor: string, known: SendOutcome | null): void {
    if (this.#open >= OPEN_MAX) return
    const draw = this.#random.float()
    const atLeast = draw < 0.3 && known?.ok === true && typeOf(actor).durable ? known.offset : undefined
    const name = this.#random.float() < 0.1 ? 'ids' : 'sum'
    const call = { actor, name, args: null, ...(draw > 0.6 && { strict: true }), ...(atLeast !== undefined && { atLeast }) }
    this.#ask({ actor, call, beganUs: this.#sim.world.nowUs })
  }

  /** A made-up actor, and made-up names. */
  ghost(): void {
    const actor = `counter/ghost-${this.#name}-${this.#ghosts++}`
    const name = this.#pick(['sum', 'constructor', '__proto__'])
    this.#ask({ actor, call: { actor, name, args: null, strict: this.#random.float() < 0.5 }, beganUs: this.#sim.world.nowUs })
  }

  #ask(query: Query): void {
    const sim = this.#sim
    const to = sim.route(query.actor, this.#random, 1, this.#at)
    this.#open++
    let open = true
    const close = (): void => {
      if (open) this.#open--
      open = false
    }
    sim.world.after(GIVEN_UP_MS, close)
    sim.carry(this.#random, () =>
      sim.reach(to, (life) => {
        life.calls.query(query.call, (outcome) => {
          if (!life.alive) return
          sim.world.note('answer', query.actor, life.id, outcome.ok ? outcome.offset : outcome.code)
          if (sim.cluster === null) for (const answered of sim.hooks.answered) answered(query, outcome, life)
          sim.carry(this.#random, () => {
            close()
            for (const queried of sim.hooks.queried) queried(query, outcome)
          })
        })
        sim.world.settled()
      }),
    )
  }

  /** A page from somewhere. */
  history(actor: string): void {
    const sim = this.#sim
    const newest = sim.ledger(actor)?.durableOffset ?? 0
    const call = { actor, from: 1 + Math.floor(this.#random.float() * newest), limit: 1 + Math.floor(this.#random.float() * 20) }
    const to = sim.route(actor, this.#random, 1, this.#at)
    sim.carry(this.#random, () =>
      sim.reach(to, (life) => {
        life.calls.history(call, (outcome) => {
          if (!life.alive) return
          sim.world.note('history', actor, life.id, outcome.ok ? outcome.entries.length : outcome.code)
          if (outcome.ok && sim.cluster === null) for (const paged of sim.hooks.paged) paged(call, outcome)
        })
        sim.world.settled()
      }),
    )
  }
}
