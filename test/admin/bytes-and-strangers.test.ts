/** What goes through the sockets, per second, hour and day, beside the throughput; and who of them has not been let in. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createAdmin, type Admin } from '../../src/admin/admin.ts'
import { LatencyHistogram } from '../../src/admin/latency.ts'
import { resolveOptions } from '../../src/options.ts'
import { FakeCalls } from '../support/fake-calls.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

let clock: VirtualClock
let admin: Admin
const counters = { bytesIn: 0, bytesOut: 0 }

beforeEach(() => {
  clock = new VirtualClock()
  Object.assign(counters, { bytesIn: 0, bytesOut: 0 })
  admin = createAdmin({
    node: { id: 'node-1', generation: 1, address: '', types: [], version: '0' },
    phase: () => 'serving',
    engine: { stats: () => ({ activations: 0, pendingEvents: 0, counters: { events: 0 } }) },
    members: { metrics: () => [] } as never,
    calls: new FakeCalls(),
    gateway: () => ({ sockets: 5, unauthenticated: 3, counters: { ...counters } }),
    store: { health: () => Promise.resolve({ ok: true, summary: 'well', counters: {} }) },
    latency: new LatencyHistogram(),
    options: resolveOptions(),
    clock,
    token: null,
  })
})
afterEach(() => admin.stop())

const get = async (path: string): Promise<Response> => admin.http.request(`http://localhost${path}`, { headers: { host: 'localhost' } })

test('/v1/stats: bytes of each step of each series, and in all', async () => {
  for (let second = 0; second < 90; second++) {
    counters.bytesIn += 10
    counters.bytesOut += 25
    clock.advance(1_000)
  }
  const stats = (await (await get('/v1/stats')).json()) as Record<'second' | 'hour' | 'day', { counts: Record<string, number> }[]> & {
    totals: Record<string, number>
  }
  expect(stats.second.length).toBeGreaterThanOrEqual(90)
  for (const { counts } of stats.second) expect(counts).toMatchObject({ 'gateway.bytesIn': 10, 'gateway.bytesOut': 25 })
  for (const series of ['second', 'hour', 'day'] as const)
    expect(stats[series].reduce((sum, { counts }) => sum + (counts['gateway.bytesOut'] ?? 0), 0)).toBe(90 * 25)
  expect(stats.totals).toMatchObject({ 'gateway.bytesIn': 900, 'gateway.bytesOut': 2_250 })
  expect(stats).toMatchObject({ sockets: 5, unauthenticated: 3 })
})

test('/metrics and the page', async () => {
  Object.assign(counters, { bytesIn: 70, bytesOut: 71 })
  const text = await (await get('/metrics')).text()
  for (const line of [
    'troupe_sockets',
    'troupe_unauthenticated_sockets',
    'troupe_gateway_bytes_in_total',
    'troupe_gateway_bytes_out_total',
  ])
    expect(text).toMatch(new RegExp(`^${line}\\{node="node-1"\\} \\d+$`, 'm'))
  expect(text).toContain('troupe_unauthenticated_sockets{node="node-1"} 3')
  expect(text).toContain('troupe_gateway_bytes_out_total{node="node-1"} 71')
  expect(await (await get('/')).text()).toContain('70 / 71')
})
