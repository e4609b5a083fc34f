/**
 * A small ActorCalls for tests of what stands before the engine: every actor keeps its entries in memory, the newest number of a source
 * and the keys it has seen; a test can hold answers back, trim histories, change journals and end subscriptions.
 *
 * Events: `refuse` is refused, everything else is recorded. Queries: `count`, `echo` (its arguments), `big` (that many characters).
 * Topics: `changes` (signal), `summary` (view of the count), `feed` (log of all), `notes` (log of `note.added`).
 */
import type {
  ActorCalls,
  HistoryCall,
  HistoryEntry,
  HistoryOutcome,
  Note,
  NoteSink,
  QueryCall,
  QueryOutcome,
  SendCall,
  SendOutcome,
  Sent,
  TopicCall,
  TopicOutcome,
  Upstream,
} from '../../src/actors/calls.ts'
import { fail, type Failure } from '../../src/errors.ts'

interface FakeActor {
  journal: string
  epoch: number
  oldest: number
  entries: HistoryEntry[]
  readonly sources: Map<string, { last: number; readonly answers: Map<number, { readonly content: string; readonly sent: Sent }> }>
  readonly keys: Map<string, { readonly content: string; readonly sent: Sent }>
}

interface Followed {
  readonly actor: string
  readonly topic: string
  readonly sink: NoteSink
}

export class FakeCalls implements ActorCalls {
  readonly sends: SendCall[] = []
  readonly queries: QueryCall[] = []
  readonly histories: HistoryCall[] = []
  readonly #actors = new Map<string, FakeActor>()
  readonly #followed = new Set<Followed>()
  #held: (() => void)[] | null = null
  #failures: Failure[] = []
  everyMs = 0
  at = 1_700_000_000_000

  // ── For the test ───────────────────────────────────────────────────────────────────────────────────────────────────

  get subscribers(): number {
    return this.#followed.size
  }

  get waiting(): number {
    return this.#held?.length ?? 0
  }

  /** From now on answers wait for `release`. */
  hold(): void {
    this.#held ??= []
  }

  /** Answers what waits, and from now on at once; with `count`, so many, and goes on holding. */
  release(count?: number): void {
    const held = this.#held ?? []
    const now = count === undefined ? held : held.splice(0, count)
    if (count === undefined) this.#held = null
    for (const answer of now) answer()
  }

  /** The next call fails so. */
  failNext(failure: Failure): void {
    this.#failures.push(failure)
  }

  /** Records an entry as if somebody had sent it. */
  append(actor: string, type: string, data: unknown = null): number {
    const found = this.#actor(actor)
    const offset = found.entries.length + 1
    const entry: HistoryEntry = { offset, type, at: this.at + offset, json: JSON.stringify(data) }
    found.entries.push(entry)
    const { journal, epoch } = found
    for (const { topic, sink } of this.#of(actor)) {
      const note = noteOf(topic, entry, journal, epoch)
      if (note !== null) sink.note(note)
    }
    return offset
  }

  /** As `append`, but nobody is told: a subscriber that was cut off. */
  appendSilently(actor: string, type: string, data: unknown = null): void {
    const { entries } = this.#actor(actor)
    entries.push({ offset: entries.length + 1, type, at: this.at + entries.length + 1, json: JSON.stringify(data) })
  }

