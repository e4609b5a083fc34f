/**
 * Whole clusters on virtual time: what TARGETS C4 and the membership's properties M5–M15 ask. Times are virtual, so they are counts, not speed.
 */
import { describe, expect, it } from 'vitest'
import { inService } from '../../src/cluster/member.ts'
import { World, type Process } from './world.ts'

const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(q * values.length) - 1)] as number

function settledWorld(count: number, settings: ConstructorParameters<typeof World>[0]): World {
  const world = new World(settings)
  world.startMany(count)
  expect(world.until(() => world.settled(), 20_000)).toBeLessThan(Infinity)
  world.run(10_000)
  return world
}

/** Freezes one after the other for good measure, thaws it again; gives the times until all others knew. */
function freezes(world: World, times: number): number[] {
  return Array.from({ length: times }, (_, i) => {
    const victim = world.processes[(i * 7) % world.processes.length] as Process
    const { generation } = victim
    const others = world.running.filter((process) => process !== victim)
    world.freeze(victim)
    const took = world.until(() => others.every((process) => world.knows(process, victim, generation)), 60_000, 10)
    world.thaw(victim)
    expect(
      world.until(() => world.settled(), 30_000),
      'all in one view again',
    ).toBeLessThan(Infinity)
    world.run(5000)
    return took
  })
}

/** Verdicts said for good about a process that was well for the last minute. */
function falseVerdicts(world: World): string[] {
  return world.verdicts
    .filter(({ about, at, generation }) => {
      const process = world.node(about)
      return process.generation === generation && process.sickAt < at - 60_000
    })
    .map(({ by, about, at }) => `${by} about ${about} at ${Math.round(at)}`)
}

describe('a frozen node is known by all (C4, M5)', () => {
  it.each([
    [3, 60, 3500],
    [30, 24, 5500],
    [300, 3, 7500],
  ])(
    '%i nodes: p99 of %i freezes ≤ %i ms; nobody healthy is condemned',
    (count, times, bound) => {
      const world = settledWorld(count, { seed: count, audit: count <= 30 })
      const known = freezes(world, times)
      expect(quantile(known, 0.99)).toBeLessThanOrEqual(bound)
      expect(Math.min(...known), 'M7: silence has at least the shortest suspicion').toBeGreaterThan(2000)
      expect(falseVerdicts(world)).toEqual([])
      expect(world.violations).toEqual([])
    },
    300_000,
  )
})

it('turns hold also among nodes that started at odd times: in 60 periods nobody of 30 goes unprobed for three (M5)', () => {
  const world = new World({ seed: 'odd times' })
  world.startMany(30, 20_000)
  world.until(() => world.settled(), 20_000)
  world.run(10_000)
  const probedAt = new Map(world.processes.map((process) => [process, world.now]))
  let longest = 0
  world.sent = (_, to, frame) => {
    if (frame.body.kind !== 'ping' || to === undefined) return
    longest = Math.max(longest, world.now - (probedAt.get(to) as number))
    probedAt.set(to, world.now)
  }
  world.run(30_000)
  expect(longest).toBeLessThan(1500)
})

describe('what it costs', () => {
  it.each([3, 30])('%i quiet nodes send ≤ 0.6 KB/s each (M12)', (count) => {
    const world = settledWorld(count, { seed: `quiet ${count}`, measure: true })
    const before = world.processes.map(({ sentBytes }) => sentBytes)
    world.run(60_000)
    const rates = world.processes.map(({ sentBytes }, i) => (sentBytes - (before[i] ?? 0)) / 60)
    expect(Math.max(...rates)).toBeLessThanOrEqual(600)
    expect(world.verdicts).toEqual([])
  })

  it('while a node dies and comes back no node sends more than 80 frames/s (M12)', () => {
    const world = settledWorld(30, { seed: 'busy' })
    const before = world.processes.map(({ sentFrames }) => sentFrames)
    const victim = world.node('n9')
    world.freeze(victim)
    world.run(8000)
    world.thaw(victim)
    world.run(4000)
    const rates = world.processes.map(({ sentFrames }, i) => (sentFrames - (before[i] ?? 0)) / 12)
    expect(Math.max(...rates)).toBeLessThanOrEqual(80)
  })
})

