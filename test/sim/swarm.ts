/** What one seed is made of: how many nodes, clients and actors, which faults exist and how often. All drawn from the seed. */
import type { Random } from '../../src/base/random.ts'
import { drawCluster, NODES_MAX, type ClusterSwarm } from './cluster-swarm.ts'
import { resolveOptions, type Options } from '../../src/options.ts'
import { NO_FAULTS, type StoreFaults } from './sim-store.ts'

export interface Swarm {
  readonly nodes: number
  readonly clients: number
  readonly subscribers: number
  readonly actors: readonly string[]
  /** Mean ms between two actions of a client. */
  readonly paceMs: number
  /** Sends of one client under way at most. */
  readonly pipeline: number
  /** Chance that a client asks another node than the one it used last: two owners of one actor. */
  readonly wander: number
  /** One-way ms between a client and a node. */
  readonly netMs: number
  /** Chance that a message between client and node is delayed, so that others overtake it; that it is doubled; that it is lost. */
  readonly reorder: number
  readonly double: number
  readonly lose: number
  readonly weights: Readonly<Record<ActionName, number>>
  readonly store: Readonly<StoreFaults>
  /** The store is the production one of MongoDB, on a simulated replica set. */
  readonly mongodb: boolean
  /** Mean ms between two faults of a kind; Infinity: never. */
  readonly crashEveryMs: number
  readonly drainEveryMs: number
  readonly freezeEveryMs: number
  readonly jumpEveryMs: number
  readonly slowEveryMs: number
  readonly downEveryMs: number
  /** Mean ms between two moves of an actor for no reason. */
  readonly moveEveryMs: number
  /** Mean ms between two changes of who owns what; Infinity: nobody places actors, and any node may own any. */
  readonly shiftEveryMs: number
  /** Mean ms between two nodes that learn that they were declared dead. */
  readonly disownEveryMs: number
  /** Nodes begin with old code and are upgraded when they restart. */
  readonly upgrades: boolean
  /** Mean ms between two times of a node whose processor is busy with something else. */
  readonly sluggishEveryMs: number
  /** Chance that what a client does is done to the first actor. */
  readonly hot: number
  /** In a cluster: events of each client in the moments in which a node comes or goes and others learn of it one after another. */
  readonly rush: number
  /** Clients that are one user, and followers of one topic. */
  readonly devices: number
  /** Nodes find each other by gossip and route; null: each for itself. */
  readonly cluster: ClusterSwarm | null
  readonly check: boolean
  readonly idleMs: number
  /** `idleMs` is longer than the seed: nobody leaves memory for having nothing to do. */
  readonly lasting: boolean
  readonly options: Options
}

export type ActionName =
  | 'add'
  | 'quiet'
  | 'send'
  | 'later'
  | 'cancel'
  | 'refuse'
  | 'boom'
  | 'spoil'
  | 'promise'
  | 'invalid'
  | 'unknown'
  | 'query'
  | 'ghost'
  | 'history'
  | 'repeat'
  | 'conflict'
  | 'renew'
  | 'burst'

/** engine: nodes on one store that know nothing of each other. cluster: production nodes that gossip, route and hand over. gateway: these with their gateways and clients. */
export type SeedKind = 'engine' | 'cluster' | 'gateway'

export type StoreKind = 'plain' | 'mongodb'

export interface Asked {
  readonly nodes?: number
  /** Default engine. */
  readonly kind?: SeedKind
  /** Default plain: one that does at once what the port says. */
  readonly store?: StoreKind
}

const KEYS = ['a', 'b', '__proto__', 'constructor', 'toString', '\u{1f600}\u00e9', 'k'.repeat(256)]
const KINDS = ['counter', 'counter', 'kept', 'head', 'lazy', 'lazyhead', 'evolving']

/** A cluster seed is an engine seed with more drawn from a stream of its own. */
export function drawSwarm(stream: (name: string) => Random, asked: Asked): Swarm {
  const kind = { ...drawKind(stream('swarm'), asked, stream('swarm/moves'), stream('swarm/cluster')), ...drawMore(stream('swarm/more')) }
  const drawn = kind.lasting ? { ...kind, idleMs: LASTING_MS } : kind
  if (asked.store !== 'mongodb') return drawn
  const mongodb = stream('swarm/mongodb')
  return { ...drawn, mongodb: true, store: { ...drawn.store, failover: mongodb.float() < 0.6 ? 0.03 * mongodb.float() ** 2 : 0 } }
}

/** Longer than a seed: who is in memory stays there, and nothing comes about only because an actor leaves it. */
const LASTING_MS = 3_600_000

/** What came later has a stream of its own, too: it does not shift what older seeds drew. */
function drawMore(random: Random): Pick<Swarm, 'sluggishEveryMs' | 'hot' | 'devices' | 'rush' | 'lasting'> {
  const every = (p: number, low: number, high: number): number => (random.float() < p ? low + (high - low) * random.float() : Infinity)
  return {
    sluggishEveryMs: every(0.2, 4000, 30_000),
    hot: random.float() < 0.25 ? 0.3 + 0.6 * random.float() : 0,
    devices: random.float() < 0.25 ? 2 + Math.floor(2 * random.float()) : 1,
    rush: random.float() < 0.35 ? 10 + Math.floor(50 * random.float()) : 0,
    lasting: random.float() < 0.15,
  }
}

