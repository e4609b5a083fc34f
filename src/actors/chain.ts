/**
 * Walks the hash chain of one actor's journal (DESIGN J3) and says exactly which batch is wrong. Each batch must
 *
 *  1. have the place after the one before it, from 1 on, without a hole;
 *  2. be the bytes that its stored hash is of (SHA-256), unless it was emptied (J10);
 *  3. carry its own place, and the hash of the batch before it;
 *  4. begin at the offset after the last entry before it, and hold as many entries as it says;
 *  5. have an epoch not below the one before, and as a claim its own place as epoch (J2).
 *
 * The one record of a 'replace' actor (history 'none') stands for its whole journal: 2 and its own place are checked.
 */
import { FLAG_CLAIM, hashOf, openBatch, type BatchHeader } from './batch.ts'
import type { Store, WalkedBatch } from '../store/store.ts'

const PAGE = 256

export type ChainVerdict =
  | {
      readonly ok: true
      readonly actor: string
      readonly batches: number
      readonly entries: number
      readonly emptied: number
      readonly head: string | null
    }
  | { readonly ok: false; readonly actor: string; readonly n: number; readonly why: string }

interface Walked {
  n: number
  hash: Uint8Array | null
  /** null: not known, after an emptied batch. */
  nextOffset: number | null
  epoch: number
  entries: number
  emptied: number
}

/** `seen` is told how many batches were walked so far. Rejects with the store's StoreError. */
export async function walkChain(
  store: Pick<Store, 'walk'>,
  actor: string,
  seen: (batches: number) => void = () => undefined,
): Promise<ChainVerdict> {
  const at: Walked = { n: 0, hash: null, nextOffset: 1, epoch: 0, entries: 0, emptied: 0 }
  let batches = 0
  for (;;) {
    const page = await store.walk(actor, at.n, PAGE)
    for (const batch of page) {
      const record = batches === 0 && page.length === 1 && isRecord(batch)
      const why = record ? wrongRecord(batch) : wrongBatch(batch, at)
      if (why !== null) return { ok: false, actor, n: batch.n, why }
      if (record) at.n = batch.n
      batches += 1
      at.hash = batch.hash
    }
    seen(batches)
    if (page.length === 0) break
  }
  return { ok: true, actor, batches, entries: at.entries, emptied: at.emptied, head: at.hash === null ? null : hex(at.hash) }
}

function wrongBatch(batch: WalkedBatch, at: Walked): string | null {
  if (batch.n !== at.n + 1) return at.n === 0 ? 'the batches before it are missing' : `it follows batch ${at.n}: there is a hole`
  at.n = batch.n
  if (batch.bytes === null) {
    at.nextOffset = null
    at.emptied += 1
    return null
  }
  const wrong = wrongBytes(batch)
  if (wrong !== null) return wrong
  const opened = openBatch(batch.bytes)
  if (opened === null) return 'its bytes are not a batch'
  const { header, body } = opened
  const previous = at.hash ?? new Uint8Array(32)
  if (!same(header.previous, previous)) return `it names ${hex(header.previous)} as the hash of the batch before, which is ${hex(previous)}`
  const entries = body.e?.length ?? 0
  if (header.entries !== entries) return `it says that it holds ${header.entries} entries and holds ${entries}`
  if (at.nextOffset !== null && header.firstOffset !== at.nextOffset)
    return `its first offset is ${header.firstOffset}, due is ${at.nextOffset}`
  const epoch = wrongEpoch(header, at.epoch)
  if (epoch !== null) return epoch
  at.nextOffset = header.firstOffset + entries
  at.entries += entries
  at.epoch = header.epoch
  return null
}

function wrongEpoch(header: BatchHeader, before: number): string | null {
  const claim = (header.flags & FLAG_CLAIM) !== 0
  if (claim && header.epoch !== header.n) return `it is a claim with epoch ${header.epoch} at place ${header.n}`
  if (!claim && before !== 0 && header.epoch !== before) return `its epoch is ${header.epoch}, the owner's was ${before}`
  return null
}

/** A lone batch that is not the first, or has the body of a snapshot (snapshot.ts: only that names a version). */
function isRecord({ n, bytes }: WalkedBatch): boolean {
  const opened = bytes === null ? null : openBatch(bytes)
  return n > 1 || (opened !== null && 'v' in opened.body)
}

function wrongRecord(batch: WalkedBatch): string | null {
  const wrong = wrongBytes(batch)
  if (wrong !== null || batch.bytes === null) return wrong
  const opened = openBatch(batch.bytes)
  if (opened === null) return 'its bytes are not a record'
  if ('e' in opened.body) return 'the batches before it are missing'
  return null
}

function wrongBytes({ n, hash, bytes }: WalkedBatch): string | null {
  if (bytes === null) return null
  const found = hashOf(bytes)
  if (!same(found, hash)) return `its bytes have the hash ${hex(found)}, recorded is ${hex(hash)}`
  const opened = openBatch(bytes)
  if (opened !== null && opened.header.n !== n) return `its bytes are those of batch ${opened.header.n}`
  return null
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
