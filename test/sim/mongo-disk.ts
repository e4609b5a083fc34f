/** The production MongoDB store, layout and all, in every simulated process: what nodes write to when a seed runs on MongoDB. */
import type { Clock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Random } from '../../src/base/random.ts'
import { storeOn } from '../../src/store/mongodb.ts'
import { newCounters, type Link } from '../../src/store/mongodb-link.ts'
import { MONGODB_LIMITS, type MongodbLimits } from '../../src/store/mongodb-options.ts'
import { LargeRecords } from '../../src/store/mongodb-parts.ts'
import { Places } from '../../src/store/mongodb-places.ts'
import { StoreError, type CommitGroup, type CommitResult, type Store, type Verdict } from '../../src/store/store.ts'
import { MongoLedger } from './mongo-ledger.ts'
import { DATABASE, MongoSet, SELECTION_MS, SOCKET_MS } from './mongo-set.ts'
import { tablesOf } from './mongo-tables.ts'
import type { SimData } from './sim-data.ts'
import type { Carrier, Disk, StoreCounts, StoreFaults, StoreHandle } from './sim-store.ts'

export interface MongoPorts {
  nowMs(): number
  later(ms: number, run: () => void): void
  count(what: string): void
  broken(what: string): void
}

export function mongoDisk(data: SimData, faults: StoreFaults, random: Random, ports: MongoPorts): Disk {
  const set = new MongoSet(faults, random, ports)
  new MongoLedger(set.data, data, (what) => ports.broken(what))
  const limits = drawLimits(random)
  const words = new Words(data, (what) => ports.broken(what))
  return {
    nextGeneration: (node) => {
      set.data.update(`${DATABASE}.nodes`, { q: { _id: node }, u: { $inc: { v: 1 } }, upsert: true }, 0)
      set.data.commit()
      return Number(set.data.find(`${DATABASE}.nodes`, { filter: { _id: node } }, true)[0]?.['v'])
    },
    open: (own, carrier) => {
      const link: Link = {
        at: tablesOf((command) => set.ask({ carrier, random: own }, command)),
        limits,
        clock: clockOf(ports, carrier),
        random: own,
        log: silentLog,
        places: new Places(limits.placesKept, own),
        large: new LargeRecords(),
        place: 'mongodb://simulated',
        redact: (text) => text,
        counters: newCounters(),
      }
      return watched(
        storeOn(link, () => Promise.resolve()),
        carrier,
        (what) => ports.count(what),
        link,
        words,
      )
    },
  }
}

/** So small that documents are split, commands too, and places forgotten. */
function drawLimits(random: Random): MongodbLimits {
  const pick = (...values: readonly number[]): number => values[Math.floor(random.float() * values.length)] as number
  const defaults = Object.fromEntries(Object.entries(MONGODB_LIMITS).map(([name, [value]]) => [name, value]))
  return {
    ...(defaults as unknown as MongodbLimits),
    selectionMs: SELECTION_MS,
    socketMs: SOCKET_MS,
    settleMs: pick(0, 100, 1000),
    repeatMs: 5,
    bulkDocuments: pick(1, 3, 1000),
    parallel: pick(1, 4),
    documentBytes: pick(200, 1000, 1 << 20),
    placesKept: pick(1, 3, 256),
  }
}

/** Of the process: what it waits for comes when it is not frozen, and never once it is dead. */
function clockOf(ports: MongoPorts, carrier: Carrier): Clock {
  const after = (ms: number, run: () => void): { cancel(): void } => {
    let open = true
    carrier.later(ms, () => open && carrier.deliver(run))
    return { cancel: () => void (open = false) }
  }
  return { now: () => Math.floor(ports.nowMs()), mono: () => ports.nowMs(), after, soon: (run) => void after(0, run) }
}

/**
 * S3, S7: what was 'committed' is durable in that moment, and what was 'refused' at its first try is not, nor ever will be of that try.
 */
class Words {
  readonly #data: SimData
  readonly #broken: (what: string) => void
  readonly #known = new Set<string>()

  constructor(data: SimData, broken: (what: string) => void) {
    this.#data = data
    this.#broken = broken
  }

  /** Whether each is tried for the first time. */
  tried({ appends }: CommitGroup): boolean[] {
    return appends.map(({ commitId }) => {
      const id = Buffer.from(commitId).toString('hex')
      const first = !this.#known.has(id)
      this.#known.add(id)
      return first
    })
  }

  heard({ appends }: CommitGroup, verdicts: readonly Verdict[] | 'refused' | 'unknown', first: readonly boolean[]): void {
    for (const [i, { actor, n, commitId }] of appends.entries()) {
      const verdict = typeof verdicts === 'string' ? verdicts : verdicts[i]
      const there = this.#data.actors.get(actor)?.batches[n - 1]
      const durable = there !== undefined && Buffer.compare(there.commitId, commitId) === 0
      if (verdict === 'committed' && !durable) this.#broken(`place ${n} of ${actor} is said to be committed, and is not durable`)
      if (verdict === 'refused' && first[i] === true && durable)
        this.#broken(`place ${n} of ${actor} is said to be refused, and is durable`)
    }
  }
}

/** Counts, and tells the simulator what it hears. */
function watched(store: Store, carrier: Carrier, count: (what: string) => void, { counters }: Link, words: Words): StoreHandle {
  const counts: StoreCounts = { calls: 0, commits: 0, commitsUnderWay: 0, commitsUnderWayMax: 0, loads: 0 }
  const commit = async (group: CommitGroup): Promise<CommitResult> => {
    counts.commits++
    counts.commitsUnderWayMax = Math.max(counts.commitsUnderWayMax, ++counts.commitsUnderWay)
    carrier.proposed(group)
    const first = words.tried(group)
    const before = { ...counters }
    try {
      const result = await store.commit(group)
      counts.commitsUnderWay--
      words.heard(group, result.verdicts, first)
      carrier.heard(group, result.verdicts)
      return result
    } catch (error) {
      counts.commitsUnderWay--
      const outcome = error instanceof StoreError ? error.outcome : 'unknown'
      words.heard(group, outcome, first)
      carrier.heard(group, outcome)
      throw error
    } finally {
      for (const name of ['inDoubt', 'settled', 'taken'] as const) if (counters[name] > before[name]) count(`mongo ${name}`)
    }
  }
  return {
    counts,
    commit,
    claim: async (actor, claim) => {
      const held = counters.claimsHeld
      const loaded = await store.claim(actor, claim)
      if (counters.claimsHeld > held) count('mongo places held')
      return loaded
    },
    load: (actor) => {
      counts.loads++
      return store.load(actor)
    },
    read: (actor, n) => store.read(actor, n),
    newest: (actors) => store.newest(actors),
    history: (actor, from, maxBytes) => store.history(actor, from, maxBytes),
    hints: (dueBy, limit, after) => store.hints(dueBy, limit, after),
    meta: (key, create) => store.meta(key, create),
    nextGeneration: (node) => store.nextGeneration(node),
    actors: (after, limit) => store.actors(after, limit),
    walk: (actor, afterN, limit) => store.walk(actor, afterN, limit),
    health: () => store.health(),
    close: () => store.close(),
  }
}
