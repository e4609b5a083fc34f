/**
 * The subscribers of one activation and what they are told (DESIGN D6, D7). Nothing is told before it is durable (J7);
 * a sink gets only offsets above the one it was registered at, so that nothing comes twice.
 */
import type { Timer } from '../base/clock.ts'
import { guarded } from '../base/guard.ts'
import type { Note, NoteSink } from './calls.ts'
import { changed, freshDebounce, sent, type Debounce } from './debounce.ts'
import type { ActorDefinition, Topic } from './define.ts'
import type { DraftEntry, GateItem } from './draft.ts'
import type { Host } from './host.ts'
import type { ActorMemory } from './memory.ts'

const RETRY_FIRST_MS = 1000
const RETRY_MAX_MS = 60_000

/** The activation, as its topics see it. */
export interface TopicOwner {
  readonly id: string
  readonly definition: ActorDefinition
  readonly journal: string
  readonly claimedEpoch: number
  /** Newest offset in memory, which may not be durable yet. */
  readonly headOffset: number
  readonly showable: boolean
  gate(item: GateItem): void
  /** A view's value of the memory as it is, encoded; null if the projection failed. */
  project(topic: string): string | null
}

interface Followed {
  readonly name: string
  readonly topic: Topic
  readonly everyMs: number
  /** Sink → offset it already knows. */
  readonly sinks: Map<NoteSink, number>
  readonly debounce: Debounce
  timer: Timer | null
  /** A view's value is at the gate. */
  atGate: boolean
  /** A view's time has come while the state could not be shown. */
  overdue: boolean
  /** The view failed so many times in a row: its subscribers are behind. */
  failures: number
  /** When it failed, it is tried again, for it may have failed by something else than the state. */
  retry: Timer | null
  lastJson: string | null
}

export class Topics {
  readonly #owner: TopicOwner
  readonly #host: Host
  readonly #followed = new Map<string, Followed>()
  count = 0

  constructor(owner: TopicOwner, host: Host) {
    this.#owner = owner
    this.#host = host
  }

