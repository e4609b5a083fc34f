/**
 * The MongoDB store while the database fails: what it says of appends must be true whatever is lost. On the protocol server of test/support, which fails
 * on demand; mongodb-real.test.ts does what can be done to a real one.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import type { Command } from '../support/mongo-faults.ts'
import { claimOf, group, hint, textsOf, verifyJournal, Writer } from './builder.ts'
import { mongodbPlace, type MongodbPlace } from './mongodb-place.ts'

let place: MongodbPlace
beforeEach(async () => {
  place = await mongodbPlace()
})
afterEach(() => place.remove())

const of =
  (name: string, collection: string) =>
  (command: Command): boolean =>
    command.name === name && command.collection === collection
const batches = of('insert', 'batches')

const counters = async (store: Store): Promise<Readonly<Record<string, number>>> => (await store.health()).counters

/** What another node finds: this one remembers what it was told. */
const found = async (...actors: string[]): Promise<number[]> => (await place.connect()).newest(actors)

/** Fifty actors, so that a group is a group. */
const writers = (): Writer[] => Array.from({ length: 50 }, (_, i) => new Writer(`user/${i}`))

describe('an answer that is lost', () => {
  test.each([
    ['before it was applied', { answer: 'drop', applied: false }],
    ['after it was applied', { answer: 'drop' }],
    ['and no end of the connection tells so', { answer: 'silent' }],
    [
      'of a primary that goes without having replicated',
      { answer: 'drop', unreplicated: true, after: () => place.server.stepDown({ lose: true }) },
    ],
  ] as const)('%s: the same bytes are sent again, and every batch is committed once (J4)', async (_, fault) => {
    const store = await place.connect('answer' in fault && fault.answer === 'silent' ? { socketMs: 300 } : {})
    const all = writers()
    place.server.faults.next(batches, fault)
    const { verdicts } = await store.commit(group(all.map((writer) => writer.next(writer.actor))))
    expect(new Set(verdicts)).toEqual(new Set(['committed']))
    const { inDoubt, settled } = await counters(store)
    expect([inDoubt, settled]).toEqual([expect.any(Number), 50])
    expect(inDoubt).toBeGreaterThanOrEqual(1)
    const other = await place.connect()
    for (const { actor } of all) expect(textsOf((await other.read(actor, 1))?.bytes ?? new Uint8Array())).toEqual([actor])
    expect(await found(...all.map(({ actor }) => actor))).toEqual(all.map(() => 1))
  })

  test('while another owner takes the place: ours was not applied, and is told to be taken', async () => {
    const store = await place.connect()
    const other = await place.connect()
    const late = new Writer('user/alice').next('late')
    place.server.faults.next(batches, {
      answer: 'drop',
      applied: false,
      after: async () => void (await new Writer('user/alice').append(other, 'first')),
    })
    expect((await store.commit(group([late]))).verdicts).toEqual(['taken'])
    expect(textsOf((await store.read('user/alice', 1))?.bytes ?? new Uint8Array())).toEqual(['first'])
  })

  test('again and again: unknown is said, and never refused; a repeat after the process died finds its own commit id', async () => {
    const store = await place.connect({ settleMs: 0 })
    const append = new Writer('user/alice').next('one')
    place.server.faults.next(batches, { answer: 'drop' })
    expect((await store.commit(group([append]))).verdicts).toEqual(['unknown'])
    await store.close()
    const restarted = await place.connect()
    expect((await restarted.commit(group([append]))).verdicts).toEqual(['taken'])
    expect(Buffer.from((await restarted.read('user/alice', 1))?.commitId ?? []).equals(append.commitId)).toBe(true)
  })

  test('and then no primary: still unknown, as something was sent', async () => {
    const store = await place.connect({ settleMs: 500, selectionMs: 20 })
    place.server.faults.next(batches, { answer: 'drop', after: () => place.server.headless() })
    expect((await store.commit(group([new Writer('user/alice').next()]))).verdicts).toEqual(['unknown'])
  })

  test('of a claim, a snapshot, a hint, a meta value and a generation: each is written once and told rightly', async () => {
    const store = await place.connect()
    const alice = new Writer('user/alice')
    place.server.faults.next(of('insert', 'hints'), { answer: 'drop' })
    expect(await alice.append(store, 'one', { hintDue: 10 })).toBe('committed')
    expect(await store.hints(100, 10)).toEqual([hint('user/alice', 1, 10)])
    place.server.faults.next(of('update', 'snapshots'), { answer: 'drop' })
    await alice.save(store, 'state')
    place.server.faults.next(batches, { answer: 'drop' })
    const loaded = await store.claim('user/alice', claimOf())
    expect([loaded.n, loaded.snapshot?.n]).toEqual([2, 1])
    place.server.faults.next(of('insert', 'meta'), { answer: 'drop' })
    expect(Buffer.from((await store.meta('key', Buffer.from('value'))) ?? []).toString()).toBe('value')
    place.server.faults.next('findAndModify', { answer: 'drop' })
    expect(await store.nextGeneration('node-1')).toBe(2)
    expect(await verifyJournal(store, 'user/alice')).toBe(2)
  })
})

