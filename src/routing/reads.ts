/**
 * Requests that only read (D11), and subscribes, asked of whoever owns the actor. Each goes its own way: asked again after `moved` or a lost
 * link, until its time is over. `strict` and `atLeast` go along as they are.
 */
import type { Clock } from '../base/clock.ts'
import type { DeadlineList, Deadlines, Waiting } from '../base/deadline.ts'
import { guarded } from '../base/guard.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { fail, type Failure } from '../errors.ts'
import type { Options } from '../options.ts'
import type { AskingLink, LinkRequest } from './asking-link.ts'
import type { ByteWriter } from './bytes.ts'
import type { RoutingCounters } from './counters.ts'
import type { AnswerFrame } from './link-frames.ts'
import type { Links } from './links.ts'
import type { Local } from './local.ts'
import type { LocalEngine } from './ports.ts'
import { CLOSING, FULL, movedOf, repeatWaitMs, unowned, type Moved } from './repeats.ts'
import type { Routes } from './routes.ts'

export interface ReadParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: Options
  readonly deadlines: Deadlines
  readonly routes: Routes
  readonly links: Links
  readonly local: Local
  readonly counters: RoutingCounters
  knowsType(type: string): boolean
}

/** One kind of read: how it is asked here and there. */
export interface ReadKind<Call, Good extends Answer> {
  write(out: ByteWriter, id: number, timeoutMs: number, call: Call): void
  /** The answer of another node, other than `moved`. */
  outcome(frame: AnswerFrame): Good | Failure
  here(engine: LocalEngine, call: Call, done: (outcome: Good | Failure) => void, local: Local): void
  /** An answer came when nobody waited any more. */
  late?(frame: AnswerFrame, link: AskingLink): void
}

export type Answer = { readonly ok: true }
type ReadCall = { readonly actor: string; readonly timeoutMs?: number }

const LATE = fail('timeout', 'no answer in time: ask again')

export class Reads {
  readonly #parts: ReadParts
  readonly #open = new Set<Read<never, never>>()
  readonly #resting = new Set<Read<never, never>>()
  #closed = false

  constructor(parts: ReadParts) {
    this.#parts = parts
  }

  /** Not answered yet. */
  get pending(): number {
    return this.#open.size
  }

