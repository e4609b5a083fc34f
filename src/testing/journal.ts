/** What the store of a world really holds of an actor, read past all faults: its entries, its hash chain, and what they fold to. */
import { parseActorId } from '../actors/actor-id.ts'
import { openBatch, readHeader, type EffectBody, type EntryBody, type RefusalBody } from '../actors/batch.ts'
import { dedupeLimits } from '../actors/dedupe.ts'
import type { ActorDefinition, App } from '../actors/define.ts'
import { fold, type FoldOutcome, type FoldParts } from '../actors/fold.ts'
import { TurnContext } from '../actors/turn.ts'
import { walkChain, type ChainVerdict } from '../actors/chain.ts'
import type { Options } from '../options.ts'
import type { Loaded, Store, StoredBatch } from '../store/store.ts'
import { elsewhere } from '../base/elsewhere.ts'

const PAGE = 1000

export interface JournalEntry {
  readonly offset: number
  readonly body: EntryBody
}

export interface Journal {
  readonly actor: string
  readonly definition: ActorDefinition
  readonly chain: ChainVerdict
  /** Those that are still kept, oldest first. */
  readonly entries: readonly JournalEntry[]
  readonly refusals: readonly RefusalBody[]
  readonly effects: readonly EffectBody[]
  /** Set and neither fired nor cancelled, by name; of a journal that is whole. */
  readonly timers: ReadonlyMap<string, { readonly due: number; readonly type: string }>
  /** No batch is missing or emptied: entries are all that there ever were. */
  readonly whole: boolean
  readonly loaded: Loaded
  /** All batches, where the journal is whole: to fold without a snapshot. */
  readonly batches: readonly StoredBatch[]
}

export class Journals {
  readonly #store: Store
  readonly #app: App
  readonly #options: Options
  readonly #turn: TurnContext
  /** What was read, and what it folds to: looked at many times while a world comes to rest. */
  readonly #read = new Map<string, Journal>()
  readonly #folds = new WeakMap<Journal, FoldOutcome>()
  readonly #impure = new WeakMap<Journal, string | null>()

  constructor(store: Store, app: App, options: Options) {
    this.#store = store
    this.#app = app
    this.#options = options
    this.#turn = new TurnContext((type) => app.byType.get(type), options.eventBytes)
  }

  async actors(): Promise<readonly string[]> {
    const names: string[] = []
    for (;;) {
      const page = await this.#store.actors(names.at(-1) ?? null, PAGE)
      names.push(...page)
      if (page.length < PAGE) return names
    }
  }

