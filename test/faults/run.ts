/**
 * One run: a cluster of real processes, load, a nemesis; then everything heals, everybody must agree and be at the newest, all nodes drain, and the
 * store is held against what the clients were told.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../src/base/log.ts'
import { sqliteStore } from '../../src/store/sqlite.ts'
import { Network } from '../cluster-processes/netns.ts'
import { randomFrom } from './dice.ts'
import { type Evidence, judgeAll, readAll, restless } from './evidence.ts'
import { Ledger } from './ledger.ts'
import { Load, type LoadShape, SHAPE } from './load.ts'
import { type Group, Nemesis } from './nemesis.ts'
import { agree, FaultNode, furnish, type Seat, settles, storeIn } from './node-process.ts'
import { violation } from './records.ts'

export interface RunConfig {
  readonly seed: number
  readonly faults: number
  readonly minutes: number
  readonly nodes: number
  readonly groups: readonly Group[]
  /** Each node in a network namespace of its own, so that links can be cut. */
  readonly namespaces: boolean
  readonly paceMs: number
  readonly shape?: LoadShape
  readonly progress?: (line: string) => void
  readonly log?: (line: string) => void
}

export interface RunResult {
  readonly ledger: Ledger
  readonly tookMs: number
  readonly entries: number
  readonly actors: number
  /** Kept when something was wrong: store and all. */
  readonly dir: string | null
}

const AGREE_MS = 120_000
const STOP_MS = 120_000
const REST_MS = 60_000
const DRAIN_MS = 60_000
const PROGRESS_MS = 5000

export async function run(config: RunConfig): Promise<RunResult> {
  const began = performance.now()
  const say = (line: string): void => config.log?.(`${((performance.now() - began) / 1000).toFixed(1)} s  ${line}`)
  let wrong = false
  const ledger = new Ledger(() => (wrong = true))
  const dir = mkdtempSync(join(tmpdir(), 'troupe-faults-'))
  furnish(dir)
  const network = config.namespaces ? new Network(config.nodes) : null
  const nodes: FaultNode[] = []
  let evidence: Evidence = { journals: new Map(), broken: [] }
  let load: Load | null = null
  try {
    const seats = await seatsFor(config.nodes, network)
    for (const seat of seats) nodes.push(new FaultNode(seat, { dir, seats }))
    await Promise.all(nodes.map((node) => node.start()))
    const apart = await settles(() => agree(nodes), AGREE_MS)
    if (apart !== null) throw new Error(`the cluster did not come together: ${apart}`)
    say('together')
    load = new Load(ledger, nodes, config.shape ?? SHAPE, config.seed)
    load.start()
    const nemesis = new Nemesis({
      dir,
      nodes,
      network,
      groups: config.groups,
      dice: randomFrom(config.seed, 'nemesis'),
      ledger,
      paceMs: config.paceMs,
      log: say,
    })
    const progress = setInterval(() => config.progress?.(lineOf(ledger, nodes, began)), PROGRESS_MS)
    try {
      const endMs = began + config.minutes * 60_000
      await nemesis.run(() => wrong || ledger.hits.faults >= config.faults || performance.now() > endMs)
      say('heals')
      await nemesis.heal()
      evidence = await rest(dir, nodes, ledger, load, say)
    } finally {
      clearInterval(progress)
      nemesis.stop()
    }
    await drainAll(nodes, ledger)
    ledger.judge(judgeAll(evidence, ledger))
  } finally {
    load?.close()
    for (const node of nodes) node.signal('SIGKILL')
    await Promise.all(nodes.map((node) => node.exited))
    network?.remove()
  }
  config.progress?.(lineOf(ledger, nodes, began))
  const clean = ledger.violations.length === 0
  if (clean) rmSync(dir, { recursive: true, force: true })
  const entries = [...evidence.journals.values()].reduce((sum, list) => sum + list.length, 0)
  return { ledger, tookMs: performance.now() - began, entries, actors: evidence.journals.size, dir: clean ? null : dir }
}

/** After healing: one view, every request answered, nothing owed, nobody behind, every node with the same newest state. */
async function rest(dir: string, nodes: readonly FaultNode[], ledger: Ledger, load: Load, say: (line: string) => void): Promise<Evidence> {
  const apart = await settles(() => agree(nodes), AGREE_MS)
  if (apart !== null) ledger.judge(violation('convergence', `${AGREE_MS} ms after healing: ${apart}`))
  say('agrees')
  const stuck = await Promise.race([load.stop().then(() => false), pause(STOP_MS).then(() => true)])
  if (stuck) ledger.judge(violation('convergence', `${ledger.open} sends have had no answer ${STOP_MS} ms after healing; ${load.apart}`))
  say('stopped')
  // A client that was closed for good hears nothing any more, and its sends fail at once.
  const alone = await settles(() => Promise.resolve(load.apart), REST_MS)
  if (alone !== null) ledger.judge(violation('convergence', `${REST_MS} ms after healing ${alone}`))
  const store = await sqliteStore({ dir: storeIn(dir), log: silentLog })
  try {
    const left = await settles(async () => restless(await readAll(store), ledger)[0]?.what ?? null, REST_MS, 1000)
    if (left !== null) {
      ledger.judge(violation('convergence', `${REST_MS} ms after healing: ${left}`))
      await Promise.all(nodes.map((node) => tellAll(dir, node)))
    }
    say('at rest')
    const evidence = await readAll(store)
    await sameEverywhere(nodes, ledger, evidence)
    return evidence
  } finally {
    await store.close()
  }
}

