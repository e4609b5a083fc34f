/** docs/operations.md tells what each metric means: every one that a node of a cluster exports is in it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createAdmin } from '../../src/admin/admin.ts'
import { LatencyHistogram } from '../../src/admin/latency.ts'
import { freshCounters } from '../../src/gateway/counters.ts'
import { resolveOptions } from '../../src/options.ts'
import { FakeCalls } from '../support/fake-calls.ts'
import { VirtualCluster, type VirtualNode } from './virtual-cluster.ts'

const TEXT = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8')

test('every metric is explained, and every one that is explained is there', async () => {
  const cluster = new VirtualCluster()
  const [node] = (await cluster.start('a', 'b')) as [VirtualNode]
  const admin = createAdmin({
    node: { id: 'a', generation: 1, address: '', types: [], version: '0' },
    phase: () => 'serving',
    engine: node.member.engine,
    members: node.admin,
    calls: new FakeCalls(),
    gateway: () => ({ sockets: 0, unauthenticated: 0, counters: { ...freshCounters() } }),
    store: { health: () => Promise.resolve({ ok: true, summary: 'well', counters: {} }) },
    latency: new LatencyHistogram(),
    options: resolveOptions(),
    clock: cluster.clock,
    token: null,
  })
  try {
    const metrics = await (await admin.http.request('http://localhost/metrics', { headers: { host: 'localhost' } })).text()
    const exported = new Set([...metrics.matchAll(/^# TYPE (troupe_\w+) /gm)].map(([, name]) => name as string))
    const explained = new Set([...TEXT.matchAll(/`(troupe_\w+)(?:\{\w+\})?`/g)].map(([, name]) => name as string))
    expect(exported.size).toBeGreaterThan(100)
    expect([...exported].filter((name) => !explained.has(name))).toEqual([])
    // Those of the store are each adapter's own.
    expect([...explained].filter((name) => !exported.has(name) && !name.startsWith('troupe_store_'))).toEqual([])
  } finally {
    admin.stop()
    cluster.close()
  }
})
