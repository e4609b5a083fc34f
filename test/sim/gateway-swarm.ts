/** What a seed of the kind `gateway` is made of: nodes, users with their devices, what these do, and what happens to their networks. All drawn from the seed. */
import { resolveOptions, type Options } from '../../src/options.ts'
import { drawFrom } from '../../src/testing/draw.ts'
import type { FaultKind } from '../../src/testing/plan.ts'
import { seeded } from '../../src/base/random.ts'
import type { Scenario } from './scenario.ts'

export const GATEWAY_ACTS = [
  'add',
  'quiet',
  'big',
  'send',
  'later',
  'cancel',
  'refuse',
  'boom',
  'unknown',
  'keyed',
  'burst',
  'query',
  'history',
  'renew',
] as const
export type GatewayAct = (typeof GATEWAY_ACTS)[number]

/** What happens to the network of one device. */
export const TROUBLES = ['reset', 'lose', 'partition', 'deaf', 'slow', 'stall'] as const
export type Trouble = (typeof TROUBLES)[number]

export interface GatewaySwarm {
  readonly nodes: number
  readonly users: number
  /** Devices of all users: the first of each user come first. */
  readonly devices: number
  /** Topics that each device follows. */
  readonly follows: number
  readonly actors: readonly string[]
  /** Mean ms between two acts of a device. */
  readonly paceMs: number
  /** Chance that an act is done to the first actor. */
  readonly hot: number
  readonly weights: Readonly<Record<GatewayAct, number>>
  /** All devices come through a load balancer; else each knows all gateways, and begins with one of its own. */
  readonly balanced: boolean
  /** Chance that a send goes over the wire twice, with the same number. */
  readonly double: number
  /** Tokens end after this; Infinity: never. */
  readonly tokenMs: number
  /** Mean ms between two troubles of a kind; Infinity: never. */
  readonly troubles: Readonly<Record<Trouble, number>>
  readonly troubleMs: number
  /** Mean ms between two strangers, who say what nobody should. */
  readonly strangersEveryMs: number
  /** Kinds of fault of the nodes and the store that may happen; the plan says whether and when. */
  readonly faults: ReadonlySet<FaultKind>
  readonly idleMs: number
  readonly options: Options
}

export const GATEWAY_NODES_MAX = 4
const KINDS = ['counter', 'counter', 'counter', 'kept', 'kept', 'head', 'lazy', 'evolving'] as const
const KEYS = ['a', 'b', '__proto__', 'constructor', 'toString', '\u{1f600}\u00e9', 'k'.repeat(256)] as const
const FAULTS: readonly FaultKind[] = ['crash', 'freeze', 'drain', 'cut', 'store', 'join']

