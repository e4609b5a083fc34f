/**
 * The simulator: users, a data provider and clients against running nodes, over HTTP and WebSocket, and an audit in the end.
 * The command is simulate.ts; a test or another program calls `simulate`.
 *
 *   register ─▶ load ─▶ live: provider, pagers and sockets side by side ─▶ everything answered ─▶ audit
 *
 * Nodes may be killed and started again at any time: whatever was not answered is sent again under the same identity, to any node, and what
 * was acknowledged must be there in the end, once. With `faults` it kills and drains them itself.
 */
import { seeded } from './simulator/random.ts'
import { audit, feedReport, type AuditParts, type FeedReport } from './simulator/audit.ts'
import type { Cluster } from './simulator/cluster-process.ts'
import { newProbed, startFaults, type Faults, type FaultsReport } from './simulator/faults.ts'
import { Http } from './simulator/http.ts'
import { Items } from './simulator/items.ts'
import { Ledger } from './simulator/ledger.ts'
import type { SimulatorOptions } from './simulator/options.ts'
import { page } from './simulator/pagers.ts'
import { enter, type Person } from './simulator/people.ts'
import { load, provide, type ProviderParts } from './simulator/provider.ts'
import { operationsOf, type SimulatorReport } from './simulator/report.ts'
import { follow, type Sockets } from './simulator/sockets.ts'
import { round, Tally } from './simulator/tally.ts'

export { FULL, SMALL, type SimulatorOptions } from './simulator/options.ts'
export { tableOf, type SimulatorReport } from './simulator/report.ts'

export interface Progress {
  readonly phase: 'register' | 'load' | 'live' | 'audit'
  /** Of the phase, from 0 to 1. */
  readonly share: number
  readonly text: string
}

export interface SimulatorHooks {
  /** Called once a second. */
  readonly progress?: (progress: Progress) => void
  /** Called when the live phase begins. */
  readonly live?: () => void
  /** Ends the phase at work early; the report is made all the same. */
  readonly signal?: AbortSignal
  /** Nodes that go and come back in the live phase. */
  readonly faults?: {
    readonly cluster: Cluster
    readonly killEveryS: number | null
    readonly drainEveryS: number | null
    readonly told: (line: string) => void
  }
}

/** Beyond a lease (`leaseMs`, 30 s): a feed whose owner has lost sight of it is behind no longer than that. */
const FEEDS_MS_MAX = 60_000

