/** Each check finds what is planted, and nothing in a history that is right. */
import { describe, expect, test } from 'vitest'
import { EMPTY, plus } from './app.ts'
import { randomFrom } from './dice.ts'
import { Follower } from './followers.ts'
import { answersTrue, followUps, inOrder, keptOnce, statesOf } from './kept.ts'
import { fromTheFuture, Linear, STALE_MS } from './linear.ts'
import type { Entry, ReadOp, SendOp } from './records.ts'

const ACTOR = 'list/a'

const sendOp = (id: string, more: Partial<SendOp> = {}): SendOp => ({
  kind: 'send',
  id,
  actor: ACTOR,
  client: 'c',
  order: null,
  tell: undefined,
  inMs: undefined,
  beganMs: 0,
  endedMs: 1,
  offset: 1,
  duplicate: false,
  unanswered: 0,
  code: null,
  ...more,
})

const readOp = (more: Partial<ReadOp> = {}): ReadOp => ({
  kind: 'read',
  actor: ACTOR,
  client: 'r',
  strict: true,
  seen: 0,
  beganMs: 0,
  endedMs: 1,
  offset: 0,
  sum: EMPTY,
  ...more,
})

const entriesOf = (...ids: readonly string[]): Entry[] =>
  ids.map((id, i) => ({ offset: i + 1, type: 'add', id, at: i, notBefore: 0, source: `s#${id}` }))

/** A history that is right: sends one after the other, each answered a moment later. */
const HISTORY = ['a', 'b', 'c'].map((id, i) => sendOp(id, { beganMs: 10 * i, endedMs: 10 * i + 5, offset: i + 1, order: i + 1 }))

describe('acknowledged once', () => {
  test('a right journal passes; an unacknowledged event may be there or not', () => {
    expect(keptOnce(ACTOR, entriesOf('a', 'b', 'c'), HISTORY)).toEqual([])
    const open = sendOp('d', { endedMs: null, code: 'timeout' })
    expect(keptOnce(ACTOR, entriesOf('a', 'b', 'c'), [...HISTORY, open])).toEqual([])
    expect(keptOnce(ACTOR, entriesOf('a', 'b', 'c', 'd'), [...HISTORY, open])).toEqual([])
  })

  test.each([
    ['lost', ['a', 'b'], /c by c was acknowledged at offset 3 .* and is not there/],
    ['doubled', ['a', 'b', 'c', 'b'], /b is in list\/a twice, at offsets 2 and 4/],
    ['at another place', ['a', 'c', 'b'], /b by c was acknowledged at offset 2 .* is at 3/],
    ['from nobody', ['a', 'b', 'c', 'x'], /x is in list\/a, and nobody sent it/],
  ])('%s', (_, ids, expected) => {
    expect(keptOnce(ACTOR, entriesOf(...ids), HISTORY).map(({ what }) => what)).toContainEqual(expect.stringMatching(expected))
  })

  test('one identity taken twice, and a hole in the offsets', () => {
    const twice = entriesOf('a', 'b', 'c').map((entry) => ({ ...entry, source: 's#1' }))
    expect(keptOnce(ACTOR, twice, HISTORY)[0]?.what).toMatch(/under one identity, at offsets 1 and 2/)
    const hole = entriesOf('a', 'b', 'c').map((entry) => ({ ...entry, offset: entry.offset + (entry.id === 'c' ? 1 : 0) }))
    expect(keptOnce(ACTOR, hole, HISTORY)[0]?.what).toMatch(/has offset 4 where 3 should be/)
  })
})

test('order of a session: two sends of one client changed over, but not those of clients that promise none', () => {
  expect(inOrder(ACTOR, entriesOf('a', 'b', 'c'), HISTORY)).toEqual([])
  expect(inOrder(ACTOR, entriesOf('b', 'a', 'c'), HISTORY)[0]?.what).toBe('c sent a before b, which is before it in list/a')
  expect(inOrder(ACTOR, entriesOf('b', 'a'), HISTORY.map((op) => ({ ...op, order: null })))).toEqual([]) // prettier-ignore
})

