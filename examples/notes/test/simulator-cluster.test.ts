/**
 * The simulator against a cluster: `troupe cluster` as its users start it, a node killed with SIGKILL and another drained in the middle of the
 * traffic. Promises 1, 4 and 5 from outside: nothing lost or doubled, every feed whole, and no send that the SDK gives up.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../../../test/support/ports.ts'
import { secretOf } from '../config.ts'
import { simulate, tableOf } from '../simulator.ts'
import { startCluster } from '../simulator/cluster-process.ts'
import { PROVIDER } from '../simulator/items.ts'
import { Tokens } from '../tokens.ts'

let dir = ''
afterEach(() => rmSync(dir, { recursive: true, force: true }))

test('of three nodes one is killed and one drained, both come back: no failure, nothing lost, doubled or missed', async () => {
  dir = mkdtempSync(join(tmpdir(), 'notes-cluster-'))
  const port = await freePort([10, 20, 100, 110, 120, 200, 210, 220])
  const env = { NOTES_SCRYPT_LN: '4' }
  const cluster = await startCluster({ dir, nodes: 3, port, env, flags: ['--option', 'drainSpreadMs=500'] })
  const told: string[] = []
  try {
    const report = await simulate(
      {
        users: 40,
        notes: 400,
        rate: 50,
        clients: 6,
        pageRate: 20,
        sockets: 12,
        addRate: 10,
        durationS: 5,
        patienceS: 90,
        seed: 1,
        audit: true,
        early: false,
        strict: true,
        urls: cluster.nodes.map(({ url }) => url),
        providerToken: new Tokens(secretOf(dir)).provider(PROVIDER),
        run: 'test',
      },
      { faults: { cluster, killEveryS: 3, drainEveryS: 3, told: (line) => told.push(line) } },
    )
    const all = `${told.join('\n')}\n${tableOf(report)}`
    expect(report, all).toMatchObject({
      ok: true,
      failures: {},
      rejected: {},
      audit: { lost: 0, duplicated: 0, misplaced: 0, altered: 0, revived: 0 },
      feeds: { missed: 0, duplicated: 0, gaps: 0 },
    })
    const faults = report.faults?.all ?? []
    expect(faults.map(({ kind }) => kind).toSorted(), all).toEqual(['drain', 'kill'])
    expect(new Set(faults.map(({ node }) => node)).size, all).toBe(2)
    for (const { actors, answered, backMs } of faults) {
      expect(answered.count, all).toBeGreaterThanOrEqual(actors)
      expect(backMs, all).toBeGreaterThan(0)
    }
    expect(report.faults?.failover.count, all).toBeGreaterThan(0)
  } finally {
    await cluster.stop()
  }
}, 240_000)