describe('crashes and restarts', () => {
  it.each([2, 3, 10, 30])('a killed process of %i is known by all within 1 s: connections are refused', (count) => {
    const world = settledWorld(count, { seed: `kill ${count}` })
    const victim = world.node(`n${count - 1}`)
    world.crash(victim)
    const others = world.running
    expect(world.until(() => others.every((process) => world.knows(process, victim)), 10_000, 10)).toBeLessThanOrEqual(1000)
  })

  it('a restart under the same name and address is a new generation; the one before never serves again (M4, M9)', () => {
    const world = settledWorld(5, { seed: 'restart', audit: true })
    for (let round = 0; round < 5; round++) {
      world.crash(world.node('n2'))
      world.run(round * 300)
      world.start('n2', { seeds: ['n0:7100', 'n1:7100'] })
      expect(world.until(() => world.settled(), 10_000)).toBeLessThanOrEqual(3000)
      expect(world.running.every(({ machine }) => machine.member('n2')?.generation === round + 2)).toBe(true)
    }
    world.run(20_000)
    expect(world.settled()).toBe(true)
    expect(world.violations).toEqual([])
  })

  it('30 nodes restart at once: all ready within 10 s, no zombies', () => {
    const world = settledWorld(30, { seed: 'mass restart', audit: true })
    const before = [...world.processes]
    for (const process of before) world.crash(process)
    const begin = world.now
    world.startMany(30, 2000)
    expect(world.until(() => world.settled(), 20_000)).toBeLessThan(Infinity)
    expect(world.now - begin).toBeLessThanOrEqual(10_000)
    world.run(30_000)
    for (const { machine } of world.running) {
      const served = machine.view.members.filter(inService)
      expect(served.length).toBe(30)
      expect(served.every(({ generation }) => generation === 2)).toBe(true)
    }
    expect(world.violations).toEqual([])
  })

  it('a node that leaves is known to have left by all within 0.4 s, and is not thought dead', () => {
    const world = settledWorld(30, { seed: 'leave' })
    const leaver = world.node('n7')
    world.input(leaver, { kind: 'phase', phase: 'draining' })
    world.run(1000)
    expect(world.node('n3').machine.member('n7')?.phase).toBe('draining')
    world.input(leaver, { kind: 'leave' })
    const others = world.running.filter((process) => process !== leaver)
    expect(world.until(() => others.every(({ machine }) => machine.member('n7')?.liveness === 'left'), 5000, 10)).toBeLessThanOrEqual(400)
    world.run(5000)
    expect(leaver.left).toBe(true)
    expect(world.verdicts).toEqual([])
  })
})

