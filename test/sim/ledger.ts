/**
 * The truth, read from the bytes that became durable: for each actor its entries in order, and the running hash of their ids.
 * For an actor without history (J10) the ids are read from its newest record.
 */
import { asBuffer, HEADER_BYTES } from '../../src/actors/batch.ts'
import { chain } from './sim-app.ts'
import type { ActorRecord, LedgerBatch } from './sim-data.ts'

export interface LedgerEntry {
  readonly offset: number
  readonly id: string
  readonly type: string
  /** Data as it was recorded. */
  readonly recorded: unknown
  readonly data: EntryData
  readonly at: number
  readonly sender: string
  readonly source: string | undefined
  readonly seq: number
  readonly batch: LedgerBatch
}

export interface EntryData {
  readonly id?: string
  readonly path?: readonly string[]
  readonly name?: string
  readonly inMs?: number
  readonly due?: number
  /** Makes it large. */
  readonly pad?: string
}

/** Where the ids of a record begin and end. Quotes within a string have a backslash before them, and no id has a bracket. */
const IDS = Buffer.from(',"state":{"ids":[')
const IDS_END = 0x5d
const COMMA = 0x2c

export class ActorLedger {
  readonly actor: string
  readonly record: ActorRecord
  /** By offset, from 1; empty for an actor without history. */
  readonly entries: LedgerEntry[] = []
  #ids: readonly string[] = []
  #idsOf: LedgerBatch | null = null
  /** The text of `#ids` in a record, without its brackets. */
  #idsText: Buffer | null = null
  readonly #chain: number[] = [0]

  constructor(record: ActorRecord) {
    this.actor = record.actor
    this.record = record
  }

  get newest(): LedgerBatch | undefined {
    return this.record.batches.at(-1)
  }

  get durableOffset(): number {
    const { newest } = this
    return newest === undefined ? 0 : newest.header.firstOffset + newest.header.entries - 1
  }

  get ids(): readonly string[] {
    const { newest } = this
    if (newest === undefined || newest.mode === 'append' || newest === this.#idsOf) return this.#ids
    const bytes = asBuffer(newest.bytes)
    const ids = this.#grown(bytes) ?? this.#anew(bytes)
    this.#ids = ids
    this.#idsOf = newest
    return ids
  }

  /** The ids of a record that says what the record before said, and perhaps more: only that is read. null: it says something else. */
  #grown(bytes: Buffer): readonly string[] | null {
    const known = this.#idsText
    const found = bytes.indexOf(IDS, HEADER_BYTES)
    const from = found + IDS.length
    const end = found < 0 ? -1 : bytes.indexOf(IDS_END, from)
    this.#idsText = end < 0 ? null : bytes.subarray(from, end)
    if (known === null || known.length === 0 || end < from + known.length) return null
    if (bytes.compare(known, 0, known.length, from, from + known.length) !== 0) return null
    const next = from + known.length
    if (next === end) return this.#ids
    if (bytes[next] !== COMMA) return null
    return this.#ids.concat(JSON.parse(`[${bytes.toString('utf8', next + 1, end)}]`) as string[])
  }

  #anew(bytes: Buffer): readonly string[] {
    const body = JSON.parse(bytes.toString('utf8', HEADER_BYTES)) as { state?: { ids?: readonly string[] } }
    const ids = body.state?.ids ?? []
    // The prefix that was known stays known only if it is the same: 'one-log' compares.
    let same = 0
    while (same < ids.length && same < this.#ids.length && ids[same] === this.#ids[same]) same++
    this.#chain.length = Math.min(this.#chain.length, same + 1)
    return ids
  }

  /** The running hash of the first `n` ids. */
  hashAt(n: number): number | undefined {
    const { ids } = this
    if (n > ids.length) return undefined
    for (let i = this.#chain.length; i <= n; i++) this.#chain.push(chain(this.#chain[i - 1] as number, ids[i - 1] as string))
    return this.#chain[n]
  }

  /** Takes in a batch that was just appended. */
  add(batch: LedgerBatch): void {
    const ids = this.#ids as string[]
    let offset = batch.firstOffset
    for (const [type, data, at, sender, source, seq = 0] of batch.body?.e ?? []) {
      const given = (typeof data === 'object' && data !== null ? data : {}) as EntryData
      const id = type === 'fired' && at < (given.due ?? 0) ? `${given.id}~early` : (given.id ?? `?${type}`)
      this.entries.push({ offset, id, type, recorded: data, data: given, at, sender, source, seq, batch })
      ids.push(id)
      offset++
    }
  }
}