describe('a majority that did not confirm', () => {
  test('a write concern error is no success: what the old primary lost is written again', async () => {
    const store = await place.connect()
    const all = writers()
    place.server.faults.next(batches, { writeConcernError: { code: 91 }, after: () => place.server.stepDown({ lose: true }) })
    const { verdicts } = await store.commit(group(all.map((writer) => writer.next())))
    expect(new Set(verdicts)).toEqual(new Set(['committed']))
    expect(await found(...all.map(({ actor }) => actor))).toEqual(all.map(() => 1))
  })

  test('E11000 with a write concern error says nothing: the batch it met may be lost, and our own', async () => {
    const store = await place.connect()
    place.server.faults.next(batches, { answer: 'drop', unreplicated: true })
    place.server.faults.next(batches, { writeConcernError: { code: 11602 }, after: () => place.server.stepDown({ lose: true }) })
    expect(await new Writer('user/alice').append(store, 'one')).toBe('committed')
    expect(await found('user/alice')).toEqual([1])
  })

  test('mixed: one is refused for its own sake, one is taken, the others are settled', async () => {
    const store = await place.connect()
    const taken = new Writer('user/taken')
    const stale = taken.next('stale')
    await taken.append(store)
    const [a, b] = [new Writer('user/a'), new Writer('user/b')]
    place.server.faults.next(batches, { documents: new Map([[0, 121]]), writeConcernError: { code: 91 } })
    const { verdicts } = await store.commit(group([a.next(), stale, b.next()]))
    expect(verdicts).toEqual(['refused', 'taken', 'committed'])
    expect(await found('user/a', 'user/taken', 'user/b')).toEqual([0, 1, 1])
  })
})