describe('linearizable', () => {
  const after = (...ops: readonly (SendOp | ReadOp)[]): string[] => {
    const linear = new Linear()
    return ops.flatMap((op) => (op.kind === 'send' ? linear.sent(op) : linear.read(op)) ?? []).map(({ check }) => check)
  }

  test('a right history passes; overlapping operations may take effect in any order', () => {
    expect(after(...HISTORY, readOp({ beganMs: 30, endedMs: 31, offset: 3 }))).toEqual([])
    expect(after(...HISTORY, readOp({ beganMs: 22, endedMs: 31, offset: 2 }))).toEqual([])
    expect(after(sendOp('b', { beganMs: 0, endedMs: 5, offset: 2 }), sendOp('a', { beganMs: 1, endedMs: 6, offset: 1 }))).toEqual([])
  })

  test('a stale strict read', () => {
    expect(after(...HISTORY, readOp({ beganMs: 30, endedMs: 31, offset: 2 }))).toEqual(['linearizable'])
  })

  test('a strict read that takes back what another read showed, though nobody was acknowledged', () => {
    const shown = readOp({ strict: false, beganMs: 0, endedMs: 2, offset: 4 })
    expect(after(shown, readOp({ beganMs: 3, endedMs: 4, offset: 3 }))).toEqual(['linearizable'])
  })

  test('a send that is before one that was over when it began', () => {
    const [a, b] = [sendOp('a', { beganMs: 0, endedMs: 5, offset: 2 }), sendOp('b', { beganMs: 6, endedMs: 9, offset: 1 })]
    expect(after(a, b)).toEqual(['linearizable'])
  })

  test('a default read may be behind by 5 s and no more, and never behind what its own client was told', () => {
    const began = 25 + STALE_MS
    expect(after(...HISTORY, readOp({ strict: false, beganMs: began, endedMs: began + 1, offset: 3 }))).toEqual([])
    expect(after(...HISTORY, readOp({ strict: false, beganMs: began - 1, endedMs: began + 1, offset: 2 }))).toEqual([])
    expect(after(...HISTORY, readOp({ strict: false, beganMs: began + 1, endedMs: began + 2, offset: 2 }))).toEqual(['stale'])
    expect(after(...HISTORY, readOp({ strict: false, beganMs: 30, endedMs: 31, offset: 2, seen: 3 }))).toEqual(['stale'])
  })

  test('what began after an answer is not before it, acknowledged or not', () => {
    const late = sendOp('x', { beganMs: 100, endedMs: null, code: 'timeout' })
    expect(fromTheFuture(entriesOf('a', 'b', 'c', 'x'), [...HISTORY, late], [])).toEqual([])
    const before = [sendOp('a', { offset: 1 }), late, sendOp('b', { beganMs: 10, endedMs: 15, offset: 3 })]
    expect(fromTheFuture(entriesOf('a', 'x', 'b'), before, [])[0]?.what).toMatch(/^b was answered at offset 3 .* and x, which began later/)
    const read = readOp({ beganMs: 1, endedMs: 50, offset: 2 })
    expect(fromTheFuture(entriesOf('a', 'x'), [sendOp('a'), late], [read])[0]?.what).toMatch(/^a read by r was answered at offset 2/)
  })

  test('thousands of drawn histories: those of one log pass, with one answer made older they do not', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const dice = randomFrom(seed, 'history')
      // Each operation takes effect at an instant of its own between its begin and its end.
      const ops = Array.from({ length: 40 }, () => {
        const at = dice.next() * 1000
        return { at, beganMs: at - dice.next() * 100, endedMs: at + dice.next() * 100, write: dice.chance(0.5) }
      }).toSorted((a, b) => a.at - b.at)
      let offset = 0
      const all = ops.map(({ beganMs, endedMs, write }, i) => {
        if (write) offset++
        return write ? sendOp(`${i}`, { beganMs, endedMs, offset }) : readOp({ beganMs, endedMs, offset })
      })
      const run = (list: readonly (SendOp | ReadOp)[]): string[] => after(...list.toSorted((a, b) => (a.endedMs ?? 0) - (b.endedMs ?? 0)))
      expect(run(all), `seed ${seed}`).toEqual([])
      const began = Math.max(...all.map(({ endedMs }) => endedMs ?? 0)) + 1
      expect(run([...all, readOp({ beganMs: began, endedMs: began + 1, offset: offset - 1 })]), `seed ${seed}`).toEqual(['linearizable'])
    }
  })
})