  async read(actor: string): Promise<Journal | null> {
    const id = parseActorId(actor)
    const definition = 'wrong' in id ? undefined : this.#app.byType.get(id.type)
    const loaded = await this.#store.load(actor)
    if (definition === undefined || loaded === null) return null
    const known = this.#read.get(actor)
    if (known !== undefined && known.loaded.n === loaded.n && known.loaded.snapshot?.n === loaded.snapshot?.n) return known
    const [entries, refusals, effects, batches]: [JournalEntry[], RefusalBody[], EffectBody[], StoredBatch[]] = [[], [], [], []]
    let whole = definition.history !== 'none'
    const timers = new Map<string, { due: number; type: string }>()
    for (let after = 0; whole || after === 0;) {
      const page = await this.#store.walk(actor, after, PAGE)
      for (const { n, bytes } of page) {
        after = n
        const opened = bytes === null ? null : openBatch(bytes)
        if (bytes === null || opened === null) whole = false
        else {
          const { header, body } = opened
          body.e?.forEach((entry, i) => entries.push({ offset: header.firstOffset + i, body: entry }))
          refusals.push(...(body.r ?? []))
          effects.push(...(body.x ?? []))
          for (const name of body.c ?? []) timers.delete(name)
          for (const [name, due, type] of body.s ?? []) timers.set(name, { due, type })
          batches.push({ n, commitId: header.commitId, bytes })
        }
      }
      if (page.length < PAGE) break
    }
    const chain = await walkChain(this.#store, actor)
    const journal: Journal = { actor, definition, chain, entries, refusals, effects, timers, whole, loaded, batches }
    this.#read.set(actor, journal)
    return journal
  }

  /** As a node would fold it, from the newest snapshot. */
  folded(journal: Journal): FoldOutcome {
    let outcome = this.#folds.get(journal)
    if (outcome === undefined) this.#folds.set(journal, (outcome = this.#fold(journal)))
    return outcome
  }

  /** As it was at this offset; null: that cannot be told any more, or no batch ends there. */
  foldedAt(journal: Journal, offset: number): FoldOutcome | null {
    const count = journal.batches.findLastIndex(({ bytes }) => endOf(bytes) <= offset) + 1
    if (!journal.whole || count === 0 || endOf((journal.batches[count - 1] as StoredBatch).bytes) !== offset) return null
    return this.#prefix(journal, count)
  }

  /** What is wrong with the reducers, as this journal shows it: it is folded from its beginning where it can be, here and elsewhere. */
  impurity(journal: Journal): string | null {
    let found = this.#impure.get(journal)
    if (found === undefined) this.#impure.set(journal, (found = this.#impurity(journal)))
    return found
  }

  #impurity(journal: Journal): string | null {
    const here = this.#fold(journal)
    if (here.kind !== 'folded') return why(journal.actor, here)
    const there = elsewhere(() => this.#fold(journal))
    if (there.kind !== 'folded') return why(journal.actor, there)
    const differs = json(here.memory.state) !== json(there.memory.state)
    if (!journal.whole) return differs ? `the reducers of ${journal.actor} gave two states for the same entries; ${MAY_USE}` : null
    const first = this.#prefix(journal, journal.batches.length)
    if (first.kind !== 'folded') return why(journal.actor, first)
    const same = !differs && json(first.memory.state) === json(here.memory.state)
    return same && this.#agrees(journal, journal.batches.length) ? null : this.#firstImpure(journal)
  }

  #fold({ actor, definition, loaded }: Journal): FoldOutcome {
    return fold(loaded, this.#parts(actor, definition))
  }

  #firstImpure(journal: Journal): string {
    let [low, high] = [1, journal.batches.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#agrees(journal, middle)) low = middle + 1
      else high = middle
    }
    const batch = openBatch((journal.batches[high - 1] as StoredBatch).bytes)
    const types = [...new Set((batch?.body.e ?? []).map(([type]) => `'${type}'`))].join(' or ')
    const where = `at offset ${batch?.header.firstOffset ?? 0} of ${journal.actor}`
    return `the reducer of ${types === '' ? 'an event' : types} gave another state when it ran again, ${where}; ${MAY_USE}`
  }

  /** Whether the first batches fold to the same here, once more, and elsewhere. */
  #agrees(journal: Journal, count: number): boolean {
    const states = [this.#prefix(journal, count), this.#prefix(journal, count), elsewhere(() => this.#prefix(journal, count))].map(
      (outcome) => (outcome.kind === 'folded' ? json(outcome.memory.state) : outcome.kind),
    )
    return states.every((state) => state === states[0])
  }

  #prefix({ actor, definition, batches }: Journal, count: number): FoldOutcome {
    return fold({ n: count, ref: 0, snapshot: null, batches: batches.slice(0, count) }, this.#parts(actor, definition))
  }

  #parts(actor: string, definition: ActorDefinition): FoldParts {
    const key = actor.slice(actor.indexOf('/') + 1)
    return { id: actor, key, definition, limits: dedupeLimits(this.#options, definition), turn: this.#turn, journal: '' }
  }
}

function endOf(batch: Uint8Array): number {
  const header = readHeader(batch)
  return header === null ? Infinity : header.firstOffset + header.entries - 1
}

const MAY_USE = 'reducers may use only state, data and ctx (ctx.now, ctx.random())'

function why(actor: string, outcome: Exclude<FoldOutcome, { kind: 'folded' }>): string {
  return `${actor} cannot be folded again: ${outcome.kind === 'broken' ? outcome.why : outcome.kind}`
}

function json(value: unknown): string {
  return JSON.stringify(value)
}
