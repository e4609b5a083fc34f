/**
 * Nodes that go while the simulator runs: one killed every so often, another drained, both on their way back meanwhile. And what that cost:
 * some users whose actor lives on the node that goes are written to from the moment of the fault until they answer again.
 *
 *   killed   from SIGKILL until the first note of each is acknowledged: the failover
 *   drained  how long each note took, one after the other until the node is gone: the pause of an actor that moves
 *
 * Each such note goes into a ledger too, and is looked for by the audit.
 */
import type { Cluster, ClusterNode } from './cluster-process.ts'
import { HttpError, type Http } from './http.ts'
import type { Items } from './items.ts'
import { ACKED, FAILED, Ledger, SENT } from './ledger.ts'
import type { People, Person } from './people.ts'
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { round, type Tally } from './tally.ts'

/** What was written to see whether an actor answers, and to whom. */
export interface Probed {
  readonly ledger: Ledger
  readonly users: number[]
}

export const newProbed = (): Probed => ({ ledger: new Ledger(), users: [] })

export interface Spread {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface Fault {
  readonly kind: 'kill' | 'drain'
  readonly node: string
  /** Since the live phase began. */
  readonly atS: number
  /** Users of that node who were asked. */
  readonly actors: number
  readonly answered: Spread
  /** The longest wait of any request of the load, from the fault on. */
  readonly longestMs: number
  /** Until it had drained; null: it was killed. */
  readonly goneMs: number | null
  /** Until it served again. */
  readonly backMs: number
}

export interface FaultsReport {
  readonly all: readonly Fault[]
  readonly failover: Spread
  readonly moved: Spread
}

export interface FaultParts {
  readonly cluster: Cluster
  readonly http: Http
  readonly people: People
  readonly items: Items
  readonly probed: Probed
  readonly tally: Tally
  readonly patienceS: number
  readonly killEveryS: number | null
  readonly drainEveryS: number | null
  readonly durationS: number
  readonly told: (line: string) => void
}

export interface Faults {
  /** Begins no more, waits until all nodes serve. Rejects if one did not come back, or could not be drained. */
  finish(): Promise<void>
  report(): FaultsReport
}

const ASKED_MAX = 24
const LOCATED_MAX = 240
/** Between two notes to an actor that moves. */
const PAUSE_MS = 200
/** A fault that must wait for another node to be back looks this often. */
const LOOK_MS = 100
/** Later than this before the end none begins. */
const LAST_S = 2

export function startFaults(parts: FaultParts): Faults {
  const { cluster, tally, durationS, killEveryS, drainEveryS, told } = parts
  const began = performance.now()
  const faults: (() => Fault)[] = []
  const all = { kill: histogram(), drain: histogram() }
  const under = new Set<ClusterNode>()
  const waiting = new Set<Fault['kind']>()
  const jobs: Promise<void>[] = []
  const timers = new Set<NodeJS.Timeout>()
  // Each begins with another node: the first to be killed is not the one that was drained just before.
  const turn = { kill: 0, drain: 1 }
  let over = false

  const later = (ms: number, run: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      run()
    }, ms)
    timers.add(timer)
  }

  const every = (kind: Fault['kind'], periodS: number, firstS: number): void => {
    for (let atS = firstS; atS <= durationS - LAST_S; atS += periodS) later(atS * 1000, () => when(kind))
  }

  /** The next in turn that serves, as long as another one does: it waits for that, and those that fall due meanwhile are left out. */
  const when = (kind: Fault['kind'], waits = false): void => {
    if (over || (waiting.has(kind) && !waits)) return
    const well = cluster.nodes.filter((node) => node.serving && !under.has(node))
    if (well.length < 2) {
      waiting.add(kind)
      return later(LOOK_MS, () => when(kind, true))
    }
    waiting.delete(kind)
    let node = cluster.nodes[turn[kind]++ % cluster.nodes.length] as ClusterNode
    while (!well.includes(node)) node = cluster.nodes[turn[kind]++ % cluster.nodes.length] as ClusterNode
    under.add(node)
    const job = strike(kind, node).finally(() => under.delete(node))
    job.catch((error: unknown) => told(`${kind} of ${node.name}: ${String(error)}`)) // finish() rejects with it
    jobs.push(job)
  }

  const strike = async (kind: Fault['kind'], node: ClusterNode): Promise<void> => {
    const users = await usersOf(parts, node, under)
    const window = tally.watch()
    const own = histogram()
    const add = (ms: number): void => {
      for (const one of [own, all[kind]]) one.record(Math.max(1, Math.round(ms * 1000)))
    }
    let goneMs: number | null = null
    const since = (): number => performance.now() - window.from
    const back = kind === 'kill' ? cluster.kill(node) : cluster.drain(node, () => (goneMs = Math.round(since())))
    let broken = false
    back.catch(() => (broken = true))
    const asked = users.map(async (user) => {
      do {
        const from = kind === 'kill' ? window.from : performance.now()
        if (await probe(parts, user)) add(performance.now() - from)
        if (kind === 'drain') await new Promise<void>((resolve) => void setTimeout(resolve, PAUSE_MS))
      } while (kind === 'drain' && goneMs === null && !broken)
    })
    await back
    const backMs = Math.round(since())
    await Promise.all(asked)
    window.until = performance.now()
    const atS = round((window.from - began) / 1000)
    // The longest wait may still come: of who began to wait in it and is answered later.
    const fixed = { kind, node: node.name, atS, actors: users.length, answered: spreadOf(own), goneMs, backMs }
    faults.push(() => ({ ...fixed, longestMs: round(window.longestMs) }))
    const how = kind === 'kill' ? 'killed' : 'drained'
    told(`${how} ${node.name} at ${atS} s: its actors answered after ${spreadOf(own).maxMs} ms at most; it served again after ${backMs} ms`)
  }

  if (killEveryS !== null) every('kill', killEveryS, killEveryS)
  // Between two kills, so that it is another node that goes.
  if (drainEveryS !== null) every('drain', drainEveryS, killEveryS === null ? drainEveryS : drainEveryS - killEveryS / 2)
  return {
    finish: async () => {
      over = true
      for (const timer of timers) clearTimeout(timer)
      await Promise.all(jobs)
    },
    report: () => ({
      all: faults.map((fault) => fault()).toSorted((a, b) => a.atS - b.atS),
      failover: spreadOf(all.kill),
      moved: spreadOf(all.drain),
    }),
  }
}