  /** `done` hears from which link the answer came; null: from this node. */
  take<Call extends ReadCall, Good extends Answer>(
    kind: ReadKind<Call, Good>,
    call: Call,
    done: (outcome: Good | Failure, link: AskingLink | null, id: number) => void,
  ): void {
    const { options, counters, deadlines } = this.#parts
    if (this.#closed) return done(CLOSING, null, 0)
    if (this.#open.size >= options.forwardedEvents) {
      counters.overloaded++
      return done(FULL, null, 0)
    }
    const read = new Read(this, kind, call, done)
    this.#open.add(read as never)
    deadlines.begin(read, call.timeoutMs ?? options.sendTimeoutMs)
    this.ask(read)
  }

  placed(): void {
    for (const read of [...this.#resting]) this.#resume(read)
  }

  close(): void {
    this.#closed = true
    for (const read of [...this.#open]) this.finish(read, CLOSING, null)
  }

  now(): number {
    return this.#parts.clock.mono()
  }

  ask<Call extends ReadCall, Good extends Answer>(read: Read<Call, Good>): void {
    const { routes, local, links, counters } = this.#parts
    const { actor } = read.call
    counters.asked++
    if (read.minVersion === 0 && local.has(actor)) return this.#here(read)
    const target = routes.targetOf(actor, read.minVersion, read.hint)
    read.hint = ''
    switch (target) {
      case 'self':
        return this.#here(read)
      case 'gone':
        return this.#rest(read)
      case 'nobody':
        return this.finish(read, unowned(actor, this.#parts.knowsType), null)
    }
    const link = links.to(target)
    if (link === null) return this.finish(read, CLOSING, null)
    if (link.ask(read)) return
    counters.overloaded++
    this.finish(read, FULL, null)
  }

  #here<Call extends ReadCall, Good extends Answer>(read: Read<Call, Good>): void {
    this.#parts.local.read(read.call.actor, (engine) => {
      if (read.over) return
      if (engine === null) return this.again(read, { owner: '', minVersion: 0 })
      const answered = (outcome: Good | Failure): void => {
        if (read.over) return
        const moved = movedOf(outcome)
        const nowhere = !outcome.ok && outcome.code === 'unavailable' && this.#parts.routes.mine(read.call.actor)
        if (moved === null || nowhere) this.finish(read, outcome, null)
        else this.again(read, moved)
      }
      read.kind.here(engine, { ...read.call, timeoutMs: read.leftMs }, answered, this.#parts.local)
    })
  }

  /** After `moved`, or null: after its link was lost. */
  again<Call extends ReadCall, Good extends Answer>(read: Read<Call, Good>, moved: Moved | null): void {
    const { counters } = this.#parts
    if (moved === null) counters.repeatsLost++
    else {
      counters.repeatsMoved++
      read.hint = moved.owner
      read.minVersion = Math.max(read.minVersion, moved.minVersion)
    }
    this.#rest(read)
  }

  #rest<Call extends ReadCall, Good extends Answer>(read: Read<Call, Good>): void {
    const { clock, random } = this.#parts
    const wait = repeatWaitMs(read.attempt++, random)
    if (wait === 0) {
      this.ask(read)
      return
    }
    this.#resting.add(read as never)
    read.rest = clock.after(wait, () => this.#resume(read))
  }

  #resume<Call extends ReadCall, Good extends Answer>(read: Read<Call, Good>): void {
    read.rest?.cancel()
    read.rest = null
    if (this.#resting.delete(read as never) && !read.over) this.ask(read)
  }

  late<Call extends ReadCall, Good extends Answer>(read: Read<Call, Good>): void {
    this.#parts.counters.timeouts++
    this.finish(read, LATE, null)
  }

  finish<Call extends ReadCall, Good extends Answer>(
    read: Read<Call, Good>,
    outcome: Good | Failure,
    link: AskingLink | null,
    id = 0,
  ): void {
    read.over = true
    read.rest?.cancel()
    this.#resting.delete(read as never)
    this.#open.delete(read as never)
    this.#parts.deadlines.end(read)
    guarded(this.#parts.log, 'an answer', () => read.done(outcome, link, id))
  }
}

class Read<Call extends ReadCall, Good extends Answer> implements LinkRequest, Waiting {
  readonly kind: ReadKind<Call, Good>
  readonly call: Call
  readonly done: (outcome: Good | Failure, link: AskingLink | null, id: number) => void
  readonly #reads: Reads
  over = false
  attempt = 0
  hint = ''
  minVersion = 0
  rest: { cancel(): void } | null = null
  list: DeadlineList | null = null
  expiresAt: number = 0
  before: Waiting | null = null
  after: Waiting | null = null

  constructor(
    reads: Reads,
    kind: ReadKind<Call, Good>,
    call: Call,
    done: (outcome: Good | Failure, link: AskingLink | null, id: number) => void,
  ) {
    this.#reads = reads
    this.kind = kind
    this.call = call
    this.done = done
  }

  get bytes(): number {
    return 256
  }

  get leftMs(): number {
    return Math.max(1, Math.ceil(this.expiresAt - this.#reads.now()))
  }

  write(out: ByteWriter, id: number): void {
    this.kind.write(out, id, this.leftMs, this.call)
  }

  answered(frame: AnswerFrame, link: AskingLink): void {
    if (this.over) this.kind.late?.(frame, link)
    else if (frame.t === 'moved') this.#reads.again(this, frame)
    else {
      const outcome = this.kind.outcome(frame)
      const moved = movedOf(outcome)
      if (moved === null) return this.#reads.finish(this, outcome, link, frame.id)
      this.kind.late?.(frame, link)
      this.#reads.again(this, moved)
    }
  }

  lost(): void {
    if (!this.over) this.#reads.again(this, null)
  }

  expired(): void {
    this.#reads.late(this)
  }
}