export function drawGateway(seed: number, asked: { readonly nodes?: number }): GatewaySwarm {
  const draw = drawFrom(seeded(`${seed}/swarm/gateway`))
  const between = (low: number, high: number): number => low + (high - low) * draw.float()
  const every = (p: number, low: number, high: number): number => (draw.chance(p) ? between(low, high) : Infinity)
  const weight = (w: number): number => w * (draw.chance(0.2) ? 0 : between(0.3, 1.7))
  const users = draw.whole(1, 3)
  const actors = new Set<string>(['counter/a'])
  for (const count = draw.whole(2, 6); actors.size < count;) actors.add(`${draw.of(KINDS)}/${draw.of(KEYS)}`)
  const tight = draw.chance(0.4)
  const follows = draw.whole(1, 5)
  const periodMs = draw.of([200, 500] as const)
  const softBytes = draw.of([1024, 2048, 65_536] as const)
  return {
    nodes: asked.nodes ?? draw.whole(1, GATEWAY_NODES_MAX),
    users,
    devices: users * draw.whole(1, 3),
    follows,
    actors: [...actors],
    paceMs: between(150, 1200),
    hot: draw.chance(0.3) ? between(0.3, 0.9) : 0,
    weights: {
      add: 10,
      quiet: weight(2),
      big: weight(3),
      send: weight(4),
      later: weight(3),
      cancel: weight(1),
      refuse: weight(1.5),
      boom: weight(0.5),
      unknown: weight(0.5),
      keyed: weight(2),
      burst: weight(0.7),
      query: weight(4),
      history: weight(1),
      renew: weight(1.5),
    },
    balanced: draw.chance(0.3),
    double: draw.chance(0.4) ? between(0.05, 0.5) : 0,
    tokenMs: draw.chance(0.4) ? between(2000, 20_000) : Infinity,
    troubles: {
      reset: every(0.6, 2000, 15_000),
      lose: every(0.4, 3000, 15_000),
      partition: every(0.4, 4000, 20_000),
      deaf: every(0.3, 5000, 20_000),
      slow: every(0.4, 4000, 20_000),
      stall: every(0.4, 4000, 20_000),
    },
    troubleMs: draw.of([1500, 6000, 20_000] as const),
    strangersEveryMs: every(0.4, 1000, 10_000),
    faults: new Set(FAULTS.filter(() => !draw.chance(0.2))),
    idleMs: draw.of([500, 2000, 10_000] as const),
    options: resolveOptions({
      idleMs: 10_000,
      snapshotEntries: draw.of([4, 16, 256] as const),
      storeRetryMs: 20,
      storePatienceMs: draw.of([200, 2000] as const),
      sendTimeoutMs: draw.of([1000, 5000] as const),
      activationTimeoutMs: draw.of([1000, 5000] as const),
      historyEntries: draw.of([5, 300] as const),
      inflight: draw.of([2, 8, 64] as const),
      subscriptions: draw.of([follows + 1, 128]),
      pingEveryMs: draw.of([500, 2000, 25_000] as const),
      pongGraceMs: draw.of([500, 2000] as const),
      outboxSoftBytes: softBytes,
      outboxBytes: softBytes * draw.of([4, 16] as const),
      slowConsumerMs: draw.of([1000, 4000] as const),
      ticketTtlMs: draw.of([1000, 5000, 43_200_000, 43_200_000] as const),
      drainSpreadMs: draw.of([200, 2000] as const),
      gossipPeriodMs: periodMs,
      gossipProbeTimeoutMs: periodMs * 0.4,
      gossipSyncMs: 2000,
      gossipReseedMs: 2000,
      gossipJoinMs: 1000,
      leaseMs: draw.of([1500, 6000, 30_000] as const),
      pullMs: draw.of([50, 1000] as const),
      ...(tight && { mailboxEvents: 8, pendingEvents: 64, effectsPending: 3, linkInflight: 4, linkQueue: 16, forwardedEvents: 64 }),
    }),
  }
}

/** Names of what may happen in a world of this swarm, each of which can be cut alone. */
export function gatewayTraits({ weights, troubles, faults, hot, double, balanced, tokenMs, strangersEveryMs }: GatewaySwarm): string[] {
  const shown = { hot: hot > 0, double: double > 0, balanced, tokens: tokenMs < Infinity, strangers: strangersEveryMs < Infinity }
  return [
    ...Object.entries(shown).flatMap(([name, is]) => (is ? [name] : [])),
    ...TROUBLES.filter((name) => troubles[name] < Infinity).map((name) => `client.${name}`),
    ...[...faults].map((name) => `fault.${name}`),
    ...GATEWAY_ACTS.filter((name) => name !== 'add' && weights[name] > 0).map((name) => `act.${name}`),
  ]
}

/** The swarm with only what the scenario leaves. `clients` are devices, `subscribers` what each of them follows. */
export function cutGateway(swarm: GatewaySwarm, { nodes, clients, subscribers, actors, traits }: Scenario): GatewaySwarm {
  const left: GatewaySwarm = {
    ...swarm,
    nodes: Math.min(swarm.nodes, nodes ?? swarm.nodes),
    devices: Math.min(swarm.devices, clients ?? swarm.devices),
    follows: Math.min(swarm.follows, subscribers ?? swarm.follows),
    actors: actors === undefined ? swarm.actors : swarm.actors.filter((_, i) => actors.includes(i)),
  }
  if (traits === undefined) return left
  const kept = new Set(traits)
  const only = <Name extends string>(values: Readonly<Record<Name, number>>, prefix: string, none: number): Record<Name, number> =>
    Object.fromEntries(
      Object.entries<number>(values).map(([name, value]) => [name, name === 'add' || kept.has(prefix + name) ? value : none]),
    ) as Record<Name, number>
  return {
    ...left,
    hot: kept.has('hot') ? left.hot : 0,
    double: kept.has('double') ? left.double : 0,
    balanced: kept.has('balanced') && left.balanced,
    tokenMs: kept.has('tokens') ? left.tokenMs : Infinity,
    strangersEveryMs: kept.has('strangers') ? left.strangersEveryMs : Infinity,
    troubles: only(left.troubles, 'client.', Infinity),
    weights: only(left.weights, 'act.', 0),
    faults: new Set([...left.faults].filter((name) => kept.has(`fault.${name}`))),
  }
}
