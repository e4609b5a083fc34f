/**
 * Emptying old batches (J10 `keep`), later and in pieces. A log row holds batches of many actors, so trims are gathered and a row is
 * rewritten once for all of them. Not durable: an actor asks again with its next snapshot, and the walk then finds what was left,
 * because rows are emptied oldest first.
 *
 * Never emptied: the newest batch (a claim needs its bytes) and batches that no snapshot covers (a load needs them).
 */
import { EMPTIED } from './sqlite-frames.ts'
import type { Reads } from './sqlite-reads.ts'
import type { Trim } from './store.ts'

const WAITING_MAX = 10_000
/** As many waiting actors are handled without waiting for more. */
export const TRIM_ACTORS = 256
const ROWS_A_PIECE = 32

export class Trims {
  readonly #waiting = new Map<string, number>()
  /** Rows to rewrite, oldest first: what to empty in each. */
  #rows: [row: number, places: [actor: string, n: number][]][] = []

  get waiting(): number {
    return this.#waiting.size
  }

  get busy(): boolean {
    return this.#rows.length > 0
  }

  add(trims: readonly Trim[]): void {
    for (const { actor, belowOffset } of trims) {
      const before = this.#waiting.get(actor)
      if (before === undefined && this.#waiting.size >= WAITING_MAX) continue
      this.#waiting.set(actor, Math.max(before ?? 0, belowOffset))
    }
  }

  /** Within a read: finds the rows that hold what the next actors want emptied. */
  gather(reads: Reads): void {
    const rows = new Map<number, [string, number][]>()
    let actors = 0
    for (const [actor, below] of this.#waiting) {
      this.#waiting.delete(actor)
      this.#gatherActor(reads, actor, below, rows)
      if (++actors >= TRIM_ACTORS) break
    }
    this.#rows = Array.from(rows).sort(([a], [b]) => a - b)
  }

  #gatherActor(reads: Reads, actor: string, below: number, rows: Map<number, [string, number][]>): void {
    const head = reads.head(actor)
    const last = Math.min(reads.snapPlace(actor), (head?.n ?? 0) - 1)
    const start = last < 1 ? null : reads.near(actor, last)
    if (start === null) return
    reads.walkBack(actor, start, 1, ({ n, row, frames, at }) => {
      if ((frames.flags(at) & EMPTIED) !== 0) return false
      if (n > last || frames.firstOffset(at) + frames.entries(at) > below) return true
      const places = rows.get(row)
      if (places === undefined) rows.set(row, [[actor, n]])
      else places.push([actor, n])
      return true
    })
  }

  /** Within a transaction: rewrites the next rows. */
  piece(reads: Reads, rewrite: (row: number, frames: Buffer) => void): void {
    for (const [row, places] of this.#rows.slice(0, ROWS_A_PIECE)) {
      const frames = reads.frames(row)
      if (frames === null) continue
      const emptied = new Set<number>()
      for (const [actor, n] of places) {
        const at = frames.find(Buffer.from(actor), n)
        if (at >= 0) emptied.add(at)
      }
      if (emptied.size > 0) rewrite(row, frames.without(emptied))
    }
  }

  pieceDone(): void {
    this.#rows.splice(0, ROWS_A_PIECE)
  }

  giveUp(): void {
    this.#rows = []
  }
}
