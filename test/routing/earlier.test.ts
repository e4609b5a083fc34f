/** Which earlier placements are remembered, and for how long (H1). */
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../src/options.ts'
import { Earlier } from '../../src/routing/earlier.ts'
import { Routes } from '../../src/routing/routes.ts'
import { TestCluster } from './cluster.ts'

const HOUR = 3_600_000
const NOBODY: ReadonlySet<string> = new Set()

/** As the last of these nodes has it. */
function memory(ids: readonly string[]) {
  const cluster = new TestCluster(ids)
  const self = ids.at(-1) as string
  const routes = new Routes()
  const asked: string[] = []
  const warnings: string[] = []
  const log = { info: () => undefined, error: () => undefined, warn: (_f: object, m: string) => void warnings.push(m) }
  const options = resolveOptions({ earlierPlacementMs: 5000 })
  const earlier = new Earlier({ clock: cluster.clock, log, options, routes, ask: ({ id }) => void asked.push(id) })
  const see = (ready: readonly string[], others: Parameters<TestCluster['decide']>[1] = {}): string => {
    const placement = cluster.placement(cluster.decide(ready, others), self)
    const before = routes.placement
    routes.seen(placement.view)
    earlier.viewChanged()
    if (before?.hash !== placement.hash) {
      routes.placed(placement)
      earlier.placed(before)
    }
    return placement.hash
  }
  /** Another placement of the same nodes. */
  let port = 8000
  const again = (ready: readonly string[]): string => see(ready, { [self]: { address: `${self}:${port++}` } })
  return { cluster, earlier, asked, warnings, see, again }
}

describe('an earlier placement', () => {
  it('is remembered until each of its owners that is up has said that it has handed over all', () => {
    const { earlier, see } = memory(['n1', 'n2', 'n3'])
    see(['n1', 'n2'], { n3: { liveness: 'alive', phase: 'joining' } })
    const hash = see(['n1', 'n2', 'n3'])
    expect(earlier.size).toBe(1)
    earlier.finished('n1', hash)
    expect(earlier.size).toBe(1)
    expect(['n1', 'n2'].filter((id) => Array.from({ length: 50 }, (_, i) => earlier.holder(`list/${i}`, NOBODY)?.id).includes(id))).toEqual(
      ['n2'],
    )
    earlier.finished('n2', hash)
    expect(earlier.size).toBe(0)
  })

  it('is forgotten when those that have not said it are gone', () => {
    const { earlier, see } = memory(['n1', 'n2', 'n3'])
    see(['n1', 'n2', 'n3'])
    const hash = see(['n2', 'n3'], { n1: { liveness: 'alive', phase: 'draining' } })
    earlier.finished('n2', hash)
    expect(earlier.size).toBe(1)
    see(['n2', 'n3'])
    expect(earlier.size).toBe(0)
  })

  it('is no matter to an owner that has handed over all under a later one that is not in force any more, which still is', () => {
    const { earlier, again } = memory(['n1', 'n2'])
    again(['n1', 'n2'])
    const second = again(['n1', 'n2'])
    again(['n1', 'n2'])
    expect(earlier.size).toBe(2)
    earlier.finished('n1', second)
    expect(earlier.size).toBe(1)
  })

  it('is forgotten by what an owner has said under a placement that comes into force only later here', () => {
    const { cluster, earlier, see, again } = memory(['n1', 'n2'])
    again(['n1', 'n2'])
    const next = cluster.placement(cluster.decide(['n1', 'n2']), 'n2').hash
    earlier.finished('n1', next)
    again(['n1', 'n2'])
    expect(earlier.size).toBe(1)
    expect(see(['n1', 'n2'])).toBe(next)
    expect(earlier.size).toBe(0)
  })

  it('is not forgotten by what was said under an equal one, before', () => {
    const { earlier, see } = memory(['n1', 'n2', 'n3'])
    see(['n1', 'n2'], { n3: { liveness: 'alive', phase: 'joining' } })
    const both = see(['n1', 'n2', 'n3'])
    for (const id of ['n1', 'n2']) earlier.finished(id, both)
    expect(earlier.size).toBe(0)
    see(['n1', 'n2'], { n3: { liveness: 'alive', phase: 'draining' } })
    expect(see(['n1', 'n2', 'n3'])).toBe(both)
    for (const id of ['n1', 'n2']) expect(Array.from({ length: 50 }, (_, i) => earlier.holder(`list/${i}`, NOBODY)?.id)).toContain(id)
    for (const id of ['n1', 'n2']) earlier.finished(id, both)
    expect(earlier.size).toBe(0)
  })

  it('is forgotten after an hour all the same, and that is logged', async () => {
    const { cluster, earlier, warnings, again } = memory(['n1', 'n2'])
    again(['n1', 'n2'])
    again(['n1', 'n2'])
    await cluster.clock.run(HOUR - 1)
    const actor = Array.from({ length: 50 }, (_, i) => `list/${i}`).find((id) => earlier.holder(id, NOBODY) !== null) as string
    expect(actor).toBeDefined()
    const quiet = earlier.quietSince
    await cluster.clock.run(1)
    expect(earlier.holder(actor, NOBODY)).toBe(null)
    expect([earlier.size, warnings.length, earlier.quietSince > quiet]).toEqual([0, 1, true])
  })

  it('has its owners asked whether they have, once a second, when they have not said so for long and are named', async () => {
    const { cluster, earlier, asked, again } = memory(['n1', 'n2'])
    again(['n1', 'n2'])
    again(['n1', 'n2'])
    const name = (): void => {
      for (let i = 0; i < 50; i++) earlier.holder(`list/${i}`, NOBODY)
    }
    await cluster.clock.run(4999)
    name()
    expect(asked).toEqual([])
    await cluster.clock.run(1)
    name()
    name()
    expect(asked).toEqual(['n1'])
    await cluster.clock.run(1000)
    name()
    expect(asked).toEqual(['n1', 'n1'])
  })

  it('is one of few when they have many owners, and never of more than 64', () => {
    for (const [nodes, placements, most] of [
      [3, 70, 64],
      [128, 40, 32],
      [600, 10, 8],
    ] as const) {
      const ids = Array.from({ length: nodes }, (_, i) => `n${i}`)
      const { earlier, warnings, again } = memory(ids)
      for (let i = 0; i <= placements; i++) again(ids)
      expect([earlier.size, warnings.length]).toEqual([most, placements - most])
    }
  })
})
