/** The life of a wire on a stream that does only what the test says, on virtual time: what a network seldom does. */
import { expect, it } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import { seeded } from '../../src/base/random.ts'
import { WIRE_IDLE_MS } from '../../src/cluster/transport.ts'
import { OPTIONS } from '../../src/options.ts'
import type { Frame } from '../../src/transport/frames.ts'
import { Handshake, type Step } from '../../src/transport/handshake.ts'
import { StreamWire } from '../../src/transport/stream-wire.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { Ear } from './ear.ts'

const PING_MS = OPTIONS.wirePingMs.value

function opened() {
  const clock = new VirtualClock()
  const random = seeded('wire')
  const ear = new Ear()
  const did: string[] = []
  const written: { frame: Frame; done: () => void }[] = []
  let released = 0
  const hand = (side: 'dialler' | 'listener', id: string): Handshake =>
    new Handshake({
      side,
      channel: 'data',
      cluster: 'c',
      self: { id, generation: 1, address: 'x:1' },
      boot: random.bytes(16),
      nonce: random.bytes(32),
      security: { secrets: [], tls: null },
      evidence: () => ({ loopback: true, certificate: null, hostMatches: false }),
    })
  const wire = new StreamWire(
    {
      stream: {
        write: (frame, done) => written.push({ frame, done }),
        end: () => did.push('end'),
        cancel: () => did.push('cancel'),
      },
      handshake: hand('dialler', 'a'),
      clock,
      log: silentLog,
      frameBytes: 1000,
      handshakeMs: 5000,
      accept: () => ear,
      stranger: () => undefined,
      met: () => undefined,
      released: () => released++,
    },
    ear,
  )
  ear.wire = wire
  const other = hand('listener', 'b')
  wire.start()
  const answer = (): Step => {
    const next = written.shift()
    next?.done()
    return other.take(next?.frame as Frame)
  }
  for (let round = 0; round < 2; round++) {
    const step = answer()
    if (step.kind === 'broken') throw new Error(step.why)
    for (const frame of step.send) wire.received(frame)
  }
  expect(ear.peer?.id).toBe('b')
  return { clock, ear, wire, written, did, released: () => released }
}

it('T7 silence is two ticks without a frame, so that it is found within the bound; one tick is not', () => {
  const { clock, ear, wire, did } = opened()
  wire.tick(PING_MS)
  wire.tick(PING_MS)
  expect(ear.end).toBeNull()
  // A process that slept through any time has one tick due, then its input.
  wire.received({ kind: 'ping' })
  wire.tick(PING_MS)
  wire.tick(PING_MS)
  clock.advance(0)
  expect([ear.end, did]).toEqual([null, []])
  wire.tick(PING_MS)
  clock.advance(0)
  expect([ear.end, did]).toEqual(['lost', ['cancel']])
  expect(3 * PING_MS).toBeLessThanOrEqual(WIRE_IDLE_MS)
})

it('each tick says that this end lives', () => {
  const { wire, written } = opened()
  wire.tick(PING_MS)
  expect(written.map(({ frame }) => frame)).toEqual([{ kind: 'ping' }])
})

it('T4 what the connection has not taken is counted, in order, and nothing after the end', () => {
  const { clock, ear, wire, written } = opened()
  wire.send(Buffer.alloc(100))
  wire.send(Buffer.alloc(10))
  const both = wire.bufferedBytes
  expect(both).toBeGreaterThanOrEqual(110)
  written[0]?.done()
  expect(both - wire.bufferedBytes).toBeGreaterThanOrEqual(100)
  written[1]?.done()
  expect(wire.bufferedBytes).toBe(0)
  wire.send(Buffer.alloc(10))
  wire.gone('unreachable', 'broke')
  written[2]?.done()
  clock.advance(0)
  expect([wire.bufferedBytes, ear.end]).toEqual([0, 'lost'])
})

it('a stream that does not end is cancelled, whoever closed', () => {
  const here = opened()
  here.wire.close()
  expect([here.did, here.written.map(({ frame }) => frame)]).toEqual([['end'], [{ kind: 'close' }]])
  here.clock.advance(1999)
  expect([here.ear.end, here.released()]).toEqual([null, 0])
  here.clock.advance(1)
  expect([here.ear.end, here.did, here.released()]).toEqual(['closed', ['end', 'cancel'], 1])

  const there = opened()
  there.wire.received({ kind: 'close' })
  there.clock.advance(0)
  expect([there.ear.end, there.did, there.released()]).toEqual(['closed', ['end'], 0])
  there.clock.advance(2000)
  expect([there.did, there.released()]).toEqual([['end', 'cancel'], 1])
  there.wire.gone('unreachable', 'late')
  expect([there.released(), there.ear.faults]).toEqual([1, []])
  expect(there.clock.pending).toBe(0)
})

it('a stream that just ends was not closed: the end of a broken connection looks the same', () => {
  const { clock, ear, wire } = opened()
  wire.ended()
  clock.advance(0)
  expect(ear.end).toBe('lost')
})

it('who closes while a message is under way to it hears nothing of that', () => {
  const { clock, ear, wire } = opened()
  wire.close()
  wire.received(Buffer.from('late'))
  wire.received({ kind: 'close' })
  wire.gone('unreachable', 'ended')
  clock.advance(0)
  expect([ear.messages, ear.end, ear.faults]).toEqual([[], 'closed', []])
})
