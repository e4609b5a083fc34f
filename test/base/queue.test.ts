/** The bounded queue against a plain array. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BoundedQueue } from '../../src/base/queue.ts'

type Step = { readonly kind: 'push' | 'unshift' | 'shift' | 'drain'; readonly times: number }

test('does what an array does, and says no at its limit; only what comes back to the front goes beyond it', () => {
  const steps: fc.Arbitrary<Step[]> = fc.array(
    fc.record({ kind: fc.constantFrom('push', 'push', 'shift', 'unshift', 'drain'), times: fc.integer({ min: 1, max: 1500 }) }),
    { maxLength: 20 },
  )
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 3000 }), (taken, limit) => {
      const queue = new BoundedQueue<number>(limit)
      const model: number[] = []
      let next = 0
      for (const { kind, times } of taken)
        for (let i = 0; i < (kind === 'drain' ? 1 : times); i++) {
          if (kind === 'push') {
            const room = model.length < limit
            expect(queue.push(++next)).toBe(room)
            if (room) model.push(next)
          } else if (kind === 'unshift') {
            queue.unshift(++next)
            model.unshift(next)
          } else if (kind === 'shift') expect(queue.shift()).toBe(model.shift())
          else expect(queue.drain()).toEqual(model.splice(0))
          if (queue.length !== model.length) expect(queue.length).toBe(model.length)
        }
      expect(queue.drain()).toEqual(model)
    }),
    { numRuns: 50 },
  )
})
