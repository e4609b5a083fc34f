/**
 * Reads the documents of the MongoDB store as a majority gets them, in that order, and tells the ledger (sim-data.ts) what they mean: which batch is durable,
 * which snapshot, which hint. It knows the layout from docs/mongodb.md alone, so a layout that says something else than the store meant is found here:
 *
 *  - a batch lies at the next place of its actor, and is never changed or taken away but for its bytes (J1, J10);
 *  - a record is followed by the one of the next place (J10 'none'), a snapshot by one of a greater place (S6).
 */
import type { Document } from 'mongodb'
import { HEADER_BYTES, readHeader } from '../../src/actors/batch.ts'
import type { Append, CommitGroup, Hint } from '../../src/store/store.ts'
import { keyOf } from '../support/mongo-match.ts'
import type { Change, MongoData } from '../support/mongo-data.ts'
import { DATABASE } from './mongo-set.ts'
import { typeOf } from './sim-app.ts'
import { hintKey, type SimData } from './sim-data.ts'

const NOTHING: CommitGroup = { appends: [], snapshots: [], dropHints: [], trims: [] }

export class MongoLedger {
  readonly #mongo: MongoData
  readonly #ledger: SimData
  readonly #broken: (what: string) => void
  /** Documents of one hint: of two owners at one place each has its own. */
  readonly #hints = new Map<string, number>()

  constructor(mongo: MongoData, ledger: SimData, broken: (what: string) => void) {
    this.#mongo = mongo
    this.#ledger = ledger
    this.#broken = broken
    mongo.watcher = (change) => this.#durable(change)
  }

  #durable(change: Change): void {
    switch (change.namespace.slice(DATABASE.length + 1)) {
      case 'batches':
        return this.#batch(change)
      case 'states':
        return this.#state(change)
      case 'snapshots':
        return this.#snapshot(change)
      case 'hints':
        return this.#hint(change)
      default:
    }
  }

  #batch({ before, after, by }: Change): void {
    if (before?.['h'] !== undefined) {
      const { _id } = before as { readonly _id: { readonly a: string; readonly n: number } }
      const same = after !== null && ['c', 'h', 'e', 'l'].every((field) => keyOf(after[field]) === keyOf(before[field]))
      const emptied = same && after['b'] === undefined
      if (!emptied && (!same || keyOf(after['b']) !== keyOf(before['b'])))
        this.#broken(`the durable batch ${_id.n} of ${_id.a} was ${after === null ? 'taken away' : 'changed'} by ${by}`)
      const batch = this.#ledger.actors.get(_id.a)?.batches[_id.n - 1]
      if (emptied && batch !== undefined) batch.emptied = true
      return
    }
    // Held for a claim, or let go.
    if (after?.['h'] === undefined) return
    const { a, n } = after['_id'] as { readonly a: string; readonly n: number }
    this.#append({ actor: a, n, ...this.#common(after, a, n), firstOffset: after['l'] - after['e'], mode: 'append' }, by)
  }

  #state({ before, after, by }: Change): void {
    if (after === null) return this.#broken(`the record of ${String(before?.['_id'])} was taken away by ${by}`)
    const [actor, n] = [after['_id'] as string, after['n'] as number]
    if (before?.['n'] === n) {
      if (keyOf(before['c']) !== keyOf(after['c'])) this.#broken(`the record ${n} of ${actor} was changed by ${by}`)
      return
    }
    const common = this.#common(after, actor, n)
    this.#append({ actor, n, ...common, firstOffset: readHeader(common.bytes)?.firstOffset ?? -1, mode: 'replace' }, by)
  }

  #common(doc: Document, a: string, n: number): Pick<Append, 'commitId' | 'bytes' | 'hash' | 'entries' | 'prevRef' | 'hintDue'> {
    const { c, h, e, b, p } = doc as { c: Uint8Array; h: Uint8Array; e: number; b: Uint8Array; p?: number }
    const bytes = this.#whole({ a, n, c }, b, p)
    return { commitId: c, hash: h, bytes, entries: e, prevRef: 0, hintDue: null }
  }

  /** With the pieces that lie in `parts`, which a majority must have before. */
  #whole({ a, n, c }: { readonly a: string; readonly n: number; readonly c: Uint8Array }, first: Uint8Array, further = 0): Uint8Array {
    const pieces = [first]
    for (let i = 0; i < further; i++) {
      const piece = this.#mongo.find(`${DATABASE}.parts`, { filter: { _id: { a, n, c, i } } }, true)[0]
      if (piece === undefined) this.#broken(`piece ${i} of ${further} of ${a} at ${n} is not there`)
      else pieces.push(piece['b'] as Uint8Array)
    }
    const bytes = Buffer.concat(pieces)
    if (bytes.length < HEADER_BYTES) this.#broken(`${a} at ${n} has ${bytes.length} bytes`)
    return bytes
  }

  #append(append: Append, by: string): void {
    const { actor, n } = append
    if (this.#ledger.append(append, by, 0, false) !== 'committed')
      return this.#broken(`${by} made place ${n} of ${actor} durable, where place ${this.#ledger.newestOf(actor) + 1} was next`)
    this.#ledger.finish({ ...NOTHING, appends: [append] })
  }

  #snapshot({ before, after, by }: Change): void {
    if (after === null) return this.#broken(`the snapshot of ${String(before?.['_id'])} was taken away by ${by}`)
    const { _id: actor, n, h: hash, o: offset, b, p, v = {} } = after as { _id: string; n: number; h: Uint8Array; o: number } & Document
    if (before?.['n'] === n) return
    if (n < (before?.['n'] ?? 0)) this.#broken(`${by} replaced the snapshot ${before?.['n']} of ${actor} by ${n}`)
    const pages = new Map<number, Uint8Array>()
    for (const [page, version] of Object.entries(v as Record<string, number>)) {
      if (version !== n) continue
      const found = this.#mongo.find(`${DATABASE}.pages`, { filter: { _id: { a: actor, p: Number(page), n } } }, true)[0]
      if (found === undefined) this.#broken(`page ${page} of the snapshot ${n} of ${actor} is not there`)
      else pages.set(Number(page), found['b'] as Uint8Array)
    }
    const bytes = this.#whole({ a: actor, n, c: hash }, b as Uint8Array, p as number | undefined)
    this.#ledger.finish({ ...NOTHING, snapshots: [{ actor, n, hash, bytes, offset, ref: 0, pages }] })
  }

  #hint({ before, after }: Change): void {
    const id = (after ?? before)?.['_id'] as { readonly d: number; readonly a: string; readonly n: number }
    const hint: Hint = { actor: id.a, n: id.n, due: id.d }
    const key = hintKey(hint)
    const count = (this.#hints.get(key) ?? 0) + (after === null ? -1 : 1)
    this.#hints.set(key, count)
    if (count === 0) this.#ledger.finish({ ...NOTHING, dropHints: [hint] })
    else if (count === 1 && after !== null)
      this.#ledger.putHint({ ...hint, hintDue: hint.due, mode: typeOf(hint.actor).journal ? 'append' : 'replace' })
  }
}