/** Some users whose actor is that node's, as another one sees it that stays. */
async function usersOf({ cluster, people }: FaultParts, node: ClusterNode, under: ReadonlySet<ClusterNode>): Promise<number[]> {
  const asked = cluster.nodes.find((one) => one.serving && !under.has(one))
  const found: number[] = []
  if (asked === undefined) return found
  const first = Math.floor(Math.random() * people.length)
  for (let i = 0; i < Math.min(LOCATED_MAX, people.length) && found.length < ASKED_MAX; i++) {
    const user = (first + i) % people.length
    const person = people[user]
    if (person === undefined) continue
    try {
      const answer = await fetch(`${asked.admin}/v1/locate?actor=user/${encodeURIComponent(person.uid)}`)
      if (answer.ok && ((await answer.json()) as { readonly owner: string }).owner === node.name) found.push(user)
    } catch {
      break // it went meanwhile: fewer are asked
    }
  }
  return found
}

/** One note to a user, repeated until it is acknowledged. false: given up, and counted. */
async function probe({ http, people, items, probed, tally, patienceS }: FaultParts, user: number): Promise<boolean> {
  const { token } = people[user] as Person
  const number = probed.users.push(user) - 1
  probed.ledger.set(number, SENT)
  const body = { id: items.probeId(number), title: `probe ${number}` }
  const until = performance.now() + patienceS * 1000
  for (let attempt = 0; ; attempt++) {
    try {
      await http.call('POST', '/notes', { token, body, key: body.id })
      probed.ledger.set(number, ACKED)
      return true
    } catch (error) {
      const { code, retryable, reason } = error instanceof HttpError ? error : { code: 'simulator', retryable: false, reason: undefined }
      if (!retryable || performance.now() > until) {
        tally.failure('provide', `probe_${reason ?? code}`)
        probed.ledger.set(number, FAILED)
        return false
      }
      tally.retry(code)
      await http.pause(attempt)
    }
  }
}

const histogram = (): RecordableHistogram => createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 })

function spreadOf(of: RecordableHistogram): Spread {
  const at = (percentile: number): number => (of.count === 0 ? 0 : round(of.percentile(percentile) / 1000))
  return { count: of.count, p50Ms: at(50), p99Ms: at(99), maxMs: of.count === 0 ? 0 : round(of.max / 1000) }
}
