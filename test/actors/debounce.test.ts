import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { changed, freshDebounce, sent } from '../../src/actors/debounce.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** What goes out, and when, for changes that come after the pauses given. Offsets are 1, 2, 3 … */
function play(pausesMs: readonly number[], windowMs: number): { changes: number[]; out: { at: number; offset: number }[] } {
  const clock = new VirtualClock()
  const debounce = freshDebounce()
  const changes: number[] = []
  const out: { at: number; offset: number }[] = []
  const send = (): void => void out.push({ at: clock.mono(), offset: sent(debounce, clock.mono()) })
  for (const pause of pausesMs) {
    clock.advance(pause)
    changes.push(clock.mono())
    const wait = changed(debounce, changes.length, clock.mono(), windowMs)
    if (wait === 0) send()
    else if (wait !== null) clock.after(wait, send)
  }
  clock.advance(windowMs)
  return { changes, out }
}

describe('debounce (D7)', () => {
  it('the first change goes out at once, then at most one a window, and the last always', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(450), { minLength: 1, maxLength: 60 }), fc.constantFrom(0, 1, 50, 200), (pauses, windowMs) => {
        const { changes, out } = play(pauses, windowMs)
        expect(out[0]).toEqual({ at: changes[0], offset: 1 })
        out.forEach(({ at, offset }, i) => {
          const before = out[i - 1]
          if (before !== undefined) expect(at - before.at).toBeGreaterThanOrEqual(windowMs)
          expect(offset).toBeGreaterThanOrEqual(changes.filter((change) => change < at).length) // the newest there was: one number says all
          expect(offset).toBeGreaterThan(before?.offset ?? 0)
        })
        // Each change is told, by its own number or a later one, no later than a window after it: others never put it off.
        changes.forEach((at, i) => {
          const told = out.find(({ offset }) => offset > i)
          expect(told).toBeDefined()
          expect((told?.at ?? Infinity) - at).toBeLessThanOrEqual(windowMs)
        })
      }),
    )
  })

  it('a change after a quiet window goes out at once', () => {
    expect(play([0, 200, 500], 200).out).toEqual([
      { at: 0, offset: 1 },
      { at: 200, offset: 2 },
      { at: 700, offset: 3 },
    ])
  })

  it('further changes do not extend the window', () => {
    expect(play([0, 150, 40, 5, 100], 200).out).toEqual([
      { at: 0, offset: 1 },
      { at: 200, offset: 4 },
      { at: 400, offset: 5 },
    ])
  })

  it('nothing waiting is 0', () => {
    expect(sent(freshDebounce(), 5)).toBe(0)
  })
})
