/** P1, P2, P5, P6 of placement; who is in service; versions; what moves; previous owners. */
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Liveness, Member, Phase } from '../../src/cluster/member.ts'
import { movedBetween, Placement, previousOwnersOf, serviceOf, VERSIONS_A_TYPE } from '../../src/cluster/placement.ts'
import { RingCache } from '../../src/cluster/ring-cache.ts'
import { HeldBuilder, member, view } from './ring-members.ts'
import { numbered, OracleRing } from './ring-oracle.ts'

const rings = new RingCache(new HeldBuilder())
const place = (members: readonly Member[]): Placement => new Placement(view(members), rings)
const ACTORS = Array.from({ length: 300 }, (_, i) => `user/${i}`)
const ownersOf = (placement: Placement, actors: readonly string[] = ACTORS, minVersion?: number): (string | null)[] =>
  actors.map((actor) => placement.ownerOf(actor, minVersion)?.id ?? null)
const owning = (placement: Placement, actors: readonly string[] = ACTORS, minVersion?: number): (string | null)[] =>
  [...new Set(ownersOf(placement, actors, minVersion))].toSorted((a, b) => ((a ?? '') < (b ?? '') ? -1 : 1))

const LIVENESS: readonly Liveness[] = ['alive', 'suspect', 'dead', 'left']
const PHASES: readonly Phase[] = ['joining', 'ready', 'draining']
const TYPES = ['user', 'room', 'constructor', '__proto__', 'toString']

const anyMember = (id: string): fc.Arbitrary<Member> =>
  fc
    .record({
      liveness: fc.constantFrom(...LIVENESS, 'alive' as const, 'alive' as const),
      phase: fc.constantFrom(...PHASES, 'ready' as const, 'ready' as const),
      roles: fc.subarray(['gateway', 'actors'] as const),
      weight: fc.integer({ min: 1, max: 3 }),
      // As it comes off the wire: `__proto__` is a field like others.
      types: fc.array(fc.tuple(fc.constantFrom(...TYPES), fc.integer({ min: 1, max: 3 }))).map((types) => Object.fromEntries(types)),
      generation: fc.integer({ min: 1, max: 3 }),
    })
    .map(({ liveness, phase, generation, ...meta }) => member(id, { liveness, phase, generation, meta }))
const anyMembers = fc.tuple(...numbered(6).map(anyMember))

test('an actor belongs to who the ring of those in service that offer its type says', () => {
  fc.assert(
    fc.property(
      anyMembers,
      fc.constantFrom(...TYPES, 'unknown'),
      fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
      (members, type, least) => {
        const offering = members.filter(({ liveness, phase, meta }) => {
          const version = Object.getOwnPropertyDescriptor(meta.types, type)?.value as number | undefined
          const inService = phase === 'ready' && (liveness === 'alive' || liveness === 'suspect') && meta.roles.includes('actors')
          return inService && version !== undefined && version >= (least ?? 0)
        })
        const oracle = new OracleRing(offering.map(({ id, meta }) => ({ id, weight: meta.weight })))
        const placement = place(members)
        for (const key of ['alice', '__proto__', 'constructor', '\ud800', '🦊', 'x'.repeat(256)]) {
          const owner = placement.ownerOf(`${type}/${key}`, least)
          expect(owner?.id).toBe(oracle.ownerOf(`${type}/${key}`))
          if (owner !== null) expect(members).toContain(owner)
        }
      },
    ),
    { numRuns: 150 },
  )
})