  /** A note as a superseded or new owner would send it. */
  tell(actor: string, note: Note): void {
    for (const { sink } of this.#of(actor)) sink.note(note)
  }

  trim(actor: string, oldest: number): void {
    this.#actor(actor).oldest = oldest
  }

  journal(actor: string): string {
    return this.#actor(actor).journal
  }

  newJournal(actor: string, journal: string): void {
    const found = this.#actor(actor)
    found.journal = journal
    found.entries = []
    found.epoch++
  }

  end(actor: string): void {
    for (const followed of this.#of(actor)) {
      this.#followed.delete(followed)
      followed.sink.ended()
    }
  }

  // ── ActorCalls ─────────────────────────────────────────────────────────────────────────────────────────────────────

  send(call: SendCall, done: (outcome: SendOutcome) => void): void {
    this.sends.push(call)
    this.#answer(() => done(this.#failures.shift() ?? this.#send(call)))
  }

  query(call: QueryCall, done: (outcome: QueryOutcome) => void): void {
    this.queries.push(call)
    this.#answer(() => done(this.#failures.shift() ?? this.#query(call)))
  }

  topic(call: TopicCall, done: (outcome: TopicOutcome) => void): void {
    this.#answer(() => done(this.#failures.shift() ?? this.#topic(call)))
  }

  subscribe(call: TopicCall, sink: NoteSink, done: (outcome: TopicOutcome) => void): Upstream {
    const followed: Followed = { actor: call.actor, topic: call.topic, sink }
    let closed = false
    this.#answer(() => {
      const outcome = this.#failures.shift() ?? this.#topic(call)
      if (outcome.ok && !closed) this.#followed.add(followed)
      done(outcome)
    })
    return {
      close: () => {
        closed = true
        this.#followed.delete(followed)
      },
    }
  }

  history(call: HistoryCall, done: (outcome: HistoryOutcome) => void): void {
    this.histories.push(call)
    this.#answer(() => done(this.#failures.shift() ?? this.#history(call)))
  }

  // ── Inside ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #answer(answer: () => void): void {
    if (this.#held === null) answer()
    else this.#held.push(answer)
  }

  #actor(name: string): FakeActor {
    let actor = this.#actors.get(name)
    if (actor === undefined) {
      actor = { journal: `j-${name}`, epoch: 1, oldest: 1, entries: [], sources: new Map(), keys: new Map() }
      this.#actors.set(name, actor)
    }
    return actor
  }

  #of(actor: string): Followed[] {
    return [...this.#followed].filter((followed) => followed.actor === actor)
  }

  #send(call: SendCall): SendOutcome {
    const { source, seq, key, type } = call
    const actor = this.#actor(call.actor)
    const data = call.data instanceof Uint8Array ? { $bytes: Buffer.from(call.data).toString('base64') } : call.data
    const content = JSON.stringify([type, data])
    const from = source === undefined ? null : (actor.sources.get(source) ?? { last: (call.base ?? 1) - 1, answers: new Map() })
    const before = seq !== undefined ? from?.answers.get(seq) : key !== undefined ? actor.keys.get(key) : undefined
    if (before !== undefined) return before.content === content ? { ...before.sent, duplicate: true } : fail('conflict', 'other content')
    if (from !== null && seq !== from.last + 1) return fail('out_of_order', 'a number is missing', { next: from.last + 1 })
    if (type === 'refuse') return fail('refused', 'no', { reason: 'because' })
    const sent: Sent = { ok: true, offset: this.append(call.actor, type, data ?? null), durable: true, duplicate: false }
    if (from !== null && seq !== undefined) {
      from.last = seq
      from.answers.set(seq, { content, sent })
      actor.sources.set(source as string, from)
    }
    if (key !== undefined) actor.keys.set(key, { content, sent })
    return sent
  }

  #query({ actor, name, args }: QueryCall): QueryOutcome {
    const offset = this.#actor(actor).entries.length
    switch (name) {
      case 'count':
        return { ok: true, json: String(offset), offset }
      case 'echo':
        return { ok: true, json: JSON.stringify(args ?? null), offset }
      case 'big':
        return { ok: true, json: JSON.stringify('x'.repeat(args as number)), offset }
      default:
        return fail('unknown_query', `no query '${name}'`)
    }
  }

  #topic({ actor, topic }: TopicCall): TopicOutcome {
    const { journal, epoch, entries, oldest } = this.#actor(actor)
    const common = { ok: true, journal, epoch, offset: entries.length, changed: entries.length, oldest, everyMs: this.everyMs } as const
    switch (topic) {
      case 'changes':
        return { ...common, kind: 'signal' }
      case 'summary':
        return { ...common, kind: 'view', json: `{"count":${entries.length}}` }
      case 'feed':
        return { ...common, kind: 'log', types: null }
      case 'notes':
        return { ...common, kind: 'log', types: ['note.added'] }
      default:
        return fail('unknown_topic', `no topic '${topic}'`)
    }
  }

  #history({ actor, from, limit, types }: HistoryCall): HistoryOutcome {
    const { journal, entries, oldest } = this.#actor(actor)
    const start = Math.max(from, oldest)
    const found = entries.slice(start - 1).filter(({ type }) => types === undefined || types === null || types.includes(type))
    const page = found.slice(0, limit)
    const more = found.length > limit
    const next = more ? (page.at(-1)?.offset ?? start) + 1 : Math.max(start, entries.length + 1)
    return { ok: true, entries: page, more, next, oldest, journal }
  }
}

function noteOf(topic: string, { offset, type, at, json }: HistoryEntry, journal: string, epoch: number): Note | null {
  const place = { journal, epoch, offset }
  if (topic === 'changes') return place
  if (topic === 'summary') return { ...place, json: `{"count":${offset}}` }
  if (topic === 'notes' && type !== 'note.added') return null
  return { ...place, type, at, json }
}
