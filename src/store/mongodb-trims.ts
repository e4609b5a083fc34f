/**
 * Emptying old batches (J10): later, one journal after the other, in this process alone. A batch loses its bytes and keeps place, commit id and hash.
 * Never the newest (a claim needs it), nor what no snapshot covers (a load needs it). What fails or finds no room comes again with the next snapshot.
 */
import { BY_ID } from './mongodb-documents.ts'
import { reading, write, type Link } from './mongodb-link.ts'
import type { Reads } from './mongodb-reads.ts'
import type { Trim } from './store.ts'

export class Trims {
  readonly #link: Link
  readonly #reads: Reads
  /** Offset below which to empty, by actor. */
  readonly #waiting = new Map<string, number>()
  #running: Promise<void> | null = null
  #stopped = false

  constructor(link: Link, reads: Reads) {
    this.#link = link
    this.#reads = reads
  }

  add({ actor, belowOffset }: Trim): void {
    this.#waiting.set(actor, Math.max(belowOffset, this.#waiting.get(actor) ?? 0))
    if (this.#waiting.size > this.#link.limits.trimsKept) {
      const [oldest] = this.#waiting.keys()
      this.#waiting.delete(oldest as string)
      this.#link.counters.trimsLost++
    }
    if (this.#stopped) return
    this.#running ??= this.#run().finally(() => (this.#running = null))
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Lets the one under way end. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#waiting.clear()
    await this.#running
  }

  async #run(): Promise<void> {
    // The commit that brought them is answered first.
    await Promise.resolve()
    for (const [actor, below] of this.#waiting) {
      if (this.#stopped) return
      this.#waiting.delete(actor)
      try {
        await this.#trim(actor, below)
        this.#link.counters.trimmed++
      } catch {
        this.#link.counters.trimsLost++
      }
    }
  }

  async #trim(a: string, below: number): Promise<void> {
    const { at } = this.#link
    const [snapshot, tail] = await reading(this.#link, () =>
      Promise.all([at.snapshots.findOne({ _id: a }, { projection: { n: 1, x: 1 } }), this.#reads.tail(a)]),
    )
    const emptied = snapshot?.x ?? 0
    const last = Math.min(snapshot?.n ?? 0, (tail?._id.n ?? 0) - 1)
    if (last <= emptied) return
    const range = { a, _id: { $gt: { a, n: emptied }, $lte: { a, n: last } }, l: { $lte: below }, b: { $exists: true } }
    const long = await reading(this.#link, () =>
      at.batches.find({ ...range, p: { $exists: true } }, { ...BY_ID, projection: { c: 1 } }).toArray(),
    )
    const reply = await write(this.#link, {
      update: at.batches.collectionName,
      updates: [{ q: range, u: { $unset: { b: '', p: '' } }, multi: true, ...BY_ID }],
    })
    if (reply.shaky || reply.errors.length > 0) return
    for (const { _id, c } of long)
      await at.parts.deleteMany({ a, _id: { $gte: { a, n: _id.n, c, i: 0 }, $lte: { a, n: _id.n, c, i: Number.MAX_SAFE_INTEGER } } })
    // Where the next trim begins to look: the newest emptied place (ends never fall, so all before it are).
    const [newest] = await at.batches
      .find(
        { a, _id: { $gt: { a, n: emptied }, $lte: { a, n: last } }, h: { $exists: true }, b: { $exists: false } },
        { ...BY_ID, projection: { _id: 1 }, sort: { _id: -1 }, limit: 1 },
      )
      .toArray()
    if (newest !== undefined)
      await write(this.#link, { update: at.snapshots.collectionName, updates: [{ q: { _id: a }, u: { $max: { x: newest._id.n } } }] })
  }
}