/** For whoever has to find out why: what a node says of itself, and its last lines. */
async function tellAll(dir: string, node: FaultNode): Promise<void> {
  const { text } = await node.ask('/metrics').catch((error: unknown) => ({ text: String(error) }))
  writeFileSync(join(dir, `${node.name}.txt`), `${node.said.join('\n')}\n\n${text}`)
}

/** A strict read at each node shows the end of the journal. */
async function sameEverywhere(nodes: readonly FaultNode[], ledger: Ledger, { journals }: Evidence): Promise<void> {
  const busiest = [...journals].toSorted(([, a], [, b]) => b.length - a.length).slice(0, 20)
  const ask = async (node: FaultNode, actor: string, newest: number): Promise<string | null> => {
    const { status, text } = await node.ask(`/v1/actors/${actor}/queries/sum?strict=true`, 'GET', 10_000)
    if (status !== 200) return `${status} ${text}`
    const { offset } = JSON.parse(text) as { offset: number }
    return offset === newest ? null : `offset ${offset}, the journal ends at ${newest}`
  }
  const look = async (node: FaultNode): Promise<void> => {
    for (const [actor, { length }] of busiest) {
      const differs = await settles(() => ask(node, actor, length).catch(String), REST_MS)
      if (differs !== null) ledger.judge(violation('convergence', `a strict read of ${actor} at ${node.name}: ${differs}`))
    }
  }
  await Promise.all(nodes.map(look))
}

/** All at once: nobody is left to hand over to, everything is written. */
async function drainAll(nodes: readonly FaultNode[], ledger: Ledger): Promise<void> {
  const drain = async (node: FaultNode): Promise<void> => {
    node.signal('SIGTERM')
    const exit = await Promise.race([node.exited, pause(DRAIN_MS).then(() => null)])
    if (exit?.code !== 0)
      ledger.judge(
        violation('convergence', `${node.name} did not drain in the end: ${JSON.stringify(exit)}\n${node.said.slice(-10).join('\n')}`),
      )
  }
  await Promise.all(nodes.map(drain))
}

const PORTS_FIRST = 20_000
const PORTS = 10_000
const STEP = 10

/** On one address, ports that are free and that the system gives to nobody else by itself (they lie below its own range). */
async function seatsFor(count: number, network: Network | null): Promise<Seat[]> {
  const named = Array.from({ length: count }, (_, i) => `node-${i + 1}`)
  if (network !== null) return named.map((name, i) => ({ name, host: network.address(i), port: 7000, prefix: network.prefix(i) }))
  for (let tries = 0; tries < 50; tries++) {
    const first = PORTS_FIRST + STEP * Math.floor((Math.random() * (PORTS - count * STEP)) / STEP)
    const seats = named.map((name, i) => ({ name, host: '127.0.0.1', port: first + i * STEP, prefix: [] }))
    const free = await Promise.all(seats.flatMap(({ port }) => [0, 1, 2].map((step) => isFree(port + step))))
    if (free.every(Boolean)) return seats
  }
  throw new Error('no free ports')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

export function lineOf(
  { hits, sends, reads, open, unknownOutcomes, violations }: Ledger,
  nodes: readonly FaultNode[],
  began: number,
): string {
  const acked = sends.filter(({ endedMs }) => endedMs !== null).length
  const seconds = Math.round((performance.now() - began) / 1000)
  const up = nodes.filter(({ ready, frozen }) => ready && !frozen).length
  const { settled, open: unknown } = unknownOutcomes
  return [
    `${seconds} s: ${hits.faults} faults`,
    `${up}/${nodes.length} up`,
    `${acked} of ${sends.length} sends acknowledged, ${open} open, ${settled} settled as repeats, ${unknown} unknown`,
    `${reads.length} reads`,
    `in transaction ${hits.frozenInTransaction}, hint ${hits.hintKills}, commit ${hits.commitKills}, handoff ${hits.handoffKills}, ended by others ${hits.endedByOthers}`,
    `${violations.length} violations`,
  ].join(' | ')
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