describe('stalls and loss', () => {
  it.each(['frozen', 'blocked'] as const)('a node %s for 5 s evicts nobody, and is back within 2 s', (how) => {
    for (const count of [3, 10]) {
      const world = settledWorld(count, { seed: `stall ${count} ${how}`, audit: true })
      const sick = world.node('n1')
      world.freeze(sick, how)
      world.run(5000)
      world.thaw(sick)
      expect(world.until(() => world.settled(), 10_000)).toBeLessThanOrEqual(2000)
      world.run(20_000)
      expect(world.verdicts.filter(({ about }) => about !== 'n1')).toEqual([])
      expect(world.running.filter(({ generation, id }) => generation > 1 && id !== 'n1')).toEqual([])
      expect(world.violations).toEqual([])
    }
  })

  it('who was declared dead in its sleep hears of it at once, not at its next turn (J7)', () => {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const world = settledWorld(5, { seed })
      const sleeper = world.node('n1')
      world.freeze(sleeper)
      world.run(15_000)
      world.thaw(sleeper)
      expect(world.until(() => world.running.some(({ id, generation }) => id === 'n1' && generation > 1), 3000, 1)).toBeLessThanOrEqual(20)
    }
  })

  it('eight of thirty wake from 8 s of sleep together: nobody who was awake is condemned, and they do not condemn each other (G4)', () => {
    const world = settledWorld(30, { seed: 'sleepers' })
    const sleepers = world.processes.slice(10, 18)
    const awake = new Set(world.running.filter((process) => !sleepers.includes(process)).map(({ id }) => id))
    for (const process of sleepers) world.freeze(process)
    world.run(8000)
    const before = world.verdicts.length
    for (const process of sleepers) world.thaw(process)
    world.run(20_000)
    expect(world.settled()).toBe(true)
    expect(world.verdicts.filter(({ about }) => awake.has(about))).toEqual([])
    expect(world.verdicts.slice(before)).toEqual([])
  })

  it('who wakes with a verdict overdue reads first: the refutation lies in its socket (G4)', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const world = settledWorld(4, { seed, audit: true })
      const [sleeper, accused] = [world.node('n0'), world.node('n1')]
      world.freeze(accused)
      expect(world.until(() => sleeper.machine.member('n1')?.liveness === 'suspect', 5000)).toBeLessThan(Infinity)
      world.freeze(sleeper)
      world.thaw(accused)
      world.run(2200)
      world.thaw(sleeper)
      world.run(5000)
      expect(world.settled()).toBe(true)
      expect(world.shownDead).toEqual([])
    }
  })

  it('a node that sleeps 1.5 s again and again condemns nobody (G4)', () => {
    const world = settledWorld(3, { seed: 'naps' })
    const napper = world.node('n2')
    for (let nap = 0; nap < 20; nap++) {
      world.freeze(napper)
      world.run(1500)
      world.thaw(napper)
      world.run(400)
    }
    world.run(10_000)
    expect(world.settled()).toBe(true)
    expect(world.verdicts.filter(({ about }) => about !== 'n2')).toEqual([])
  })

  it.each([3, 30])('20 % loss each way among %i nodes for 250 s: no false verdict (M6)', (count) => {
    const world = settledWorld(count, { seed: `loss ${count}` })
    world.loss = () => 0.2
    world.run(count > 10 ? 120_000 : 250_000)
    expect(world.verdicts).toEqual([])
    world.loss = () => 0
    world.run(15_000)
    expect(world.settled()).toBe(true)
  })

  it('blocked ones among thirty condemn nobody for good who was well (M6)', () => {
    const world = settledWorld(30, { seed: 'blocked' })
    const sick = world.processes.slice(0, 6)
    for (let round = 0; round < 8; round++) {
      for (const process of sick) world.freeze(process, 'blocked')
      world.run(6000)
      for (const process of sick) world.thaw(process)
      world.run(500)
    }
    const names = new Set(sick.map(({ id }) => id))
    expect(world.verdicts.filter(({ about }) => !names.has(about))).toEqual([])
    expect(world.running.filter(({ id, generation }) => !names.has(id) && generation > 1)).toEqual([])
  })
})

