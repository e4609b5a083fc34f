/** Claims, hints and snapshots of the MongoDB store where several owners meet, each interleaving made on purpose. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openBatch } from '../../src/actors/batch.ts'
import type { Loaded, Store } from '../../src/store/store.ts'
import type { Command } from '../support/mongo-faults.ts'
import { claimOf, group, hint, textsOf, verifyJournal, Writer } from './builder.ts'
import { mongodbPlace, type MongodbPlace } from './mongodb-place.ts'

let place: MongodbPlace
let store: Store
let other: Store
beforeEach(async () => {
  place = await mongodbPlace()
  store = await place.connect()
  other = await place.connect()
})
afterEach(() => place.remove())

const ownerOf = ({ batches }: Loaded): string => openBatch(batches.at(-1)?.bytes ?? new Uint8Array())?.body.o ?? ''
const documents = (collection: string): number => place.server.data.collection(`troupe.${collection}`).documents.size
const held = (): number =>
  [...place.server.data.collection('troupe.batches').documents.values()].filter(({ document }) => document['h'] === undefined).length
const inserts = ({ name, collection, body }: Command): boolean =>
  name === 'insert' && collection === 'batches' && (body['documents'] as { c?: Uint8Array }[]).length === 1

/** An owner that writes whenever a claim is about to: it never pauses, and is always quicker. */
function busy(owner: Writer, lost: { at: number | null }): void {
  let own = false
  place.server.faults.always((command) => {
    if (own || lost.at !== null || !inserts(command)) return null
    own = true
    return {
      before: async () => {
        if ((await owner.append(store, 'busy')) === 'taken') lost.at = owner.n
        own = false
      },
    }
  })
}

describe('J2 a claim against an owner that never pauses', () => {
  test('holds the next places after two collisions, wins, and leaves a whole journal and no held place', async () => {
    const owner = new Writer('user/busy')
    await owner.append(store, 'first')
    const lost: { at: number | null } = { at: null }
    busy(owner, lost)
    const loaded = await other.claim('user/busy', claimOf('node-2'))
    place.server.faults.clear()
    expect(ownerOf(loaded)).toBe('node-2')
    const { counters } = await other.health()
    expect(counters).toMatchObject({ claimsHeld: 1, claimsAgain: 2 })
    expect([await owner.append(store, 'too late'), held()]).toEqual(['taken', 0])
    expect(await Writer.of('user/busy', loaded).append(other, 'mine')).toBe('committed')
    expect(await verifyJournal(store, 'user/busy')).toBe(loaded.n + 1)
  })

  test('a held place is no batch: not read, not loaded, not walked, nothing follows it', async () => {
    const owner = new Writer('user/alice')
    await owner.append(store, 'one')
    place.server.data.insert('troupe.batches', { _id: { a: 'user/alice', n: 2 }, a: 'user/alice', r: Buffer.alloc(16) }, 0, 0)
    place.server.data.commit()
    expect(await store.newest(['user/alice'])).toEqual([1])
    expect((await other.load('user/alice'))?.n).toBe(1)
    expect([await store.read('user/alice', 2), (await store.walk('user/alice', 0, 10)).length]).toEqual([null, 1])
    expect((await other.commit(group([{ ...owner.next(), n: 3 }]))).verdicts).toEqual(['taken'])
    expect(await owner.append(store, 'two')).toBe('taken')
    // Whoever held it died: the next claim takes the place over.
    const loaded = await other.claim('user/alice', claimOf('node-2'))
    expect([loaded.n, ownerOf(loaded), held()]).toEqual([2, 'node-2', 0])
    expect(await verifyJournal(store, 'user/alice')).toBe(2)
  })

  test('rival claimers that hold places at once each get one, and the journal is whole', async () => {
    await new Writer('user/alice').append(store, 'one')
    // Each finds its first two tries taken.
    const rivals = [store, other, await place.connect(), await place.connect()]
    const loads = await Promise.all(rivals.flatMap((rival, i) => [1, 2].map(() => rival.claim('user/alice', claimOf(`node-${i}`)))))
    const places = loads.map(({ n }) => n).sort((a, b) => a - b)
    expect(new Set(places).size).toBe(places.length)
    for (const loaded of loads) expect(loaded.batches.at(-1)?.n).toBe(loaded.n)
    const { n } = loads.reduce((a, b) => (a.n > b.n ? a : b))
    expect([await verifyJournal(store, 'user/alice'), held()]).toEqual([n, 0])
  })

  test('what another owner wrote right after it does not pass for its own', async () => {
    await new Writer('user/alice').append(store, 'one')
    place.server.faults.next(inserts, {
      after: async () => {
        const next = Writer.of('user/alice', await other.claim('user/alice', claimOf('node-3')))
        await next.append(other, 'of node-3')
      },
    })
    const loaded = await store.claim('user/alice', claimOf('node-2'))
    expect([loaded.n, loaded.batches.length, ownerOf(loaded)]).toEqual([2, 2, 'node-2'])
    expect(await Writer.of('user/alice', loaded).append(store, 'too late')).toBe('taken')
  })

  test("a record (history 'none') of a busy owner is held too, and is claimed", async () => {
    const device = new Writer('device/1', 'replace')
    await device.append(store, 'a')
    let own = false
    let wins = 0
    place.server.faults.always(({ name, collection }) => {
      if (own || name !== 'update' || collection !== 'states') return null
      own = true
      return {
        before: async () => {
          if ((await device.append(store, 'busy')) === 'committed') wins++
          own = false
        },
      }
    })
    const claimed = await other.claim('device/1', claimOf('node-2', 'replace'))
    place.server.faults.clear()
    expect(wins).toBeGreaterThanOrEqual(2)
    expect(textsOf(claimed.snapshot?.bytes ?? new Uint8Array())).toEqual(['busy'])
    expect(await device.append(store, 'too late')).toBe('taken')
    expect(await Writer.of('device/1', claimed, 'replace').append(other, 'mine')).toBe('committed')
  })
})

