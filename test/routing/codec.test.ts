/** Frames of a link: what is written is read again; whatever else comes is a value that says what is wrong, never a throw. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Failure } from '../../src/errors.ts'
import { ByteReader, ByteWriter } from '../../src/routing/bytes.ts'
import { partsOf } from '../../src/routing/batch.ts'
import { FrameDecoder, type Malformed } from '../../src/routing/link-decode.ts'
import { ERROR_CODES, type LinkFrame } from '../../src/routing/link-frames.ts'
import { encoded } from './frames.ts'

const text = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ minLength: 100, maxLength: 300 }),
)
const number = fc.oneof(fc.nat(300), fc.nat(), fc.maxSafeNat())
const data = fc.oneof(fc.constant(undefined), fc.jsonValue(), fc.uint8Array({ maxLength: 300 }))
const optional = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined })
/** Fields that are undefined are not there. */
const bare = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T
const epoch = number
const note = fc
  .record({
    journal: text,
    epoch,
    offset: number,
    type: optional(text),
    at: optional(fc.double({ noNaN: true, noDefaultInfinity: true })),
    json: optional(text),
  })
  .map(bare)
const types = fc.option(fc.array(text, { maxLength: 5 }), { nil: null })
const failure = fc
  .record({
    ok: fc.constant(false as const),
    code: fc.constantFrom(...ERROR_CODES),
    message: text,
    retryAfterMs: optional(fc.nat()),
    reason: optional(text),
    next: optional(number),
  })
  .map((value) => bare(value) as Failure)
const time = fc.double({ noNaN: true, noDefaultInfinity: true }).map((ms) => (Object.is(ms, -0) ? 0 : ms))

const frames = fc.oneof(
  fc.record({ t: fc.constantFrom('hello' as const, 'welcome' as const), version: number, viewHash: text }),
  fc.record({ t: fc.constant('seen' as const), move: number }),
  fc
    .record({
      id: number,
      timeoutMs: number,
      actor: text,
      type: text,
      sender: text,
      source: optional(text),
      seq: optional(number),
      base: optional(number),
      key: optional(text),
      data,
    })
    .map(({ id, timeoutMs, data: payload, ...call }) => ({
      t: 'send' as const,
      id,
      timeoutMs,
      call: { ...bare(call), data: payload, timeoutMs },
    })),
  fc
    .record({
      id: number,
      timeoutMs: number,
      actor: text,
      name: text,
      strict: fc.constantFrom(true, undefined),
      atLeast: optional(number),
      args: data,
    })
    .map(({ id, timeoutMs, args, ...call }) => ({ t: 'query' as const, id, timeoutMs, call: { ...bare(call), args, timeoutMs } })),
  fc
    .record({
      t: fc.constantFrom('topic' as const, 'subscribe' as const),
      id: number,
      timeoutMs: number,
      actor: text,
      topic: text,
      atLeast: number,
    })
    .map(({ t, id, timeoutMs, ...call }) => ({ t, id, timeoutMs, call: { ...call, timeoutMs } })),
  fc.record({ t: fc.constantFrom('unsubscribe' as const, 'ended' as const), sub: number }),
  fc
    .record({ id: number, timeoutMs: number, actor: text, from: number, limit: number, types })
    .map(({ id, timeoutMs, ...call }) => ({ t: 'history' as const, id, timeoutMs, call: { ...call, timeoutMs } })),
  fc.record({
    t: fc.constant('renew' as const),
    renewals: fc.array(fc.record({ sub: number, journal: text, epoch, offset: number }), { maxLength: 20 }),
  }),
  fc.record({ t: fc.constant('pull' as const), id: number, timeoutMs: number, actor: text }),
  fc.record({ t: fc.constant('bundle' as const), id: number, timeoutMs: number, actor: text, bytes: fc.uint8Array({ maxLength: 500 }) }),
  fc.record({ t: fc.constant('finished' as const), viewHash: text }),
  fc.record({ t: fc.constant('credit' as const), requests: number, bytes: number }),
  fc.record({ t: fc.constant('replied' as const), id: number, offset: number, durable: fc.boolean(), duplicate: fc.boolean() }),
  fc.record({ t: fc.constant('failed' as const), id: number, failure }),
  fc.record({ t: fc.constant('moved' as const), id: number, move: number, viewHash: text, owner: text, minVersion: number }),
  fc.record({ t: fc.constant('answered' as const), id: number, offset: number, json: text }),
  fc
    .record({
      ok: fc.constant(true as const),
      kind: fc.constantFrom('signal' as const, 'view' as const, 'log' as const),
      journal: text,
      epoch,
      offset: number,
      changed: number,
      oldest: number,
      everyMs: time,
      json: optional(text),
      types: fc.option(types, { nil: undefined }),
    })
    .chain((state) => fc.record({ t: fc.constant('state' as const), id: number, state: fc.constant(bare(state)) })),
  fc.record({
    t: fc.constant('page' as const),
    id: number,
    page: fc.record({
      ok: fc.constant(true as const),
      entries: fc.array(fc.record({ offset: number, type: text, at: time, json: text }), { maxLength: 10 }),
      more: fc.boolean(),
      next: number,
      oldest: number,
      journal: text,
    }),
  }),
  fc.record({ t: fc.constant('pulled' as const), id: number, bytes: fc.uint8Array({ maxLength: 500 }), finished: text }),
  fc.record({ t: fc.constant('handed' as const), id: number, taken: fc.boolean() }),
  fc.record({ t: fc.constant('note' as const), sub: number, note }),
) as fc.Arbitrary<LinkFrame>

