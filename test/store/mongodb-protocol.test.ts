/** The protocol server of test/support itself, spoken to by the real driver alone: what the store's tests rely on. */
import { MongoClient, MongoServerError } from 'mongodb'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { compare, keyOf, matches } from '../support/mongo-match.ts'
import { MongoServer } from '../support/mongo-server.ts'

let server: MongoServer
let client: MongoClient
beforeEach(async () => {
  server = await MongoServer.start()
  client = new MongoClient(server.url('&retryWrites=true&w=majority'), { serverSelectionTimeoutMS: 5000 })
})
afterEach(async () => {
  await client.close()
  await server.close()
})

test('the driver repeats a write whose answer was lost, and it is applied once', async () => {
  const counters = client.db().collection<{ _id: string; n: number }>('counters')
  await counters.insertOne({ _id: 'a', n: 0 })
  for (const fault of [{ answer: 'drop' }, { answer: 'drop', applied: false }] as const) {
    server.faults.next('update', fault)
    await counters.updateOne({ _id: 'a' }, { $inc: { n: 1 } })
  }
  expect((await counters.findOne({ _id: 'a' }))?.n).toBe(2)
  const numbers = server.seen.filter(({ name }) => name === 'update').map(({ body }) => String(body['txnNumber']))
  expect(numbers).toEqual([numbers[0], numbers[0], numbers[2], numbers[2]])
})

test('it repeats by the label, at the new primary, and not without', async () => {
  const counters = client.db().collection<{ _id: string }>('counters')
  server.faults.next('insert', {
    error: { code: 189, labels: ['RetryableWriteError', 'NoWritesPerformed'] },
    after: () => server.stepDown(),
  })
  await counters.insertOne({ _id: 'a' })
  server.faults.next('insert', { error: { code: 8, labels: [] } })
  await expect(counters.insertOne({ _id: 'b' })).rejects.toBeInstanceOf(MongoServerError)
  expect(await counters.find().toArray()).toHaveLength(1)
})

test('what only the primary had is not read by a majority, and is gone with it; a later acknowledged write carries it along', async () => {
  const counters = client.db().collection<{ _id: string }>('counters', { readConcern: { level: 'majority' } })
  const ids = async (): Promise<string[]> => (await counters.find().sort({ _id: 1 }).toArray()).map(({ _id }) => _id)
  const shaky = (_id: string): Promise<unknown> => {
    server.faults.next('insert', { writeConcernError: { code: 64 } })
    return counters.insertOne({ _id }).catch((error: unknown) => error)
  }
  await shaky('a')
  expect(await ids()).toEqual([])
  server.stepDown({ lose: true })
  expect(await ids()).toEqual([])
  await shaky('b')
  await counters.insertOne({ _id: 'c' })
  server.stepDown({ lose: true })
  expect(await ids()).toEqual(['b', 'c'])
})

test('answers come in pages, and none over 16 MiB', async () => {
  const blobs = client.db().collection<{ _id: number; b?: Buffer }>('blobs')
  await blobs.insertMany(Array.from({ length: 250 }, (_, i) => ({ _id: i })))
  expect(
    await blobs
      .find({ _id: { $gte: 10 } })
      .sort({ _id: -1 })
      .limit(200)
      .toArray(),
  ).toHaveLength(200)
  for (let i = 1000; i < 1005; i++) await blobs.insertOne({ _id: i, b: Buffer.alloc(7_000_000) })
  expect(await blobs.find({ _id: { $gte: 1000 } }, { batchSize: 1000 }).toArray()).toHaveLength(5)
  expect(server.seen.filter(({ name }) => name === 'getMore').length).toBeGreaterThanOrEqual(3)
  await expect(blobs.insertOne({ _id: 1, b: Buffer.alloc(17_000_000) })).rejects.toThrow()
})

test('values are ordered as the server orders them', () => {
  const ordered = [
    null,
    -1,
    0,
    1.5,
    2,
    '',
    'a',
    'ab',
    'é',
    '\u{10FFFF}',
    {},
    { a: 1 },
    { a: 1, b: 0 },
    { a: 2 },
    { b: 0 },
    Buffer.alloc(1),
    Buffer.alloc(2),
  ]
  for (let i = 0; i < ordered.length; i++)
    for (let j = 0; j < ordered.length; j++) {
      expect(Math.sign(compare(ordered[i], ordered[j]))).toBe(Math.sign(i - j))
      expect(keyOf(ordered[i]) === keyOf(ordered[j])).toBe(i === j)
    }
  expect(matches({ _id: { a: 'x', n: 3 } }, { _id: { $gt: { a: 'x', n: 2 }, $lt: { a: 'x', n: 4 } } })).toBe(true)
  expect(matches({ _id: 'x' }, { _id: { $gt: 2 } })).toBe(false)
  expect(() => matches({ a: 1 }, { a: { $near: 1 } })).toThrow(/not known/)
})
