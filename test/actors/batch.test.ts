import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  FLAG_CLAIM,
  FLAG_CLEAN,
  HEADER_BYTES,
  hashOf,
  makeClaim,
  openBatch,
  readHeader,
  sealBatch,
  type BatchBody,
} from '../../src/actors/batch.ts'
import type { Claim } from '../../src/store/store.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const u48 = fc.maxSafeNat().map((n) => n % 2 ** 48)
const headers = fc.record({
  flags: fc.nat(255),
  n: u48,
  epoch: u48,
  firstOffset: u48,
  entries: fc.nat(0xffff_ffff),
  commitId: bytes(16),
  previous: bytes(32),
})

const claim: Claim = {
  commitId: new Uint8Array(16).fill(9),
  owner: 'n2@5',
  at: 0,
  mode: 'append',
  clean: true,
  firstJournal: 'first',
  journal: 'other',
}

/** A batch of two entries at place 4, offsets 11 and 12. */
function newest(flags: number, body = '{"e":[["add",1,0,"user:u"],["add",2,0,"user:u"]]}'): { n: number; bytes: Uint8Array } {
  return {
    n: 4,
    bytes: sealBatch({ flags, n: 4, epoch: 2, firstOffset: 11, entries: 2, commitId: new Uint8Array(16), previous: null }, body).bytes,
  }
}

const bodyOf = (made: { bytes: Uint8Array }): BatchBody | undefined => openBatch(made.bytes)?.body

describe('a batch (J3)', () => {
  it('is read back as it was sealed, header and body, and its hash is of its bytes', () => {
    fc.assert(
      fc.property(headers, fc.jsonValue(), (header, body) => {
        const sealed = sealBatch(header, JSON.stringify(body))
        const opened = openBatch(sealed.bytes)
        expect({
          ...opened?.header,
          commitId: [...(opened?.header.commitId ?? [])],
          previous: [...(opened?.header.previous ?? [])],
        }).toEqual({
          ...header,
          commitId: [...header.commitId],
          previous: [...header.previous],
        })
        expect(JSON.stringify(opened?.body)).toBe(JSON.stringify(body))
        expect([...sealed.hash]).toEqual([...hashOf(new Uint8Array(sealed.bytes))])
      }),
    )
  })

  it('the first batch names none before it', () => {
    expect([...(readHeader(newest(0).bytes)?.previous ?? [])]).toEqual(Array(32).fill(0))
  })

  it('bytes that are no batch are null, never a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (garbage, rightFormat) => {
        if (rightFormat && garbage.length > 0) garbage[0] = 1
        const header = readHeader(garbage)
        if (garbage.length < HEADER_BYTES || garbage[0] !== 1) expect([header, openBatch(garbage)]).toEqual([null, null])
        else expect(header).not.toBeNull()
        openBatch(garbage)
      }),
    )
    expect(openBatch(newest(0, '{"e":[').bytes)).toBeNull()
  })

  it('a batch that was cut or changed anywhere is null or has another hash, never a throw', () => {
    const whole = newest(FLAG_CLEAN).bytes
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        openBatch(whole.subarray(0, at))
        if (at < HEADER_BYTES) expect(readHeader(whole.subarray(0, at))).toBeNull()
        const changed = new Uint8Array(whole)
        changed[at] = (changed[at] ?? 0) ^ by
        openBatch(changed)
        expect(Buffer.from(hashOf(changed)).equals(hashOf(whole))).toBe(false)
      }),
    )
  })

  it('bytes within a larger buffer are read from their own place', () => {
    const { bytes: whole } = newest(FLAG_CLAIM)
    const larger = new Uint8Array(whole.length + 50).fill(255)
    larger.set(whole, 25)
    expect(openBatch(larger.subarray(25, 25 + whole.length))).toMatchObject({
      header: { n: 4, firstOffset: 11, entries: 2, flags: FLAG_CLAIM },
    })
  })
})

describe('the claim a store appends (J2, J9)', () => {
  it('of an actor without a journal begins it, at place 1, under the journal id all know', () => {
    const made = makeClaim(claim, null)
    expect(made).toMatchObject({ n: 1, firstOffset: 1 })
    expect(openBatch(made.bytes)).toMatchObject({
      header: { n: 1, epoch: 1, entries: 0, flags: FLAG_CLAIM | FLAG_CLEAN },
      body: { o: 'n2@5', j: 'first' },
    })
  })

  it('after a clean end keeps the journal id, takes the next place and offset, and continues the chain', () => {
    const before = newest(FLAG_CLEAN)
    const made = makeClaim(claim, before)
    expect(made).toMatchObject({ n: 5, firstOffset: 13 })
    const header = readHeader(made.bytes)
    expect(header).toMatchObject({ n: 5, epoch: 5, firstOffset: 13, entries: 0 })
    expect(Buffer.from(header?.previous ?? []).equals(hashOf(before.bytes))).toBe(true)
    expect(Buffer.from(made.hash).equals(hashOf(made.bytes))).toBe(true)
    expect(bodyOf(made)).toEqual({ o: 'n2@5' })
  })

  it('after an end that was not clean begins another journal id', () => {
    expect(bodyOf(makeClaim(claim, newest(0)))).toEqual({ o: 'n2@5', j: 'other' })
  })

  it.each(['append', 'replace'] as const)('says whether more may be answered than is written (%s)', (mode) => {
    expect(readHeader(makeClaim({ ...claim, mode, clean: false }, null).bytes)?.flags).toBe(FLAG_CLAIM)
    expect(readHeader(makeClaim({ ...claim, mode, clean: false }, newest(FLAG_CLEAN)).bytes)?.flags).toBe(FLAG_CLAIM)
  })

  it('of a replace actor writes its record again, whole, under the next place and epoch (J10)', () => {
    const record = newest(FLAG_CLEAN, '{"j":"first","v":1,"state":{"n":2},"at":7}')
    const made = makeClaim({ ...claim, mode: 'replace' }, record)
    expect(openBatch(made.bytes)).toMatchObject({
      header: { n: 5, epoch: 5, firstOffset: 11, entries: 2, flags: FLAG_CLAIM | FLAG_CLEAN },
      body: { j: 'first', v: 1, state: { n: 2 }, at: 7 },
    })
    expect(Buffer.from(readHeader(made.bytes)?.previous ?? []).equals(hashOf(record.bytes))).toBe(true)
    const unclean = makeClaim(
      { ...claim, mode: 'replace' },
      { ...record, bytes: newest(0, '{"j":"first","v":1,"state":{"n":2},"at":7}').bytes },
    )
    expect(bodyOf(unclean)).toEqual({ j: 'other', v: 1, state: { n: 2 }, at: 7 })
  })

  it.each(['append', 'replace'] as const)('is not made after bytes that are no batch (%s)', (mode) => {
    expect(() => makeClaim({ ...claim, mode }, { n: 3, bytes: new Uint8Array(80) })).toThrow(TypeError)
  })

  it('is the same bytes for the same input: adapters may make it twice', () => {
    expect(makeClaim(claim, newest(0)).bytes).toEqual(makeClaim(claim, newest(0)).bytes)
  })
})
