/**
 * A part of what a seed drew: fewer nodes, clients, actors, kinds of fault; only some of the faults that struck and of the things that clients did. Who looks
 * for the smallest world that still fails (shrink.ts) cuts here. Every draw stays in its place: what is left of the world is as the seed has it,
 * until what was cut makes a difference.
 */
import { NO_FAULTS } from './sim-store.ts'
import type { ActionName, Swarm } from './swarm.ts'

export interface Scenario {
  /** Virtual ms of the safety phase. */
  readonly ms?: number
  readonly nodes?: number
  readonly clients?: number
  readonly subscribers?: number
  /** Of the actors drawn, by place. */
  readonly actors?: readonly number[]
  /** Of the traits drawn (`traitsOf`). */
  readonly traits?: readonly string[]
  /** Of the strikes of the nemeses and the moves, by number. */
  readonly strikes?: readonly number[]
  /** Of what clients do, by number. */
  readonly acts?: readonly number[]
}

/** How much of everything there was in a run: the bounds of its scenarios. */
export type Scope = Required<Omit<Scenario, 'actors' | 'traits' | 'strikes' | 'acts'>> & {
  readonly actors: number
  readonly traits: readonly string[]
  readonly strikes: number
  readonly acts: number
}

/** Lets the chosen ones pass, by number; all, if none are chosen. */
export class Gate {
  readonly #chosen: ReadonlySet<number> | null
  count = 0

  constructor(chosen: readonly number[] | undefined) {
    this.#chosen = chosen === undefined ? null : new Set(chosen)
  }

  pass(): boolean {
    const number = this.count++
    return this.#chosen === null || this.#chosen.has(number)
  }
}

type Values = Readonly<Record<string, unknown>>

/** What each trait is when it is cut. */
const TAME: Values = {
  wander: 0,
  reorder: 0,
  double: 0,
  lose: 0,
  crashEveryMs: Infinity,
  drainEveryMs: Infinity,
  freezeEveryMs: Infinity,
  jumpEveryMs: Infinity,
  slowEveryMs: Infinity,
  downEveryMs: Infinity,
  moveEveryMs: Infinity,
  shiftEveryMs: Infinity,
  disownEveryMs: Infinity,
  sluggishEveryMs: Infinity,
  hot: 0,
  rush: 0,
  devices: 1,
  upgrades: false,
  check: false,
}
const { latencyMs: _latencyMs, down: _down, ...TAME_STORE } = NO_FAULTS
const TAME_CLUSTER: Values = {
  cutEveryMs: Infinity,
  oneWayEveryMs: Infinity,
  isolateEveryMs: Infinity,
  splitEveryMs: Infinity,
  clogEveryMs: Infinity,
  slowLineEveryMs: Infinity,
  ioEveryMs: Infinity,
  machineEveryMs: Infinity,
  rollEveryMs: Infinity,
  ringsTakeTime: false,
  bornSplit: false,
  burst: 0,
}

/** Every trait that there is. */
export function allTraits(acts: readonly string[]): string[] {
  const names = (prefix: string, tame: Values): string[] => Object.keys(tame).map((name) => prefix + name)
  return [
    ...names('', TAME),
    ...names('store.', TAME_STORE as Values),
    ...names('cluster.', TAME_CLUSTER),
    ...acts.map((name) => `act.${name}`),
  ]
}

/** Names of what may happen in a world of this swarm, each of which can be cut alone. */
export function traitsOf(swarm: Swarm): string[] {
  const wild = (prefix: string, values: object, tame: Values): string[] =>
    Object.keys(tame)
      .filter((name) => (values as Values)[name] !== undefined && (values as Values)[name] !== tame[name])
      .map((name) => prefix + name)
  const acts = Object.entries(swarm.weights).filter(([name, weight]) => name !== 'add' && weight > 0)
  return [
    ...wild('', swarm, TAME),
    ...wild('store.', swarm.store, TAME_STORE as Values),
    ...(swarm.cluster === null ? [] : wild('cluster.', swarm.cluster, TAME_CLUSTER)),
    ...acts.map(([name]) => `act.${name}`),
  ]
}

/** The swarm with only what the scenario leaves. */
export function cut(swarm: Swarm, { nodes, clients, subscribers, actors, traits }: Scenario): Swarm {
  let left = swarm
  if (nodes !== undefined && nodes < left.nodes) left = withNodes(left, nodes)
  if (clients !== undefined) left = { ...left, clients: Math.min(left.clients, clients) }
  if (subscribers !== undefined) left = { ...left, subscribers: Math.min(left.subscribers, subscribers) }
  if (actors !== undefined) left = { ...left, actors: swarm.actors.filter((_, i) => actors.includes(i)) }
  if (traits === undefined) return left
  const kept = new Set(traits)
  const tamed = <T extends object>(prefix: string, values: T, tame: Values): T =>
    ({ ...values, ...Object.fromEntries(Object.entries(tame).filter(([name]) => name in values && !kept.has(prefix + name))) }) as T
  const { store, cluster, weights } = left
  return {
    ...tamed('', left, TAME),
    store: tamed('store.', store, TAME_STORE as Values),
    cluster: cluster === null ? null : tamed('cluster.', cluster, TAME_CLUSTER),
    weights: Object.fromEntries(
      Object.entries(weights).map(([name, weight]) => [name, name === 'add' || kept.has(`act.${name}`) ? weight : 0]),
    ) as Record<ActionName, number>,
  }
}

function withNodes(swarm: Swarm, nodes: number): Swarm {
  const { cluster } = swarm
  if (cluster === null) return { ...swarm, nodes }
  const names = new Set(Array.from({ length: nodes }, (_, i) => `n${i + 1}`))
  const seeds = cluster.seeds.filter((name) => names.has(name))
  return {
    ...swarm,
    nodes,
    cluster: {
      ...cluster,
      seeds: seeds.length > 0 ? seeds : ['n1'],
      gateways: new Set([...cluster.gateways].filter((name) => names.has(name))),
      weights: new Map([...cluster.weights].filter(([name]) => names.has(name))),
    },
  }
}

export function scopeOf(swarm: Swarm, ms: number, strikes: Gate, acts: Gate): Scope {
  const { nodes, clients, subscribers, actors } = swarm
  return { ms, nodes, clients, subscribers, actors: actors.length, traits: traitsOf(swarm), strikes: strikes.count, acts: acts.count }
}

/** Scenarios from a command line; null: not one. */
export function readScenario(text: string): Scenario | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  for (const [name, part] of Object.entries(value)) {
    const whole = (given: unknown): boolean => Number.isSafeInteger(given) && (given as number) >= 0
    const list = Array.isArray(part)
    const right =
      name === 'traits'
        ? list && part.every((trait) => typeof trait === 'string')
        : ['actors', 'strikes', 'acts'].includes(name)
          ? list && part.every(whole)
          : ['ms', 'nodes', 'clients', 'subscribers'].includes(name) && whole(part)
    if (!right) return null
  }
  return value as Scenario
}
