/**
 * Links between real nodes cut for real: three processes, each in a network namespace of its own, one store, clients that reach all of them.
 * Whatever is cut, sends go on, a strict read shows all that was acknowledged, nothing is lost or doubled, and after healing all agree.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import { sqliteStore } from '../../src/store/sqlite.ts'
import { judgeAll, readAll, restless } from '../faults/evidence.ts'
import { Ledger } from '../faults/ledger.ts'
import { Load } from '../faults/load.ts'
import { agree, FaultNode, furnish, settles, storeIn } from '../faults/node-process.ts'
import { Network, refusal } from './netns.ts'
import { until } from './nodes.ts'

/**
 * Beyond what any of it may take on a busy machine: a link that is cut one way is missed after two to three times `wirePingMs`, a member
 * thought dead is asked again each `gossipReseedMs`, a subscription that its owner lost is noticed within a lease (`leaseMs`, 30 s).
 */
const LIMIT_MS = 90_000
const why = refusal()
if (why !== null) console.log(`skipped: ${why}`)

describe.skipIf(why !== null)('links between three nodes', { timeout: 4 * LIMIT_MS }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'troupe-netns-'))
  const ledger = new Ledger(() => undefined)
  let network: Network
  let [a, b, c] = [] as unknown as [FaultNode, FaultNode, FaultNode]
  let load: Load

  beforeAll(async () => {
    furnish(dir)
    network = new Network(3)
    const seats = ['node-a', 'node-b', 'node-c'].map((name, i) => ({
      name,
      host: network.address(i),
      port: 7000,
      prefix: network.prefix(i),
    }))
    const place = { dir, seats }
    ;[a, b, c] = seats.map((seat) => new FaultNode(seat, place)) as [FaultNode, FaultNode, FaultNode]
    await Promise.all([a, b, c].map((node) => node.start()))
    expect(await settles(() => agree([a, b, c]), LIMIT_MS)).toBeNull()
    load = new Load(ledger, [a, b, c], { users: 1, services: 1, hotActors: 6, coldActors: 20, tallies: 2, thinkMs: 80 }, 1)
    load.start()
  }, 2 * LIMIT_MS)

  afterAll(async () => {
    load?.close()
    for (const node of [a, b, c]) node?.signal('SIGKILL')
    await Promise.all([a, b, c].map((node) => node?.exited))
    network?.remove()
    rmSync(dir, { recursive: true, force: true })
  })

  /** So many more sends are acknowledged from here on. */
  async function further(count: number): Promise<void> {
    const acked = (): number => ledger.sends.filter(({ endedMs }) => endedMs !== null).length
    const from = acked()
    await until(
      `${count} more sends`,
      () => Promise.resolve(acked()),
      (now) => now >= from + count,
      LIMIT_MS,
    )
    expect(ledger.violations).toEqual([])
  }

  const sees = (node: FaultNode, id: string, state: string): Promise<unknown> =>
    until(`${node.name} sees ${id} ${state}`, () => node.nodes(), (nodes) => nodes.find((one) => one.id === id)?.state === state, LIMIT_MS) // prettier-ignore

  async function healed(): Promise<void> {
    network.healAll()
    expect(await settles(() => agree([a, b, c]), LIMIT_MS)).toBeNull()
    await further(10)
  }

  test('one link cut both ways', async () => {
    await further(10)
    network.cut(0, 1)
    network.cut(1, 0)
    await further(30)
    await healed()
  })

  test('one link cut one way', async () => {
    network.cut(2, 0)
    await further(30)
    await healed()
  })

  test('one node cut off from the two others: they give it up, its own side goes on by the store, and it comes back', async () => {
    for (const i of [0, 1]) {
      network.cut(2, i)
      network.cut(i, 2)
    }
    await Promise.all([sees(a, 'node-c', 'dead'), sees(b, 'node-c', 'dead')])
    await further(30)
    await healed()
  })

  test('in the end: all that was acknowledged is there once, in order, every read was true, followers are at the newest', async () => {
    await load.stop()
    expect(await settles(() => Promise.resolve(load.apart), LIMIT_MS)).toBeNull()
    const store = await sqliteStore({ dir: storeIn(dir), log: silentLog })
    try {
      expect(await settles(async () => restless(await readAll(store), ledger)[0]?.what ?? null, LIMIT_MS, 500)).toBeNull()
      ledger.judge(judgeAll(await readAll(store), ledger))
    } finally {
      await store.close()
    }
    expect(ledger.violations).toEqual([])
    expect(ledger.sends.length).toBeGreaterThan(100)
  })
})