describe('partitions', () => {
  const sides = (world: World, of: (process: Process) => boolean): void => {
    world.cut = (from, to) => of(from) !== of(to)
  }
  const heal = (world: World): void => {
    world.cut = () => false
  }

  it('a minority that was cut off ends nobody of the majority when it returns (M6)', () => {
    for (const [count, few] of [
      [3, 1],
      [5, 2],
      [9, 4],
    ] as const) {
      const world = settledWorld(count, { seed: `minority ${count}`, audit: true })
      const minority = new Set(world.processes.slice(0, few))
      sides(world, (process) => minority.has(process))
      world.run(30_000)
      for (const process of world.running.filter((process) => !minority.has(process)))
        expect(process.machine.view.members.filter(inService).length).toBe(count - few)
      heal(world)
      expect(world.until(() => world.settled(), 30_000)).toBeLessThanOrEqual(20_000)
      expect(world.running.filter((process) => !minority.has(process)).every(({ generation }) => generation === 1)).toBe(true)
      expect(world.violations).toEqual([])
    }
  })

  it('two halves meet again as they were: neither was a majority', () => {
    for (const count of [2, 4]) {
      const world = settledWorld(count, { seed: `halves ${count}`, audit: true })
      sides(world, ({ id }) => Number(id.slice(1)) < count / 2)
      world.run(20_000)
      for (const { machine } of world.running) expect(machine.view.members.filter(inService).length).toBe(count / 2)
      heal(world)
      expect(world.until(() => world.settled(), 30_000)).toBeLessThanOrEqual(20_000)
      expect(world.running.every(({ generation }) => generation === 1)).toBe(true)
    }
  })

  it('a split longer than anything is remembered heals within 20 s (M8)', () => {
    for (const seed of [1, 2, 3]) {
      const world = new World({ seed, options: { gossipRetentionMs: 20_000 }, audit: true })
      world.startMany(10)
      world.until(() => world.settled(), 20_000)
      sides(world, ({ id }) => Number(id.slice(1)) < 4)
      world.run(120_000)
      for (const { machine, id } of world.running)
        expect(machine.view.members.length, `${id} has forgotten the other side`).toBe(Number(id.slice(1)) < 4 ? 4 : 6)
      heal(world)
      expect(world.until(() => world.settled(), 60_000)).toBeLessThanOrEqual(20_000)
    }
  })

  it('one-way cuts do not make a member come and go (M15)', () => {
    for (const count of [2, 3, 6]) {
      const world = settledWorld(count, { seed: `one way ${count}` })
      const [a, b] = [world.node('n0'), world.node('n1')]
      world.cut = (from, to) => from === a && to === b
      let changes = 0
      let served = true
      for (let step = 0; step < 600; step++) {
        world.run(200)
        const now = a.machine.member('n1')?.liveness !== 'dead'
        if (now !== served) changes++
        served = now
      }
      expect(changes).toBeLessThanOrEqual(6)
      if (count > 2) expect(world.verdicts, 'others relay').toEqual([])
      heal(world)
      expect(world.until(() => world.settled(), 30_000)).toBeLessThanOrEqual(20_000)
    }
  })

  it('a node that nobody hears, but that hears all, goes once and ends nobody (M6, M15)', () => {
    const world = settledWorld(5, { seed: 'mute', audit: true })
    const mute = world.node('n4')
    world.cut = (from) => from === mute
    world.run(60_000)
    expect(world.running.filter((process) => process !== mute).every(({ machine }) => machine.member('n4')?.liveness === 'dead')).toBe(true)
    heal(world)
    expect(world.until(() => world.settled(), 30_000)).toBeLessThanOrEqual(20_000)
    expect(world.running.filter((process) => process !== mute).every(({ generation }) => generation === 1)).toBe(true)
    expect(world.violations).toEqual([])
  })
})