function decoded(message: Uint8Array): (LinkFrame | Malformed)[] {
  const decoder = new FrameDecoder()
  decoder.open(message)
  const found: (LinkFrame | Malformed)[] = []
  for (let frame = decoder.next(); frame !== null; frame = decoder.next()) {
    found.push(frame)
    if (found.length > 10_000) throw new Error('a message without end')
  }
  return found
}

/** Texts and data as they cross: unpaired surrogates become U+FFFD, what JSON does not know is what JSON makes of it. */
const crossed = (value: unknown): unknown => {
  if (typeof value === 'string') return Buffer.from(value).toString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(crossed)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, crossed(v)]))
  return Object.is(value, -0) ? 0 : value
}
/** Data crosses as JSON, which escapes what UTF-8 has not. */
const same = (frame: LinkFrame): unknown => {
  const { t } = frame
  if (t === 'send' && !(frame.call.data instanceof Uint8Array) && frame.call.data !== undefined) {
    const call = { ...frame.call, data: null }
    return [crossed({ ...frame, call }), JSON.parse(JSON.stringify(frame.call.data))]
  }
  if (t === 'query' && !(frame.call.args instanceof Uint8Array) && frame.call.args !== undefined) {
    const call = { ...frame.call, args: null }
    return [crossed({ ...frame, call }), JSON.parse(JSON.stringify(frame.call.args))]
  }
  return crossed(frame)
}

describe('frames of a link', () => {
  it('come back as they were written, any number in a message', () => {
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 12 }), (given) => {
        const found = decoded(encoded(given))
        expect(found.map((frame) => same(frame as LinkFrame))).toEqual(given.map(same))
      }),
      { numRuns: 400 },
    )
  })

  it('any bytes are frames or one malformed value, never a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const found = decoded(bytes)
        expect(found.slice(0, -1).every(({ t }) => t !== 'malformed')).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('a message cut off or changed anywhere is read without a throw, and what is before the change comes out whole', () => {
    fc.assert(
      fc.property(fc.array(frames, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(255), fc.boolean(), (given, where, byte, cut) => {
        const whole = encoded(given)
        const at = where % whole.length
        const changed = cut ? whole.subarray(0, at) : Buffer.from(whole)
        if (!cut) changed[at] = byte
        const found = decoded(changed)
        let end = 0
        for (const [i, frame] of given.entries()) {
          end += encoded([frame]).length
          if (end > at) break
          expect(same(found[i] as LinkFrame)).toEqual(same(frame))
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('frames of a kind that only newer nodes know, and fields after the known ones, are skipped', () => {
    const frame: LinkFrame = { t: 'ended', sub: 7 }
    const plain = encoded([frame])
    const longer = Buffer.concat([plain, Buffer.from([1, 2, 3])])
    longer.writeUInt32LE(longer.length - 5, 1)
    const unknown = Buffer.from([200, 3, 0, 0, 0, 9, 9, 9])
    expect(decoded(Buffer.concat([unknown, longer, unknown, plain]))).toEqual([frame, frame])
  })

  it('a large message comes out whole of its parts, whatever their size; a part without a last one gives nothing', () => {
    fc.assert(
      fc.property(fc.array(frames, { minLength: 1, maxLength: 6 }), fc.integer({ min: 6, max: 200 }), (given, bytes) => {
        const decoder = new FrameDecoder()
        const parts = [...partsOf(encoded(given), bytes)]
        const found: unknown[] = []
        for (const [i, part] of parts.entries()) {
          expect(part.length).toBeLessThanOrEqual(bytes)
          decoder.open(part)
          for (let frame = decoder.next(); frame !== null; frame = decoder.next()) {
            expect(i).toBe(parts.length - 1)
            found.push(same(frame as LinkFrame))
          }
        }
        expect(found).toEqual(given.map(same))
      }),
      { numRuns: 200 },
    )
  })

  it('parts without end are malformed before they fill the memory', () => {
    const decoder = new FrameDecoder()
    const [part] = partsOf(new Uint8Array(2_000_000), 1_000_000)
    let opened = 0
    for (let wrong = false; !wrong && opened < 100; opened++) {
      decoder.open(part as Uint8Array)
      wrong = decoder.next()?.t === 'malformed'
    }
    expect(opened).toBeLessThan(70)
  })

  it('counts that promise more than is there cost no more than what is there', () => {
    const out = new ByteWriter()
    out.u8(9) // renew
    const hole = out.hole()
    out.varint(Number.MAX_SAFE_INTEGER)
    out.patch(hole, out.length - hole - 4)
    expect(decoded(out.take())).toMatchObject([{ t: 'malformed' }])
  })

  it('says how many bytes each frame took', () => {
    const given: LinkFrame[] = [
      { t: 'seen', move: 3 },
      { t: 'finished', viewHash: 'abc' },
    ]
    const decoder = new FrameDecoder()
    decoder.open(encoded(given))
    const sizes: number[] = []
    while (decoder.next() !== null) sizes.push(decoder.frameBytes)
    expect(sizes).toEqual(given.map((frame) => encoded([frame]).length))
  })
})

describe('numbers', () => {
  it('that are no whole numbers from 0 to 2^53 - 1 are brought into that range: they do not end a link', () => {
    const out = new ByteWriter()
    const given = [-1, 1.9, Number.NaN, Infinity, 2 ** 60, 2 ** 53 - 1]
    for (const value of given) out.varint(value)
    const input = new ByteReader()
    input.open(out.take())
    expect(given.map(() => input.varint())).toEqual([0, 1, 0, 2 ** 53 - 1, 2 ** 53 - 1, 2 ** 53 - 1])
    expect(input.failed).toBe(false)
  })
})
