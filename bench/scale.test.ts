/** The scale bench's own parts: worlds whose members have met, memberlist as a machine, plots. On virtual time; nothing is asserted about speed. */
import { describe, expect, test } from 'vitest'
import { inService } from '../src/cluster/member.ts'
import { META, World, type WorldSettings } from '../test/cluster/world.ts'
import { plotsOf } from './plots/scale.ts'
import { rowsOf } from './scale.ts'
import { acquainted } from './scale/acquainted.ts'
import { Memberlist } from './scale/memberlist.ts'
import type { Figures } from './scale/measures.ts'

const memberlist: WorldSettings['machine'] = (self, cluster, seeds, _, random, now) => new Memberlist(self, cluster, seeds, random, now)
const met = (count: number, more: Partial<WorldSettings> = {}): World => {
  const world = new World({ seed: `met ${count}`, ...more })
  acquainted(world, count)
  return world
}

describe('members that have met', () => {
  test.each([
    ['troupe', {}],
    ['memberlist', { machine: memberlist }],
  ] as const)('%s: all see all in service, nobody has news, and so it stays', (_, more) => {
    const world = met(20, more)
    const asItIs = (): unknown => world.processes.map(({ machine }) => [machine.view.members.filter(inService).length, machine.gauges.news])
    expect(asItIs()).toEqual(world.processes.map(() => [20, 0]))
    world.run(60_000)
    expect(asItIs()).toEqual(world.processes.map(() => [20, 0]))
    expect(world.verdicts).toEqual([])
  })
})

describe('memberlist', () => {
  test('a silent member is dead no sooner than its least suspicion, and for all by the longest; when it speaks again all have it back', () => {
    const world = met(10, { machine: memberlist })
    const [victim, ...others] = world.processes as [World['processes'][0], ...World['processes']]
    world.freeze(victim)
    const took = world.until(() => others.every((process) => world.knows(process, victim)), 60_000)
    // A probe at least, then 4 s of suspicion; at most a round, a probe, 24 s and the gossip.
    expect(took).toBeGreaterThan(4500)
    expect(took).toBeLessThan(36_000)
    world.thaw(victim)
    expect(world.until(() => others.every(({ machine }) => machine.member('n0')?.liveness === 'alive'), 30_000)).toBeLessThan(10_000)
    expect(victim.machine.self.incarnation).toBeGreaterThan(1)
  })

  test('a pause shorter than the suspicion is refuted, and nobody was shown dead', () => {
    const world = met(10, { machine: memberlist })
    const victim = world.node('n3')
    let dropped = 0
    world.dropped = () => dropped++
    world.freeze(victim)
    expect(world.until(() => world.node('n4').machine.member('n3')?.liveness === 'suspect', 20_000)).toBeLessThan(Infinity)
    world.thaw(victim)
    world.run(30_000)
    expect(dropped).toBe(0)
    expect(world.running.every(({ machine }) => machine.member('n3')?.liveness === 'alive')).toBe(true)
  })

  test('through loss, helpers and the second ping keep it from accusing', () => {
    const world = met(10, { machine: memberlist })
    world.loss = (from, to) => ([from.id, to.id].sort().join() === 'n1,n2' ? 1 : 0)
    world.run(60_000)
    expect(world.running.flatMap(({ machine }) => machine.view.members).every(({ liveness }) => liveness === 'alive')).toBe(true)
    expect(world.processes.every(({ machine }) => machine.self.incarnation <= 1)).toBe(true)
  })

  test('a changed record and a further node are known by all', () => {
    const world = met(10, { machine: memberlist })
    world.input(world.node('n5'), { kind: 'meta', meta: { ...META, weight: 2 } })
    const changed = (): boolean => world.running.every(({ machine }) => machine.member('n5')?.meta.weight === 2)
    expect(world.until(changed, 10_000)).toBeLessThan(Infinity)
    world.start('later', { seeds: ['n0:7100'] })
    expect(world.until(() => world.settled(), 10_000)).toBeLessThan(Infinity)
  })
})

test('plots: one for each measure, a line for each system that has points, small', () => {
  const wrong = { times: 4, members: 2, minutes: 2 }
  const figures = (ms: number): Figures => ({
    firstKnown: [ms],
    allKnown: [ms],
    changed: [ms],
    joined: [ms],
    quietBytes: { mean: ms, most: ms },
    failureBytes: ms,
    blocked: wrong,
    lossy: null,
    cpuSeconds: 1,
  })
  const plan = { freezes: 1, changes: 1, joins: 1, quietMs: 1, sick: 1, sickMs: 1 }
  const rows = rowsOf(
    [3, 3000].flatMap((nodes) => [
      { protocol: 'troupe' as const, plan: { ...plan, nodes }, figures: figures(nodes + 500) },
      { protocol: 'memberlist' as const, plan: { ...plan, nodes }, figures: figures(2 * nodes + 500) },
    ]),
  )
  const plots = plotsOf(rows)
  expect(plots.size).toBe(6)
  for (const [name, svg] of plots) {
    expect(name).toMatch(/^membership-[a-z-]+\.svg$/)
    expect(svg.length).toBeLessThan(50_000)
    expect(svg).not.toMatch(/NaN|Infinity|undefined/)
    expect(svg.match(/stroke-width="2"\/>/g)).toHaveLength(2)
    expect(svg).toContain('>3,000<')
  }
})
