/** The pure parts of the gateway, on virtual time. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { beat, firstPulse } from '../../src/gateway/heartbeat.ts'
import { Intake } from '../../src/gateway/intake.ts'
import { Outbox, Turns, type Message, type Outlet } from '../../src/gateway/outbox.ts'
import { CLOSING, onFrame, type Life, type Runnable } from '../../src/gateway/session.ts'
import { Stall } from '../../src/gateway/stall.ts'
import { startOf } from '../../src/gateway/subscription.ts'
import { Tickets } from '../../src/gateway/tickets.ts'
import { Vigil, type Sight } from '../../src/gateway/vigil.ts'
import { frameBytes, frameText } from '../../src/gateway/websocket-frame.ts'
import { Wheel, type WheelItem } from '../../src/gateway/wheel.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

describe('wheel', () => {
  const item = (visits: number[]): WheelItem => ({ due: 0, visit: (tick) => void visits.push(tick) })

  test('visits each item at its tick, also far beyond a turn of the wheel, once; the newest schedule counts', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 3 }), { maxLength: 20 }), (plans) => {
        const clock = new VirtualClock()
        const wheel = new Wheel(clock, 10)
        const visits = plans.map((plan) => {
          const seen: number[] = []
          const planned = item(seen)
          for (const after of plan) wheel.schedule(planned, wheel.tick + after)
          return { seen, due: planned.due }
        })
        clock.advance(40_000)
        for (const { seen, due } of visits) expect(seen).toEqual([due])
        expect(clock.pending).toBe(0)
      }),
    )
  })

  test('an item may schedule itself while it is visited', () => {
    const clock = new VirtualClock()
    const wheel = new Wheel(clock, 10)
    const seen: number[] = []
    const again: WheelItem = {
      due: 0,
      visit: (tick) => {
        seen.push(tick)
        if (seen.length < 5) wheel.schedule(again, tick + 512)
      },
    }
    wheel.schedule(again, 2)
    clock.advance(100_000)
    expect(seen).toEqual([2, 514, 1026, 1538, 2050])
  })

  test('after stop nothing is visited and no timer is left', () => {
    const clock = new VirtualClock()
    const wheel = new Wheel(clock, 10)
    const seen: number[] = []
    wheel.schedule(item(seen), 5)
    wheel.stop()
    wheel.schedule(item(seen), 5)
    clock.advance(1_000)
    expect(seen).toEqual([])
    expect(clock.pending).toBe(0)
  })
})

test('heartbeat: dead exactly when nothing came for `grace` after a ping; a live client never is', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 5, max: 50 }),
      fc.integer({ min: 1, max: 20 }),
      fc.float({ min: 0, max: Math.fround(0.999), noNaN: true }),
      fc.boolean(),
      (every, grace, random, answers) => {
        const pulse = firstPulse(100, every, random)
        let next = 100
        let pings = 0
        for (let step = 0; step < 12; step++) {
          const outcome = beat(pulse, next, every, grace)
          if (outcome.do === 'dead') {
            expect(answers).toBe(false)
            expect([pings, next - pulse.pingedAt]).toEqual([1, grace])
            return
          }
          if (outcome.do === 'ping') {
            if (pings++ === 0) expect(next - 100).toBeLessThanOrEqual(every)
            pulse.lastSent = next
            if (answers) pulse.lastHeard = next + 1
          }
          expect(outcome.next).toBeGreaterThan(next)
          next = outcome.next
        }
        expect(answers).toBe(true)
        expect(pings).toBeGreaterThan(1)
      },
    ),
  )
})

describe('vigil', () => {
  const periods = { ping: 100, grace: 30, slow: 120, tickMs: 10 }
  const facts = { waitingBytes: 0, takenBytes: 0, readBytes: 0, paused: false, nowMs: 0, expiresAt: undefined }
  const fresh = (): Vigil => {
    const vigil = new Vigil()
    vigil.begin(10, periods.ping, 0)
    return vigil
  }

  test('a token: a hint in the last quarter or 30 s, bye at the end, looks between planned for both', () => {
    const vigil = fresh()
    vigil.token(1_000, 0)
    const look = (tick: number, nowMs: number): unknown => vigil.look(tick, { ...facts, nowMs, expiresAt: 1_000 }, periods)
    expect(look(10, 0)).toEqual({ do: 'wait', next: 85 })
    expect(look(85, 750)).toEqual({ do: 'hint', leftMs: 250, next: 86 })
    expect(look(86, 760)).toEqual({ do: 'wait', next: 110 })
    expect(look(110, 1_000)).toMatchObject({ do: 'bye', code: 3005 })
    vigil.token(200_000, 1_000)
    expect(vigil.look(20, { ...facts, nowMs: 169_999, expiresAt: 200_000 }, periods).do).not.toBe('hint')
    expect(vigil.look(20, { ...facts, nowMs: 170_000, expiresAt: 200_000 }, periods).do).toBe('hint')
  })

  test('bytes wait: no ping, judged by what the socket takes (D9)', () => {
    const vigil = fresh()
    let sight: Sight = { do: 'wait', next: 10 }
    for (let takenBytes = 0; takenBytes < 40; takenBytes++) {
      sight = vigil.look('next' in sight ? sight.next : 0, { ...facts, waitingBytes: 5, takenBytes }, periods)
      expect(sight.do).toBe('wait')
    }
    const stuck = { ...facts, waitingBytes: 5, takenBytes: 39 }
    const from = 'next' in sight ? sight.next : 0
    expect(vigil.look(from + 89, stuck, periods).do).toBe('wait')
    expect(vigil.look(from + 90, stuck, periods)).toMatchObject({ do: 'bye', code: 3008 })
  })

  test('not read: not held to its pongs, and fresh when it is read again', () => {
    const vigil = fresh()
    expect(vigil.look(110, facts, periods)).toEqual({ do: 'ping', next: 140 })
    vigil.lastSent = 110
    expect(vigil.look(140, { ...facts, paused: true }, periods)).toEqual({ do: 'wait', next: 210 })
    // The client asks too whether the other side lives.
    expect(vigil.look(210, { ...facts, paused: true }, periods)).toEqual({ do: 'ping', next: 310 })
    vigil.readAgain(150)
    vigil.lastSent = 150
    expect(vigil.look(151, facts, periods)).toEqual({ do: 'wait', next: 250 })
    expect(vigil.look(250, facts, periods).do).toBe('ping')
    expect(vigil.look(280, facts, periods)).toMatchObject({ do: 'bye', code: 3012 })
  })
})

test('vigil: bytes of a frame that is not whole yet answer a ping; none, or those before it, do not', () => {
  const periods = { ping: 100, grace: 30, slow: 120, tickMs: 10 }
  const facts = { waitingBytes: 0, takenBytes: 0, readBytes: 500, paused: false, nowMs: 0, expiresAt: undefined }
  const vigil = new Vigil()
  vigil.begin(10, periods.ping, 0)
  expect(vigil.look(110, facts, periods)).toEqual({ do: 'ping', next: 140 })
  vigil.lastSent = 110
  expect(vigil.look(140, { ...facts, readBytes: 501 }, periods)).toEqual({ do: 'wait', next: 210 })
  expect(vigil.look(210, { ...facts, readBytes: 600 }, periods)).toEqual({ do: 'ping', next: 240 })
  expect(vigil.look(240, { ...facts, readBytes: 600 }, periods)).toMatchObject({ do: 'bye', code: 3012 })
})

test('stall: only a socket that takes nothing at all is one', () => {
  const stall = new Stall(100, 10)
  expect(stall.over(100, 19, 10)).toBe(false)
  expect(stall.over(101, 20, 10)).toBe(false)
  expect(stall.over(101, 29, 10)).toBe(false)
  expect(stall.over(101, 30, 10)).toBe(true)
})

describe('outbox', () => {
  class FakeOutlet implements Outlet {
    waitingBytes = 0
    readonly written: string[] = []
    readonly callbacks: (() => void)[] = []
    gone = 0
    again = 0
    frame(message: Message): Uint8Array {
      return Buffer.from(message as string)
    }
    write(bytes: Uint8Array, taken: (() => void) | undefined): void {
      this.written.push(Buffer.from(bytes).toString())
      this.waitingBytes += bytes.length
      if (taken !== undefined) this.callbacks.push(taken)
    }
    roomGone(): void {
      this.gone++
    }
    roomAgain(): void {
      this.again++
    }
    take(): void {
      this.waitingBytes = 0
      for (const taken of this.callbacks.splice(0)) taken()
    }
  }
  const make = (softBytes = 1_000): { clock: VirtualClock; outlet: FakeOutlet; outbox: Outbox } => {
    const clock = new VirtualClock()
    const outlet = new FakeOutlet()
    const outbox = new Outbox(outlet, { turns: new Turns(clock), softBytes, join: (list) => list.join('\n') })
    return { clock, outlet, outbox }
  }

  test('the first of a turn at once, the others joined at its end', () => {
    const { clock, outlet, outbox } = make()
    for (const text of ['a', 'b', 'c']) outbox.push(text)
    expect(outlet.written).toEqual(['a'])
    clock.advance(0)
    expect(outlet.written).toEqual(['a', 'b\nc'])
    outbox.push('d')
    expect(outlet.written).toEqual(['a', 'b\nc', 'd'])
    clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('a turn holds at most 16 KiB back; order stays', () => {
    const { clock, outlet, outbox } = make(1_000_000)
    const texts = Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(1_000, '.'))
    for (const text of texts) outbox.push(text)
    expect(outlet.written.length).toBeGreaterThan(4)
    clock.advance(0)
    expect(outlet.written.join('\n').split('\n')).toEqual(texts)
  })

  test('room goes above the soft bound and comes back once, when the socket has taken all', () => {
    const { outlet, outbox } = make(10)
    outbox.push('x'.repeat(11))
    expect([outbox.room, outlet.gone, outlet.again]).toEqual([false, 1, 0])
    outbox.push('y'.repeat(11))
    outbox.flush()
    outlet.take()
    expect([outbox.room, outlet.gone, outlet.again]).toEqual([true, 1, 1])
    const before = outlet.written.length
    outbox.push('z')
    outbox.drop()
    outbox.flush()
    expect([outbox.room, outlet.written.length]).toEqual([false, before])
  })
})

test('intake: at most `inflight` run, in order, whatever finishes when; the socket is read only when there is room', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.constantFrom('arrives', 'finishes', 'crowds', 'clears'), { maxLength: 80 }),
      fc.boolean(),
      (limit, steps, retires) => {
        const ran: number[] = []
        let taken = 0
        let reading = true
        let strains = 0
        let done = 0
        const reader = {
          inflightMax: limit,
          closing: false,
          crowded: false,
          serve: (frame: Runnable) => {
            intake.began()
            ran.push((frame as { id: number }).id)
            expect(intake.inflight).toBeLessThanOrEqual(limit)
            expect(reader.crowded).toBe(false)
          },
          strained: () => void strains++,
          reads: (reads: boolean) => {
            expect(reads).toBe(!reading)
            reading = reads
          },
          done: () => void done++,
        }
        const intake: Intake = new Intake(reader)
        for (const step of steps) {
          if (step === 'arrives') intake.take({ t: 'refresh', id: taken++, token: '' })
          else if (step === 'finishes' && intake.inflight > 0) {
            intake.finished()
            intake.proceed()
          } else if (step === 'crowds') {
            reader.crowded = true
            intake.steer()
          } else if (step === 'clears') {
            reader.crowded = false
            intake.proceed()
          }
          expect(reading).toBe(ran.length === taken && intake.inflight < limit && !reader.crowded)
          expect(intake.paused).toBe(!reading)
        }
        expect(strains).toBeLessThanOrEqual(Math.max(0, taken - limit) + steps.filter((step) => step === 'crowds').length * taken)
        reader.crowded = false
        intake.proceed()
        if (retires) intake.retire()
        expect(done > 0).toBe(retires && intake.inflight === 0 && ran.length === taken)
        while (intake.inflight > 0) {
          intake.finished()
          intake.proceed()
        }
        expect(ran).toEqual(Array.from({ length: taken }, (_, i) => i))
        expect([reading, done > 0]).toEqual([!retires, retires])
      },
    ),
  )
})

test('session: what each phase does with a frame', () => {
  const limits = { earlyFrames: 2, earlyBytes: 100 }
  const handshake = { headers: {}, query: {}, address: '' }
  const connecting = (): Life => ({ phase: 'connecting', handshake, early: [], earlyBytes: 0 })
  const send = { t: 'send', id: 1, type: 'x' } as const
  const connect = { t: 'connect' } as const
  const life = connecting()
  expect(onFrame(life, send, 10, limits).do).toBe('wait')
  const step = onFrame(life, connect, 10, limits)
  expect(step).toMatchObject({ do: 'authenticate', life: { phase: 'authenticating', early: [send] } })
  const authenticating = step.do === 'authenticate' ? step.life : CLOSING
  expect(onFrame(authenticating, connect, 10, limits).do).toBe('complain')
  expect(onFrame(authenticating, send, 10, limits).do).toBe('wait')
  expect(onFrame(authenticating, send, 10, limits).do).toBe('overflow')
  expect(onFrame(connecting(), send, 101, limits).do).toBe('overflow')
  const open: Life = { phase: 'open', session: 's', device: '', who: { sub: 'a' } }
  expect(onFrame(open, send, 10, limits)).toEqual({ do: 'run', what: send })
  expect(onFrame(open, connect, 10, limits).do).toBe('complain')
  expect(onFrame(open, { t: 'malformed', message: '', id: null }, 1, limits).do).toBe('complain')
  expect(onFrame(CLOSING, { t: 'malformed', message: '', id: null }, 1, limits).do).toBe('ignore')
})

describe('tickets', () => {
  const tickets = new Tickets(new Uint8Array(32).fill(1))
  const ticket = { session: 's', who: { sub: 'a', actor: 'user/a', expiresAt: 5_000, claims: { x: 1 } }, device: 'd', expiresAt: 1_000 }

  test('carry what was put in, until they expire', () => {
    expect(tickets.open(tickets.issue(ticket), 999)).toEqual(ticket)
    expect(tickets.open(tickets.issue(ticket), 1_000)).toBeNull()
  })

  test('a changed, foreign or made-up one is none', () => {
    const text = tickets.issue(ticket)
    expect(new Tickets(new Uint8Array(32).fill(2)).open(text, 0)).toBeNull()
    fc.assert(
      fc.property(fc.nat({ max: text.length - 1 }), fc.constantFrom('A', 'Z', 'a', 'z', '0', '9', '-', '_', '.'), (at, unit) => {
        fc.pre(text[at] !== unit)
        // The last unit of base64 holds bits that count for nothing.
        fc.pre(at !== text.length - 1)
        expect(tickets.open(text.slice(0, at) + unit + text.slice(at + 1), 0)).toBeNull()
      }),
    )
    fc.assert(fc.property(fc.string(), (junk) => tickets.open(junk, 0) === null))
    expect(() => new Tickets(new Uint8Array(8))).toThrow('16 bytes')
  })
})

test('where a subscription begins', () => {
  const state = { ok: true, kind: 'log', journal: 'j', epoch: 1, offset: 10, changed: 10, oldest: 4, everyMs: 0 } as const
  expect(startOf(state, undefined)).toEqual({ offset: 10, recovered: false, gap: null })
  expect(startOf(state, { journal: 'j', offset: 3 })).toEqual({ offset: 3, recovered: true, gap: null })
  expect(startOf(state, { journal: 'j', offset: 2 })).toEqual({ offset: 3, recovered: false, gap: { from: 3, to: 3 } })
  expect(startOf(state, { journal: '', offset: 0 })).toEqual({ offset: 3, recovered: false, gap: { from: 1, to: 3 } })
  expect(startOf(state, { journal: 'k', offset: 9 })).toEqual({ offset: 10, recovered: false, gap: null })
  expect(startOf(state, { journal: 'j', offset: 11 })).toEqual({ offset: 10, recovered: false, gap: null })
  expect(startOf({ ...state, kind: 'signal' }, { journal: 'j', offset: 1 })).toEqual({ offset: 1, recovered: true, gap: null })
  // An actor that keeps no history: what was missed is a gap, nothing missed is none.
  expect(startOf({ ...state, oldest: 11 }, { journal: 'j', offset: 7 })).toEqual({ offset: 10, recovered: false, gap: { from: 8, to: 10 } })
  expect(startOf({ ...state, oldest: 11 }, { journal: 'j', offset: 10 })).toEqual({ offset: 10, recovered: true, gap: null })
})

test('WebSocket frames: the three forms of length', () => {
  for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
    const text = 'é'.repeat(length >> 1) + 'x'.repeat(length & 1)
    for (const [frame, opcode] of [
      [frameText(text), 0x81],
      [frameBytes(Buffer.from(text)), 0x82],
    ] as const) {
      const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
      expect([frame.length, frame[0]]).toEqual([header + length, opcode])
      expect(frame[1]).toBe(length < 126 ? length : length < 65_536 ? 126 : 127)
      expect(frame.subarray(header).toString()).toBe(text)
    }
  }
})
