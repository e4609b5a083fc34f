/** Session ids out of a pool of random bytes. */
import { expect, test } from 'vitest'
import { randomId, seeded } from '../../src/base/random.ts'
import { systemRandom } from '../../src/base/system.ts'
import { SessionIds } from '../../src/gateway/session-ids.ts'

test('are what randomId makes of the same bytes', () => {
  const ids = new SessionIds(seeded('ids'))
  const bytes = seeded('ids').bytes(4096)
  for (let at = 0; at < bytes.length; at += 16) {
    expect(ids.next()).toBe(randomId({ float: () => 0, bytes: () => bytes.subarray(at, at + 16) }))
  }
})

test('never come twice, also when the pool is filled anew', () => {
  const ids = new SessionIds(systemRandom)
  const seen = new Set(Array.from({ length: 2_000 }, () => ids.next()))
  expect(seen.size).toBe(2_000)
  for (const id of seen) expect(id).toMatch(/^[\w-]{22}$/)
})
