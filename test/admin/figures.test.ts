/** Figures as numbers and as text: histograms add up, counters of a new engine begin anew, members are counted by what becomes of them. */
import { afterEach, describe, expect, test } from 'vitest'
import { figuresText } from '../../src/admin/figures.ts'
import { LatencyHistogram } from '../../src/admin/latency.ts'
import type { AdminParts } from '../../src/admin/parts.ts'
import { Recorder } from '../../src/admin/recorder.ts'
import type { Liveness, Member } from '../../src/cluster/member.ts'
import type { View } from '../../src/cluster/view.ts'
import { MemberCounts } from '../../src/node/cluster-metrics.ts'
import { OwnFigures } from '../../src/node/own-figures.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

test('a histogram is cumulative, in seconds; labels are quoted', () => {
  const text = figuresText(
    [
      { kind: 'histogram', name: 'h_seconds', help: 'H.', boundsMs: [1, 10], counts: [2, 3, 4], sumMs: 1500 },
      { kind: 'gauge', name: 'g', help: 'G.', samples: [{ labels: { state: 'a"b\\c\nd' }, value: 1 }] },
    ],
    'n',
  )
  expect(text).toBe(`# HELP h_seconds H.
# TYPE h_seconds histogram
h_seconds_bucket{node="n",le="0.001"} 2
h_seconds_bucket{node="n",le="0.01"} 5
h_seconds_bucket{node="n",le="+Inf"} 9
h_seconds_sum{node="n"} 1.5
h_seconds_count{node="n"} 9
# HELP g G.
# TYPE g gauge
g{node="n",state="a_b_c_d"} 1
`)
})

describe('a new engine', () => {
  const clock = new VirtualClock()
  let events = 0
  const engine = { stats: () => ({ activations: 0, pendingEvents: 0, counters: { events } }) }

  test('counts from nought: its events are neither negative nor lost', () => {
    events = 0
    const figures = new OwnFigures({ clock, phase: () => 'serving', engine: () => engine, sockets: () => 0 })
    const gateway = (): ReturnType<AdminParts['gateway']> => ({ sockets: 0, unauthenticated: 0, counters: {} })
    const node = { id: 'n', generation: 1, address: '', types: [], version: '' }
    const recorder = new Recorder({
      clock,
      engine,
      gateway,
      node,
      phase: () => 'serving',
      latency: new LatencyHistogram(),
    } as unknown as AdminParts)
    ends.push(
      () => figures.stop(),
      () => recorder.stop(),
    )
    for (const now of [100, 200, 10, 20]) {
      events = now
      clock.advance(1000)
    }
    // 100 + 100 + 10 + 10 in 4 s.
    expect(figures.now().eventsPerSecond).toBe(55)
    expect(recorder.stats().second.map(({ counts }) => counts['events'])).toEqual([100, 100, 10, 10])
  })
})

test('members are counted by what becomes of them', () => {
  const view = (states: Record<string, Liveness>, generation = 1): View =>
    ({ members: Object.entries(states).map(([id, liveness]) => ({ id, generation, liveness }) as Member) }) as unknown as View
  const counts = new MemberCounts(view({ a: 'alive', b: 'alive' }))
  const seen = (): number[] => [counts.changes, counts.suspicions, counts.refutations, counts.deaths, counts.departures]
  counts.see(view({ a: 'alive', b: 'suspect' }))
  expect(seen()).toEqual([1, 1, 0, 0, 0])
  counts.see(view({ a: 'alive', b: 'alive' }))
  expect(seen()).toEqual([2, 1, 1, 0, 0])
  counts.see(view({ a: 'suspect', b: 'dead' }))
  expect(seen()).toEqual([3, 2, 1, 1, 0])
  counts.see(view({ a: 'suspect', b: 'dead' }))
  expect(seen()).toEqual([4, 2, 1, 1, 0])
  // A start is no refutation.
  counts.see(view({ a: 'alive', b: 'left' }, 2))
  expect(seen()).toEqual([5, 2, 1, 1, 1])
})
