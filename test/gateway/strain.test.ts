/** Who asks for more than its share, again and again, is asked to be slower: once in a while, and never for what is in order (D9, F7). */
import { afterEach, describe, expect, test } from 'vitest'
import { fail } from '../../src/errors.ts'
import { Strain } from '../../src/gateway/strain.ts'
import { startRig, type Rig, type RigConfig, type TestClient } from './rig.ts'

let rig: Rig
afterEach(() => rig?.stop())

test('strain: the eighth time in five seconds, then not again for five seconds; with the longest wait that was asked for', () => {
  const strain = new Strain()
  const times = (count: number, nowMs: number, retryAfterMs = 0): (number | null)[] =>
    Array.from({ length: count }, () => strain.again(nowMs, retryAfterMs))
  expect(times(7, 1_000)).toEqual(Array(7).fill(null))
  expect(times(1, 5_999, 1_500)).toEqual([1_500])
  expect(times(100, 6_000, 9_000)).toEqual(Array(100).fill(null))
  expect(times(100, 10_998)).toEqual(Array(100).fill(null))
  expect(times(8, 10_999)).toEqual([...Array(7).fill(null), 500])
  // Never longer than the client's own patience.
  expect(times(8, 20_000, 60_000).at(-1)).toBe(5_000)
  const seldom = new Strain()
  for (let at = 0; at < 100_000; at += 800) expect(seldom.again(at, 0)).toBeNull()
})

describe('a connection', () => {
  const start = async (config: RigConfig = {}): Promise<TestClient> => {
    rig = await startRig({ virtual: true, ...config })
    return rig.join()
  }
  const refused = async (client: TestClient, id: number, code: 'overloaded' | 'rate_limited' | 'store_unavailable'): Promise<void> => {
    rig.calls.failNext(fail(code, 'no', { retryAfterMs: 1_200 }))
    expect(await client.ask({ t: 'send', id, type: 'note.added' })).toMatchObject({ error: { code } })
  }
  const hints = (client: TestClient): unknown[] => client.frames.filter(({ t }) => t === 'hint')

  test.each(['overloaded', 'rate_limited'] as const)(
    'whose requests are refused as %s is told, at most once in five seconds',
    async (code) => {
      const client = await start()
      for (let id = 0; id < 7; id++) await refused(client, id, code)
      expect(hints(client)).toEqual([])
      for (let id = 7; id < 40; id++) await refused(client, id, code)
      expect(hints(client)).toEqual([{ t: 'hint', kind: 'slower', inMs: 1_200, spreadMs: 600 }])
      rig.clock.advance(5_000)
      for (let id = 40; id < 48; id++) await refused(client, id, code)
      expect(hints(client)).toHaveLength(2)
      expect(rig.gateway.stats().counters.slower).toBe(2)
    },
  )

  test('that fails for another reason, or now and then, is told nothing', async () => {
    const client = await start()
    for (let id = 0; id < 30; id++) await refused(client, id, 'store_unavailable')
    for (let id = 0; id < 30; id++) {
      await refused(client, id, 'overloaded')
      rig.clock.advance(1_000)
    }
    expect(hints(client)).toEqual([])
  })

  test('that keeps to its window is told nothing; one that does not, again and again, is', async () => {
    const client = await start({ options: { inflight: 4 } })
    for (let round = 0; round < 20; round++) {
      client.send(...[1, 2, 3, 4].map((n) => ({ t: 'query', id: round * 10 + n, name: 'count' })))
      await client.frame('reply', { id: round * 10 + 4 })
    }
    expect(hints(client)).toEqual([])
    for (let round = 20; round < 28; round++) {
      rig.calls.hold()
      client.send(...[1, 2, 3, 4, 5, 6].map((n) => ({ t: 'query', id: round * 10 + n, name: 'count' })))
      while (rig.calls.waiting < 4) await new Promise((resolve) => setImmediate(resolve))
      rig.calls.release()
      await client.frame('reply', { id: round * 10 + 6 })
    }
    expect(hints(client)).toMatchObject([{ kind: 'slower', inMs: 500 }])
  })
})