test('answers: a state that the journal does not give at that offset', () => {
  const entries = entriesOf('a', 'b', 'c')
  const sum = plus(plus(EMPTY, 'a'), 'b')
  expect(answersTrue(ACTOR, entries, [readOp({ offset: 2, sum }), readOp({ offset: 0, sum: EMPTY })])).toEqual([])
  expect(answersTrue(ACTOR, entries, [readOp({ offset: 2, sum: plus(plus(EMPTY, 'b'), 'a') })])).toHaveLength(1)
  expect(answersTrue(ACTOR, entries, [readOp({ offset: 4, sum })])[0]?.what).toMatch(/no such offset/)
})

describe('sends between actors, and timers', () => {
  const asked = new Map([['a', sendOp('a', { tell: 'tally/t', inMs: 10 })]])
  const due: Entry = { offset: 2, type: 'due', id: 'a', at: 10, notBefore: 10, source: null }
  const told: Entry = { offset: 1, type: 'told', id: 'a', at: 5, notBefore: 0, source: null }
  const found = (list: readonly Entry[], tally: readonly Entry[]): string[] =>
    followUps(new Map([[ACTOR, list], ['tally/t', tally]]), asked).map(({ check }) => check) // prettier-ignore

  test('each once passes', () => expect(found([...entriesOf('a'), due], [told])).toEqual([]))
  test('lost', () => expect(found(entriesOf('a'), [])).toEqual(['told once', 'timers']))
  test('twice', () => expect(found([...entriesOf('a'), due, due], [told, told])).toEqual(['told once', 'timers']))
  test('too early', () => expect(found([...entriesOf('a'), { ...due, at: 9 }], [told])).toEqual(['timers']))
  test('of an event that was never recorded', () => expect(found([due], [told])).toEqual(['told once', 'timers']))
})

describe('followers', () => {
  const entries = entriesOf('a', 'b', 'c')
  const fed = (...notes: readonly (readonly [number, string])[]): { follower: Follower; found: string[] } => {
    const follower = new Follower('f', ACTOR, 'feed')
    const found = notes.flatMap(([offset, id]) => follower.note(offset, { id })?.what ?? [])
    return { follower, found }
  }

  test('all in order passes, and so does a gap that was told', () => {
    const { follower, found } = fed([1, 'a'], [2, 'b'], [3, 'c'])
    expect([...found, ...follower.truth(entries), follower.atEnd(entries)]).toEqual([null])
    const other = new Follower('f', ACTOR, 'feed')
    other.gap(2)
    expect([other.note(3, { id: 'c' }), other.atEnd(entries), other.gaps]).toEqual([null, null, 1])
  })

  test('an entry missed without a gap, one told twice, a wrong one, an end that is not the newest', () => {
    expect(fed([1, 'a'], [3, 'c']).found[0]).toMatch(/offset 3 came after 1 without a gap/)
    expect(fed([1, 'a'], [1, 'a']).found[0]).toMatch(/offset 1 came after 1/)
    expect(fed([1, 'a'], [2, 'x']).follower.truth(entries)[0]?.what).toMatch(/was told x at offset 2, the journal has b/)
    expect(fed([1, 'a'], [2, 'b']).follower.atEnd(entries)?.what).toMatch(/ended at offset 2, the newest is 3/)
  })

  test('a view that never was the state', () => {
    const follower = new Follower('f', ACTOR, 'summary')
    expect(follower.note(3, statesOf(entries)[3])).toBeNull()
    expect(follower.truth(entries)).toEqual([])
    follower.note(4, statesOf(entries)[2])
    expect(follower.truth([...entries, ...entriesOf('d').map((entry) => ({ ...entry, offset: 4 }))])).toHaveLength(1)
  })
})