describe('a primary that goes', () => {
  test.each([
    ['steps down before the batch', { before: () => place.server.stepDown() }],
    ['dies before the batch', { before: () => place.server.killPrimary() }],
    ['dies with the batch, unreplicated', { unreplicated: true, after: () => place.server.killPrimary({ lose: true }) }],
    ['dies with the batch, replicated', { after: () => place.server.killPrimary() }],
    ['is interrupted in mid-batch', { error: { code: 11602 }, applied: true, documents: new Map([[3, 11602]]) }],
    [
      'refuses single documents while it goes',
      {
        documents: new Map([
          [0, 10107],
          [7, 189],
        ]),
      },
    ],
  ] as const)('%s: the group is committed by the next one', async (_, fault) => {
    const store = await place.connect()
    const all = writers()
    for (const writer of all) expect(await writer.append(store)).toBe('committed')
    place.server.faults.next(batches, fault)
    const appends = all.map((writer) => writer.next('two'))
    expect(new Set((await store.commit(group(appends))).verdicts)).toEqual(new Set(['committed']))
    expect(await found(...all.map(({ actor }) => actor))).toEqual(all.map(() => 2))
    expect(await verifyJournal(store, 'user/7')).toBe(2)
  })

  test('there is none for minutes: refused at once and nothing is kept; it goes on by itself when one is back', async () => {
    const store = await place.connect({ selectionMs: 40, settleMs: 40, pendingMax: 20 })
    const alice = new Writer('user/alice')
    await alice.append(store, 'one')
    await place.server.away()
    for (let i = 0; i < 3; i++) expect(['refused', 'unknown']).toContain(await alice.append(store, 'two'))
    await expect(store.load('user/alice')).rejects.toMatchObject({ name: 'StoreError', outcome: 'refused', reason: 'lost' })
    await expect(store.newest(['user/alice'])).rejects.toMatchObject({ outcome: 'refused' })
    await expect(store.claim('user/alice', claimOf())).rejects.toMatchObject({ name: 'StoreError' })
    const health = await store.health()
    expect([health.ok, health.counters['pending']]).toEqual([false, 0])
    const crowd = await Promise.allSettled(Array.from({ length: 30 }, () => store.load('user/alice')))
    const busy = crowd.filter(
      ({ status, reason }: { status: string; reason?: { reason?: string } }) => status === 'rejected' && reason?.reason === 'busy',
    )
    expect(busy).toHaveLength(10)
    await place.server.back()
    // The driver looks for members again within milliseconds here; a real one within half a second.
    let verdict = await alice.append(store, 'two')
    while (verdict === 'refused') verdict = await alice.append(store, 'two')
    expect(verdict).toBe('committed')
    expect((await store.health()).ok).toBe(true)
  })
})

