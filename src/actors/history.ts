/** One page of an actor's history, from the store: durable entries only (J7). */
import { fail } from '../errors.ts'
import type { Activation } from './activation.ts'
import { openBatch } from './batch.ts'
import type { HistoryCall, HistoryEntry, HistoryOutcome } from './calls.ts'
import type { Host } from './host.ts'

const PAGE_BYTES = 1024 * 1024

export async function readHistory(host: Host, activation: Activation, call: HistoryCall): Promise<HistoryOutcome> {
  const { definition, writer, memory } = activation
  const newest = writer.durableOffset
  const { journal } = memory
  const from = Math.max(1, call.from)
  const limit = Math.max(1, Math.min(call.limit, host.options.historyEntries))
  if (definition.history === 'none' || from > newest) {
    const oldest = definition.history === 'none' ? newest + 1 : 1
    return { ok: true, entries: [], more: false, next: Math.max(from, oldest), oldest, journal }
  }
  try {
    const batches = await host.store.history(activation.id, from, PAGE_BYTES)
    const entries: HistoryEntry[] = []
    let oldest = 1
    let next = from
    let first = true
    for (const { bytes } of batches) {
      const opened = openBatch(bytes)
      if (opened === null) return fail('internal', `a batch of '${activation.id}' cannot be read: run 'troupe verify ${activation.id}'`)
      const { firstOffset } = opened.header
      if (first && firstOffset > from) oldest = firstOffset
      first = false
      const { e = [] } = opened.body
      for (let i = 0; i < e.length && entries.length < limit; i++) {
        const [type, data, at] = e[i] as NonNullable<(typeof e)[number]>
        const offset = firstOffset + i
        if (offset < from) continue
        // Above it another owner has written, perhaps under another journal id: this activation does not speak for that (J9).
        if (offset > newest) break
        next = offset + 1
        if (call.types === undefined || call.types === null || call.types.includes(type))
          entries.push({ offset, type, at, json: JSON.stringify(data) })
      }
      if (entries.length >= limit) break
    }
    // All that this activation knows has been emptied (J10); above it there may be another owner's.
    if (batches.length === 0 || oldest > newest) [oldest, next] = [newest + 1, newest + 1]
    return { ok: true, entries, more: next <= newest, next, oldest, journal }
  } catch (error) {
    host.log.warn({ actor: activation.id }, `history could not be read: ${String(error)}`)
    return fail('store_unavailable', 'the history cannot be read from the store now: repeat later', { retryAfterMs: 500 })
  }
}
