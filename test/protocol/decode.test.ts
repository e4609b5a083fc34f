/** The client wire’s codec: every input gives values, never a throw, and valid frames come through unchanged in both forms. */
import { Decoder } from '@msgpack/msgpack'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fail } from '../../src/errors.ts'
import { checkFrame, dataFault, decodeText } from '../../src/protocol/decode.ts'
import { bytesText, jsonServerCodec, type ServerCodec } from '../../src/protocol/encode.ts'
import { decodeBinary, encodeValue, msgpackServerCodec } from '../../src/protocol/msgpack.ts'
import { scanValues } from '../../src/protocol/msgpack-scan.ts'

const name = fc.string({ minLength: 1, maxLength: 40 })
const id = fc.nat()
const data = fc.jsonValue({ maxDepth: 4 }).filter((value) => dataFault(value, 64) === null)
const frames = fc.oneof(
  fc.record({ t: fc.constant('connect'), token: name, device: name }, { requiredKeys: ['t'] }),
  fc.record(
    { t: fc.constant('send'), id, to: name, type: name, data, key: name.filter((key) => key.isWellFormed()) },
    { requiredKeys: ['t', 'id', 'type'] },
  ),
  fc.record(
    { t: fc.constant('send'), id, type: name, data, seq: fc.integer({ min: 1 }), base: fc.constant(1) },
    { requiredKeys: ['t', 'id', 'type', 'seq'] },
  ),
  fc.record({ t: fc.constant('query'), id, name, args: data, strict: fc.boolean(), atLeast: id }, { requiredKeys: ['t', 'id', 'name'] }),
  fc.record(
    { t: fc.constant('subscribe'), id, topic: name, from: fc.record({ journal: name, offset: id }) },
    { requiredKeys: ['t', 'id', 'topic'] },
  ),
  fc.record({ t: fc.constant('unsubscribe'), id, sub: id }),
  fc.record({ t: fc.constant('history'), id, from: id, limit: fc.integer({ min: 1, max: 300 }) }),
  fc.record({ t: fc.constant('refresh'), id, token: name }),
  fc.record({ t: fc.constant('pong') }),
)
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

test('valid frames come through, alone and together, in both forms', () => {
  fc.assert(
    fc.property(fc.array(frames, { minLength: 1, maxLength: 4 }), (list) => {
      const expected = plain(list)
      expect(plain(decodeText(list.map((frame) => JSON.stringify(frame)).join('\n'), 64))).toEqual(expected)
      // Well-formed text only: MessagePack strings are UTF-8.
      fc.pre(JSON.stringify(list).isWellFormed() && !JSON.stringify(list).includes('\\ud'))
      expect(plain(decodeBinary(Buffer.concat(list.map(encodeValue)), 64))).toEqual(expected)
    }),
  )
})

const kinds = new Set(['connect', 'send', 'query', 'subscribe', 'unsubscribe', 'history', 'refresh', 'pong', 'malformed', 'refused'])

test('whatever comes as text gives values', () => {
  const mutated = fc.tuple(frames, fc.nat(), fc.string({ unit: 'binary', maxLength: 5 })).map(([frame, at, junk]) => {
    const text = JSON.stringify(frame)
    const cut = at % (text.length + 1)
    return text.slice(0, cut) + junk + text.slice(cut + junk.length)
  })
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), mutated), (text) => {
      for (const { t } of decodeText(text, 64)) expect(kinds).toContain(t)
    }),
    { numRuns: 2_000 },
  )
})

test('whatever comes as bytes gives values', () => {
  const mutated = fc.tuple(frames, fc.nat(), fc.uint8Array({ maxLength: 5 })).map(([frame, at, junk]) => {
    const bytes = encodeValue(frame)
    const cut = at % (bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, cut), junk, bytes.subarray(cut + junk.length)])
  })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
      for (const { t } of decodeBinary(bytes, 64)) expect(kinds).toContain(t)
    }),
    { numRuns: 5_000 },
  )
})