function drawKind(random: Random, asked: Asked, moves: Random, cluster: Random): Swarm {
  const swarm = drawEngines(random, asked, moves)
  if (asked.kind !== 'cluster') return swarm
  const nodes = asked.nodes ?? 1 + Math.floor(cluster.float() * NODES_MAX)
  const drawn = drawCluster(
    cluster,
    nodes,
    () => `${KINDS[Math.floor(cluster.float() * KINDS.length)]}/${Math.floor(cluster.float() * 100)}`,
  )
  return {
    ...swarm,
    nodes,
    cluster: drawn,
    // More of them, so that some have another owner after every change.
    actors: [...new Set([...swarm.actors, ...drawn.actors, ...(swarm.upgrades ? ['evolving/a'] : [])])],
    weights: { ...swarm.weights, burst: swarm.weights.burst + drawn.burst },
    drainEveryMs: drawn.drainEveryMs,
    options: { ...swarm.options, ...drawn.options },
    // How actors move is the cluster's own affair here.
    moveEveryMs: Infinity,
    shiftEveryMs: Infinity,
    disownEveryMs: Infinity,
  }
}

/** `moves`: a stream of its own for how actors move, so that it does not shift what older seeds drew. */
function drawEngines(random: Random, asked: Asked, moves: Random): Swarm {
  const chance = (p: number): boolean => random.float() < p
  const between = (low: number, high: number): number => low + (high - low) * random.float()
  const whole = (low: number, high: number): number => Math.floor(between(low, high + 1))
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.float() * list.length)] as T
  const maybe = (p: number, value: number): number => (chance(p) ? value : 0)
  const every = (p: number, low: number, high: number): number => (chance(p) ? between(low, high) : Infinity)
  const weight = (w: number): number => w * (chance(0.25) ? 0 : between(0.3, 1.7))

  const actors = new Set<string>(['counter/a'])
  const count = whole(2, 7)
  while (actors.size < count) actors.add(`${pick(KINDS)}/${pick(KEYS)}`)
  const idleMs = pick([500, 2000, 10_000])
  const tight = chance(0.2)
  return {
    nodes: asked.nodes ?? whole(1, 3),
    clients: whole(1, 4),
    subscribers: whole(0, 5),
    actors: [...actors],
    paceMs: between(100, 1200),
    pipeline: whole(1, 6),
    wander: chance(0.5) ? between(0, 0.2) : 0,
    netMs: between(0.1, 3),
    reorder: maybe(0.4, between(0, 0.2)),
    double: maybe(0.4, between(0, 0.1)),
    lose: maybe(0.4, between(0, 0.1)),
    weights: {
      add: 10,
      quiet: weight(2),
      send: weight(5),
      later: weight(3),
      cancel: weight(1),
      refuse: weight(1.5),
      boom: weight(0.7),
      spoil: weight(0.5),
      promise: weight(0.3),
      invalid: weight(0.7),
      unknown: weight(0.5),
      query: weight(4),
      ghost: weight(0.3),
      history: weight(1),
      repeat: weight(1.5),
      conflict: weight(1),
      renew: weight(0.2),
      burst: weight(0.2),
    },
    store: {
      ...NO_FAULTS,
      latencyMs: between(0.1, 3),
      tailMs: maybe(0.5, between(1, 400)),
      refused: maybe(0.35, between(0, 0.1)),
      unknownBefore: maybe(0.4, between(0, 0.1)),
      unknownAfter: maybe(0.4, between(0, 0.1)),
      late: maybe(0.25, between(0, 0.02)),
      verdictUnknown: maybe(0.35, between(0, 0.15)),
      verdictRefused: maybe(0.25, between(0, 0.1)),
      piecewise: chance(0.4),
    },
    mongodb: false,
    crashEveryMs: every(0.6, 3000, 30_000),
    drainEveryMs: every(0.3, 8000, 40_000),
    freezeEveryMs: every(0.4, 4000, 30_000),
    jumpEveryMs: every(0.3, 5000, 30_000),
    slowEveryMs: every(0.3, 5000, 30_000),
    downEveryMs: every(0.3, 8000, 40_000),
    moveEveryMs: moves.float() < 0.5 ? 300 + 5000 * moves.float() : Infinity,
    shiftEveryMs: moves.float() < 0.5 ? 2000 + 15_000 * moves.float() : Infinity,
    disownEveryMs: moves.float() < 0.3 ? 3000 + 30_000 * moves.float() : Infinity,
    upgrades: chance(0.6),
    sluggishEveryMs: Infinity,
    hot: 0,
    rush: 0,
    devices: 1,
    lasting: false,
    cluster: null,
    check: chance(0.2),
    idleMs,
    options: resolveOptions({
      snapshotEntries: pick([4, 16, 256]),
      answersKept: pick([8, 64]),
      storeRetryMs: 20,
      storePatienceMs: pick([200, 2000]),
      sendTimeoutMs: pick([1000, 5000]),
      activationTimeoutMs: pick([1000, 5000]),
      historyEntries: pick([5, 300]),
      wakeBatch: pick([8, 256]),
      commitBatches: pick([2, 4096]),
      ...(tight && { mailboxEvents: 8, pendingEvents: 64, effectsPending: 3 }),
    }),
  }
}
