/**
 * Exactly once in (DESIGN D1–D3): what an actor remembers of those who sent to it. Pure: the same calls give the same table,
 * live and on folding.
 *
 *  - A session or service names a source and a contiguous sequence. Only the next number is new; a repeat gets the first answer.
 *  - A key stands alone. A repeat gets the first answer.
 *  - A sender actor is remembered by one number, for ever, in pages (pages.ts), and by which of those it may still ask about were refused.
 *  - The same number or key with other content is a conflict: `content` is a hash of (type, data).
 */
import type { ErrorCode } from '../errors.ts'
import type { ActorDefinition } from './define.ts'
import { SenderPages } from './pages.ts'

export interface Answer {
  readonly seq: number
  readonly content: number
  /** Offset of the entry; 0 for a final refusal. */
  readonly offset: number
  readonly refusal: FinalRefusal | null
}

export interface FinalRefusal {
  readonly code: ErrorCode
  readonly message: string
  readonly reason: string
}

export type Judgement =
  | { readonly kind: 'new' }
  | { readonly kind: 'repeat'; readonly answer: Answer }
  /** Answered long ago; the answer itself is no longer kept. */
  | { readonly kind: 'old' }
  | { readonly kind: 'conflict' }
  /** New, but more numbers are unanswered than answers are kept: a repeat of the oldest could not be answered (D3). */
  | { readonly kind: 'window' }
  | { readonly kind: 'hole'; readonly next: number }

interface Source {
  readonly name: string
  last: number
  usedAt: number
  /** Oldest first; at most `answersKept`. */
  answers: Answer[]
}

export interface DedupeLimits {
  readonly answersKept: number
  readonly keysKept: number
  readonly dedupeTtlMs: number
  /** Keys beyond the newest `keysKept` go after `forMs` of monotonic time: no jump of a clock makes a repeat new. */
  readonly record?: { readonly keysKept: number; readonly forMs: number }
}

interface Key {
  readonly usedAt: number
  readonly answer: Answer
  /** Monotonic time of the first `expire` that met it. */
  since?: number
}

export interface DedupeSnapshot {
  /** [source, last, usedAt, [seq, content, offset, refusal?][]][] */
  readonly s: readonly (readonly [string, number, number, readonly AnswerTuple[]])[]
  /** [key, usedAt, answer][] in order of use */
  readonly k: readonly (readonly [string, number, AnswerTuple])[]
  /** Sender actors, where they are not in pages: in the one record of a 'replace' actor. */
  readonly a?: readonly (readonly [string, number])[]
  /** Refusals of sender actors. */
  readonly r?: readonly (readonly [string, readonly AnswerTuple[]])[]
}
type AnswerTuple = readonly [seq: number, content: number, offset: number, refusal?: readonly [ErrorCode, string, string]]

/** What is kept for actors of a type: of one without history, whose one record is written whole with each event, fewer keys. */
export function dedupeLimits(
  options: DedupeLimits & { readonly recordKeysKept: number; readonly recordKeysMs: number },
  { history }: ActorDefinition,
): DedupeLimits {
  if (history !== 'none') return options
  const { answersKept, keysKept, dedupeTtlMs, recordKeysKept, recordKeysMs } = options
  return { answersKept, keysKept, dedupeTtlMs, record: { keysKept: recordKeysKept, forMs: recordKeysMs } }
}

const MANY = 8
/** A source that says its `base` may have so many times `answersKept` unanswered: each of them can be asked again, and is kept for that. */
const WINDOWS = 16

const NEW: Judgement = Object.freeze({ kind: 'new' })
const OLD: Judgement = Object.freeze({ kind: 'old' })
const WINDOW: Judgement = Object.freeze({ kind: 'window' })
const CONFLICT: Judgement = Object.freeze({ kind: 'conflict' })

export function isActorSource(source: string): boolean {
  return source.startsWith('actor:')
}

export class Dedupe {
  readonly #limits: DedupeLimits
  /** Few in most actors: an array, searched; from MANY on with an index beside it. Each part is made when it is needed: there may be a million idle actors. */
  #sources: Source[] = []
  #index: Map<string, Source> | null = null
  #keys: Map<string, Key> | null = null
  #senders: SenderPages | null
  /** Final refusals of sender actors' numbers, until `base` says that they arrived. */
  #refusedSenders: Map<string, Answer[]> | null = null

