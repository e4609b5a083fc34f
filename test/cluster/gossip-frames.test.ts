/** Frames as bytes: what was written is read; whatever else comes is a value (M16). And the machine survives any frame that can be read. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seeded } from '../../src/base/random.ts'
import { decodeFrame, encodeFrame, updateBytes } from '../../src/cluster/frame-codec.ts'
import { BUCKETS, FRAME_BYTES_MAX, clusterHash, type Body, type Frame, type Update } from '../../src/cluster/frames.ts'
import { gossipOptions } from '../../src/cluster/gossip-options.ts'
import { isTerminal, type Member, type MemberMeta } from '../../src/cluster/member.ts'
import { Membership } from '../../src/cluster/membership.ts'
import { resolveOptions } from '../../src/options.ts'
import { META } from './world.ts'

const ids = ['a', 'b', 'c', 'd', 'self', '__proto__', 'constructor', 'ünï-😀']
const id = fc.constantFrom(...ids)
const number = fc.oneof(fc.nat(8), fc.nat(2 ** 31 - 1))
const generation = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.maxSafeNat())
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const meta: fc.Arbitrary<MemberMeta> = fc.oneof(
  fc.constant(META),
  fc.record({
    roles: fc.subarray(['gateway', 'actors'] as const),
    types: fc.dictionary(fc.constantFrom('user', 'room', '__proto__', '1', 'b'), fc.nat(9), { maxKeys: 4 }),
    version: fc.string({ maxLength: 8 }),
    labels: fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 8 }), { maxKeys: 3 }),
    weight: fc.integer({ min: 1, max: 16 }),
  }),
)
const member: fc.Arbitrary<Member> = fc.record({
  id,
  generation,
  incarnation: number,
  liveness: fc.constantFrom('alive', 'suspect', 'dead', 'left'),
  phase: fc.constantFrom('joining', 'ready', 'draining'),
  address: fc.constantFrom('a:1', 'b:1', 'host.example:7100', '[::1]:7100'),
  meta,
})
const update: fc.Arbitrary<Update> = fc
  .record({
    record: member,
    accusers: fc.array(fc.record({ id, refused: fc.boolean() }), { maxLength: 8 }),
    agedMs: fc.nat(7_200_000),
  })
  .map(({ record, accusers, agedMs }) => ({
    record,
    accusers: record.liveness === 'suspect' ? accusers : [],
    agedMs: isTerminal(record.liveness) ? agedMs : 0,
  }))
const identity = fc.record({ id, generation })
const body: fc.Arbitrary<Body> = fc.oneof(
  fc.record({ kind: fc.constant('ping' as const), seq: u32, target: identity }),
  fc.record({
    kind: fc.constant('ack' as const),
    seq: u32,
    subject: fc.option(fc.record({ id, generation, incarnation: number })),
  }),
  fc.record({
    kind: fc.constant('pingreq' as const),
    seq: u32,
    target: identity,
    address: fc.constantFrom('a:1', 'zz:9'),
    withinMs: fc.nat(600_000),
  }),
  fc.record({ kind: fc.constant('nack' as const), seq: u32, refused: fc.boolean() }),
  fc.constant({ kind: 'gossip' as const }),
  fc.array(u32, { minLength: BUCKETS, maxLength: BUCKETS }).map((sums) => ({ kind: 'compare' as const, buckets: Uint32Array.from(sums) })),
  fc.record({ kind: fc.constant('records' as const), low: u32, high: u32, last: fc.boolean(), answer: fc.boolean() }),
  fc.record({ kind: fc.constant('duplicate' as const), boot: u32 }),
)
const frame: fc.Arbitrary<Frame> = fc.record({
  header: fc.record({
    cluster: fc.oneof(fc.constant(clusterHash('test')), u32),
    boot: u32,
    id,
    generation,
    incarnation: number,
    digest: fc.record({ a: u32, b: u32 }),
    step: fc.oneof(fc.nat(50), fc.constant(2 ** 48)),
  }),
  body,
  updates: fc.array(update, { maxLength: 12 }),
})

const wild = new TextEncoder()

describe('frames', () => {
  it('come out as they went in', () => {
    fc.assert(
      fc.property(frame, (given) => {
        const decoded = decodeFrame(encodeFrame(given))
        if (!decoded.ok) throw new Error(decoded.why)
        expect(decoded.frame).toEqual(given)
      }),
      { numRuns: 500 },
    )
  })

  it('M16: any bytes are an answer, never a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decodeFrame(bytes)
      }),
      { numRuns: 3000 },
    )
    expect(decodeFrame(new Uint8Array(FRAME_BYTES_MAX + 1))).toEqual({ ok: false, why: 'too_large' })
    expect(decodeFrame(new Uint8Array(0)).ok).toBe(false)
  })

  it('M16: a frame with changed, cut or added bytes is read as a frame or refused', () => {
    const place = fc.nat(10_000)
    fc.assert(
      fc.property(frame, fc.array(fc.tuple(place, fc.nat(255)), { maxLength: 6 }), fc.option(place), (given, changes, cut) => {
        const bytes = encodeFrame(given)
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        const decoded = decodeFrame(cut === null ? bytes : bytes.subarray(0, cut % bytes.length))
        // What is read can be written again, so every field is within its bounds.
        if (decoded.ok) expect(decodeFrame(encodeFrame(decoded.frame)).ok).toBe(true)
        else expect(decoded.why).not.toBe('')
        if (cut !== null && changes.length === 0) expect(decoded.ok).toBe(false)
      }),
      { numRuns: 3000 },
    )
  })

  it.each([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['a role that is none', '{"roles":["king"],"types":{},"version":"1","labels":{},"weight":1}'],
    ['a weight of 17', '{"roles":[],"types":{},"version":"1","labels":{},"weight":17}'],
    ['a label that is no text', '{"roles":[],"types":{},"version":"1","labels":{"a":1},"weight":1}'],
    ['a version of a type that is no number', '{"roles":[],"types":{"a":"1"},"version":"1","labels":{},"weight":1}'],
    ['over 1024 bytes', JSON.stringify({ ...META, labels: { a: 'x'.repeat(1024) } })],
  ])('a record whose meta is %s is refused', (_, text) => {
    const good = encodeFrame(plain([]))
    const record = encodeRecord(text)
    const bytes = Uint8Array.from([...good.subarray(0, -1), 1, ...record])
    expect(decodeFrame(bytes)).toEqual({ ok: false, why: 'record' })
  })

  it('more than 64 updates are refused, but 256 records of a sync are not', () => {
    const updates = Array.from({ length: 65 }, (_, i) => ({ record: { ...alive('x'), id: `n${i}` }, accusers: [], agedMs: 0 }))
    expect(decodeFrame(encodeFrame(plain(updates)))).toEqual({ ok: false, why: 'updates' })
    const chunk: Frame = { ...plain(updates), body: { kind: 'records', low: 1, high: 0, last: true, answer: false } }
    expect(decodeFrame(encodeFrame(chunk)).ok).toBe(true)
  })
})

describe('the machine, given any frame', () => {
  it('M16: does not throw, does not grow beyond its bounds, sends nothing it could not read itself', () => {
    const options = gossipOptions(resolveOptions({ members: 8 }))
    const input = fc.oneof(
      { weight: 6, arbitrary: frame.map((given) => ({ kind: 'frame' as const, given })) },
      { weight: 2, arbitrary: fc.nat(3000).map((ms) => ({ kind: 'wait' as const, ms })) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('closed' as const), id, end: fc.constantFrom('refused', 'lost', 'denied') }) },
    )
    fc.assert(
      fc.property(fc.array(input, { maxLength: 40 }), fc.nat(), (inputs, seed) => {
        const self: Member = { ...alive('self'), generation: 3 }
        const machine = new Membership(self, clusterHash('test'), ['a:1'], options, seeded(seed), 0)
        let now = 0
        const sent = [...machine.input({ kind: 'start' }, now)]
        for (const step of inputs) {
          if (step.kind === 'wait') {
            now += step.ms
            for (let i = 0; i < 50 && machine.nextAt <= now; i++) sent.push(...machine.input({ kind: 'timer' }, now))
          } else if (step.kind === 'closed') {
            sent.push(...machine.input({ kind: 'closed', id: step.id, address: 'a:1', end: step.end as 'lost' }, now))
          } else {
            const { header } = step.given
            const peer = { id: header.id, generation: header.generation, address: 'a:1' }
            sent.push(...machine.input({ kind: 'frame', peer, frame: step.given }, now))
          }
        }
        for (const effect of sent) {
          if (effect.kind !== 'send' && effect.kind !== 'reply' && effect.kind !== 'ask') continue
          expect(decodeFrame(encodeFrame(effect.frame)).ok).toBe(true)
          expect(encodeFrame(effect.frame).length).toBeLessThanOrEqual(FRAME_BYTES_MAX)
          // M3: only the subject raises an incarnation: what is told of others was heard of others.
          expect(effect.frame.header.id).toBe('self')
        }
        expect(machine.gauges.live).toBeLessThanOrEqual(8)
        expect(machine.gauges.records).toBeLessThanOrEqual(ids.length)
        expect(machine.view.members.every((shown) => shown.id !== 'self' || !isTerminal(shown.liveness))).toBe(true)
      }),
      { numRuns: 400 },
    )
  })

  it('says nothing of others that it did not hear: no incarnation but its own is raised (M3)', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), (frames) => {
        const options = gossipOptions(resolveOptions())
        const machine = new Membership(alive('self'), clusterHash('test'), [], options, seeded(1), 0)
        machine.input({ kind: 'start' }, 0)
        const heard = new Map<string, Set<string>>()
        let now = 0
        for (const given of frames) {
          for (const { record } of given.updates) {
            const known = heard.get(record.id) ?? new Set()
            known.add(`${record.generation} ${record.incarnation}`)
            heard.set(record.id, known)
          }
          const peer = { id: given.header.id, generation: given.header.generation, address: 'a:1' }
          now += 150
          const effects = [...machine.input({ kind: 'frame', peer, frame: given }, now), ...machine.input({ kind: 'timer' }, now)]
          for (const effect of effects) {
            if (effect.kind !== 'send' && effect.kind !== 'reply') continue
            for (const { record } of effect.frame.updates) {
              if (record.id === 'self') continue
              expect(heard.get(record.id)).toContain(`${record.generation} ${record.incarnation}`)
            }
          }
        }
      }),
      { numRuns: Number(process.env['MEMBERSHIP_RUNS'] ?? 300) },
    )
  })
})

function alive(name: string): Member {
  return { id: name, generation: 1, incarnation: 1, liveness: 'alive', phase: 'joining', address: `${name}:1`, meta: META }
}

function plain(updates: readonly Update[]): Frame {
  const header = { cluster: 1, boot: 1, id: 'a', generation: 1, incarnation: 1, digest: { a: 0, b: 0 }, step: 0 }
  return { header, body: { kind: 'gossip' }, updates }
}

/** A record with this text for its meta, by hand: id, generation, incarnation, state, address, meta. */
function encodeRecord(metaText: string): number[] {
  const text = (value: string): number[] => {
    const bytes = wild.encode(value)
    const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7]
    return [...length, ...bytes]
  }
  return [...text('x'), 1, 1, 0, ...text('x:1'), ...text(metaText)]
}

it('the size of an update is what it takes in a frame', () => {
  const one: Update = { record: alive('b'), accusers: [], agedMs: 0 }
  expect(encodeFrame(plain([one])).length - encodeFrame(plain([])).length).toBe(updateBytes(one))
})
