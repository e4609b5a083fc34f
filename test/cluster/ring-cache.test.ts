/** Which rings are kept, which are built at once and which elsewhere, and the two builders. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { buildRing, normalShares, POINTS_A_WEIGHT, type Ring } from '../../src/cluster/ring.ts'
import { RingThreads, TimedRingBuilder } from '../../src/cluster/ring-builder.ts'
import { RINGS_MAX, RingCache } from '../../src/cluster/ring-cache.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { HeldBuilder, ListLog } from './ring-members.ts'
import { numbered, shares } from './ring-oracle.ts'

const ROOT = join(import.meta.dirname, '../..')

const never = (): void => {
  throw new Error('nothing was to come later')
}

function same(a: Ring, b: Ring): void {
  expect(a.shares).toEqual(b.shares)
  expect(Buffer.from(a.points.buffer).equals(Buffer.from(b.points.buffer))).toBe(true)
  expect(Buffer.from(a.owners.buffer).equals(Buffer.from(b.owners.buffer))).toBe(true)
}

const scratch = (ids: readonly string[]): Ring => buildRing(normalShares(shares(ids)))

describe('the cache', () => {
  test('the same members and weights give the same ring, in any order; another weight another ring', () => {
    const cache = new RingCache(new HeldBuilder())
    const ring = cache.ring(shares(['a', 'b', 'c']))
    expect(cache.ring(shares(['c', 'a', 'b']))).toBe(ring)
    expect(cache.ring([...shares(['a', 'b']), { id: 'c', weight: 2 }])).not.toBe(ring)
    expect(cache.ring([...shares(['a', 'b']), { id: 'c', weight: 0 }])).toBe(ring)
    expect(cache.size).toBe(2)
  })

  test('ids do not run into each other in its keys', () => {
    const cache = new RingCache(new HeldBuilder())
    for (const ids of [['a,1', 'b'], ['a', '1,b'], ['a","b'], ['a', 'b'], ['__proto__'], ['constructor']])
      same(cache.ring(shares(ids)), scratch(ids))
    expect(cache.size).toBe(6)
  })

  test('it is bounded: what was not used longest goes first', () => {
    const cache = new RingCache(new HeldBuilder())
    const ring = (i: number): Ring => cache.ring(shares([`n${i}`]))
    const [first, second] = [ring(0), ring(1)]
    for (let i = 2; i < RINGS_MAX; i++) ring(i)
    expect([ring(0), cache.size]).toEqual([first, RINGS_MAX])
    ring(RINGS_MAX)
    expect(cache.size).toBe(RINGS_MAX)
    expect(ring(0)).toBe(first)
    expect(ring(1)).not.toBe(second)
  })

  test('it is bounded in points too, but keeps the newest', () => {
    const cache = new RingCache(new HeldBuilder(), 6 * POINTS_A_WEIGHT)
    const pair = (name: string): Ring => cache.ring(shares([`${name}1`, `${name}2`]))
    const first = pair('a')
    for (const name of ['b', 'c']) pair(name)
    expect(pair('a')).toBe(first)
    pair('d')
    expect([cache.size, pair('a')]).toEqual([3, first])
    const large = cache.ring(shares(numbered(7)))
    expect([cache.size, cache.ring(shares(numbered(7)))]).toEqual([1, large])
    pair('b')
    expect(cache.size).toBe(1)
  })

  test('one view may need more rings than are kept otherwise: none of them is dropped before it is used', () => {
    const cache = new RingCache(new HeldBuilder())
    const nodes = numbered(6)
    cache.ring(shares(nodes))
    const sets = Array.from({ length: RINGS_MAX + 5 }, (_, i) => shares(nodes.filter((_, bit) => (((i + 1) >> bit) & 1) === 1)))
    expect(cache.prepare(sets, never)).toBe(true)
    expect(cache.size).toBe(RINGS_MAX + 6)
    const kept = sets.map((set) => cache.ring(set))
    sets.forEach((set, i) => expect(cache.ring(set)).toBe(kept[i]))
    expect(cache.prepare([shares(nodes)], never)).toBe(true)
    cache.ring(shares(['one more']))
    expect(cache.size).toBe(RINGS_MAX)
  })
})

describe('what is built where', () => {
  test('a small ring at once, a large one elsewhere, and once it is there one node more or less at once', () => {
    const builder = new HeldBuilder()
    const cache = new RingCache(builder)
    expect(cache.prepare([shares(numbered(16))], never)).toBe(true)
    const large = numbered(60)
    let ready = 0
    expect(cache.prepare([shares(large), shares(numbered(3))], () => ready++)).toBe(false)
    expect([ready, builder.asked.length, builder.asked[0]?.length]).toEqual([0, 1, 2])
    builder.finish()
    expect(ready).toBe(1)
    same(cache.ring(shares(large)), scratch(large))
    for (const ids of [large.slice(1), [...large, 'new'], large.slice(5)]) {
      expect(cache.prepare([shares(ids)], never)).toBe(true)
      same(cache.ring(shares(ids)), scratch(ids))
    }
    expect(builder.asked.length).toBe(1)
  })

  test('what is already there is not built again', () => {
    const builder = new HeldBuilder()
    const cache = new RingCache(builder)
    expect(cache.prepare([shares(numbered(40))], () => undefined)).toBe(false)
    builder.finish()
    const ring = cache.ring(shares(numbered(40)))
    expect(cache.prepare([shares(numbered(40))], never)).toBe(true)
    expect(cache.ring(shares(numbered(40)))).toBe(ring)
    expect(cache.prepare([shares(numbered(40)), shares(numbered(40, 'other'))], () => undefined)).toBe(false)
    expect(builder.asked[1]).toEqual([normalShares(shares(numbered(40, 'other')))])
  })

  test('many small rings together are a large one; so is one of few but heavy nodes', () => {
    const builder = new HeldBuilder()
    const cache = new RingCache(builder)
    expect(
      cache.prepare(
        ['a', 'b', 'c'].map((name) => shares(numbered(6, name))),
        () => undefined,
      ),
    ).toBe(false)
    builder.finish()
    expect(cache.prepare([shares(['x', 'y'], 16)], () => undefined)).toBe(false)
    builder.finish()
    same(cache.ring(shares(['x', 'y'], 16)), buildRing(normalShares(shares(['x', 'y'], 16))))
  })

  test('when the builder cannot, the ring is built here', () => {
    const builder = new HeldBuilder()
    const cache = new RingCache(builder)
    let ready = 0
    expect(cache.prepare([shares(numbered(20))], () => ready++)).toBe(false)
    builder.finish('failed')
    expect([ready, cache.size]).toEqual([1, 1])
    same(cache.ring(shares(numbered(20))), scratch(numbered(20)))
  })

  test('closing closes the builder', async () => {
    const builder = new HeldBuilder()
    await new RingCache(builder).close()
    expect(builder.closed).toBe(true)
  })
})

describe('the builder on virtual time', () => {
  test('hands over after its delay of the clock, and not after it was closed', async () => {
    const clock = new VirtualClock()
    const builder = new TimedRingBuilder(clock, 150)
    const done: (readonly Ring[] | null)[] = []
    builder.build([normalShares(shares(['a', 'b']))], (rings) => done.push(rings))
    clock.advance(149)
    expect(done).toEqual([])
    clock.advance(1)
    expect(done.length).toBe(1)
    same(done[0]?.[0] as Ring, scratch(['a', 'b']))
    builder.build([normalShares(shares(['a']))], (rings) => done.push(rings))
    await builder.close()
    expect(clock.pending).toBe(0)
    clock.advance(1000)
    expect(done.length).toBe(1)
  })
})

describe('the builder with threads', () => {
  const log = new ListLog()
  const threads = new RingThreads(log)
  afterEach(() => threads.close())
  const build = (sets: readonly (readonly string[])[]): Promise<readonly Ring[] | null> =>
    new Promise((resolve) =>
      threads.build(
        sets.map((ids) => normalShares(shares(ids))),
        resolve,
      ),
    )

  test('gives the rings that would be built here, in their order, again and again', async () => {
    for (const sets of [[numbered(40), numbered(20), ['__proto__', 'constructor', '0']], [[]], [numbered(2)]]) {
      const rings = await build(sets)
      expect(rings?.length).toBe(sets.length)
      sets.forEach((ids, i) => same(rings?.[i] as Ring, scratch(ids)))
    }
    expect(log.lines).toEqual([])
  })

  test('a thread that fails is no answer, and is told of; closing during a build ends it without an answer', async () => {
    // What cannot be cloned to a thread fails before it starts; a share of no weight fails in it.
    const broken = [[{ id: 'a', weight: -1 }]]
    expect(await new Promise((resolve) => threads.build(broken, resolve))).toBeNull()
    expect(log.lines).toEqual(['warn the thread that builds rings was lost; they are built on the main thread'])
    let answered = false
    threads.build([normalShares(shares(numbered(300)))], () => (answered = true))
    await threads.close()
    expect((await build([['a']]))?.length).toBe(1)
    expect(answered).toBe(false)
  })

  test('works from the built package', () => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-ring-'))
    try {
      cpSync(join(ROOT, 'tsconfig.json'), join(folder, 'tsconfig.json'))
      symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
      mkdirSync(join(folder, 'src'))
      for (const part of ['base', 'cluster']) cpSync(join(ROOT, 'src', part), join(folder, 'src', part), { recursive: true })
      writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
      writeFileSync(
        join(folder, 'tsconfig.build.json'),
        JSON.stringify({
          extends: './tsconfig.json',
          compilerOptions: { noEmit: false, outDir: 'dist', rootDir: 'src' },
          include: [],
          files: ['src/cluster/ring-builder.ts', 'src/cluster/ring-thread.ts'],
        }),
      )
      const compiled = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', join(folder, 'tsconfig.build.json')], { encoding: 'utf8' })
      expect([compiled.status, compiled.stdout]).toEqual([0, ''])
      writeFileSync(
        join(folder, 'dist/try.js'),
        `import { RingThreads } from './cluster/ring-builder.js'
        const threads = new RingThreads({ info() {}, warn: (fields) => console.log(fields), error() {} })
        // Its threads alone do not keep a process: neither while they build, nor afterwards.
        const waiting = setInterval(() => {}, 1000)
        threads.build([[{ id: 'a', weight: 1 }, { id: 'b', weight: 1 }]], (rings) => {
          console.log(rings?.[0].points.length)
          clearInterval(waiting)
        })`,
      )
      const run = spawnSync(process.execPath, [join(folder, 'dist/try.js')], { encoding: 'utf8', timeout: 60_000 })
      expect([run.status, run.stdout, run.stderr]).toEqual([0, '2048\n', ''])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
