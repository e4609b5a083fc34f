/**
 * The batch that is being filled (J3, J6), and what waits for it at the gate (J7). One turn after another adds to it;
 * sealing makes it bytes and nothing joins it after.
 */
import type { Failure } from '../errors.ts'
import type { FinalRefusal } from './dedupe.ts'
import type { Effect } from './effects.ts'
import type { Timer } from './memory.ts'

/** What waits for a batch: exactly one of these is called, once. */
export interface GateItem {
  /** The batch is durable. */
  released(): void
  /** The append was fenced: nothing of it may leave; ask again. `sure`: it was certainly not applied. */
  moved(sure: boolean): void
  /** The store certainly did not take it. */
  failed(failure: Failure): void
}

export interface DraftEntry {
  readonly offset: number
  readonly type: string
  readonly at: number
  readonly json: string
  readonly sender: string
}

export class Draft {
  readonly entries: DraftEntry[] = []
  readonly gate: GateItem[] = []
  /** Monotonic time of its first content, for write-behind (J9). */
  readonly begunAt: number
  marks: Map<string, number> | null = null
  effects: Effect[] | null = null
  timers: Map<string, Timer | null> | null = null
  #entries = ''
  #refusals = ''
  #done: Map<string, { seq: number; refused: number }> | null = null

  constructor(begunAt: number) {
    this.begunAt = begunAt
  }

  /** Whether it says anything that must be written. A draft may be sealed although it does not: to claim, to settle. */
  get empty(): boolean {
    return this.#entries === '' && this.#refusals === '' && this.#done === null && this.timers === null
  }

  get bytes(): number {
    return this.#entries.length + this.#refusals.length
  }

  entry(entry: DraftEntry, source: string | null, seq: number, content: number): void {
    this.entries.push(entry)
    const identity = source === null ? '' : `,${JSON.stringify(source)},${seq},${content}`
    const text = `[${JSON.stringify(entry.type)},${entry.json},${entry.at},${JSON.stringify(entry.sender)}${identity}]`
    this.#entries = this.#entries === '' ? text : `${this.#entries},${text}`
  }

  refusal(source: string, seq: number, content: number, { code, message, reason }: FinalRefusal, at: number): void {
    const text = JSON.stringify([source, seq, content, code, message, reason, at])
    this.#refusals = this.#refusals === '' ? text : `${this.#refusals},${text}`
  }

  mark(topic: string, offset: number): void {
    this.marks ??= new Map()
    this.marks.set(topic, offset)
  }

  effect(effect: Effect): void {
    this.effects ??= []
    this.effects.push(effect)
  }

  done(to: string, seq: number, refused: number): void {
    this.#done ??= new Map()
    const known = this.#done.get(to)
    if (known === undefined) this.#done.set(to, { seq, refused })
    else {
      known.seq = Math.max(known.seq, seq)
      known.refused += refused
    }
  }

  timer(name: string, timer: Timer | null): void {
    this.timers ??= new Map()
    this.timers.set(name, timer)
  }

  /** The body as JSON text (BatchBody). `owner` with a claim, `journal` where it changes. */
  body(owner: string | null, journal: string | null): string {
    const parts: string[] = []
    if (owner !== null) parts.push(`"o":${JSON.stringify(owner)}`)
    if (journal !== null) parts.push(`"j":${JSON.stringify(journal)}`)
    if (this.#entries !== '') parts.push(`"e":[${this.#entries}]`)
    if (this.#refusals !== '') parts.push(`"r":[${this.#refusals}]`)
    if (this.marks !== null) parts.push(`"t":${JSON.stringify(Object.fromEntries(this.marks))}`)
    if (this.effects !== null)
      parts.push(`"x":[${this.effects.map((e) => `[${JSON.stringify(e.to)},${e.seq},${JSON.stringify(e.type)},${e.json}]`).join(',')}]`)
    if (this.#done !== null) parts.push(`"d":${JSON.stringify(Array.from(this.#done, ([to, { seq, refused }]) => [to, seq, refused]))}`)
    if (this.timers !== null) this.#timerParts(this.timers, parts)
    return `{${parts.join(',')}}`
  }

  /** Only the outcome counts: a name set and cancelled in one batch is just gone. */
  #timerParts(timers: Map<string, Timer | null>, parts: string[]): void {
    const set: string[] = []
    const gone: string[] = []
    for (const [name, timer] of timers) {
      if (timer === null) gone.push(JSON.stringify(name))
      else
        set.push(
          `[${JSON.stringify(name)},${timer.due},${JSON.stringify(timer.type)},${timer.json}${timer.notBefore === timer.due ? '' : `,${timer.notBefore}`}]`,
        )
    }
    if (set.length > 0) parts.push(`"s":[${set.join(',')}]`)
    if (gone.length > 0) parts.push(`"c":[${gone.join(',')}]`)
  }
}
