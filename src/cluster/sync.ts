/**
 * Anti-entropy. News is sent a bounded number of times, so some member may never hear of something (A. Demers, 1987): records are also compared
 * as a whole. Every frame carries a digest of the sender's records. When it differs from this node's for three periods without news, and every
 * `syncMs` in any case, the two compare 64 sums, then send each other the records of the buckets that differ.
 *
 *     asker                         other
 *       |--- compare (64 sums) ------>|
 *       |<-- records … last, answer --|    all of its records in the buckets that differ
 *       |--- records … last --------->|    what the other lacks
 */
import { chunked, type Core } from './core.ts'
import { updateBytes } from './frame-codec.ts'
import { BUCKETS, CHUNK_RECORDS_MAX, type Body, type Digest, type Update } from './frames.ts'
import type { Member } from './member.ts'
import { picked } from './probe-order.ts'
import { updateOf, type Entry } from './roster.ts'

type RecordsBody = Extract<Body, { kind: 'records' }>

const QUIET_PERIODS = 3
const COMPARE_EVERY_MS = 1000
/** Records told in answer to comparisons within a second; who asks beyond is not answered and asks again. */
const TOLD_PER_SECOND = 16_384
const HEARINGS_MAX = 8

export class Sync {
  readonly #core: Core
  #comparedAt = -Infinity
  #toldSince = -Infinity
  #told = 0
  /** What the other end of a comparison under way has told so far, by its id. */
  readonly #hearings = new Map<string, Map<string, Member>>()

  constructor(core: Core) {
    this.#core = core
  }

  /** A frame of this member says what it holds. */
  noticed(from: Entry, digest: Digest): void {
    const core = this.#core
    const own = core.roster.digest
    if (digest.a === own.a && digest.b === own.b) return
    if (core.now - core.changedAt < QUIET_PERIODS * core.options.periodMs) return
    this.compareWith(from)
  }

  /** At most one a second, whatever the reason. */
  compareWith(entry: Entry): void {
    if (!this.#free()) return
    this.#core.send(entry, this.question())
  }

  /** In answer to a frame of somebody of whom the newest record is missing. */
  compareInReply(entry: Entry | null): void {
    if (this.#free()) this.#core.reply(entry, this.question())
  }

  question(): Body {
    return { kind: 'compare', buckets: this.#core.roster.buckets.slice() }
  }

  /** Every `syncMs`. */
  turn(): void {
    const core = this.#core
    core.due({ kind: 'sync' }, core.options.syncMs * (0.8 + 0.4 * core.random.float()))
    const [entry] = picked(core.peers, 1, core.random)
    if (entry !== undefined) core.send(entry, this.question())
  }

  compared(from: Entry, buckets: Uint32Array): void {
    const core = this.#core
    const own = core.roster.buckets
    const differing = new Set<number>()
    for (let bucket = 0; bucket < BUCKETS; bucket++) if (own[bucket] !== buckets[bucket]) differing.add(bucket)
    // Also an empty answer is one: who joins learns from it that it holds all there is.
    if (differing.size === 0) return core.reply(from, { kind: 'records', low: 0, high: 0, last: true, answer: false })
    if (core.now - this.#toldSince >= 1000) {
      this.#toldSince = core.now
      this.#told = 0
    }
    if (this.#told >= TOLD_PER_SECOND) return
    const updates = core.roster.inBuckets((bucket) => differing.has(bucket)).map((entry) => updateOf(entry, core.now))
    this.#told += updates.length
    this.#tell(from, updates, bits(differing), true)
  }

  /** Gives true when the other end has told all. The records themselves were taken in before. */
  told(from: Entry, body: RecordsBody, updates: readonly Update[]): boolean {
    if (!body.answer) return body.last
    const { id } = from.record
    let heard = this.#hearings.get(id)
    if (heard === undefined) {
      // The oldest unfinished one gives way: it is asked again if something still differs.
      if (this.#hearings.size >= HEARINGS_MAX) this.#hearings.delete([...this.#hearings.keys()][0] as string)
      heard = new Map()
      this.#hearings.set(id, heard)
    }
    for (const { record } of updates) if (heard.size < 2 * this.#core.options.members) heard.set(record.id, record)
    if (!body.last) return false
    this.#hearings.delete(id)
    const lacking = this.#core.roster.inBuckets(inBits(body)).filter(({ record }) => !isSame(heard.get(record.id), record))
    if (lacking.length > 0) {
      const updatesBack = lacking.map((entry) => updateOf(entry, this.#core.now))
      this.#tell(from, updatesBack, { low: body.low, high: body.high }, false)
    }
    return true
  }

  clear(): void {
    this.#hearings.clear()
    this.#comparedAt = -Infinity
  }

  #free(): boolean {
    if (this.#core.now - this.#comparedAt < COMPARE_EVERY_MS) return false
    this.#comparedAt = this.#core.now
    return true
  }

  #tell(to: Entry, updates: readonly Update[], which: { readonly low: number; readonly high: number }, answer: boolean): void {
    const chunks = chunked(updates, updateBytes, CHUNK_RECORDS_MAX)
    if (chunks.length === 0) chunks.push([])
    chunks.forEach((chunk, i) => this.#core.reply(to, { kind: 'records', ...which, last: i === chunks.length - 1, answer }, chunk))
  }
}

function isSame(a: Member | undefined, b: Member): boolean {
  if (a === undefined) return false
  return a.generation === b.generation && a.incarnation === b.incarnation && a.liveness === b.liveness
}

function bits(buckets: ReadonlySet<number>): { low: number; high: number } {
  let [low, high] = [0, 0]
  for (const bucket of buckets)
    if (bucket < 32) low |= 1 << bucket
    else high |= 1 << (bucket - 32)
  return { low: low >>> 0, high: high >>> 0 }
}

function inBits({ low, high }: { readonly low: number; readonly high: number }): (bucket: number) => boolean {
  return (bucket) => ((bucket < 32 ? low >>> bucket : high >>> (bucket - 32)) & 1) === 1
}
