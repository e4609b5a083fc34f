/**
 * Events to many more actors than there can be sockets: a few sockets of services send them, each actor always from the same socket,
 * numbered for each actor (CONTRACT §3: `seq` per session and actor). Closed loop.
 */
import { seeded } from '../../src/base/random.ts'
import { countCpu, type CpuUse } from '../harness/proc-stat.ts'
import { eventData } from './dialects.ts'
import { pause } from './events.ts'
import type { Fleet } from './fleet.ts'

export interface ManyActorsPlan {
  readonly outstanding: number
  readonly warmMs: number
  readonly ms: number
  readonly seed: string
  readonly pids: Readonly<Record<string, number>>
}
export interface ManyActorsResult {
  readonly rate: number
  readonly cpu: CpuUse
  /** Acknowledged since the first event. */
  readonly acknowledged: number
}

const OUTSTANDING_MAX = 512
const TIMEOUT_MS = 240_000

export class ManyActors {
  readonly #fleet: Fleet
  readonly #sequences: Uint32Array
  /** 1: an event of this actor is unanswered, so that `base` is always the number itself. */
  readonly #busy: Uint8Array
  readonly #actorOf: Uint32Array = new Uint32Array(OUTSTANDING_MAX + 1)
  readonly #free: number[] = Array.from({ length: OUTSTANDING_MAX }, (_, i) => OUTSTANDING_MAX - i)
  #acknowledged = 0
  #refused = ''
  #next: () => void = () => undefined

  constructor(fleet: Fleet, actors: number) {
    this.#fleet = fleet
    this.#sequences = new Uint32Array(actors)
    this.#busy = new Uint8Array(actors)
    fleet.onMessage = (_, message) => {
      const answered = fleet.dialect.answered(message)
      if (answered === -1) return
      if (answered < -1) this.#refused ||= message.slice(0, 300)
      const slot = answered > 0 ? answered : -2 - answered
      this.#busy[this.#actorOf[slot] as number] = 0
      this.#free.push(slot)
      if (answered > 0) this.#acknowledged++
      this.#next()
    }
  }

  /** One event to each: all are active then. */
  async touch(): Promise<void> {
    let actor = 0
    this.#next = () => {
      if (actor < this.#busy.length) this.#send(actor++)
    }
    for (let i = 0; i < OUTSTANDING_MAX; i++) this.#next()
    await this.#until(() => this.#acknowledged === this.#busy.length)
  }

  async closed(plan: ManyActorsPlan): Promise<ManyActorsResult> {
    const random = seeded(plan.seed)
    const actors = this.#busy.length
    let going = true
    this.#next = () => {
      if (!going) return
      let actor = Math.floor(random.float() * actors)
      while (this.#busy[actor] === 1) actor = (actor + 1) % actors
      this.#send(actor)
    }
    for (let i = 0; i < Math.min(plan.outstanding, actors - 1); i++) this.#next()
    await pause(plan.warmMs)
    const before = this.#acknowledged
    const start = performance.now()
    const cpu = countCpu({ ...plan.pids, load: process.pid })
    await pause(plan.ms)
    const rate = ((this.#acknowledged - before) * 1000) / (performance.now() - start)
    const used = cpu()
    going = false
    await this.#until(() => this.#free.length === OUTSTANDING_MAX)
    return { rate, cpu: used, acknowledged: this.#acknowledged }
  }

  #send(actor: number): void {
    const slot = this.#free.pop()
    if (slot === undefined) return
    this.#actorOf[slot] = actor
    this.#busy[actor] = 1
    const seq = (this.#sequences[actor] = (this.#sequences[actor] as number) + 1)
    const { dialect, size } = this.#fleet
    this.#fleet.send(actor % size, dialect.event(slot, eventData(seq), seq, seq, `user/a${actor}`))
  }

  async #until(holds: () => boolean): Promise<void> {
    const deadline = performance.now() + TIMEOUT_MS
    while (!holds()) {
      if (this.#refused !== '') throw new Error(`an event was answered ${this.#refused}`)
      if (this.#fleet.lost > 0) throw new Error(`${this.#fleet.lost} sockets were lost, the first: ${this.#fleet.firstLoss}`)
      if (performance.now() > deadline) throw new Error(`${this.#acknowledged} events were answered in ${TIMEOUT_MS} ms, and not all`)
      await pause(5)
    }
    if (this.#refused !== '') throw new Error(`an event was answered ${this.#refused}`)
  }
}