test('wrong types in every field give `malformed`, never a frame with a wrong field', () => {
  const wrong = fc.constantFrom<unknown>(null, true, -1, 1.5, 2 ** 53, '', [], {}, { __proto__: null })
  const fields = [
    'id',
    'to',
    'type',
    'seq',
    'base',
    'key',
    'timeoutMs',
    'name',
    'strict',
    'atLeast',
    'topic',
    'from',
    'sub',
    'limit',
    'token',
    'ticket',
    'device',
  ]
  const types: Record<string, (value: unknown) => boolean> = {
    id: (v) => Number.isSafeInteger(v) && (v as number) >= 0,
    to: (v) => typeof v === 'string',
    type: (v) => typeof v === 'string' && v !== '',
    seq: (v) => Number.isSafeInteger(v) && (v as number) >= 1,
    token: (v) => typeof v === 'string',
    topic: (v) => typeof v === 'string' && v !== '',
    sub: (v) => Number.isSafeInteger(v),
  }
  fc.assert(
    fc.property(frames, fc.constantFrom(...fields), wrong, (frame, field, value) => {
      const decoded = checkFrame({ ...frame, [field]: value }, 64) as unknown as Record<string, unknown>
      if (decoded['t'] === 'malformed' || decoded['t'] === 'refused') return
      const known = types[field]
      const used = Object.hasOwn(frame, field)
      if (known !== undefined && used) expect(known(value)).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

describe('MessagePack that would hurt', () => {
  const bytes = (...list: (number | readonly number[])[]): Uint8Array => Uint8Array.from(list.flat())
  test.each([
    ['an array of four billion items', bytes(0xdd, 0xff, 0xff, 0xff, 0xff), 'ends inside'],
    ['a map of four billion fields', bytes(0xdf, 0xff, 0xff, 0xff, 0xff), 'ends inside'],
    ['a text longer than the message', bytes(0xdb, 0xff, 0xff, 0xff, 0xff, 0x61), 'ends inside'],
    [
      'arrays in arrays in arrays, each said to be large',
      Uint8Array.from({ length: 60_000 }, (_, i) => [0xdc, 0xff, 0xff][i % 3] as number),
      'nested',
    ],
    ['nested beyond the stack', new Uint8Array(65_536).fill(0x91), 'nested'],
    ['a byte that is none', bytes(0xc1), '0xc1'],
    ['an extension', bytes(0x81, 0xa1, 0x74, 0xd4, 0x01, 0x00), 'extension'],
    ['a timestamp', bytes(0xd6, 0xff, 0, 0, 0, 0), 'extension'],
    ['a key that is a number', bytes(0x81, 0x01, 0x01), 'texts'],
    ['a key that is an array', bytes(0x81, 0x90, 0x01), 'texts'],
    ['cut inside a size', bytes(0xcd, 0x01), 'ends inside'],
  ])('%s', (_, message, said) => {
    const decoded = decodeBinary(message, 64)
    expect(decoded).toHaveLength(1)
    expect(decoded[0]).toMatchObject({ t: 'malformed', message: expect.stringContaining(said) })
  })

  test('a __proto__ key, in the frame or in data', () => {
    const key = encodeValue('__proto__')
    const inData = Buffer.concat([
      bytes(0x84),
      ...['t', 'send', 'id', 1, 'type', 'x', 'data'].map(encodeValue),
      bytes(0x81),
      key,
      bytes(0x80),
    ])
    for (const message of [Buffer.concat([bytes(0x81), key, bytes(0x80)]), inData])
      expect(decodeBinary(message, 64)[0]).toMatchObject({ t: 'malformed' })
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined()
  })

  test('NaN, Infinity and bytes inside data are refused; bytes as data are taken', () => {
    const send = (value: unknown): unknown => decodeBinary(encodeValue({ t: 'send', id: 1, type: 'x', data: value }), 64)[0]
    for (const value of [Number.NaN, [Number.POSITIVE_INFINITY], { a: new Uint8Array(1) }])
      expect(send(value)).toMatchObject({ t: 'refused', id: 1 })
    expect(send(new Uint8Array([1]))).toMatchObject({ t: 'send', data: new Uint8Array([1]) })
  })

  test('the scan agrees with the decoder about where values end', () => {
    fc.assert(
      fc.property(fc.array(data, { maxLength: 5 }), (values) => {
        const encoded = values.map(encodeValue)
        const ends = encoded.map((_, i) => encoded.slice(0, i + 1).reduce((sum, part) => sum + part.length, 0))
        expect(scanValues(Buffer.concat(encoded), 64)).toEqual({ ok: true, ends })
      }),
    )
  })
})

test('depth: as deep as allowed passes, one more does not, in both forms', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])
  const frame = (depth: number): object => ({ t: 'send', id: 1, type: 'x', data: nested(depth) })
  for (const decode of [(f: object) => decodeText(JSON.stringify(f), 10)[0], (f: object) => decodeBinary(encodeValue(f), 10)[0]]) {
    expect(decode(frame(10))).toMatchObject({ t: 'send' })
    expect(decode(frame(11))).toMatchObject({ t: 'refused' })
  }
})

describe('server frames', () => {
  const note = { offset: 5, type: 'a"b', at: 7, json: '{"x":[1,"\\n"]}' }
  const read: [string, (message: never) => unknown[]][] = [
    ['json', (message: string) => message.split('\n').map((line) => JSON.parse(line) as unknown)],
    ['msgpack', (message: Uint8Array) => [...new Decoder().decodeMulti(message)]],
  ]
  test.each(read)('%s: every kind says the same', (form, parse) => {
    const codec = (form === 'json' ? jsonServerCodec : msgpackServerCodec) as unknown as ServerCodec<never>
    const messages = [
      codec.sent(1, 2, true, false),
      codec.sent(1, 2, false, true),
      codec.answered(3, '{"a":null}', 4),
      codec.failed(5, fail('refused', 'no "way"', { reason: 'x', next: 3 })),
      codec.subscribed(6, { sub: 1, journal: 'j"', epoch: 2, offset: 3, recovered: true, json: '[1]' }),
      codec.subscribed(6, { sub: 1, journal: 'j', epoch: 2, offset: 3, recovered: false }),
      codec.page(7, [{ offset: 1, type: 't', at: 2, json: 'null' }], true),
      codec.note(1, 4, codec.tail(note)),
      codec.note(70_000, 2 ** 40, codec.tail({ offset: 2 ** 41 })),
      codec.frame({ t: 'ping' }),
    ]
    const expected = [
      { t: 'reply', id: 1, ok: true, offset: 2, durable: true },
      { t: 'reply', id: 1, ok: true, offset: 2, durable: false, duplicate: true },
      { t: 'reply', id: 3, ok: true, data: { a: null }, offset: 4 },
      { t: 'reply', id: 5, ok: false, error: { code: 'refused', message: 'no "way"', retryable: false, reason: 'x', next: 3 } },
      { t: 'reply', id: 6, ok: true, sub: 1, journal: 'j"', epoch: 2, offset: 3, recovered: true, data: [1] },
      { t: 'reply', id: 6, ok: true, sub: 1, journal: 'j', epoch: 2, offset: 3, recovered: false },
      { t: 'reply', id: 7, ok: true, entries: [{ offset: 1, type: 't', data: null, at: 2 }], more: true },
      { t: 'note', sub: 1, from: 4, offset: 5, type: 'a"b', at: 7, data: { x: [1, '\n'] } },
      { t: 'note', sub: 70_000, from: 2 ** 40, offset: 2 ** 41 },
      { t: 'ping' },
    ]
    expect(parse(codec.join(messages))).toEqual(expected)
    for (const [i, message] of messages.entries()) expect(parse(message)).toEqual([expected[i]])
  })

  test('bytes: base64 text in JSON, bytes in MessagePack; nothing else is taken for them', () => {
    expect(jsonServerCodec.answered(1, '{"$bytes":"AQI="}', 0)).toContain('"data":"AQI="')
    expect([...new Decoder().decodeMulti(msgpackServerCodec.answered(1, '{"$bytes":"AQI="}', 0))]).toEqual([
      { t: 'reply', id: 1, ok: true, data: new Uint8Array([1, 2]), offset: 0 },
    ])
    for (const json of ['{"$bytes":"AQI=","b":1}', '{"$bytes":1}', '{"a":{"$bytes":"AQI="}}', '"{\\"$bytes\\":\\"\\"}"'])
      expect(bytesText(json)).toBeNull()
  })
})