describe('limits', () => {
  test('a slow majority is waited for, and reads go on meanwhile', async () => {
    const store = await place.connect()
    await new Writer('user/bob').append(store)
    const gate = Promise.withResolvers<void>()
    place.server.faults.next(batches, { after: () => gate.promise })
    const slow = new Writer('user/alice').append(store)
    expect((await store.load('user/bob'))?.n).toBe(1)
    gate.resolve()
    expect(await slow).toBe('committed')
  })

  test('all connections in use: the next call is refused, and nothing of it was sent', async () => {
    const store = await place.connect({ poolSize: 1, queueMs: 20 })
    const gate = Promise.withResolvers<void>()
    const arrived = Promise.withResolvers<void>()
    place.server.faults.next(batches, { before: () => (arrived.resolve(), gate.promise) })
    const slow = new Writer('user/alice').append(store)
    await arrived.promise
    await expect(store.load('user/alice')).rejects.toMatchObject({ outcome: 'refused', reason: 'busy' })
    expect(await new Writer('user/bob').append(store)).toBe('refused')
    gate.resolve()
    expect(await slow).toBe('committed')
    expect(await found('user/alice', 'user/bob')).toEqual([1, 0])
  })

  test('a batch, a snapshot and a record longer than one document are split, read whole, and not half there', async () => {
    const store = await place.connect({ documentBytes: 64 * 1024, bulkBytes: 64 * 1024 })
    const long = (fill: number): Uint8Array => new Uint8Array(300_000).fill(fill)
    const alice = new Writer('user/alice')
    const append = { ...alice.next(), bytes: long(1) }
    place.server.faults.next(of('insert', 'parts'), { answer: 'drop' })
    expect((await store.commit(group([append]))).verdicts).toEqual(['committed'])
    alice.done(append, 0)
    expect(Buffer.compare((await store.read('user/alice', 1))?.bytes ?? new Uint8Array(), long(1))).toBe(0)
    expect((await store.load('user/alice'))?.batches[0]?.bytes.length).toBe(300_000)
    // A rival that loses leaves nothing behind; a repeat of the winner takes nothing away.
    const parts = () => place.server.data.collection('troupe.parts').documents.size
    const kept = parts()
    expect((await store.commit(group([{ ...new Writer('user/alice').next(), bytes: long(2) }]))).verdicts).toEqual(['taken'])
    expect((await store.commit(group([append]))).verdicts).toEqual(['taken'])
    expect(parts()).toBe(kept)
    expect((await store.read('user/alice', 1))?.bytes.length).toBe(300_000)
    await store.commit(group([], { snapshots: [{ ...alice.snapshot(), bytes: long(3) }] }))
    expect(Buffer.compare((await store.load('user/alice'))?.snapshot?.bytes ?? new Uint8Array(), long(3))).toBe(0)
    const device = new Writer('device/1', 'replace')
    for (const fill of [4, 5]) {
      const record = { ...device.next(), bytes: long(fill) }
      expect((await store.commit(group([record]))).verdicts).toEqual(['committed'])
      device.done(record, 0)
    }
    expect(Buffer.compare((await store.load('device/1'))?.snapshot?.bytes ?? new Uint8Array(), long(5))).toBe(0)
    expect(await device.append(store, 'short')).toBe('committed')
    expect(textsOf((await store.load('device/1'))?.snapshot?.bytes ?? new Uint8Array())).toEqual(['short'])
  })

  describe('no pieces of a record that was written over stay', () => {
    const LIMITS = { documentBytes: 64 * 1024, bulkBytes: 64 * 1024 }
    const pieces = (): number => place.server.data.collection('troupe.parts').documents.size
    const upserts = ({ name, collection, body }: Command): boolean =>
      name === 'update' && collection === 'states' && (body['updates'] as { upsert?: boolean }[])[0]?.upsert === true

    const LARGE = 'x'.repeat(300_000)
    const write = (store: Store, device: Writer, text = 'small'): Promise<string> => device.append(store, text)

    test('they go with the next record, large or small', async () => {
      const store = await place.connect(LIMITS)
      const device = new Writer('device/1', 'replace')
      const counts: number[] = []
      for (const text of ['small', LARGE, LARGE, 'small', 'small', LARGE, 'small']) {
        expect(await write(store, device, text)).toBe('committed')
        counts.push(pieces())
      }
      expect(counts).toEqual([0, 4, 4, 0, 0, 4, 0])
    })

    test('who could not remove them does so with a later record', async () => {
      const store = await place.connect(LIMITS)
      const device = new Writer('device/1', 'replace')
      await write(store, device, LARGE)
      place.server.faults.next(of('delete', 'parts'), { error: { code: 11600 }, applied: false })
      await write(store, device)
      expect(pieces()).toBe(4)
      await write(store, device)
      expect(pieces()).toBe(0)
    })

    test('a claim writes a large record anew and drops the pieces of the one before; the next small record drops those of the claim', async () => {
      await write(await place.connect(LIMITS), new Writer('device/1', 'replace'), LARGE)
      const other = await place.connect(LIMITS)
      const loaded = await other.claim('device/1', claimOf('node-2', 'replace'))
      expect([loaded.n, pieces()]).toEqual([2, 4])
      expect(textsOf((await other.load('device/1'))?.snapshot?.bytes ?? new Uint8Array())).toEqual([LARGE])
      expect(await write(other, Writer.of('device/1', loaded, 'replace'))).toBe('committed')
      expect(pieces()).toBe(0)
    })

    test('the next claim drops what nobody had the time to: the owner died after the pieces and before the record', async () => {
      const device = new Writer('device/1', 'replace')
      const dies = await place.connect(LIMITS)
      await write(dies, device)
      place.server.faults.next(upserts, { documents: new Map([[0, 121]]) })
      expect([await write(dies, device, LARGE), pieces()]).toEqual(['refused', 4])
      await (await place.connect(LIMITS)).claim('device/1', claimOf('node-2', 'replace'))
      expect(pieces()).toBe(0)
    })

    test('who loses its place takes its own along', async () => {
      const [store, other] = [await place.connect(LIMITS), await place.connect(LIMITS)]
      const [winner, late] = [new Writer('device/1', 'replace'), new Writer('device/1', 'replace')]
      await write(other, winner, LARGE)
      await write(other, winner, LARGE)
      expect(await write(store, late, 'y'.repeat(200_000))).toBe('taken')
      expect(pieces()).toBe(4)
      expect(textsOf((await store.load('device/1'))?.snapshot?.bytes ?? new Uint8Array())).toEqual([LARGE])
    })
  })

  test('with the limits as they are: 20 MB in one batch, beyond what MongoDB takes in a document', async () => {
    const store = await place.connect()
    const append = { ...new Writer('user/alice').next(), bytes: new Uint8Array(20_000_000).fill(9) }
    expect((await store.commit(group([append]))).verdicts).toEqual(['committed'])
    expect((await store.read('user/alice', 1))?.bytes.length).toBe(20_000_000)
  })

  test('a batch that is too long is refused alone, and the log says what to do', async () => {
    const said: string[] = []
    const log = { info: () => undefined, warn: () => undefined, error: (_: unknown, message: string) => void said.push(message) }
    const store = await place.connect({ recordBytes: 64 * 1024 }, { log })
    const long = { ...new Writer('user/long').next(), bytes: new Uint8Array(64 * 1024 + 1) }
    expect((await store.commit(group([new Writer('user/a').next(), long]))).verdicts).toEqual(['committed', 'refused'])
    expect(said).toEqual([expect.stringContaining('raise recordBytes')])
    expect(await store.newest(['user/long'])).toEqual([0])
  })

  test('a group is split into commands within the bounds', async () => {
    const store = await place.connect({ bulkDocuments: 20, bulkBytes: 64 * 1024 })
    await store.commit(group(writers().map((writer) => writer.next('x'.repeat(1000)))))
    const sizes = place.server.seen.filter(batches).map(({ body }) => (body['documents'] as unknown[]).length)
    expect(sizes).toEqual([20, 20, 10])
  })
})

