import { MongoNetworkError } from 'mongodb'
import { expect, test } from 'vitest'
import { COLLECTIONS, type Collections } from '../../src/store/mongodb-documents.ts'
import { resolveLimits } from '../../src/store/mongodb-options.ts'
import { patient } from '../../src/store/mongodb-patience.ts'
import { failureOf } from '../../src/store/mongodb-trouble.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const LIMITS = resolveLimits({ selectionMs: 100, queueMs: 100, connectMs: 100, socketMs: 700 })

test('a promise of the driver that nothing ends is ended: a write is in doubt then; one that is answered is as it was', async () => {
  const clock = new VirtualClock()
  const never = new Promise<never>(() => undefined)
  const silent = { collectionName: 'batches', find: () => ({ toArray: () => never }), findOne: () => never, deleteMany: () => never }
  const command = (asked: unknown): Promise<unknown> => ((asked as { n: number }).n === 1 ? Promise.resolve({ ok: 1 }) : never)
  const tables = Object.fromEntries(COLLECTIONS.map((name) => [name, silent]))
  const at = patient({ ...tables, db: { command } } as unknown as Collections, LIMITS, clock)
  expect(await at.db.command({ n: 1 })).toEqual({ ok: 1 })
  const asked = [at.db.command({ n: 2 }), at.batches.findOne({}), at.batches.find({}).toArray(), at.batches.deleteMany({})]
  const outcomes = Promise.allSettled(asked)
  let over = false
  void outcomes.then(() => (over = true))
  await clock.run(1999)
  expect(over).toBe(false)
  await clock.run(1)
  for (const outcome of await outcomes) {
    const reason: unknown = outcome.status === 'rejected' ? outcome.reason : null
    expect(reason).toBeInstanceOf(MongoNetworkError)
    expect(failureOf(reason)).toBe('doubt')
  }
})
