/**
 * The truth, read from the bytes that became durable: for each actor its entries in order, and the running hash of their ids.
 * For an actor without history (J10) the ids are read from its newest record.
 */
import { HEADER_BYTES } from '../../src/actors/batch.ts'
import { chain } from './sim-app.ts'
import type { ActorRecord, LedgerBatch } from './sim-data.ts'

export interface LedgerEntry {
  readonly offset: number
  readonly id: string
  readonly type: string
  /** Data as JSON text. */
  readonly json: string
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
}

export class ActorLedger {
  readonly actor: string
  readonly record: ActorRecord
  /** By offset, from 1; empty for an actor without history. */
  readonly entries: LedgerEntry[] = []
  #ids: readonly string[] = []
  #idsOf: LedgerBatch | null = null
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
    const text = Buffer.from(newest.bytes.buffer, newest.bytes.byteOffset, newest.bytes.length).toString('utf8', HEADER_BYTES)
    const body = JSON.parse(text) as { state?: { ids?: readonly string[] } }
    const ids = body.state?.ids ?? []
    // The prefix that was known stays known only if it is the same: 'one-log' compares.
    let same = 0
    while (same < ids.length && same < this.#ids.length && ids[same] === this.#ids[same]) same++
    this.#chain.length = Math.min(this.#chain.length, same + 1)
    this.#ids = ids
    this.#idsOf = newest
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
      this.entries.push({ offset, id, type, json: JSON.stringify(data), data: given, at, sender, source, seq, batch })
      ids.push(id)
      offset++
    }
  }
}