describe('what is asked of the server', () => {
  test('every write waits for a majority’s disks and no time-out of its own; no transaction, no retry of the driver', async () => {
    const store = await place.connect()
    const alice = new Writer('user/alice')
    await alice.append(store, 'one', { hintDue: 5 })
    await alice.save(store, 'state', [{ actor: 'user/alice', belowOffset: 2 }])
    await store.claim('user/alice', claimOf())
    await store.commit(group([], { dropHints: [hint('user/alice', 1, 5)] }))
    await store.nextGeneration('node-1')
    await store.meta('key', Buffer.from('value'))
    const writes = place.server.seen.filter(({ name }) => ['insert', 'update', 'delete', 'findAndModify'].includes(name))
    expect(writes.length).toBeGreaterThan(6)
    for (const { body } of writes) {
      expect(body['writeConcern']).toEqual({ w: 'majority', j: true })
      expect([body['txnNumber'], body['startTransaction']]).toEqual([undefined, undefined])
    }
    const reads = place.server.seen.filter(({ name }) => name === 'find')
    for (const { body } of reads) expect(['majority', 'linearizable']).toContain(body['readConcern']?.level)
  })

  test('D11 a load and a read proof are asked of a primary that makes sure that it still is one', async () => {
    const store = await place.connect()
    await new Writer('user/alice').append(store)
    await new Writer('device/1', 'replace').append(store)
    for (const connection of [store, await place.connect()]) {
      place.server.seen.length = 0
      expect(await connection.newest(['user/alice', 'device/1', 'user/nobody'])).toEqual([1, 1, 0])
      for (const { body } of place.server.seen) expect(body['readConcern']).toEqual({ level: 'linearizable' })
      place.server.seen.length = 0
      await connection.load('user/alice')
      expect(place.server.seen.find(of('find', 'batches'))?.body['readConcern']).toEqual({ level: 'linearizable' })
    }
  })

  test('D11 many proofs are one question, and somebody else’s writing is seen', async () => {
    const store = await place.connect()
    const other = await place.connect()
    const all = writers()
    await store.commit(group(all.map((writer) => writer.next())))
    const names = all.map(({ actor }) => actor)
    place.server.seen.length = 0
    expect(await store.newest(names)).toEqual(names.map(() => 1))
    // One; and a few for names that share a slot of the table of known places, which nobody can foresee.
    expect(place.server.seen.length).toBeLessThanOrEqual(8)
    await other.claim('user/7', claimOf())
    expect(await store.newest(names)).toEqual(names.map((name) => (name === 'user/7' ? 2 : 1)))
  })
})
