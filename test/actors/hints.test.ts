import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Hints } from '../../src/actors/hints.ts'
import type { Append, Hint } from '../../src/store/store.ts'

const NONE = new Uint8Array()
const append = (n: number, hintDue: number | null): Append => ({
  actor: 'a/1',
  n,
  commitId: NONE,
  bytes: NONE,
  hash: NONE,
  firstOffset: 1,
  entries: 0,
  mode: 'append',
  prevRef: 0,
  hintDue,
})
const hint = (n: number, due: number): Hint => ({ actor: 'a/1', n, due })
const keyOf = ({ n, due }: Hint): string => `${n} ${due}`

/** One writer, and the hints of its actor as the store has them. */
class Actor {
  readonly stored = new Map<string, Hint>()
  readonly dropped: Hint[] = []
  readonly hints = new Hints({
    drop: (dropped) => {
      this.dropped.push(dropped)
      this.stored.delete(keyOf(dropped))
    },
  })
  n = 0

  /** A batch after which `owed` is owed, with its hint, durable. */
  write(owed: number | null, closing = false): void {
    const hintDue = this.hints.neededFor(owed, closing)
    this.n++
    if (hintDue !== null) this.store(hint(this.n, hintDue))
    this.hints.committed(append(this.n, hintDue), owed)
  }

  store(made: Hint): void {
    this.stored.set(keyOf(made), made)
  }
}

describe('wake-up hints (D5)', () => {
  it('whatever is written and found, a durable batch that owes something has a hint that is early enough, and only older ones are dropped', () => {
    const owed = fc.option(fc.nat(50), { nil: null })
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ owed, closing: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ foundBack: fc.integer({ min: 1, max: 4 }), due: fc.nat(50), quiet: fc.boolean() }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const actor = new Actor()
        let owes: number | null = null
        for (const made of steps) {
          actor.dropped.length = 0
          if ('owed' in made) {
            actor.write(made.owed, made.closing)
            owes = made.owed
          } else if (actor.n > made.foundBack) {
            const foreign = hint(actor.n - made.foundBack, made.due + 1000)
            actor.store(foreign)
            actor.hints.found(foreign, made.quiet ? actor.n : 0, null)
          }
          for (const { n } of actor.dropped) expect(n).toBeLessThan(actor.n)
          const early = owes
          if (early !== null) expect([...actor.stored.values()].some(({ due }) => due <= early)).toBe(true)
        }
        actor.write(null)
        expect(actor.stored.size).toBe(0) // nothing is owed, and nothing is left behind
        expect(actor.hints.right(null, 1)).toBe(true)
      }),
    )
  })

  it('a batch carries one only when there is none that is early enough; at the end also when it is too early', () => {
    const actor = new Actor()
    expect(actor.hints.neededFor(null, true)).toBeNull()
    expect(actor.hints.neededFor(500, false)).toBe(500)
    actor.write(500)
    expect([500, 600].map((owed) => actor.hints.neededFor(owed, false))).toEqual([null, null])
    expect(actor.hints.neededFor(400, false)).toBe(400)
    expect([500, 600].map((owed) => actor.hints.neededFor(owed, true))).toEqual([null, 600])
  })

  it('an earlier one takes the place of the one before, which goes after its batch is durable', () => {
    const actor = new Actor()
    actor.write(500)
    actor.hints.neededFor(400, false)
    expect(actor.dropped).toEqual([])
    actor.write(400)
    expect(actor.dropped).toEqual([hint(1, 500)])
    actor.write(null)
    expect(actor.dropped).toEqual([hint(1, 500), hint(2, 400)])
  })

  it('the own one and the one in flight are not spurious', () => {
    const actor = new Actor()
    actor.write(500)
    actor.hints.found(hint(1, 500), 1, null)
    actor.hints.found(hint(2, 300), 0, append(2, 300))
    expect(actor.dropped).toEqual([])
    expect(actor.hints.right(500, 1)).toBe(true)
  })

  it('one of another writer is dropped by its exact key: at once under an own later batch that covers what is owed, else after the next', () => {
    const actor = new Actor()
    actor.write(500)
    actor.write(500)
    actor.hints.found(hint(1, 700), 2, null)
    expect(actor.dropped).toEqual([hint(1, 700)])
    actor.hints.found(hint(2, 800), 2, null) // as new as the newest batch
    expect(actor.dropped.length).toBe(1)
    expect(actor.hints.right(500, 1)).toBe(false)
    actor.write(500)
    expect(actor.dropped).toEqual([hint(1, 700), hint(2, 800)])
    expect(actor.hints.right(500, 1)).toBe(true)
  })

  it('what another writer left is not relied on: the first own batch that owes carries its own', () => {
    const actor = new Actor()
    actor.n = 7
    expect(actor.hints.read(500, 0)).toBe(false)
    actor.hints.found(hint(5, 500), 0, null)
    expect(actor.hints.neededFor(500, false)).toBe(500)
    expect(actor.dropped).toEqual([])
    actor.write(500)
    expect([...actor.stored.values()]).toEqual([hint(8, 500)])
    expect(actor.dropped).toEqual([hint(5, 500)])
  })

  it('who claims and reads that nothing is owed drops those from before its claim, and who only reads drops none', () => {
    const actor = new Actor()
    actor.hints.found(hint(3, 100), 0, null)
    expect(actor.hints.read(null, 0)).toBe(true)
    expect(actor.dropped).toEqual([])
    expect(actor.hints.right(null, 0)).toBe(false)
    expect(actor.hints.read(null, 4)).toBe(false)
    expect(actor.dropped).toEqual([hint(3, 100)])
    expect(actor.hints.right(null, 4)).toBe(true)
  })

  it('an owner that owes may not leave without its own, a reader may', () => {
    const actor = new Actor()
    actor.hints.read(500, 0)
    expect([actor.hints.right(500, 0), actor.hints.right(500, 3)]).toEqual([true, false])
    actor.write(500)
    expect([actor.hints.right(500, 1), actor.hints.right(400, 1), actor.hints.right(null, 1)]).toEqual([true, true, false])
  })
})
