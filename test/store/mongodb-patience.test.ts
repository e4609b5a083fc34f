import { MongoNetworkError } from 'mongodb'
import { expect, test } from 'vitest'
import { COLLECTIONS, type Collections } from '../../src/store/mongodb-documents.ts'
import { resolveLimits } from '../../src/store/mongodb-options.ts'
import { patient } from '../../src/store/mongodb-patience.ts'
import { failureOf } from '../../src/store/mongodb-trouble.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const LIMITS = resolveLimits({ selectionMs: 100, queueMs: 100, connectMs: 100, socketMs: 700 })

function driver(clock: VirtualClock, command: (asked: { n: number }, options: { signal: AbortSignal }) => Promise<unknown>) {
  const never = new Promise<never>(() => undefined)
  const silent = { collectionName: 'batches', find: () => ({ toArray: () => never }), findOne: () => never, deleteMany: () => never }
  const tables = Object.fromEntries(COLLECTIONS.map((name) => [name, silent]))
  return patient({ ...tables, db: { command } } as unknown as Collections, LIMITS, clock)
}

test('a promise of the driver that nothing ends is ended: a write is in doubt then, and the driver gives up; one that is answered is as it was', async () => {
  const clock = new VirtualClock()
  const never = new Promise<never>(() => undefined)
  const signals: AbortSignal[] = []
  const { at } = driver(clock, ({ n }, { signal }) => {
    signals.push(signal)
    return n === 1 ? Promise.resolve({ ok: 1 }) : never
  })
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
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, true])
})

test('once a server is lost, what was asked before and just after waits no longer than for a primary; what is asked later, as ever', async () => {
  const clock = new VirtualClock()
  const { at, lost } = driver(clock, () => new Promise<never>(() => undefined))
  const over: string[] = []
  const ask = (name: string): void => void at.db.command({ n: 1 }).catch(() => over.push(name))
  ask('before')
  await clock.run(500)
  lost()
  await clock.run(999)
  ask('just after')
  await clock.run(1)
  ask('later')
  await clock.run(99)
  expect(over).toEqual([])
  await clock.run(1)
  expect(over).toEqual(['before'])
  await clock.run(999)
  expect(over).toEqual(['before', 'just after'])
  // Another is lost: whoever has little time left is given no more.
  lost()
  await clock.run(900)
  expect(over).toEqual(['before', 'just after'])
  await clock.run(1)
  expect(over).toEqual(['before', 'just after', 'later'])
})