describe('J4 a claim that another owner has written over before it was read', () => {
  test('is not made again under its commit id: the same batch would be there twice', async () => {
    const device = new Writer('device/1', 'replace')
    await device.append(store, 'a')
    place.server.faults.next(({ name, collection }) => name === 'update' && collection === 'states', {
      after: async () => {
        await other.claim('device/1', claimOf('node-3', 'replace'))
      },
    })
    await expect(store.claim('device/1', claimOf('node-2', 'replace'))).rejects.toMatchObject({ outcome: 'unknown' })
    const loaded = await store.claim('device/1', claimOf('node-2', 'replace'))
    expect(loaded.n).toBe(4)
    expect(await Writer.of('device/1', loaded, 'replace').append(store, 'mine')).toBe('committed')
  })
})

describe('S1 no holes', () => {
  test('a place without the one before is taken, by an owner whose belief is right or wrong, of which nothing is known', async () => {
    const alice = new Writer('user/alice')
    await alice.append(store, 'one')
    const second = alice.next('two')
    expect((await other.commit(group([{ ...second, n: 3 }]))).verdicts).toEqual(['taken'])
    expect((await other.commit(group([second]))).verdicts).toEqual(['committed'])
    const third = await place.connect()
    place.server.faults.next('find', { error: { code: 6 } }, 2)
    expect((await third.commit(group([{ ...second, n: 3 }, new Writer('user/bob').next()]))).verdicts).toEqual(['refused', 'committed'])
  })
})

describe('D5 a wake-up hint', () => {
  const order = (): string[] => place.server.seen.filter(({ name }) => name === 'insert').map(({ collection }) => collection)

  test('is durable before its batch; without it the batch is not sent', async () => {
    const alice = new Writer('user/alice')
    place.server.seen.length = 0
    expect(await alice.append(store, 'one', { hintDue: 10 })).toBe('committed')
    expect(order()).toEqual(['hints', 'batches'])
    place.server.faults.next(({ collection }) => collection === 'hints', { documents: new Map([[0, 121]]) })
    expect(await alice.append(store, 'two', { hintDue: 20 })).toBe('refused')
    expect(await store.newest(['user/alice'])).toEqual([1])
    const crashed = await place.connect({ settleMs: 0 })
    await crashed.load('user/alice')
    place.server.faults.next(inserts, { answer: 'drop' })
    expect((await crashed.commit(group([alice.next('two', { hintDue: 20 })]))).verdicts).toEqual(['unknown'])
    expect(await store.hints(100, 10)).toEqual([hint('user/alice', 1, 10), hint('user/alice', 2, 20)])
  })

  test('stays when a repeat finds its own batch, and when the rival of that place takes its own back', async () => {
    const append = new Writer('user/alice').next('one', { hintDue: 10 })
    expect((await store.commit(group([append]))).verdicts).toEqual(['committed'])
    expect((await store.commit(group([append]))).verdicts).toEqual(['taken'])
    expect(await store.hints(100, 10)).toEqual([hint('user/alice', 1, 10)])
    expect((await other.commit(group([new Writer('user/alice').next('rival', { hintDue: 10 })]))).verdicts).toEqual(['taken'])
    expect([await store.hints(100, 10), documents('hints')]).toEqual([[hint('user/alice', 1, 10)], 1])
  })

  test('of the owner that won is its own, also when the one that lost wrote the same first', async () => {
    const winner = new Writer('user/alice').next('winner', { hintDue: 10 })
    place.server.faults.next(inserts, { before: async () => void (await other.commit(group([winner]))) })
    expect((await store.commit(group([new Writer('user/alice').next('loser', { hintDue: 10 })]))).verdicts).toEqual(['taken'])
    expect(textsOf((await store.read('user/alice', 1))?.bytes ?? new Uint8Array())).toEqual(['winner'])
    expect([await store.hints(100, 10), documents('hints')]).toEqual([[hint('user/alice', 1, 10)], 1])
  })

  test('of two owners at one place is told once, pages go on behind it, and both go by the one key', async () => {
    const insert = (c: number, actor = 'user/alice'): void =>
      void place.server.data.insert('troupe.hints', { _id: { d: 10, a: actor, n: 1, c: Buffer.alloc(16, c) }, a: actor }, 0, 0)
    insert(1)
    insert(2)
    insert(3, 'user/bob')
    insert(4, 'user/carol')
    place.server.data.commit()
    const all = [hint('user/alice', 1, 10), hint('user/bob', 1, 10), hint('user/carol', 1, 10)]
    expect(await store.hints(10, 2)).toEqual(all.slice(0, 2))
    expect(await store.hints(10, 2, all[1])).toEqual(all.slice(2))
    await store.commit(group([], { dropHints: [hint('user/alice', 1, 10)] }))
    expect(await store.hints(10, 10)).toEqual(all.slice(1))
  })
})

