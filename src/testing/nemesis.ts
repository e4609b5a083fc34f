/** What happens to a world by itself, as often as it is told: nodes crash and come back, freeze and thaw, lines between them are cut and mended. */
import type { Random } from '../base/random.ts'
import { Cuts, type Lines } from './cuts.ts'
import type { VirtualTime } from './virtual-time.ts'

/** All are none unless given. */
export interface FaultRates {
  /** Crashes of a node a virtual minute; it starts again within 10 s. */
  readonly crashes?: number
  /** Pauses of a whole process a virtual minute, up to 8 s each. */
  readonly freezes?: number
  /** Cuts between two nodes a virtual minute, one way or both, up to 15 s each. */
  readonly cuts?: number
  /** Of the calls to the store, 0 to 1, that fail: refused, or with an unknown outcome. */
  readonly store?: number
}

export interface Victims extends Lines {
  /** Nodes that serve and are not frozen. */
  serving(): readonly string[]
  crash(node: string): void
  restart(node: string): void
  freeze(node: string): void
  thaw(node: string): void
}

const MINUTE_MS = 60_000
const RATE_MAX = 600
const AWAY_MS = { crashes: 10_000, freezes: 8_000, cuts: 15_000 } as const

export function checkedRates(rates: FaultRates): Required<FaultRates> {
  const all = { crashes: 0, freezes: 0, cuts: 0, store: 0, ...rates }
  for (const [name, value] of Object.entries(all)) {
    const max = { crashes: RATE_MAX, freezes: RATE_MAX, cuts: RATE_MAX, store: 1 }[name]
    if (max === undefined) throw new TypeError(`simulate: there are no faults '${name}'; there are crashes, freezes, cuts, store`)
    if (!(value >= 0 && value <= max)) throw new TypeError(`simulate: faults.${name} is a number from 0 to ${max}, not ${String(value)}`)
  }
  return all
}

export class Nemesis {
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #victims: Victims
  readonly #cuts: Cuts
  /** Ends of what goes on now. */
  readonly #ends = new Set<() => void>()
  #over = false

  constructor(time: VirtualTime, rates: Required<FaultRates>, victims: Victims) {
    this.#time = time
    this.#random = time.random('nemesis')
    this.#victims = victims
    this.#cuts = new Cuts(victims)
    this.#every(rates.crashes, AWAY_MS.crashes, () => this.#crash())
    this.#every(rates.freezes, AWAY_MS.freezes, () => this.#freeze())
    this.#every(rates.cuts, AWAY_MS.cuts, () => this.#cut())
  }

  /** Nothing more happens; what goes on ends now. */
  stop(): void {
    this.#over = true
    for (const end of this.#ends) end()
    this.#ends.clear()
  }

  #every(perMinute: number, awayMs: number, strike: () => (() => void) | null): void {
    if (perMinute === 0) return
    const wait = (-Math.log(1 - this.#random.float()) * MINUTE_MS) / perMinute
    this.#time.after(wait, () => {
      if (this.#over) return
      const end = strike()
      if (end !== null) {
        this.#ends.add(end)
        this.#time.after(this.#random.float() * awayMs, () => {
          if (this.#ends.delete(end)) end()
        })
      }
      this.#every(perMinute, awayMs, strike)
    })
  }

  /** One is left alone, so that somebody serves. */
  #victim(): string | null {
    const serving = this.#victims.serving()
    return serving.length < 2 ? null : (serving[Math.floor(this.#random.float() * serving.length)] ?? null)
  }

  #crash(): (() => void) | null {
    const node = this.#victim()
    if (node === null) return null
    this.#victims.crash(node)
    return () => this.#victims.restart(node)
  }

  #freeze(): (() => void) | null {
    const node = this.#victim()
    if (node === null) return null
    this.#victims.freeze(node)
    return () => this.#victims.thaw(node)
  }

  #cut(): (() => void) | null {
    const a = this.#victim()
    const others = this.#victims.serving().filter((node) => node !== a)
    const b = others[Math.floor(this.#random.float() * others.length)]
    if (a === null || b === undefined) return null
    return this.#cuts.begin(a, b, this.#random.float() < 0.5 ? 'both' : 'one-way')
  }
}
