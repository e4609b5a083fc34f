/** The order of records and its join (M1), the view's hash, and the small parts of the machine, each against its rule. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seeded } from '../../src/base/random.ts'
import { Agenda } from '../../src/cluster/agenda.ts'
import { Broadcasts, transmitLimit } from '../../src/cluster/broadcasts.ts'
import { GOSSIP_PRESETS, gossipOptions } from '../../src/cluster/gossip-options.ts'
import { Health } from '../../src/cluster/health.ts'
import { compareRecords, inService, merged, type Member } from '../../src/cluster/member.ts'
import { ProbeOrder, turnOf } from '../../src/cluster/probe-order.ts'
import { Roster } from '../../src/cluster/roster.ts'
import { Suspicion, suspicionTimeoutMs, suspicionTimes } from '../../src/cluster/suspicion.ts'
import { viewOf } from '../../src/cluster/view.ts'
import { resolveOptions } from '../../src/options.ts'
import { META } from './world.ts'

const record: fc.Arbitrary<Member> = fc.record({
  id: fc.constant('x'),
  generation: fc.integer({ min: 1, max: 3 }),
  incarnation: fc.integer({ min: 1, max: 3 }),
  liveness: fc.constantFrom('alive', 'suspect', 'dead', 'left'),
  phase: fc.constantFrom('joining', 'ready', 'draining'),
  address: fc.constantFrom('a:1', 'b:1'),
  meta: fc.constantFrom(META, { ...META, weight: 2 }),
})
const options = gossipOptions(resolveOptions())

describe('the merge of two records (M1)', () => {
  it('is commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(record, record, record, (a, b, c) => {
        expect(merged(a, b)).toEqual(merged(b, a))
        expect(merged(merged(a, b), c)).toEqual(merged(a, merged(b, c)))
        expect(merged(a, a)).toEqual(a)
        expect(merged(a, structuredClone(a))).toEqual(a)
      }),
      { numRuns: 2000 },
    )
  })

  it('goes by generation, then by what is final, then by incarnation, then by suspicion', () => {
    const rank = ({ generation, incarnation, liveness }: Member): number =>
      generation * 1000 + { alive: 0, suspect: 0, dead: 100, left: 200 }[liveness] + incarnation * 10 + (liveness === 'suspect' ? 1 : 0)
    fc.assert(
      fc.property(record, record, (a, b) => {
        if (rank(a) !== rank(b)) expect(Math.sign(compareRecords(a, b))).toBe(Math.sign(rank(a) - rank(b)))
        else if (JSON.stringify(a) === JSON.stringify(b)) expect(compareRecords(a, b)).toBe(0)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the view', () => {
  const entries = (members: readonly Member[]): ReturnType<Roster['all']> => {
    const roster = new Roster(3_600_000)
    for (const member of members) roster.put(member, 0).verified = true
    return roster.all()
  }
  const one = (id: string, more: Partial<Member> = {}): Member => ({
    id,
    generation: 1,
    incarnation: 1,
    liveness: 'alive',
    phase: 'ready',
    address: `${id}:1`,
    meta: META,
    ...more,
  })

  it('is sorted by id, and its hash does not depend on the order or way in which members came', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(['a', 'b', 'c', 'ä', 'Z', '10', '9'], { minLength: 1 }), (ids) => {
        const view = viewOf(one('a'), entries(ids.map((id) => one(id))))
        const sorted = viewOf(one('a'), entries([...ids].sort().map((id) => one(id, { incarnation: 7, liveness: 'suspect' }))))
        expect(view.members.map(({ id }) => id)).toEqual([...ids].sort())
        expect(view.hash).toBe(sorted.hash)
        expect(view.hash).toMatch(/^[0-9a-f]{16}$/)
      }),
    )
  })

  it('the hash changes with all that routing depends on, and with nothing else', () => {
    const hash = (more: Partial<Member>): string => viewOf(one('a'), entries([one('a'), one('b', more)])).hash
    const base = hash({})
    const same: Partial<Member>[] = [
      { incarnation: 9 },
      { liveness: 'suspect' },
      { meta: { ...META, labels: { z: '1' }, client: 'ws://x:1' } },
    ]
    const other: Partial<Member>[] = [
      { generation: 2 },
      { address: 'q:1' },
      { phase: 'draining' },
      { liveness: 'dead' },
      { meta: { ...META, weight: 2 } },
      { meta: { ...META, types: { ...META.types, user: 2 } } },
      { meta: { ...META, types: { user: 1 } } },
    ]
    expect(same.map(hash)).toEqual(same.map(() => base))
    expect(new Set([base, ...other.map(hash)]).size).toBe(other.length)
    expect(inService(one('x', { phase: 'joining' })) || inService(one('x', { liveness: 'left' }))).toBe(false)
  })
})

describe('suspicion', () => {
  it('lasts as the formula says: 2.0 / 2.95 / 4.95 / 6.95 s at the least for 3 / 30 / 300 / 3000 members', () => {
    const least = [3, 30, 300, 3000].map((members) => Math.round(suspicionTimes(members, options).minMs / 50) * 50)
    expect(least).toEqual([2000, 2950, 4950, 6950])
    const times = suspicionTimes(30, options)
    expect(suspicionTimeoutMs(times, 0)).toBeCloseTo(8 * times.minMs)
    expect(suspicionTimeoutMs(times, 1)).toBeCloseTo(times.maxMs - (times.maxMs - times.minMs) / 2)
    expect(suspicionTimeoutMs(times, 3)).toBeCloseTo(times.minMs)
    expect(suspicionTimeoutMs(times, 7)).toBeCloseTo(times.minMs)
    expect(suspicionTimes(4, options)).toMatchObject({ confirmations: 0, maxMs: suspicionTimes(4, options).minMs })
  })

  it('never ends before its least without refused connections (M7), and more accusers never lengthen it', () => {
    const accuser = fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), refused: fc.boolean() })
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 4000 }), fc.array(accuser, { maxLength: 12 }), (members, accusers) => {
        const times = suspicionTimes(members, options)
        const suspicion = new Suspicion(1000, times)
        let due = suspicion.dueAt
        for (const one of accusers) {
          suspicion.accuse(one)
          expect(suspicion.dueAt).toBeLessThanOrEqual(due)
          due = suspicion.dueAt
        }
        const refusals = new Set(accusers.filter(({ refused }) => refused).map(({ id }) => id)).size
        if (refusals < times.refusals) expect(suspicion.dueAt).toBeGreaterThanOrEqual(1000 + times.minMs - 1e-6)
        else expect(suspicion.dueAt).toBe(1000 + options.periodMs)
      }),
    )
  })

  it('time in which this node slept does not count', () => {
    const suspicion = new Suspicion(0, suspicionTimes(3, options))
    suspicion.slept(700)
    expect(suspicion.dueAt).toBe(2700)
    suspicion.slept(1e9)
    expect(suspicion.dueAt).toBe(4000)
  })
})

describe('news', () => {
  it('is sent `limit` times each, what was sent least first, the newest of those; news of an id replaces the old', () => {
    const broadcasts = new Broadcasts()
    const taken = (count: number): string[] => {
      const ids: string[] = []
      broadcasts.take(3, (id) => {
        if (ids.length >= count) return 'full'
        ids.push(id)
        return 'sent'
      })
      return ids
    }
    for (const id of ['a', 'b', 'c']) broadcasts.put(id)
    expect(taken(2)).toEqual(['c', 'b'])
    expect(taken(2)[0]).toBe('a')
    broadcasts.put('d')
    expect(taken(1)).toEqual(['d'])
    broadcasts.put('c')
    expect(taken(1)).toEqual(['c'])
    const counts = new Map<string, number>()
    for (let round = 0; round < 20; round++) for (const id of taken(2)) counts.set(id, (counts.get(id) ?? 0) + 1)
    expect(broadcasts.size).toBe(0)
    expect(counts.get('c')).toBe(2)
    expect(taken(5)).toEqual([])
  })

  it('what is skipped is kept, and the limit is λ · ⌈log10(N + 1)⌉', () => {
    const broadcasts = new Broadcasts()
    broadcasts.put('a')
    for (let i = 0; i < 10; i++) broadcasts.take(3, () => 'skipped')
    expect(broadcasts.size).toBe(1)
    expect([3, 30, 300, 3000].map((members) => transmitLimit(members, 4))).toEqual([4, 8, 12, 16])
  })
})

describe('the small parts', () => {
  it('the agenda gives what is due in order, each key at its newest time', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      at: fc.nat(100),
      how: fc.constantFrom('set', 'clear', 'take', 'late'),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const agenda = new Agenda<string>()
        const model = new Map<string, number>()
        for (const { key, at, how } of steps) {
          if (how === 'set') {
            agenda.set(key, at, key)
            model.set(key, at)
          } else if (how === 'clear') {
            agenda.clear(key)
            model.delete(key)
          } else if (how === 'late') {
            agenda.putOff(5, (task) => task === key)
            if (model.has(key)) model.set(key, (model.get(key) as number) + 5)
          } else {
            const least = Math.min(Infinity, ...model.values())
            expect(agenda.nextAt).toBe(least)
            const task = agenda.take(at)
            if (least > at) expect(task).toBeUndefined()
            else {
              expect(model.get(task as string)).toBe(least)
              model.delete(task as string)
            }
          }
          expect(agenda.size).toBe(model.size)
        }
      }),
    )
  })

  it('between two probes of one member lie at most 2N − 1 others, of few exactly N − 1', () => {
    for (const count of [1, 2, 8, 9, 40]) {
      const order = new ProbeOrder(seeded(count))
      for (let i = 0; i < count; i++) order.add(`n${i}`)
      order.add('gone')
      order.remove('gone')
      const last = new Map<string, number>()
      for (let turn = 0; turn < 50 * count; turn++) {
        const id = order.next(() => true) as string
        const before = last.get(id)
        if (before !== undefined) expect(turn - before).toBeLessThanOrEqual(count <= 8 ? count : 2 * count - 1)
        last.set(id, turn)
      }
      expect([...last.keys()].length).toBe(count)
      expect(order.next(() => false)).toBeNull()
    }
  })

  it('by turns everybody is probed by exactly one other in each period, and by everybody in N − 1', () => {
    const ids = Array.from({ length: 11 }, (_, i) => `n${i}`).sort()
    const by = new Map(ids.map((id) => [id, new Set<string>()]))
    for (let step = 100; step < 110; step++) {
      const probed = ids.map((id) => turnOf(id, ids, step) as string)
      expect(new Set(probed).size).toBe(11)
      probed.forEach((id, i) => by.get(id)?.add(ids[i] as string))
    }
    for (const [id, others] of by) expect([...others].sort()).toEqual(ids.filter((other) => other !== id))
    expect(turnOf('n0', ids.slice(0, 8), 3)).toBeNull()
  })

  it('health stays within 0 and 8', () => {
    const health = new Health()
    health.better()
    expect(health.stretch).toBe(1)
    health.worse(3)
    expect(health.stretch).toBe(4)
    for (let i = 0; i < 20; i++) health.worse(3)
    expect(health.score).toBe(8)
  })

  it('every preset is a valid set of options', () => {
    for (const preset of Object.values(GOSSIP_PRESETS)) expect(() => resolveOptions(preset)).not.toThrow()
    expect(gossipOptions(resolveOptions(GOSSIP_PRESETS.calm)).periodMs).toBe(1000)
    expect(() => resolveOptions({ gossipPeriodMs: 300 })).toThrow('gossipProbeTimeoutMs must be at most half')
  })
})
