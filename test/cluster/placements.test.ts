/** Placements as views change, while rings are built; the cache of routes. */
import { describe, expect, test } from 'vitest'
import type { Member } from '../../src/cluster/member.ts'
import { Placement } from '../../src/cluster/placement.ts'
import { EARLIER_PLACEMENTS, Placements, RouteCache } from '../../src/cluster/placements.ts'
import { RingCache } from '../../src/cluster/ring-cache.ts'
import { HeldBuilder, member, view } from './ring-members.ts'
import { numbered } from './ring-oracle.ts'

const large = (prefix = 'node-'): Member[] => numbered(40, prefix).map((id) => member(id))

interface Bench {
  readonly builder: HeldBuilder
  readonly placements: Placements
  /** Hashes: from > to. */
  readonly changes: string[]
}

function bench(): Bench {
  const builder = new HeldBuilder()
  const changes: string[] = []
  const placements = new Placements(view([member('a')], 'alone'), new RingCache(builder), (before, after) => {
    expect(placements.current).toBe(after)
    expect(placements.earlier[0]).toBe(before)
    changes.push(`${before.hash} > ${after.hash}`)
  })
  return { builder, placements, changes }
}

describe('placements', () => {
  test('the first view is placed at once, and so is any small one', () => {
    const { placements, changes } = bench()
    expect([placements.current.hash, placements.current.ownerOf('user/1')?.id, changes]).toEqual(['alone', 'a', []])
    placements.see(view([member('a'), member('b')], 'both'))
    expect([placements.current.hash, placements.earlier.map(({ hash }) => hash), changes]).toEqual(['both', ['alone'], ['alone > both']])
  })

  test('while a large ring is built the old placement routes, whole', () => {
    const { builder, placements, changes } = bench()
    placements.see(view(large(), 'large'))
    expect([placements.current.hash, placements.current.ownerOf('user/1')?.id]).toEqual(['alone', 'a'])
    builder.finish()
    expect([placements.current.hash, changes]).toEqual(['large', ['alone > large']])
    expect(placements.current.ownerOf('user/1')?.id).toMatch(/^node-/)
  })

  test('of the views that come meanwhile the last one counts; the one under way is used first', () => {
    const { builder, placements, changes } = bench()
    for (const name of ['first', 'second', 'third']) placements.see(view(large(name), name))
    expect(builder.asked.length).toBe(1)
    builder.finish()
    expect([placements.current.hash, builder.asked.length]).toEqual(['first', 2])
    builder.finish()
    expect([placements.current.hash, builder.asked.length]).toEqual(['third', 2])
    expect(changes).toEqual(['alone > first', 'first > third'])
  })

  test('a view of the same hash brings its members and is no change', () => {
    const { placements, changes } = bench()
    const suspect = member('a', { liveness: 'suspect' })
    placements.see(view([suspect], 'alone'))
    expect([placements.current.ownerOf('user/1'), placements.earlier, changes]).toEqual([suspect, [], []])
  })

  test('a view that is seen from within the change is placed after it', () => {
    const seen: string[] = []
    const builder = new HeldBuilder()
    const placements = new Placements(view([member('a')], '0'), new RingCache(builder), (_, after) => {
      seen.push(after.hash)
      if (after.hash === '1') placements.see(view([member('c')], '2'))
      expect(placements.current).toBe(after)
    })
    placements.see(view([member('b')], '1'))
    expect([seen, placements.current.hash]).toEqual([['1', '2'], '2'])
  })

  test('earlier placements are bounded, newest first', () => {
    const { placements } = bench()
    for (let i = 0; i < EARLIER_PLACEMENTS + 3; i++) placements.see(view([member('a')], `${i}`))
    expect(placements.earlier.map(({ hash }) => hash)).toEqual(
      Array.from({ length: EARLIER_PLACEMENTS }, (_, i) => `${EARLIER_PLACEMENTS + 1 - i}`),
    )
  })

  test('after close nothing changes, also when a ring is finished then', () => {
    const { builder, placements, changes } = bench()
    placements.see(view(large(), 'large'))
    placements.see(view([member('a'), member('b')], 'both'))
    placements.close()
    builder.finish()
    placements.see(view([member('b')], 'late'))
    expect([placements.current.hash, changes, builder.asked.length]).toEqual(['alone', [], 1])
  })
})

describe('the cache of routes', () => {
  const rings = new RingCache(new HeldBuilder())
  const placement = (ids: readonly string[], hash: string): Placement =>
    new Placement(
      view(
        ids.map((id) => member(id)),
        hash,
      ),
      rings,
    )
  const ACTORS = Array.from({ length: 50 }, (_, i) => `user/${i}`)

  test('gives the owners of the placement, asked once or often', () => {
    const cache = new RouteCache()
    const now = placement(['a', 'b', 'c'], '1')
    for (let times = 0; times < 3; times++) for (const actor of ACTORS) expect(cache.ownerOf(now, actor)).toBe(now.ownerOf(actor))
    expect(cache.size).toBe(50)
  })

  test('a route is never kept across views', () => {
    const cache = new RouteCache()
    for (const [ids, hash] of [
      [['a', 'b', 'c'], '1'],
      [['b'], '2'],
      [['a', 'b', 'c'], '1'],
      [['c', 'a'], '3'],
    ] as const) {
      const now = placement(ids, hash)
      for (const actor of ACTORS) expect(cache.ownerOf(now, actor)).toBe(now.ownerOf(actor))
    }
  })

  test('asks the placement once for each actor while there is room, and forgets those not asked for longest', () => {
    const cache = new RouteCache(20)
    let asked: string[] = []
    const now = placement(['a', 'b', 'c'], '1')
    const counting = { hash: '1', ownerOf: (actor: string) => (asked.push(actor), now.ownerOf(actor)) } as unknown as Placement
    for (let round = 0; round < 5; round++) for (let i = 0; i < 10; i++) cache.ownerOf(counting, `user/${i}`)
    expect(asked.length).toBe(10)
    for (let i = 0; i < 1000; i++) {
      cache.ownerOf(counting, `user/other${i}`)
      expect(cache.ownerOf(counting, 'user/0')).toBe(now.ownerOf('user/0'))
      expect(cache.size).toBeLessThanOrEqual(20)
    }
    expect(asked.filter((actor) => actor === 'user/0').length).toBe(1)
    asked = []
    cache.ownerOf(counting, 'user/5')
    expect(asked).toEqual(['user/5'])
  })

  test('who has no owner is not remembered', () => {
    const cache = new RouteCache()
    const now = placement(['a'], '1')
    for (const name of ['room/1', 'constructor/1', '__proto__/1', 'nothing']) expect(cache.ownerOf(now, name)).toBeNull()
    expect(cache.size).toBe(0)
  })

  test('names that mean something to plain objects are names here', () => {
    const cache = new RouteCache()
    const now = placement(['a', 'b'], '1')
    for (let times = 0; times < 2; times++)
      for (const key of ['constructor', '__proto__', 'toString', 'hasOwnProperty'])
        expect(cache.ownerOf(now, `user/${key}`)).toBe(now.ownerOf(`user/${key}`))
    expect(cache.size).toBe(4)
  })
})