export async function simulate(options: SimulatorOptions, hooks: SimulatorHooks = {}): Promise<SimulatorReport> {
  const { users, notes, rate, clients, sockets, durationS, patienceS, urls, run, early } = checked(options)
  const startedAt = new Date().toISOString()
  const tally = new Tally()
  const http = new Http(urls, { sockets: Math.max(64, clients), patienceS, tally })
  const items = new Items(run, users, notes)
  const provided = new Ledger()
  const added = new Ledger()
  const probed = newProbed()
  const seconds: Record<string, number> = {}
  const phase = async <Result>(
    name: Progress['phase'],
    state: () => Omit<Progress, 'phase'>,
    work: () => Promise<Result>,
  ): Promise<Result> => {
    const began = performance.now()
    const timer = setInterval(() => hooks.progress?.({ phase: name, ...state() }), 1000)
    try {
      return await work()
    } finally {
      clearInterval(timer)
      seconds[name] = round((performance.now() - began) / 1000)
    }
  }

  try {
    const entered = (): number => tally.count('register')
    const aborted = (): boolean => hooks.signal?.aborted === true
    const all: (Person | undefined)[] = Array.from({ length: users })
    const entering = phase(
      'register',
      () => ({ share: entered() / users, text: `${entered()} of ${users} users` }),
      () => enter(all, http, tally, run, aborted),
    )
    // Early: the others come while there is traffic already. A failure ends it (`broken`).
    if (!early) await entering
    const broken = new Promise<never>((_, reject) => void entering.catch(reject))
    broken.catch(() => undefined)
    const provider: ProviderParts = { http, token: options.providerToken, items, people: all, ledger: provided, tally, patienceS }
    if (notes > 0)
      await phase(
        'load',
        () => ({ share: provided.acked / notes, text: `${provided.acked} of ${notes} notes` }),
        () => load(provider, notes, aborted),
      )
    const loaded = provided.acked

    let last = { acked: loaded, pages: 0 }
    let providing: ReturnType<typeof provide> | null = null
    let following: Sockets | null = null
    let faults: Faults | null = null
    let pagesWrong = 0
    const began = performance.now()
    const liveText = (): string => {
      const now = { acked: provided.acked, pages: tally.count('page') }
      const text = `${now.acked - last.acked} notes/s (${providing?.backlog() ?? 0} waiting), ${now.pages - last.pages} pages/s, page p99 ${tally.report('page').p99Ms} ms, ${following?.open() ?? 0} sockets, ${sum(tally.retries)} retries, ${sum(tally.failures)} failed`
      last = now
      return text
    }
    await phase(
      'live',
      () => ({ share: Math.min(1, (performance.now() - began) / (durationS * 1000)), text: liveText() }),
      async () => {
        const random = seeded(options.seed)
        following = follow(
          { urls, people: () => all.slice(0, sockets), items, provided, added, tally, patienceS, pause: (attempt) => http.pause(attempt) },
          options.addRate,
        )
        providing = provide(provider, notes, rate)
        const paging = page({ http, people: all, tally, random }, clients, options.pageRate)
        hooks.live?.()
        if (hooks.faults !== undefined)
          faults = startFaults({ ...hooks.faults, http, people: all, items, probed, tally, patienceS, durationS })
        await Promise.race([elapsed(durationS * 1000, hooks.signal), broken])
        await faults?.finish()
        await Promise.all([providing.finish(), paging.finish(), following.finish(), entering])
        pagesWrong = paging.wrong()
      },
    )
    const parts: AuditParts = { http, people: all, items, provided, added, probed, sockets }
    const feeds = await settled(parts, following, sockets)
    let read = 0
    const found = options.audit
      ? await phase(
          'audit',
          () => ({ share: read / users, text: `${read} of ${users} users read back` }),
          () => audit(parts, (done) => (read = done)),
        )
      : null
    const { providerToken: _, ...shown } = options
    const ok =
      pagesWrong === 0 &&
      (found === null || found.lost + found.duplicated + found.misplaced + found.altered + found.revived === 0) &&
      (feeds === null || feeds.missed + feeds.duplicated + feeds.gaps === 0) &&
      (!options.strict || sum(tally.failures) + sum(tally.rejected) === 0)
    return {
      ok,
      run,
      startedAt,
      options: shown,
      seconds,
      loadedPerS: notes > 0 ? round(loaded / (seconds['load'] ?? 1)) : null,
      provided: { acknowledged: provided.acked - loaded, perS: round((provided.acked - loaded) / (seconds['live'] ?? 1)) },
      operations: operationsOf(tally),
      pagesWrong,
      retries: tally.retries,
      failures: tally.failures,
      rejected: tally.rejected,
      outages: tally.outages,
      faults: faultsOf(faults),
      audit: found,
      feeds,
    }
  } finally {
    http.close()
  }
}

/** The compiler does not see that a phase has set it. */
const faultsOf = (faults: Faults | null): FaultsReport | null => faults?.report() ?? null

/** Waits until the feeds have brought everything, no longer than `FEEDS_MS_MAX`; then closes the sockets. */
async function settled(parts: AuditParts, following: Sockets | null, sockets: number): Promise<FeedReport | null> {
  if (following === null || sockets === 0) return null
  const until = performance.now() + FEEDS_MS_MAX
  let feeds = feedReport(parts, following.gaps())
  while (feeds.missed > 0 && performance.now() < until) {
    await elapsed(200)
    feeds = feedReport(parts, following.gaps())
  }
  following.close()
  return feeds
}

function checked(options: SimulatorOptions): SimulatorOptions {
  if (options.urls.length === 0) throw new RangeError('urls: at least one')
  if (options.early && options.notes > 0) throw new RangeError('early: there is nobody yet to load notes for')
  if (options.sockets > options.users) throw new RangeError('sockets: at most one for each user')
  if (options.users < 1 || options.clients < 1 || options.rate <= 0 || options.pageRate <= 0 || options.addRate <= 0)
    throw new RangeError('users and clients must be at least 1, rates above 0')
  return options
}

function elapsed(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done, { once: true })
  })
}

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((total, one) => total + one, 0)
