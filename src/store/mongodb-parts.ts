/**
 * Bytes that do not fit into one document: the first piece lies in it, the others in `parts`, durable before it (S4).
 *
 * Of a batch or snapshot the pieces go with it. The record of a 'replace' actor is written over, and its pieces stay when the next one is small, when
 * an owner dies between them and the record, or when a claim writes the record anew. So a record that was ever large says so (`f`), from before its
 * first pieces on: whoever claims it drops all but its own, and who wrote a large one drops it with the next small one.
 */
import { own, type Collections, type PartDoc } from './mongodb-documents.ts'
import { writeAll, type Outcome } from './mongodb-bulk.ts'
import type { Link } from './mongodb-link.ts'

const LARGE_KEPT = 4096

/** Whose bytes they are: the batch, record or snapshot of `actor` at `n` with this commit id (of a snapshot: its hash). */
export interface PartsOf {
  readonly a: string
  readonly n: number
  readonly c: Uint8Array
}

/** The piece for the document itself, and how many others there are. */
export function firstPiece(link: Link, bytes: Uint8Array): { readonly b: Uint8Array; readonly p?: number } {
  const { documentBytes } = link.limits
  if (bytes.length <= documentBytes) return { b: bytes }
  return { b: bytes.subarray(0, documentBytes), p: Math.ceil(bytes.length / documentBytes) - 1 }
}

function partDocs(link: Link, of: PartsOf, bytes: Uint8Array): PartDoc[] {
  const { documentBytes } = link.limits
  const docs: PartDoc[] = []
  for (let at = documentBytes; at < bytes.length; at += documentBytes)
    docs.push({ _id: { ...of, i: docs.length }, a: of.a, b: bytes.subarray(at, at + documentBytes) })
  return docs
}

/** Writes the further pieces. A piece that exists is the same piece of an earlier try. */
export async function writeParts(link: Link, of: PartsOf, bytes: Uint8Array): Promise<'written' | 'unknown' | 'refused'> {
  const items = partDocs(link, of, bytes)
  if (items.length === 0) return 'written'
  const outcomes = await writeAll(link, {
    collection: link.at.parts.collectionName,
    kind: 'insert',
    items,
    bytesOf: (i) => items[i]?.b.length ?? 0,
  })
  const has = (outcome: Outcome): boolean => outcomes.includes(outcome)
  return has('refused') ? 'refused' : has('unknown') ? 'unknown' : 'written'
}

/** Goes if it can; what stays is never read. */
export async function dropParts(at: Collections, { a, n, c }: PartsOf): Promise<void> {
  await at.parts.deleteMany({ a, _id: { $gte: { a, n, c, i: 0 }, $lte: { a, n, c, i: Number.MAX_SAFE_INTEGER } } }).catch(() => undefined)
}

/** The pieces of the records that this one, which is durable, has replaced, and of those that lost its place to it. Whether they are gone. */
export async function dropOtherParts(at: Collections, { a, n, c }: PartsOf): Promise<boolean> {
  try {
    await at.parts.deleteMany({ a, _id: { $gte: { a, n: 0 }, $lt: { a, n, c } } as never })
    await at.parts.deleteMany({ a, _id: { $gt: { a, n, c, i: Number.MAX_SAFE_INTEGER }, $lt: { a, n: n + 1 } } as never })
    return true
  } catch {
    return false
  }
}

/** Actors whose newest record was written large by this process. One that is pushed out is cleaned at its next claim. */
export class LargeRecords {
  readonly #actors = new Set<string>()

  has(actor: string): boolean {
    return this.#actors.has(actor)
  }

  add(actor: string): void {
    const [oldest] = this.#actors
    if (this.#actors.size >= LARGE_KEPT && oldest !== undefined) this.#actors.delete(oldest)
    this.#actors.add(actor)
  }

  delete(actor: string): void {
    this.#actors.delete(actor)
  }
}

/** The records of these actors say that there may be pieces, before there are. One that is not there yet has nothing to say it in. */
export async function announceLarge(link: Link, actors: readonly { readonly actor: string; readonly n: number }[]): Promise<void> {
  const items = actors
    .filter(({ actor, n }) => n > 1 && !link.large.has(actor))
    .map(({ actor, n }) => ({ q: { _id: actor, n: n - 1, f: { $exists: false } }, u: { $set: { f: true } } }))
  // Where that fails the record fails too; and if not, it says it itself.
  if (items.length > 0) await writeAll(link, { collection: link.at.states.collectionName, kind: 'update', items, bytesOf: () => 200 })
}

/** All bytes, in memory of their own; null when a piece is not there. */
export async function wholeBytes(at: Collections, of: PartsOf, first: Uint8Array, further: number | undefined): Promise<Uint8Array | null> {
  if (further === undefined) return own(first)
  const { a, n, c } = of
  const parts = await at.parts.find({ a, _id: { $gte: { a, n, c, i: 0 }, $lt: { a, n, c, i: further } } }, { sort: { _id: 1 } }).toArray()
  return parts.length === further ? new Uint8Array(Buffer.concat([first, ...parts.map(({ b }) => b)])) : null
}