describe('P1: a placement is a function of the view', () => {
  test('in whatever order members come, and whatever was placed before', () => {
    fc.assert(
      fc.property(anyMembers, fc.nat(), (members, turn) => {
        const turned = [...members.slice(turn % 6), ...members.slice(0, turn % 6)].reverse()
        const afresh = new Placement(view(turned), new RingCache(new HeldBuilder()))
        for (const type of TYPES) {
          const actors = ACTORS.slice(0, 40).map((actor) => actor.replace('user', type))
          for (const least of [undefined, 2, 3]) expect(ownersOf(afresh, actors, least)).toEqual(ownersOf(place(members), actors, least))
        }
      }),
      { numRuns: 40 },
    )
  })

  test('in another process', () => {
    const members = numbered(9).map((id, i) => member(id, { meta: { weight: 1 + (i % 3), types: { user: 1 + (i % 2) } } }))
    const program = `
      import { Placement } from ${JSON.stringify(new URL('../../src/cluster/placement.ts', import.meta.url).href)}
      import { RingCache } from ${JSON.stringify(new URL('../../src/cluster/ring-cache.ts', import.meta.url).href)}
      const { members, actors } = JSON.parse(process.env.ASKED)
      const placement = new Placement({ self: members[0], members, hash: '' }, new RingCache({}))
      console.log(JSON.stringify([0, 2].map((least) => actors.map((actor) => placement.ownerOf(actor, least).id))))`
    const run = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '', ASKED: JSON.stringify({ members: members.toReversed(), actors: ACTORS }) },
    })
    expect([run.stderr, run.status]).toEqual(['', 0])
    expect(JSON.parse(run.stdout)).toEqual([ownersOf(place(members)), ownersOf(place(members), ACTORS, 2)])
  })

  test('it never changes: an upgrade of Troupe moves no actor', () => {
    const placement = place(numbered(3).map((id) => member(id)))
    expect(ownersOf(placement, ['user/alice', 'user/bob', 'user/carol', 'user/dave', 'user/eve', 'user/🦊'])).toEqual(PINNED_OWNERS)
  })
})

test('P2: a node that leaves service for whatever reason moves its own actors and no others', () => {
  const members = numbered(7).map((id) => member(id))
  const before = place(members)
  const changes: Partial<Member>[] = [{ liveness: 'dead' }, { liveness: 'left' }, { phase: 'draining' }, { phase: 'joining' }]
  const afters = [
    ...changes.map((change) => members.map((other) => (other.id === 'node-3' ? { ...other, ...change } : other))),
    members.map((other) => (other.id === 'node-3' ? member('node-3', { meta: { roles: ['gateway'] } }) : other)),
    members.map((other) => (other.id === 'node-3' ? member('node-3', { meta: { types: { room: 1 } } }) : other)),
    members.filter(({ id }) => id !== 'node-3'),
  ]
  for (const after of afters) {
    const moves = [...movedBetween(before, place(after), ACTORS)]
    expect(moves.map(({ actor }) => actor)).toEqual(ACTORS.filter((actor) => before.ownerOf(actor)?.id === 'node-3'))
    expect(moves.length).toBeGreaterThan(10)
    for (const { from, to } of moves) expect([from?.id, to?.id === 'node-3', to === null]).toEqual(['node-3', false, false])
    const back = [...movedBetween(place(after), before, ACTORS)]
    expect(back.map(({ actor, from, to }) => [actor, to?.id, from?.id])).toEqual(
      moves.map(({ actor, from, to }) => [actor, from?.id, to?.id]),
    )
  }
})

test('P5: a restart, a new address, a suspicion and new labels move nothing, and no ring is built', () => {
  const members = numbered(5).map((id) => member(id))
  const cache = new RingCache(new HeldBuilder())
  const before = new Placement(view(members), cache)
  const [old, ...others] = members as [Member, ...Member[]]
  for (const restarted of [
    { ...old, generation: 2, incarnation: 7 },
    { ...old, address: 'elsewhere:1' },
    { ...old, liveness: 'suspect' as const },
    member(old.id, { meta: { labels: { rack: 'b' }, version: '9.0.0', types: { user: 1, room: 1 } } }),
  ]) {
    const after = new Placement(view([restarted, ...others]), cache)
    expect([...movedBetween(before, after, ACTORS)]).toEqual([])
    const actor = ACTORS[ownersOf(after).indexOf(old.id)] as string
    expect(after.ownerOf(actor)).toBe(restarted)
  }
  // The fifth node alone offers rooms in the last of these.
  expect(cache.size).toBe(2)
})

test('P6: names that users make up have an owner or none, and never throw', () => {
  const placement = place(numbered(3).map((id) => member(id)))
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.constantFrom('user', 'constructor', '__proto__', 'toString', 'valueOf', '', '🦊'),
      (key, type) => {
        expect(placement.ownerOf(`${type}/${key}`) === null).toBe(type !== 'user')
      },
    ),
  )
  for (const name of ['', 'user', '/', '//', '/user/alice', 'User/alice', ' user/alice']) expect(placement.ownerOf(name)).toBeNull()
  expect(placement.member('__proto__')).toBeNull()
})