  constructor(limits: DedupeLimits, senders: SenderPages | null = null) {
    this.#limits = limits
    this.#senders = senders
  }

  #source(name: string): Source | undefined {
    if (this.#index !== null) return this.#index.get(name)
    for (const source of this.#sources) if (source.name === name) return source
    return undefined
  }

  #add(source: Source): void {
    // The first one in an array of one: pushed to an empty one it would bring room for sixteen more, at every idle actor.
    if (this.#sources.length === 0) this.#sources = [source]
    else this.#sources.push(source)
    if (this.#index !== null) this.#index.set(source.name, source)
    else if (this.#sources.length >= MANY) this.#index = new Map(this.#sources.map((known) => [known.name, known]))
  }

  #lastOf(sender: string): number {
    return this.#senders?.last(sender) ?? 0
  }

  /** The changed pages of sender actors (D3), once. */
  takeDirtyPages(): Map<number, Uint8Array> | null {
    return this.#senders?.takeDirty() ?? null
  }

  /** These pages are not in the store as they were taken: the next snapshot brings them again. */
  pagesChanged(pages: Iterable<number>): void {
    this.#senders?.changed(pages)
  }

  /**
   * Whether (source, seq) or a key (seq 0) is new. `base` (0: not said): all below it was finally answered, by an owner whose answer may have been
   * lost with its memory (write-behind, J9) or forgotten (D3); so the number due is never below it.
   */
  judge(source: string, seq: number, content: number, base: number): Judgement {
    if (seq === 0) {
      const known = this.#keys?.get(source)
      if (known === undefined) return NEW
      return known.answer.content === content ? { kind: 'repeat', answer: known.answer } : CONFLICT
    }
    if (isActorSource(source)) {
      const last = Math.max(this.#lastOf(source), base - 1)
      if (seq === last + 1) return NEW
      if (seq > last) return { kind: 'hole', next: last + 1 }
      const refused = this.#refusedSenders?.get(source)?.find((answer) => answer.seq === seq)
      return refused === undefined ? OLD : { kind: 'repeat', answer: refused }
    }
    const known = this.#source(source)
    if (known === undefined) return seq === Math.max(1, base) ? NEW : { kind: 'hole', next: Math.max(1, base) }
    const last = Math.max(known.last, base - 1)
    if (seq === last + 1) return base > 0 && seq - base >= this.#limits.answersKept * WINDOWS ? WINDOW : NEW // D1: only the next
    if (seq > last) return { kind: 'hole', next: last + 1 }
    const answer = known.answers.find((kept) => kept.seq === seq)
    if (answer === undefined) return OLD
    return answer.content === content ? { kind: 'repeat', answer } : CONFLICT
  }

  /** The number that is due from a source; `base` if it is not known. */
  next(source: string, base: number): number {
    if (isActorSource(source)) return Math.max(this.#lastOf(source) + 1, base)
    const known = this.#source(source)
    return known === undefined ? Math.max(1, base) : Math.max(known.last + 1, base)
  }

  /** Remembers an answer. Answers below `base` are known to have arrived, and are dropped. */
  remember(source: string, answer: Answer, at: number, base = 0): void {
    if (answer.seq === 0) {
      this.#keys ??= new Map()
      this.#keys.set(source, { usedAt: at, answer })
      this.#keepNewestKeys()
      return
    }
    if (isActorSource(source)) {
      this.#senders ??= new SenderPages()
      this.#senders.set(source, Math.max(this.#lastOf(source), answer.seq))
      this.#rememberRefusals(source, answer, base)
      return
    }
    const known = this.#source(source)
    if (known === undefined) {
      this.#add({ name: source, last: answer.seq, usedAt: at, answers: [answer] })
      return
    }
    known.last = Math.max(known.last, answer.seq) // a fold meets a batch's entries before its refusals
    known.usedAt = at
    const { answers } = known
    answers.push(answer)
    let drop = Math.max(0, answers.length - this.#limits.answersKept * (base > 0 ? WINDOWS : 1))
    while (drop < answers.length - 1 && (answers[drop] as Answer).seq < base) drop++
    if (drop > 0) answers.splice(0, drop)
  }

  /** Forgets what was not used for the time stated (D3), by `dropTime`. Called before a snapshot, so that both stay in step. */
  expire(dropTime: number, mono: number): void {
    const before = dropTime - this.#limits.dedupeTtlMs
    if (this.#sources.some(({ usedAt }) => usedAt < before)) {
      this.#sources = this.#sources.filter(({ usedAt }) => usedAt >= before)
      this.#index = this.#sources.length >= MANY ? new Map(this.#sources.map((known) => [known.name, known])) : null
    }
    for (const [key, { usedAt }] of this.#keys ?? []) {
      if (usedAt >= before) break // in order of use
      this.#keys?.delete(key)
    }
    if (this.#limits.record !== undefined) this.#expireRecord(this.#limits.record, mono)
  }

  #expireRecord({ keysKept, forMs }: NonNullable<DedupeLimits['record']>, mono: number): void {
    const keys = this.#keys
    let surplus = (keys?.size ?? 0) - keysKept
    keys?.forEach((known, key) => {
      known.since ??= mono
      if (surplus-- > 0 && mono - known.since >= forMs) keys.delete(key)
    })
  }

  get empty(): boolean {
    return this.#sources.length === 0 && (this.#keys?.size ?? 0) === 0 && this.#senders === null
  }

  snapshot(withSenders: boolean): DedupeSnapshot {
    return {
      ...(this.#refusedSenders !== null && {
        r: Array.from(this.#refusedSenders, ([source, answers]) => [source, answers.map(toTuple)] as const),
      }),
      ...(withSenders && this.#senders !== null && { a: this.#senders.all() }),
      s: this.#sources.map(({ name, last, usedAt, answers }) => [name, last, usedAt, answers.map(toTuple)] as const),
      k: Array.from(this.#keys ?? [], ([key, { usedAt, answer }]) => [key, usedAt, toTuple(answer)] as const),
    }
  }

  static restore(limits: DedupeLimits, stored: DedupeSnapshot | undefined, pages: ReadonlyMap<number, Uint8Array>): Dedupe | null {
    if (stored === undefined && pages.size === 0) return null
    const dedupe = new Dedupe(limits, pages.size === 0 ? null : SenderPages.restore(pages))
    for (const [source, seq] of stored?.a ?? []) (dedupe.#senders ??= new SenderPages()).set(source, seq)
    for (const [source, last, usedAt, answers] of stored?.s ?? [])
      dedupe.#add({ name: source, last, usedAt, answers: answers.map(fromTuple) })
    for (const [source, answers] of stored?.r ?? []) (dedupe.#refusedSenders ??= new Map()).set(source, answers.map(fromTuple))
    if (stored !== undefined && stored.k.length > 0) {
      const keys = new Map<string, Key>()
      // There may be thousands: by index, which is several times as fast as taking each apart.
      for (const tuple of stored.k) keys.set(tuple[0], { usedAt: tuple[1], answer: fromTuple(tuple[2]) })
      dedupe.#keys = keys
    }
    dedupe.#keepNewestKeys() // it may have been written under a higher limit
    return dedupe
  }

  #rememberRefusals(source: string, answer: Answer, base: number): void {
    if (this.#refusedSenders === null && answer.refusal === null) return
    this.#refusedSenders ??= new Map()
    const kept = (this.#refusedSenders.get(source) ?? []).filter(({ seq }) => seq >= base)
    if (answer.refusal !== null) kept.push(answer)
    if (kept.length > 0) this.#refusedSenders.set(source, kept)
    else this.#refusedSenders.delete(source)
  }

  #keepNewestKeys(): void {
    for (const key of this.#keys?.keys() ?? []) {
      if ((this.#keys?.size ?? 0) <= this.#limits.keysKept) return
      this.#keys?.delete(key)
    }
  }
}

function toTuple({ seq, content, offset, refusal }: Answer): AnswerTuple {
  return refusal === null ? [seq, content, offset] : [seq, content, offset, [refusal.code, refusal.message, refusal.reason]]
}

function fromTuple(tuple: AnswerTuple): Answer {
  const seq = tuple[0]
  const content = tuple[1]
  const offset = tuple[2]
  const refusal = tuple[3]
  return { seq, content, offset, refusal: refusal === undefined ? null : { code: refusal[0], message: refusal[1], reason: refusal[2] } }
}
