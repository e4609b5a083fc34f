/** What a seed of the kind `cluster` has besides: the network, who plays which part, and what happens to lines and members. Drawn from the seed. */
import type { Random } from '../../src/base/random.ts'
import type { Options } from '../../src/options.ts'

export interface ClusterSwarm {
  /** One way, least and most. */
  readonly latencyMs: readonly [number, number]
  readonly idleMs: number
  readonly handshakeMs: number
  /** Nodes that have no actors. */
  readonly gateways: ReadonlySet<string>
  readonly weights: ReadonlyMap<string, number>
  /** Weights are so large that a ring is built apart, and a placement comes later than its view. */
  readonly ringsTakeTime: boolean
  /** Names of the nodes that all ask for the way in. */
  readonly seeds: readonly string[]
  /** Mean ms between two faults of a kind; Infinity: never. */
  readonly cutEveryMs: number
  readonly oneWayEveryMs: number
  readonly isolateEveryMs: number
  readonly splitEveryMs: number
  readonly clogEveryMs: number
  readonly slowLineEveryMs: number
  readonly ioEveryMs: number
  /** The machine of a node goes with it: nobody hears of it but by silence. */
  readonly machineEveryMs: number
  readonly drainEveryMs: number
  /** Nodes are drained one after another, as in an upgrade. */
  readonly rollEveryMs: number
  /** Actors besides those of the engines' swarm, and how often many events come at once. */
  readonly actors: readonly string[]
  readonly burst: number
  /** Half of the nodes do not reach the other half at first: two clusters that become one. */
  readonly bornSplit: boolean
  /** Longest freeze and cut. */
  readonly longestMs: number
  readonly options: Partial<Options>
}

export const NODES_MAX = 5

export function drawCluster(random: Random, nodes: number, anActor: () => string): ClusterSwarm {
  const chance = (p: number): boolean => random.float() < p
  const between = (low: number, high: number): number => low + (high - low) * random.float()
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.float() * list.length)] as T
  const every = (p: number, low: number, high: number): number => (chance(p) ? between(low, high) : Infinity)
  const names = Array.from({ length: nodes }, (_, i) => `n${i + 1}`)
  const least = between(0.1, 3)
  const quiet = chance(0.15)
  const often = (p: number, low: number, high: number): number => every(quiet ? 0 : p, low, high)
  const weighted = chance(0.2)
  const ringsTakeTime = chance(0.04)
  const tight = chance(0.25)
  const periodMs = pick([200, 500, 1000])
  return {
    latencyMs: [least, least + (chance(0.5) ? between(0, 30) : between(0, 2))],
    idleMs: pick([3000, 10_000, 30_000]),
    handshakeMs: 5000,
    gateways: new Set(chance(0.3) ? names.slice(1).filter(() => chance(0.5)) : []),
    ringsTakeTime,
    weights: new Map(ringsTakeTime ? names.map((name) => [name, 16]) : weighted ? names.map((name) => [name, pick([1, 1, 2, 3])]) : []),
    seeds: chance(0.5) ? names : names.slice(0, 1 + Math.floor(random.float() * names.length)),
    cutEveryMs: often(0.4, 3000, 20_000),
    oneWayEveryMs: often(0.3, 4000, 25_000),
    isolateEveryMs: often(0.3, 5000, 30_000),
    splitEveryMs: often(0.25, 8000, 40_000),
    clogEveryMs: often(0.3, 5000, 30_000),
    slowLineEveryMs: often(0.3, 4000, 20_000),
    ioEveryMs: often(0.25, 6000, 30_000),
    machineEveryMs: often(0.25, 8000, 40_000),
    drainEveryMs: every(0.6, 4000, 20_000),
    rollEveryMs: every(0.2, 10_000, 40_000),
    actors: Array.from({ length: chance(0.7) ? Math.floor(between(2, 12)) : 0 }, anActor),
    bornSplit: chance(0.15),
    burst: chance(0.6) ? between(0.2, 1) : 0,
    longestMs: pick([2000, 8000, 20_000]),
    options: {
      gossipPeriodMs: periodMs,
      gossipProbeTimeoutMs: periodMs * 0.4,
      gossipSyncMs: pick([2000, 10_000]),
      gossipReseedMs: pick([2000, 5000]),
      gossipJoinMs: pick([1000, 3000]),
      gossipSuspicionMaxMult: pick([2, 8]),
      gossipFlapWindowMs: pick([20_000, 60_000]),
      gossipHoldDownMs: 2000,
      gossipRetentionMs: pick([3000, 3_600_000]),
      leaseMs: pick([1500, 6000, 30_000]),
      earlierPlacementMs: pick([500, 5000, 60_000]),
      pullMs: pick([50, 1000]),
      handoffAckMs: pick([100, 2000]),
      handoffActors: pick([1, 64]),
      ...(tight && { linkInflight: 2, linkQueue: 16, forwardedEvents: 64 }),
      ...(chance(0.12) && { pullEvents: 2 }),
    },
  }
}
