import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Deadlines, roundedLength, type DeadlineList, type Waiting } from '../../src/base/deadline.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

class Wait implements Waiting {
  list: DeadlineList | null = null
  expiresAt = 0
  before: Waiting | null = null
  after: Waiting | null = null
  readonly expiredAt: number[] = []
  readonly #clock: VirtualClock
  readonly #then: () => void

  constructor(clock: VirtualClock, then: () => void = () => undefined) {
    this.#clock = clock
    this.#then = then
  }

  expired(): void {
    this.expiredAt.push(this.#clock.mono())
    this.#then()
  }
}

const DAY_MS = 24 * 3_600_000
const lengthMs = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: DAY_MS }),
  fc.double({ min: 0, max: DAY_MS, noNaN: true }),
)

describe('deadlines', () => {
  it('lengths are rounded up, by a tenth or 10 ms at most, to one of few', () => {
    fc.assert(
      fc.property(lengthMs, (ms) => {
        const rounded = roundedLength(ms)
        expect(rounded).toBeGreaterThanOrEqual(ms)
        expect(rounded).toBeLessThanOrEqual(Math.max(10, ms + 10, ms * 1.1))
      }),
    )
    const seen = new Set<number>()
    for (let ms = 0; ms <= DAY_MS; ms += 977) seen.add(roundedLength(ms))
    expect(seen.size).toBeLessThan(700)
  })

  it('each wait expires once, not before its length and by its rounded length; an ended one never', () => {
    const step = fc.record({
      ms: fc.oneof(
        fc.constantFrom(10, 500),
        lengthMs.map((ms) => ms % 5000),
      ),
      idleMs: fc.nat(700),
      ends: fc.option(fc.nat(30), { nil: null }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const clock = new VirtualClock()
        const deadlines = new Deadlines(clock)
        const waits: { wait: Wait; begunAt: number; ms: number; ended: boolean }[] = []
        for (const { ms, idleMs, ends } of steps) {
          const wait = new Wait(clock)
          deadlines.begin(wait, ms)
          waits.push({ wait, begunAt: clock.mono(), ms, ended: false })
          const target = ends === null ? undefined : waits[ends]
          if (target !== undefined && target.wait.expiredAt.length === 0) {
            deadlines.end(target.wait)
            deadlines.end(target.wait) // a second time changes nothing
            target.ended = true
          }
          clock.advance(idleMs)
        }
        clock.advance(10_000)
        for (const { wait, begunAt, ms, ended } of waits) {
          expect(wait.expiredAt.length).toBe(ended ? 0 : 1)
          const [at = begunAt + ms] = wait.expiredAt
          expect(at).toBeGreaterThanOrEqual(begunAt + ms)
          expect(at).toBeLessThanOrEqual(begunAt + roundedLength(ms))
        }
        expect(clock.pending).toBe(0)
      }),
    )
  })

  it.each([0, 1, 2])('the one at place %i of three is ended, and the others expire', (place) => {
    const clock = new VirtualClock()
    const deadlines = new Deadlines(clock)
    const three = [0, 1, 2].map(() => new Wait(clock))
    for (const wait of three) deadlines.begin(wait, 100)
    deadlines.end(three[place] as Wait)
    expect(three.map(({ list }) => list !== null)).toEqual([0, 1, 2].map((i) => i !== place))
    const walked: Waiting[] = []
    const [first] = three.filter((_wait, i) => i !== place)
    for (let wait = first?.list?.first ?? null; wait !== null && walked.length < 9; wait = wait.after) walked.push(wait)
    expect(walked).toEqual(three.filter((_wait, i) => i !== place))
    clock.advance(100)
    expect(three.map(({ expiredAt }) => expiredAt.length)).toEqual([0, 1, 2].map((i) => (i === place ? 0 : 1)))
  })

  it('a callback may end others of the same moment, and begin new waits', () => {
    const clock = new VirtualClock()
    const deadlines = new Deadlines(clock)
    const later = new Wait(clock)
    const second = new Wait(clock)
    const first = new Wait(clock, () => {
      deadlines.end(second)
      deadlines.begin(later, 100)
    })
    const third = new Wait(clock)
    for (const wait of [first, second, third]) deadlines.begin(wait, 100)
    clock.advance(100)
    expect([first, second, third, later].map(({ expiredAt }) => expiredAt)).toEqual([[100], [], [100], []])
    clock.advance(100)
    expect(later.expiredAt).toEqual([200])
  })

  it.each([NaN, Infinity, -Infinity, -1, 1e18])('a length of %s is a length too, and disturbs no other wait', (ms) => {
    const clock = new VirtualClock(0, 1000)
    const deadlines = new Deadlines(clock)
    const odd = new Wait(clock)
    const plain = new Wait(clock)
    deadlines.begin(odd, ms)
    deadlines.begin(plain, 1000)
    clock.advance(1000)
    expect(plain.expiredAt).toEqual([1000])
    clock.advance(DAY_MS)
    expect(odd.expiredAt.length).toBe(1)
  })

  it('many waits of one length share one timer', () => {
    const clock = new VirtualClock()
    const deadlines = new Deadlines(clock)
    const waits = Array.from({ length: 1000 }, () => new Wait(clock))
    for (const wait of waits) deadlines.begin(wait, 10_000)
    expect(clock.pending).toBe(1)
    clock.advance(10_000)
    expect(waits.every(({ expiredAt }) => expiredAt.length === 1)).toBe(true)
  })
})
