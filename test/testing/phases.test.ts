/** The phases of a scenario's run: faults that overlap or end late, idle times that are long, and a sign of life in all of them. */
import { describe, expect, it } from 'vitest'
import { actor, app } from '../../src/index.ts'
import { defineScenario } from '../../src/testing.ts'
import { Cuts } from '../../src/testing/cuts.ts'
import { leftOver } from '../../src/testing/leaks.ts'
import { Mishaps } from '../../src/testing/mishaps.ts'
import { Nemesis } from '../../src/testing/nemesis.ts'
import { drawPlan, type Mishap } from '../../src/testing/plan.ts'
import { play } from '../../src/testing/play.ts'
import type { Scenario } from '../../src/testing/scenario.ts'
import { VirtualTime } from '../../src/testing/virtual-time.ts'

const HOUR_MS = 3_600_000

type Checks = Record<string, (world: { readonly nodes: readonly { readonly state: string }[] }) => Promise<boolean>>

function scenario(idleMs: number, checks: Checks = {}): Scenario {
  const reduce = (sum: number): number => sum + 1
  const types = app({
    actors: {
      user: actor('user', { state: () => 0, events: { add: { reduce } } }),
      long: actor('long', { idleMs, state: () => 0, events: { add: { reduce } } }),
    },
  })
  return defineScenario(types, {
    users: 2,
    operations: { both: ({ user, send }) => [send(`user/${user}`, 'add'), send(`long/${user}`, 'add')] },
    checks,
  }) as unknown as Scenario
}

describe('cuts that overlap', () => {
  /** What is cut now, after each `end`. */
  class Wires {
    readonly cuts = new Set<string>()
    mended = 0

    cut(from: string, to: string, how: 'both' | 'one-way'): void {
      this.cuts.add(`${from} ${to}`)
      if (how === 'both') this.cuts.add(`${to} ${from}`)
    }

    mend(a: string, b: string): void {
      this.mended++
      this.cuts.delete(`${a} ${b}`)
      this.cuts.delete(`${b} ${a}`)
    }

    heal(a: string, b: string): void {
      this.mend(a, b)
    }

    get now(): string[] {
      return [...this.cuts].sort()
    }
  }

  it('each way is open when its last cut has ended', () => {
    const wires = new Wires()
    const cuts = new Cuts(wires)
    const [both, way, other] = [cuts.begin('a', 'b', 'both'), cuts.begin('b', 'a', 'one-way'), cuts.begin('a', 'c', 'both')]
    both()
    expect(wires.now).toEqual(['a c', 'b a', 'c a'])
    both()
    expect(wires.now).toEqual(['a c', 'b a', 'c a'])
    const again = cuts.begin('a', 'b', 'both')
    way()
    expect(wires.now).toEqual(['a b', 'a c', 'b a', 'c a'])
    // Where another cut has all of it, it is not open for an instant.
    expect(wires.mended).toBe(1)
    again()
    expect(wires.now).toEqual(['a c', 'c a'])
    other()
    expect(wires.now).toEqual([])
  })

  it('in a plan, the first end does not mend the second cut', () => {
    const wires = new Wires()
    const mishaps = new Mishaps(wires as never)
    const cut = (atMs: number, forMs: number): Mishap => ({ atMs, kind: 'cut', from: 'n1', to: 'n2', how: 'both', forMs })
    mishaps.begin(cut(0, 10), 0)
    mishaps.begin(cut(5, 15), 5)
    mishaps.ended(10)
    expect(wires.now).toEqual(['n1 n2', 'n2 n1'])
    mishaps.ended(20)
    expect(wires.now).toEqual([])
  })

  it('among the faults of a world neither', () => {
    // Of two nodes nearly all time is cut: an end that mends all would leave a gap before the next cut begins.
    const [wires, time] = [new Wires(), new VirtualTime('1')]
    const open: string[][] = []
    let begun = 0
    const nemesis = new Nemesis(time, { crashes: 0, freezes: 0, cuts: 600, store: 0 }, {
      serving: () => ['n1', 'n2'],
      cut: (from: string, to: string, how: 'both' | 'one-way') => {
        begun++
        wires.cut(from, to, how)
      },
      mend: (a: string, b: string) => {
        wires.mend(a, b)
        time.soon(() => open.push(wires.now))
      },
    } as never) // prettier-ignore
    for (const until = 60_000; time.step(until);) continue
    expect(begun).toBeGreaterThan(100)
    expect(open.filter((now) => now.length === 0)).toEqual([])
    nemesis.stop()
    expect(wires.now).toEqual([])
  })
})

describe('after the faults', () => {
  it('a node whose drain ends only then is started again, too', async () => {
    const states: string[] = []
    const drained = scenario(60_000, {
      'all are up': async ({ nodes }) => {
        states.push(...nodes.map(({ state }) => state))
        return true
      },
    })
    const asked = { seed: 1, nodes: 3, minutes: 2 }
    for (; ; asked.seed++) {
      const plan = drawPlan({ ...asked, users: drained.users, operations: drained.operations })
      const drain = plan.findIndex(({ kind }) => kind === 'drain')
      if (drain < 0) continue
      // The run ends with the last of the items it has: the drain has just begun.
      const { violation, faults } = await play(drained, { ...asked, only: [drain] })
      expect([violation, faults, states]).toEqual([null, { drain: 1 }, ['up', 'up', 'up']])
      return
    }
  })
})

describe('the leak phase', () => {
  it('tells how far it is, however long it takes', async () => {
    const told: number[] = []
    const { violation, virtualMs } = await play(scenario(HOUR_MS), { seed: 1, nodes: 1, minutes: 0.02, progress: (ms) => told.push(ms) })
    expect(violation).toBeNull()
    expect(virtualMs).toBeGreaterThan(HOUR_MS)
    const steps = [0, ...told, virtualMs].map((ms, i, all) => ms - (all[i - 1] ?? 0))
    expect(Math.max(...steps)).toBeLessThan(HOUR_MS / 10)
  })

  it('does not wait for idle times of days', async () => {
    const { violation, virtualMs } = await play(scenario(30 * 24 * HOUR_MS), { seed: 1, nodes: 1, minutes: 0.02 })
    expect(violation).toBeNull()
    expect(virtualMs).toBeGreaterThan(60_000)
    expect(virtualMs).toBeLessThan(HOUR_MS)
  })

  it('still finds what other types leave', async () => {
    const left = (active: readonly string[]): Promise<string | null> =>
      leftOver(
        {
          now: 0,
          journals: { actors: () => Promise.resolve([]) },
          processes: [
            {
              name: 'n1',
              state: 'up',
              clients: null,
              member: {
                engine: { stats: () => ({ pendingEvents: 0 }), activations: () => active.map((name) => ({ actor: name })) },
                router: { stats: () => ({}) },
              },
            },
          ],
        } as never,
        new Set(['long']),
      )
    expect(await left(['long/a', 'long/b'])).toBeNull()
    expect(await left(['long/a', 'longer/a'])).toBe('longer/a is in the memory of n1')
  })
})
