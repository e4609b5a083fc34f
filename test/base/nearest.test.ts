import { describe, expect, test } from 'vitest'
import { editDistance, nearestNames } from '../../src/base/nearest.ts'

describe('names for a message about a wrong one', () => {
  test('the nearest first, the others in their order', () => {
    expect(nearestNames('note.add', ['reset', 'note.removed', 'note.added'])).toBe("'note.added', 'note.removed', 'reset'")
  })

  test('none, one', () => {
    expect([nearestNames('x', []), nearestNames('x', ['y'])]).toEqual(['', "'y'"])
  })

  test('of many only some, the nearest among them', () => {
    const names = Array.from({ length: 40 }, (_, i) => `event-${i}`)
    expect(nearestNames('event-33', names)).toMatch(/^'event-33', ('event-\d+', ){6}'event-\d+' and 32 more$/)
  })

  test('bounded in length, whatever they are called', () => {
    const long = Array.from({ length: 9 }, (_, i) => `${i}`.repeat(90))
    expect(nearestNames('0', long).length).toBeLessThan(220)
    expect(nearestNames('0', long)).toMatch(/and 7 more$/)
    expect(nearestNames('0', ['n'.repeat(500)])).toBe('1 with long names')
  })

  test('distances', () => {
    expect([editDistance('', 'abc'), editDistance('abc', 'abc'), editDistance('kitten', 'sitting')]).toEqual([3, 0, 3])
  })
})
