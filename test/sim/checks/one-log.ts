/**
 * one-log: each actor has one journal: places and offsets without holes, an unbroken hash chain, epochs that never decrease and
 * are always those of the newest claim, no batch twice. (Promise 3; J1, J2, J3)
 */
import { asBuffer, FLAG_CLAIM, hashOf } from '../../../src/actors/batch.ts'
import type { MakeCheck } from '../check.ts'
import type { LedgerEntry } from '../ledger.ts'
import type { LedgerBatch } from '../sim-data.ts'
import { typeOf } from '../sim-app.ts'

const NO_HASH = new Uint8Array(32)

export const oneLog: MakeCheck = (facts, fail) => {
  /** Batches by their commit id. */
  const commits = new Map<string, LedgerBatch>()
  let shown = new Map<string, readonly string[]>()
  return {
    name: 'one-log',
    applied: (batch, ledger) => {
      const { actor, n, header, hash, bytes, by } = batch
      const before = ledger.record.batches[n - 2]
      const broken = (what: string): void => fail(`place ${n} of ${actor}, written by ${by}, ${what}`)
      if (header.n !== n) broken(`says it is place ${header.n}`)
      if (!same(hashOf(bytes), hash)) broken('has another hash than it says')
      if (!same(header.commitId, batch.commitId)) broken('has another commit id than it says')
      if (!same(header.previous, before?.hash ?? NO_HASH)) broken('does not carry the hash of the batch before')
      const commit = asBuffer(batch.commitId).toString('latin1')
      const known = commits.get(commit)
      if (known !== undefined) broken(`is place ${known.n} of ${known.actor} again`)
      commits.set(commit, batch)
      const claim = (header.flags & FLAG_CLAIM) !== 0
      if (claim) facts.count('claim')
      if (claim && header.epoch !== n) broken(`is a claim with epoch ${header.epoch}`)
      if (!claim && header.epoch !== before?.header.epoch) broken(`has epoch ${header.epoch}, the newest claim ${before?.header.epoch}`)
      if (!claim && before !== undefined && before.by !== by) broken(`is no claim, but the place before is of ${before.by}`)
      if ((batch.mode === 'append') !== typeOf(actor).journal) broken(`is written in mode ${batch.mode}`)
      if (batch.mode === 'replace') {
        const ids = ledger.ids
        const last = shown.get(actor) ?? []
        if (ids !== last && takesBack(last, ids)) broken(`takes back what the record before held: ${last.join()} became ${ids.join()}`)
        shown.set(actor, ids)
        return
      }
      if (batch.body === null) return broken('is not a batch')
      if ((batch.body.o !== undefined) !== claim) broken('names an owner without claiming, or claims without')
      const due = before === undefined ? 1 : before.firstOffset + before.entries
      if (batch.firstOffset !== due || header.firstOffset !== due) broken(`begins at offset ${header.firstOffset}, not ${due}`)
      const entries = batch.body.e?.length ?? 0
      if (header.entries !== entries || batch.entries !== entries) broken(`holds ${entries} entries and says ${header.entries}`)
      let { at } = { at: ledger.entries.at(-entries - 1)?.at ?? 0 }
      for (let i = ledger.entries.length - entries; i < ledger.entries.length; i++) {
        const entry = ledger.entries[i] as LedgerEntry
        if (entry.at < at) broken(`goes back in time at offset ${entry.offset}`)
        ;({ at } = entry)
      }
    },
    end: () => {
      shown = new Map()
    },
  }
}

function takesBack(before: readonly string[], now: readonly string[]): boolean {
  for (let i = 0; i < before.length; i++) if (now[i] !== before[i]) return true
  return false
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
