/** What the MongoDB store says when one part of a group fails and others do not; and what it does with names that are chosen to be mistaken. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { seeded } from '../../src/base/random.ts'
import { Places } from '../../src/store/mongodb-places.ts'
import type { Store } from '../../src/store/store.ts'
import { claimOf, group, Writer } from './builder.ts'
import { mongodbPlace, type MongodbPlace } from './mongodb-place.ts'

let place: MongodbPlace
let store: Store

beforeEach(async () => {
  place = await mongodbPlace()
  store = await place.connect()
})
afterEach(() => place.remove())

const pages = (text: string, ...numbers: number[]): Map<number, Uint8Array> => new Map(numbers.map((page) => [page, Buffer.from(text)]))
const writesOf = (collection: string) => (command: { readonly collection: string; readonly name: string }) =>
  command.collection === collection && command.name !== 'find'

/** Two names with one hash where the seed is drawn by `HALF`. */
const TWINS = ['user/5cbuf5bgx', 'user/x6ee4euhq'] as const
const HALF = { ...seeded('half'), float: () => 0.5 }
const THIRD = { ...seeded('third'), float: () => 1 / 3 }

test('S7 a snapshot that is refused does not make a group refused whose batches are durable', async () => {
  const [alice, bob] = [new Writer('user/alice'), new Writer('user/bob')]
  await alice.append(store, '1')
  const late = { snapshots: [alice.snapshot('state')] }
  place.server.faults.next(writesOf('snapshots'), { documents: new Map([[0, 121]]) })
  const append = bob.next('kept')
  await expect(store.commit(group([append], late))).rejects.toMatchObject({ name: 'StoreError', outcome: 'unknown' })
  expect((await store.commit(group([append]))).verdicts).toEqual(['taken'])
  expect((await store.read('user/bob', 1))?.commitId).toEqual(append.commitId)
})

test('S7 nor does one of a batch of this very group; where nothing else was written the group is refused', async () => {
  const alice = new Writer('user/alice')
  const append = alice.next('1')
  alice.done(append, 0)
  place.server.faults.next(writesOf('snapshots'), { documents: new Map([[0, 121]]) })
  await expect(store.commit(group([append], { snapshots: [alice.snapshot()] }))).rejects.toMatchObject({ outcome: 'unknown' })
  place.server.faults.next(writesOf('snapshots'), { documents: new Map([[0, 121]]) })
  await expect(store.commit(group([], { snapshots: [alice.snapshot()] }))).rejects.toMatchObject({ outcome: 'refused' })
})

test('D3 two snapshots of one actor in one group: the newer stands, with the pages of both, whichever would be written first', async () => {
  const one = await place.connect({ bulkDocuments: 1, parallel: 4 })
  const alice = new Writer('user/alice')
  await alice.append(one, '1')
  const older = alice.snapshot('older', pages('old', 1, 2))
  await alice.append(one, '2')
  const newer = alice.snapshot('newer', pages('new', 2))
  // Sent apart, the older one would find the newer there, and its pages would be dropped with it.
  const gate = Promise.withResolvers<void>()
  place.server.faults.always(({ collection, body }) => {
    const statement = (body['updates'] as { readonly u: { readonly $set: { readonly n?: number } } }[] | undefined)?.[0]
    if (collection !== 'snapshots' || statement === undefined) return null
    return statement.u.$set.n === 1 ? { before: () => gate.promise } : { after: () => gate.resolve() }
  })
  await one.commit(group([], { snapshots: [older, newer] }))
  const snapshot = (await store.load('user/alice'))?.snapshot
  expect([snapshot?.n, Buffer.from(snapshot?.bytes ?? []).toString()]).toEqual([2, 'newer'])
  expect(Array.from(snapshot?.pages ?? [], ([page, bytes]) => `${page} ${Buffer.from(bytes).toString()}`).sort()).toEqual([
    '1 old',
    '2 new',
  ])
})

test('J2 a claim of a record whose answer was lost, and that another owner has written over since, is not written a second time', async () => {
  const other = await place.connect()
  await new Writer('head/a', 'replace').append(other, 'state')
  const claim = claimOf('node-1', 'replace')
  place.server.faults.next(writesOf('states'), {
    answer: 'drop',
    after: async () => void (await other.claim('head/a', claimOf('node-2', 'replace'))),
  })
  await expect(store.claim('head/a', claim)).rejects.toMatchObject({ name: 'StoreError', outcome: 'unknown' })
  expect((await other.load('head/a'))?.n).toBe(3)
  expect((await store.claim('head/a', claimOf('node-1', 'replace'))).n).toBe(4)
})

test('names whose hashes are equal in one process are different in another', () => {
  const [mine, another] = [new Places(1, HALF), new Places(1, THIRD)]
  for (const places of [mine, another]) places.saw(TWINS[0], 7, 'replace')
  expect([mine.get(TWINS[1])?.n, another.get(TWINS[1])]).toEqual([7, null])
  expect(another.get(TWINS[0])).toEqual({ n: 7, mode: 'replace' })
})

test('a journal that is remembered as a record, because of its name, is read all the same', async () => {
  const [record, journal] = TWINS
  await new Writer(journal).append(store, 'mine')
  const mistaken = await place.connect({ placesKept: 1 }, { random: HALF })
  await new Writer(record, 'replace').append(mistaken, 'record')
  expect((await mistaken.read(journal, 1))?.n).toBe(1)
  const again = await place.connect({ placesKept: 1 }, { random: HALF })
  await again.load(record)
  expect((await again.load(journal))?.n).toBe(1)
})

test('every question and statement that names an actor and a range of its places goes by _id, whatever other index there is', async () => {
  const alice = new Writer('user/alice')
  for (const text of ['1', '2', '3']) await alice.append(store, text, { hintDue: 5 })
  await alice.save(store, 'state', [{ actor: 'user/alice', belowOffset: 3 }], pages('a', 1))
  while ((await store.walk('user/alice', 0, 1))[0]?.bytes !== null);
  const other = await place.connect()
  await other.load('user/alice')
  await other.history('user/alice', 1, 1000)
  await other.newest(['user/alice'])
  await other.hints(10, 10)
  await other.commit(group([], { dropHints: [{ actor: 'user/alice', n: 1, due: 5 }] }))
  const ranges: string[] = []
  const look = (where: string, q: { readonly _id?: object } | undefined, hint: unknown): void => {
    const ranged = q?._id !== undefined && Object.keys(q._id).some((key) => /^\$([gl]te?|in)$/.test(key))
    if (ranged) ranges.push(`${where} ${JSON.stringify(hint)}`)
  }
  type Statement = { readonly q: object; readonly hint?: unknown }
  for (const { name, collection, body } of place.server.seen) {
    if (name === 'find') look(`${name} ${collection}`, body['filter'] as object, body['hint'])
    for (const { q, hint } of (body['updates'] ?? body['deletes'] ?? []) as Statement[]) look(`${name} ${collection}`, q, hint)
  }
  expect(new Set(ranges)).toEqual(
    new Set(
      ['find batches', 'find hints', 'find pages', 'update batches', 'delete hints', 'delete pages'].map((what) => `${what} {"_id":1}`),
    ),
  )
})