  add(name: string, topic: Topic, sink: NoteSink, knows: number): void {
    let followed = this.#followed.get(name)
    if (followed === undefined) {
      const everyMs = topic.kind === 'log' ? 0 : (topic.everyMs ?? this.#host.options.notifyEveryMs)
      followed = {
        name,
        topic,
        everyMs,
        sinks: new Map(),
        debounce: freshDebounce(),
        timer: null,
        atGate: false,
        overdue: false,
        failures: 0,
        retry: null,
        lastJson: null,
      }
      this.#followed.set(name, followed)
    }
    if (!followed.sinks.has(sink)) this.count++
    followed.lastJson = null // this one was answered a value that the others may not have: the next is told whatever it is
    followed.sinks.set(sink, knows)
  }

  remove(name: string, sink: NoteSink): void {
    const followed = this.#followed.get(name)
    if (followed === undefined || !followed.sinks.delete(sink)) return
    this.count--
    if (followed.sinks.size > 0) return
    followed.timer?.cancel()
    followed.retry?.cancel()
    this.#followed.delete(name)
  }

  /** These entries and marks are durable (or, write-behind, taken). */
  durable(entries: readonly DraftEntry[], marks: ReadonlyMap<string, number> | null): void {
    for (const followed of this.#followed.values()) {
      switch (followed.topic.kind) {
        case 'log':
          this.#entries(followed, followed.topic.types, entries)
          break
        case 'signal': {
          const offset = marks?.get(followed.name)
          if (offset !== undefined) this.#change(followed, offset)
          break
        }
        case 'view': {
          const last = entries.at(-1)
          if (last !== undefined) this.#change(followed, last.offset)
          break
        }
      }
    }
  }

  /** The state can be shown again. */
  resume(): void {
    for (const followed of this.#followed.values()) if (followed.overdue) this.#sendView(followed)
  }

  /** The activation is over: each sink hears it once. */
  end(): void {
    for (const followed of this.#followed.values()) {
      followed.timer?.cancel()
      followed.retry?.cancel()
      for (const sink of followed.sinks.keys()) guarded(this.#host.log, 'a subscriber', () => sink.ended())
      followed.sinks.clear()
    }
    this.#followed.clear()
    this.count = 0
  }

  #entries(followed: Followed, types: readonly string[] | null, entries: readonly DraftEntry[]): void {
    for (const { offset, type, at, json } of entries)
      if (types === null || types.includes(type)) this.#tell(followed, { ...this.#place(offset), type, at, json })
  }

  #change(followed: Followed, offset: number): void {
    const wait = changed(followed.debounce, offset, this.#host.clock.mono(), followed.everyMs)
    if (wait === null || followed.atGate) return
    if (wait === 0) this.#send(followed)
    else if (followed.timer === null)
      followed.timer = this.#host.clock.after(wait, () => {
        followed.timer = null
        if (!this.#host.dead) this.#send(followed)
      })
  }

  #send(followed: Followed): void {
    if (followed.topic.kind === 'view') {
      this.#sendView(followed)
      return
    }
    const offset = sent(followed.debounce, this.#host.clock.mono())
    if (offset > 0) this.#tell(followed, this.#place(offset))
  }

  /** Encoded now, told when what it shows is durable. Changes meanwhile stay waiting and go out in the next window (D7). */
  #sendView(followed: Followed): void {
    followed.overdue = !this.#owner.showable
    if (followed.overdue) return
    const json = this.#owner.project(followed.name)
    if (json === null) {
      this.#failed(followed)
      return
    }
    followed.failures = 0
    followed.retry?.cancel()
    followed.retry = null
    const offset = this.#owner.headOffset
    followed.atGate = true
    this.#owner.gate({
      released: () => {
        followed.atGate = false
        const waiting = sent(followed.debounce, this.#host.clock.mono())
        if (json !== followed.lastJson) {
          followed.lastJson = json
          this.#tell(followed, { ...this.#place(offset), json })
        }
        if (waiting > offset) this.#change(followed, waiting)
      },
      moved: () => undefined,
      failed: () => undefined,
    })
  }

  /** Subscribers stay, and get the next value that works: at the next change, or when the view is tried again, ever more rarely. */
  #failed(followed: Followed): void {
    sent(followed.debounce, this.#host.clock.mono())
    if (followed.retry !== null) return
    const wait = Math.min(RETRY_FIRST_MS * 2 ** Math.min(followed.failures++, 16), RETRY_MAX_MS)
    followed.retry = this.#host.clock.after(wait, () => {
      followed.retry = null
      if (!this.#host.dead && !followed.atGate && followed.sinks.size > 0) this.#sendView(followed)
    })
  }

  #place(offset: number): Note {
    return { journal: this.#owner.journal, epoch: this.#owner.claimedEpoch, offset }
  }

  #tell(followed: Followed, note: Note): void {
    for (const [sink, knows] of followed.sinks) {
      if (note.offset <= knows) continue
      this.#host.counters.notes++
      followed.sinks.set(sink, note.offset)
      guarded(this.#host.log, 'a subscriber', () => sink.note(note))
    }
  }
}

/** A view's value of the memory as it is, encoded; null if it failed, which is counted and logged. */
export function projectView(
  host: Host,
  { id, definition, memory }: { readonly id: string; readonly definition: ActorDefinition; readonly memory: ActorMemory },
  topic: string,
): string | null {
  const view = definition.topics.get(topic)
  if (view?.kind !== 'view') return null
  try {
    const value = view.project(memory.state)
    if (!(value instanceof Promise)) return (JSON.stringify(value) as string | undefined) ?? 'null'
    value.catch(() => undefined)
    throw new TypeError('it returned a promise: views are synchronous')
  } catch (error) {
    host.counters.viewFailures++
    host.log.error({ actor: id, topic }, `the view failed, its subscribers are behind until it works again: ${String(error)}`)
    return null
  }
}
