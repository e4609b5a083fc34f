/** What operators see and do from any node of a cluster: every answer, and every way in which a node does not give one. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { figuresText } from '../../src/admin/figures.ts'
import { QUESTIONS_MAX } from '../../src/routing/questions.ts'
import { VirtualCluster, type VirtualNode } from './virtual-cluster.ts'

let cluster: VirtualCluster
let [a, b, c] = [] as unknown as [VirtualNode, VirtualNode, VirtualNode]
beforeEach(async () => {
  cluster = new VirtualCluster()
  ;[a, b, c] = (await cluster.start('a', 'b', 'c')) as [VirtualNode, VirtualNode, VirtualNode]
})
afterEach(() => cluster.close())

describe('nodes', () => {
  test('are all there with what each says of itself', async () => {
    b.sockets = 7
    for (let i = 0; i < 3; i++) await a.add(c.owned(`n${i}`))
    const shown = await cluster.during(a.admin.nodes())
    expect(shown).toMatchObject([
      { id: 'a', generation: 1, state: 'alive', phase: 'serving', address: 'a:7100', actors: 0, sockets: 0 },
      { id: 'b', sockets: 7, labels: { zone: 'b' }, weight: 1, version: '1.2.3', types: ['user'], roles: ['gateway', 'actors'] },
      { id: 'c', actors: 3, admin: 'http://c:7200', client: null },
    ])
    expect(await cluster.during(c.admin.nodes())).toEqual(shown)
  })

  test('events a second are of the last five', async () => {
    const actor = b.owned()
    for (let second = 0; second < 10; second++) {
      if (second < 5) await Promise.all([a.add(actor), a.add(actor)])
      await cluster.clock.run(1000)
    }
    const rate = async (): Promise<number> => (await cluster.during(a.admin.nodes()))[1]?.eventsPerSecond as number
    expect(await rate()).toBeLessThan(0.5)
    for (let i = 0; i < 10; i++) await a.add(actor)
    await cluster.clock.run(1000)
    expect(await rate()).toBeCloseTo(2, 0)
    await cluster.clock.run(6000)
    expect(await rate()).toBe(0)
  })

  test('one that does not answer is shown without figures within a second, and hides nobody', async () => {
    cluster.network.freeze('b')
    const from = cluster.clock.mono()
    const shown = await cluster.during(a.admin.nodes())
    expect(cluster.clock.mono() - from).toBeLessThanOrEqual(1100)
    expect(shown.map(({ id, actors }) => [id, actors])).toEqual([
      ['a', 0],
      ['b', null],
      ['c', 0],
    ])
  })

  test('many who look at once cost one question to each node', async () => {
    let asked = 0
    b.asked = (what, json) => {
      asked++
      return b.admin.asked(what, json)
    }
    const all = await cluster.during(Promise.all(Array.from({ length: 50 }, () => a.admin.nodes())))
    expect(new Set(all.map((shown) => JSON.stringify(shown))).size).toBe(1)
    expect(asked).toBe(1)
  })

  test.each([
    ['null'],
    ['[]'],
    ['{'],
    ['{}'],
    ['{"phase":"asleep","actors":1,"sockets":1,"eventsPerSecond":1}'],
    ['{"phase":7,"actors":-1,"sockets":0,"eventsPerSecond":0}'],
  ])('an answer that is none (%s) is no answer', async (json) => {
    b.asked = () => Promise.resolve({ ok: true, json })
    expect((await cluster.during(a.admin.nodes())).map(({ actors }) => actors)).toEqual([0, null, 0])
    expect(await cluster.during(a.admin.drain('b'))).toMatchObject({ ok: false, code: 'internal' })
    expect(await cluster.during(a.admin.plan('b'))).toMatchObject({ ok: false, code: 'internal' })
    expect(await cluster.during(a.admin.inspect(b.owned()))).toMatchObject({ ok: false, code: 'internal' })
  })

  test('figures that cannot be are no figures', async () => {
    for (const actors of [-1, '7', null]) {
      b.asked = () => Promise.resolve({ ok: true, json: JSON.stringify({ phase: 'serving', actors, sockets: 0, eventsPerSecond: 0 }) })
      expect((await cluster.during(a.admin.nodes()))[1]).toMatchObject({ actors: null, sockets: null })
    }
  })

  test('a dead one is shown until it is removed; then it has left, and is let in again under a new generation only', async () => {
    b.crash()
    await cluster.clock.until(() => a.member.gossip.member('b')?.liveness === 'dead' && !a.member.gossip.presumed('b'), 60_000, 'dead')
    expect((await cluster.during(a.admin.nodes()))[1]).toMatchObject({ id: 'b', state: 'dead', phase: 'stopped', actors: null })
    expect(await cluster.during(a.admin.drain('b'))).toMatchObject({ ok: false, code: 'refused', reason: 'dead' })
    expect(a.admin.remove('b')).toEqual({ ok: true })
    await cluster.clock.until(() => c.member.gossip.member('b')?.liveness === 'left', 60_000, 'left at c too')
    expect((await cluster.during(a.admin.nodes()))[1]).toMatchObject({ id: 'b', state: 'left' })
    expect(await cluster.during(a.admin.drain('b'))).toEqual({ ok: true, phase: 'stopped' })
    expect(await cluster.during(a.admin.plan('b'))).toMatchObject({ ok: false, code: 'refused', reason: 'left' })
  })

  test('who is alive is not removed, who is unknown is named', () => {
    expect(a.admin.remove('b')).toMatchObject({ ok: false, code: 'refused', reason: 'alive' })
    expect(a.admin.remove('a')).toMatchObject({ ok: false, code: 'refused', reason: 'alive' })
    expect(a.admin.remove('x')).toMatchObject({ ok: false, code: 'not_found', message: "there is no node 'x'; this cluster has a, b, c" })
  })
})

describe('actors', () => {
  test('have one owner, whichever node is asked', () => {
    const actor = b.owned()
    for (const { admin } of [a, b, c]) expect(admin.locate(actor)).toMatchObject({ ok: true, owner: 'b' })
    expect(new Set([a, b, c].map(({ admin }) => (admin.locate(actor) as { viewHash: string }).viewHash)).size).toBe(1)
    expect(a.admin.locate('robot/1')).toMatchObject({ ok: false, code: 'not_found' })
  })

  test('whose type nobody in service offers have none for now', async () => {
    for (const node of [a, b, c]) node.member.gossip.setPhase('draining')
    await cluster.clock.until(() => !a.admin.locate('user/x').ok, 60_000, 'nobody')
    expect(a.admin.locate('user/x')).toMatchObject({ ok: false, code: 'unavailable' })
    expect(await cluster.during(a.admin.inspect('user/x'))).toMatchObject({ ok: false, code: 'unavailable' })
  })

  test('are inspected at their owner, which alone has them in memory', async () => {
    const actor = b.owned()
    await a.add(actor)
    for (const { admin } of [a, b, c])
      expect(await cluster.during(admin.inspect(actor))).toMatchObject({ ok: true, node: 'b', offset: 1, active: true })
    expect([a, b, c].map(({ member }) => member.engine.has(actor))).toEqual([false, true, false])
  })

  test('inspecting one that its earlier owner still holds pulls it, and fences nobody', async () => {
    const actors = Array.from({ length: 40 }, (_, i) => `user/held${i}`)
    const ownerOf = (actor: string): string => (a.admin.locate(actor) as { owner: string }).owner
    for (const actor of actors) await a.add(actor)
    const before = new Map(actors.map((actor) => [actor, ownerOf(actor)]))
    // Who goes and comes back has nothing in memory; what it gets back is still with the others at that moment.
    c.member.gossip.setPhase('draining')
    await cluster.clock.until(() => actors.every((actor) => ownerOf(actor) !== 'c'), 60_000, 'c owns none')
    await cluster.clock.run(2000)
    c.member.gossip.setPhase('ready')
    // Its own view has it at once, before the others can hand anything over.
    const cOwns = (actor: string): boolean => c.member.placement.ownerOf(actor)?.id === 'c'
    await cluster.clock.until(() => actors.some(cOwns), 60_000, 'c owns some')
    const moved = actors.filter((actor) => before.get(actor) === 'c')
    const inspected = await cluster.during(Promise.all(moved.map((actor) => c.admin.inspect(actor))))
    for (const found of inspected) expect(found).toMatchObject({ ok: true, node: 'c', offset: 1, state: { notes: 1 } })
    const { pulled = 0 } = c.member.router.stats().counters
    expect(pulled).toBeGreaterThan(0)
    for (const actor of moved) expect([a, b, c].filter(({ member }) => member.engine.has(actor)).map(({ id }) => id)).toEqual(['c'])
    for (const { member } of [a, b, c]) expect(member.engine.stats().counters['fenced']).toBe(0)
  })

  test('an owner that does not answer is said so, in its time', async () => {
    cluster.network.freeze('b')
    const actor = b.owned()
    expect(await cluster.during(a.admin.inspect(actor))).toMatchObject({
      ok: false,
      code: expect.stringMatching(/^(timeout|unavailable)$/) as string,
    })
  })
})

describe('steering', () => {
  test('a node is drained from another', async () => {
    expect(await cluster.during(a.admin.drain('b'))).toEqual({ ok: true, phase: 'draining' })
    expect([a, b, c].map(({ drains }) => drains)).toEqual([0, 1, 0])
    expect(await cluster.during(b.admin.drain('b'))).toEqual({ ok: true, phase: 'draining' })
    expect(await cluster.during(a.admin.drain('x'))).toMatchObject({ ok: false, code: 'not_found' })
  })

  test('one that is gone before its answer arrives has drained all the same', async () => {
    b.asked = () => {
      void b.member.leave()
      return new Promise(() => undefined)
    }
    expect(await cluster.during(a.admin.drain('b'))).toEqual({ ok: true, phase: 'stopped' })
  })

  test('a plan tells where its actors would go, and they do go there', async () => {
    const actors = Array.from({ length: 30 }, (_, i) => b.owned(`p${i}-`))
    for (const actor of actors) await a.add(actor)
    const plan = await cluster.during(a.admin.plan('b'))
    if (!plan.ok) throw new Error(plan.message)
    expect(plan).toMatchObject({ node: 'b', unplaced: 0, sockets: 0 })
    expect((plan.moves['a'] ?? 0) + (plan.moves['c'] ?? 0)).toBe(30)
    expect(b.drains).toBe(0)
    expect(actors.every((actor) => b.member.engine.has(actor))).toBe(true)
    await cluster.during(b.member.handOver(() => undefined))
    const moved = (node: VirtualNode): number => actors.filter((actor) => node.member.engine.has(actor)).length
    expect({ a: moved(a), c: moved(c) }).toEqual({ a: plan.moves['a'] ?? 0, c: plan.moves['c'] ?? 0 })
    expect(await cluster.during(a.admin.plan('b'))).toMatchObject({ ok: false, code: 'unavailable' })
  })

  test('what nobody else could have stays in the store: said beforehand', async () => {
    const alone = new VirtualCluster()
    try {
      const [only] = (await alone.start('only')) as [VirtualNode]
      await only.add('user/x')
      expect(await alone.during(only.admin.plan('only'))).toMatchObject({ ok: true, moves: {}, unplaced: 1 })
    } finally {
      alone.close()
    }
  })

  test('sockets are counted and ended on all nodes, as far as they answer', async () => {
    ;[a.sockets, b.sockets, c.sockets] = [1, 2, 4]
    expect(await cluster.during(a.admin.sockets('user/x'))).toBe(7)
    expect(await cluster.during(a.admin.kick({ who: 'user/x', device: 'phone', reason: 'enough' }))).toBe(3)
    for (const { kicked } of [a, b, c]) expect(kicked).toEqual([{ who: 'user/x', device: 'phone', reason: 'enough' }])
    c.asked = () => Promise.reject(new Error('broken'))
    expect(await cluster.during(a.admin.sockets('user/x'))).toBe(3)
  })
})

describe('questions between nodes', () => {
  test('unknown ones, unknown nodes and gone ones are failures with words', async () => {
    const ask = (node: string, what = 'figures', json = '{}', ms = 1000): Promise<unknown> =>
      cluster.during(a.member.router.ask(node, what, json, ms))
    for (const node of ['a', 'b']) expect(await ask(node, 'nonsense')).toMatchObject({ ok: false, code: 'not_found', message: /nonsense/ })
    expect(await ask('x')).toMatchObject({ ok: false, code: 'not_found' })
    expect(await ask('b', 'figures', 'x'.repeat(100_000))).toMatchObject({ ok: false, code: 'too_large' })
    expect(await ask('b', 'kick', '[]')).toMatchObject({ ok: false, code: 'invalid' })
    b.asked = () => {
      throw new Error('broken')
    }
    expect(await ask('b')).toMatchObject({ ok: false, code: 'internal' })
    b.asked = () => new Promise(() => undefined)
    const from = cluster.clock.mono()
    expect(await ask('b', 'figures', '{}', 700)).toMatchObject({ ok: false, code: 'timeout' })
    expect(cluster.clock.mono() - from).toBeLessThan(1000)
    b.crash()
    await cluster.clock.until(() => a.member.gossip.member('b')?.liveness === 'dead', 60_000, 'dead')
    expect(await ask('b')).toMatchObject({ ok: false, code: 'unavailable' })
  })

  test('too many at once are refused, at either end; then it goes on', async () => {
    const waiting: (() => void)[] = []
    b.asked = () => new Promise((resolve) => waiting.push(() => resolve({ ok: true, json: '{}' })))
    const many = [a, c].flatMap(({ member }) => Array.from({ length: QUESTIONS_MAX + 5 }, () => member.router.ask('b', 'x', '{}', 60_000)))
    await cluster.clock.until(() => waiting.length === 2 * QUESTIONS_MAX, 60_000, 'all asked')
    for (const answer of waiting) answer()
    const outcomes = await cluster.during(Promise.all(many))
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(2 * QUESTIONS_MAX)
    expect(outcomes.filter((outcome) => !outcome.ok && outcome.code === 'overloaded')).toHaveLength(10)
    b.asked = () => Promise.resolve({ ok: true, json: '[1]' })
    expect(await cluster.during(a.member.router.ask('b', 'x', '{}', 1000))).toEqual({ ok: true, json: '[1]' })
  })

  test('answers that never come free their places', async () => {
    b.asked = () => new Promise(() => undefined)
    for (let round = 0; round < 2; round++)
      await cluster.during(Promise.all(Array.from({ length: QUESTIONS_MAX }, () => a.member.router.ask('b', 'x', '{}', 500))))
    b.asked = () => Promise.resolve({ ok: true, json: '1' })
    expect(await cluster.during(a.member.router.ask('b', 'x', '{}', 500))).toMatchObject({ ok: true })
  })
})

test('figures of membership and routing are there for scrapers, and count what happens', async () => {
  const text = (): string => figuresText(a.admin.metrics(), 'a')
  expect(text()).toContain('troupe_members{node="a",state="alive"} 3')
  await a.add(b.owned())
  expect(text()).toContain('troupe_forwarded_total{node="a"} 1')
  b.crash()
  await cluster.clock.until(() => a.member.gossip.member('b')?.liveness === 'dead' && !a.member.gossip.presumed('b'), 60_000, 'dead')
  await cluster.clock.run(100)
  for (const line of ['troupe_members{node="a",state="dead"} 1', 'troupe_suspicions_total{node="a"} 1', 'troupe_deaths_total{node="a"} 1'])
    expect(text()).toContain(line)
  expect(text()).toMatch(/^troupe_handoff_seconds_bucket\{node="a",le="\+Inf"\} \d+$/m)
  const series = text()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')))
  expect(new Set(series).size).toBe(series.length)
})