describe('J5 snapshots', () => {
  const pages = (text: string, ...numbers: number[]): Map<number, Uint8Array> => new Map(numbers.map((page) => [page, Buffer.from(text)]))

  test('an older one never replaces a newer, whichever arrives last', async () => {
    const alice = new Writer('user/alice')
    await alice.append(store, '1')
    const old = alice.snapshot('old')
    await alice.append(store, '2')
    const newer = alice.snapshot('newer')
    const gate = Promise.withResolvers<void>()
    place.server.faults.next(({ collection }) => collection === 'snapshots', { before: () => gate.promise })
    const late = store.commit(group([], { snapshots: [old] }))
    await other.commit(group([], { snapshots: [newer] }))
    gate.resolve()
    await late
    const loaded = await store.load('user/alice')
    expect([loaded?.snapshot?.n, Buffer.from(loaded?.snapshot?.bytes ?? []).toString()]).toEqual([2, 'newer'])
  })

  test('D3 one that is not certainly written fails the commit: its pages would be missed', async () => {
    const alice = new Writer('user/alice')
    await alice.append(store)
    for (const collection of ['pages', 'snapshots']) {
      place.server.faults.next((command) => command.collection === collection && command.name !== 'find', {
        documents: new Map([[0, 121]]),
      })
      await expect(alice.save(store, 'state', [], pages('a', 1))).rejects.toMatchObject({ name: 'StoreError', outcome: 'refused' })
    }
    await alice.save(store, 'state', [], pages('a', 1))
    expect((await other.load('user/alice'))?.snapshot?.pages.size).toBe(1)
  })

  test('D3 who reads while a newer one takes its pages away reads again; old pages go', async () => {
    const alice = new Writer('user/alice')
    await alice.append(store)
    await alice.save(store, 'a', [], pages('old', 1, 2))
    await alice.append(store)
    place.server.faults.next(({ name, collection }) => name === 'find' && collection === 'pages', {
      before: () => alice.save(store, 'b', [], pages('new', 1)),
    })
    const snapshot = (await other.load('user/alice'))?.snapshot
    expect(Buffer.from(snapshot?.bytes ?? []).toString()).toBe('b')
    expect(Array.from(snapshot?.pages ?? [], ([page, bytes]) => `${page} ${Buffer.from(bytes).toString()}`).sort()).toEqual([
      '1 new',
      '2 old',
    ])
    expect(documents('pages')).toBe(2)
  })

  test('J10 who reads while batches are emptied reads again; a hole that stays is told', async () => {
    const alice = new Writer('user/alice')
    for (const text of ['1', '2', '3']) await alice.append(store, text)
    place.server.faults.next(({ name, collection }) => name === 'find' && collection === 'batches', {
      before: async () => {
        await alice.save(store, 'state', [{ actor: 'user/alice', belowOffset: 4 }])
        while ((await other.walk('user/alice', 0, 1))[0]?.bytes !== null);
      },
    })
    expect((await other.load('user/alice'))?.snapshot?.n).toBe(3)
    place.server.data.delete('troupe.batches', { _id: { a: 'user/alice', n: 2 } }, 1)
    place.server.data.delete('troupe.snapshots', { _id: 'user/alice' }, 1)
    place.server.data.commit()
    await expect(other.load('user/alice')).rejects.toMatchObject({ reason: 'corrupt' })
  })
})