describe('versions of a type', () => {
  const at = (versions: readonly number[]): Placement =>
    place(versions.map((version, i) => member(`v${version}.${i}`, { meta: { types: { user: version } } })))

  test('the rings of a version and above; without a version all', () => {
    const placement = at([1, 1, 2, 3])
    expect(owning(placement)).toEqual(['v1.0', 'v1.1', 'v2.2', 'v3.3'])
    expect(owning(placement, ACTORS, 1)).toEqual(['v1.0', 'v1.1', 'v2.2', 'v3.3'])
    expect(owning(placement, ACTORS, 2)).toEqual(['v2.2', 'v3.3'])
    expect(owning(placement, ACTORS, 3)).toEqual(['v3.3'])
    expect(owning(placement, ACTORS, 4)).toEqual([null])
  })

  test('of more versions than are kept, the ring of one between is that of the next higher: no older node is ever named', () => {
    const placement = at([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    expect(serviceOf(placement.view).rings.length).toBe(VERSIONS_A_TYPE)
    expect(owning(placement).length).toBe(12)
    for (const least of [2, 3, 4, 5, 6]) expect(owning(placement, ACTORS, least)).toEqual(owning(placement, ACTORS, 6))
    expect(owning(placement, ACTORS, 6)).toEqual(['v10.9', 'v11.10', 'v12.11', 'v6.5', 'v7.6', 'v8.7', 'v9.8'])
    expect(owning(placement, ACTORS, 11)).toEqual(['v11.10', 'v12.11'])
  })

  test('a version that is no number is no offer', () => {
    expect(owning(at([Number.NaN, 1, 2]))).toEqual(['v1.1', 'v2.2'])
  })
})

test('types with the same members share a ring; other members, another ring', () => {
  const cache = new RingCache(new HeldBuilder())
  const members = numbered(3).map((id) => member(id, { meta: { types: { user: 1, room: 4, doc: 2 } } }))
  void new Placement(view(members), cache)
  expect(cache.size).toBe(1)
  void new Placement(view([...members, member('node-4', { meta: { types: { room: 4 } } })]), cache)
  expect(cache.size).toBe(2)
})

describe('what moves', () => {
  test('is told lazily and in order, with nobody as null', () => {
    const none = place([])
    const some = place([member('a')])
    const endless = (function* (): Generator<string> {
      for (let i = 0; ; i++) yield `user/${i}`
    })()
    const moves = movedBetween(none, some, endless)
    expect(moves.next().value).toEqual({ actor: 'user/0', from: null, to: some.member('a') })
    expect(moves.next().value).toMatchObject({ actor: 'user/1' })
    expect([...movedBetween(some, none, ['user/1', 'room/1'])]).toEqual([{ actor: 'user/1', from: some.member('a'), to: null }])
    expect([...movedBetween(none, none, ACTORS)]).toEqual([])
  })
})

describe('previous owners', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((id) => member(id)) as [Member, Member, Member]
  const only = (owner: Member, others: readonly Member[]): Placement =>
    place([owner, ...others.map((other) => ({ ...other, phase: 'joining' as const }))])

  test('newest first, each once, not the owner of now', () => {
    const now = only(a, [b, c])
    const earlier = [only(b, [a, c]), only(a, [b, c]), only(c, [a, b]), only(b, [a, c])]
    expect(previousOwnersOf('user/1', now, earlier).map(({ id }) => id)).toEqual(['b', 'c'])
    expect(previousOwnersOf('room/1', now, earlier)).toEqual([])
    expect(previousOwnersOf('user/1', now, [])).toEqual([])
  })

  test('as they are now: suspects and who drains can be asked, who is gone or has started anew cannot', () => {
    const before = [only(b, [])]
    const asked = (as: Member | null): Member[] => previousOwnersOf('user/1', only(a, as === null ? [] : [as]), before)
    expect(asked(b)).toEqual([{ ...b, phase: 'joining' }])
    const now = (change: Partial<Member>): Member[] =>
      previousOwnersOf('user/1', place([a, { ...b, ...change, meta: { ...b.meta, types: {} } }]), before)
    expect(now({ address: 'new:1', phase: 'draining' })).toMatchObject([{ id: 'b', address: 'new:1' }])
    expect(now({ liveness: 'suspect' })).toMatchObject([{ id: 'b' }])
    expect(now({ liveness: 'dead' })).toEqual([])
    expect(now({ liveness: 'left' })).toEqual([])
    expect(now({ generation: 2 })).toEqual([])
    expect(asked(null)).toEqual([])
  })
})

const PINNED_OWNERS: readonly string[] = ['node-2', 'node-2', 'node-1', 'node-2', 'node-2', 'node-3']