describe('who may be in', () => {
  it('with nobody at the seeds it serves alone after 3 s, and is found later (re-seed)', () => {
    const world = new World({ seed: 'alone' })
    const first = world.start('a', { seeds: ['b:7100'] })
    expect(world.until(() => first.joinedAlone !== null, 10_000)).toBeGreaterThan(2900)
    expect(first.joinedAlone).toBe(true)
    world.run(60_000)
    const second = world.start('b')
    expect(world.until(() => world.settled([first, second]), 60_000)).toBeLessThanOrEqual(20_000)
  })

  it('without seeds it serves at once', () => {
    const world = new World({ seed: 'no seeds' })
    const only = world.start('a')
    expect(world.until(() => only.machine.self.phase === 'ready', 1000)).toBeLessThanOrEqual(100)
  })

  it('clusters that meet at one address do not mix (M10)', () => {
    const world = new World({ seed: 'two clusters' })
    const ours = [world.start('a', { seeds: ['x:7100'] }), world.start('b', { seeds: ['a:7100', 'y:7100'] })]
    const theirs = [
      world.start('x', { cluster: 'other', seeds: ['a:7100'] }),
      world.start('y', { cluster: 'other', seeds: ['x:7100', 'b:7100'] }),
    ]
    world.run(60_000)
    expect(world.settled(ours) && world.settled(theirs)).toBe(true)
    expect(ours[0]?.machine.view.members.map(({ id }) => id)).toEqual(['a', 'b'])
    expect(theirs[0]?.machine.view.members.map(({ id }) => id)).toEqual(['x', 'y'])
  })

  it('a second live process of an id ends the older one, saying so; of an (id, generation) one of the two ends', () => {
    const world = settledWorld(3, { seed: 'namesakes' })
    const older = world.node('n1')
    const newer = world.start('n1', { address: 'elsewhere:7100', seeds: ['n0:7100', 'n2:7100'] })
    expect(world.until(() => older.ended !== null, 10_000)).toBeLessThanOrEqual(5000)
    expect([older.ended, newer.ended]).toEqual(['superseded', null])
    const copy = world.start('n1', { address: 'copy:7100', seeds: ['n0:7100', 'n2:7100'], generation: newer.generation })
    expect(world.until(() => [newer, copy].some(({ ended }) => ended === 'duplicate'), 10_000)).toBeLessThanOrEqual(5000)
  })

  it('a member that comes and goes is declared dead by several, and stays out of service for a while (M14)', () => {
    const world = settledWorld(5, { seed: 'flapping' })
    const flapping = world.node('n3')
    const until = world.now + 40_000
    let cuts = 0
    while (flapping.generation === 1 && world.now < until) {
      world.cut = (from, to) => from === flapping || to === flapping
      world.run(2200)
      world.cut = () => false
      world.run(1500)
      cuts++
    }
    expect(flapping.generation, `dead after ${cuts} cuts`).toBe(2)
    expect(world.logs.some((line) => line.includes('n3 comes and goes'))).toBe(true)
    expect(cuts).toBeLessThanOrEqual(6)
    world.cut = () => false
    world.run(15_000)
    expect(flapping.machine.self.phase).toBe('joining')
    world.run(20_000)
    expect(world.settled()).toBe(true)
  })

  it('an end is forgotten by all at its time, also by those who joined since (M11)', () => {
    const world = new World({ seed: 'late joiners', options: { gossipRetentionMs: 10_000 } })
    world.startMany(3)
    world.until(() => world.settled(), 20_000)
    world.input(world.node('n2'), { kind: 'leave' })
    // Each of them comes while the one before still tells of the end.
    for (let i = 0; i < 4; i++) {
      world.run(3500)
      world.start(`p${i}`, { seeds: ['n0:7100', i === 0 ? 'n1:7100' : `p${i - 1}:7100`] })
    }
    for (const { machine } of world.running) expect(machine.member('n2')).toBeUndefined()
  })

  it('under churn without end nothing grows (M11)', () => {
    const world = new World({ seed: 'churn', options: { gossipRetentionMs: 5000 } })
    world.startMany(4)
    world.until(() => world.settled(), 20_000)
    for (let i = 0; i < 60; i++) {
      const passing = world.start(`p${i}`, { seeds: ['n0:7100'] })
      world.run(1500)
      if (i % 2 === 0) world.crash(passing)
      else world.input(passing, { kind: 'leave' })
    }
    world.run(15_000)
    for (const { machine } of world.running) {
      expect(machine.gauges.records).toBe(4)
      expect(machine.gauges.news).toBe(0)
      expect(machine.gauges.remembered).toBeLessThanOrEqual(60)
    }
    expect(world.settled()).toBe(true)
  })
})
