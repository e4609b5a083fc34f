/**
 * The duties of a store (src/store/store.ts S1–S8, DESIGN J1, J2, J4, J5, J10) as tests, for every adapter.
 * `factory` opens a fresh place and gives connections to it: each as independent as two processes' would be.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { claimDuties } from './contract-claims.ts'
import { historyDuties, sideDuties } from './contract-history.ts'
import { claimOf, group, textsOf, verifyJournal, Writer } from './builder.ts'

export interface Place {
  connect(): Promise<Store>
  /** Closes what was connected and forgets the data. */
  remove(): Promise<void>
}

const HOSTILE = [
  'user/__proto__',
  'user/constructor',
  'user/hasOwnProperty',
  '__proto__',
  'a',
  ' ',
  "user/'; DROP TABLE log; --",
  'user/%_?*',
  `user/${'k'.repeat(256)}`,
  'x'.repeat(520),
  `user/${'é'.repeat(128)}`,
  `${'😀'.repeat(130)}`,
  'user/\u0000zero',
  'user/\u{10FFFF}',
  'user/\uFFFD',
  'user/Ａ',
]

export function storeContract(name: string, factory: () => Promise<Place>): void {
  describe(`${name} keeps the store's duties`, () => {
    let place: Place
    let store: Store
    beforeEach(async () => {
      place = await factory()
      store = await place.connect()
    })
    afterEach(() => place.remove())

    journalDuties(() => ({ store, place }))
    snapshotDuties(() => store)
    claimDuties(() => ({ store, place }))
    historyDuties(() => store)
    sideDuties(() => ({ store, place }))
  })
}

export type Given = () => { readonly store: Store; readonly place: Place }

function journalDuties(given: Given): void {
  test('S1 an append is taken only at the newest place plus one', async () => {
    const { store } = given()
    const alice = new Writer('user/alice')
    expect(await alice.append(store, 'one')).toBe('committed')
    expect(await alice.append(store, 'two')).toBe('committed')
    const third = alice.next('three')
    for (const n of [1, 2, 4, 100]) expect((await store.commit(group([{ ...third, n }]))).verdicts).toEqual(['taken'])
    expect((await store.commit(group([third]))).verdicts).toEqual(['committed'])
    const first = new Writer('user/bob').next()
    expect((await store.commit(group([{ ...first, n: 2 }]))).verdicts).toEqual(['taken'])
    expect(await store.load('user/bob')).toBeNull()
    expect(await store.newest(['user/alice', 'user/bob'])).toEqual([3, 0])
  })

  test('S1 of many appends at one place, through several connections, exactly one is committed', async () => {
    const { store, place } = given()
    const others = [store, await place.connect(), await place.connect()]
    const writer = new Writer('user/contended')
    for (let round = 0; round < 20; round++) {
      const rivals = others.map((other, i) => ({ other, append: writer.next(`${round}.${i}`) }))
      const results = await Promise.all(rivals.map(({ other, append }) => other.commit(group([append]))))
      const winners = results.flatMap(({ verdicts, ref }, i) => (verdicts[0] === 'committed' ? [{ i, ref }] : []))
      expect(winners).toHaveLength(1)
      const { i, ref } = winners[0] as { i: number; ref: number }
      writer.done((rivals[i] as (typeof rivals)[number]).append, ref)
    }
    expect(await verifyJournal(store, 'user/contended')).toBe(20)
  })

  test('S2 one append whose place is taken does not stop its neighbours', async () => {
    const { store } = given()
    const taken = new Writer('user/taken')
    const stale = taken.next('stale')
    await taken.append(store, 'won')
    const writers = Array.from({ length: 50 }, (_, i) => new Writer(`user/${i}`))
    const appends = writers.map((writer) => writer.next(writer.actor))
    const { verdicts } = await store.commit(group([...appends.slice(0, 25), stale, ...appends.slice(25)]))
    expect(verdicts.map((verdict, i) => (verdict === 'committed' ? -1 : i)).filter((i) => i >= 0)).toEqual([25])
    for (const { actor } of writers) expect(textsOf((await store.read(actor, 1))?.bytes ?? new Uint8Array())).toEqual([actor])
    expect(textsOf((await store.read('user/taken', 1))?.bytes ?? new Uint8Array())).toEqual(['won'])
  })

  test('S2 a group of thousands of batches comes back whole', async () => {
    const { store } = given()
    const writers = Array.from({ length: 3000 }, (_, i) => new Writer(`user/${i}`))
    for (let round = 1; round <= 2; round++) {
      const appends = writers.map((writer) => writer.next(`${writer.actor} ${'·'.repeat(50)} ${round}`))
      const { verdicts, ref } = await store.commit(group(appends))
      expect(verdicts.every((verdict) => verdict === 'committed')).toBe(true)
      writers.forEach((writer, i) => writer.done(appends[i] as (typeof appends)[number], ref))
    }
    for (const writer of writers.filter((_, i) => i % 250 === 0)) {
      expect(await verifyJournal(store, writer.actor)).toBe(2)
      expect((await store.load(writer.actor))?.batches.map(({ bytes }) => textsOf(bytes)[0]?.at(-1))).toEqual(['1', '2'])
    }
  })

  test('S5 J4 bytes and commit id come back as given, and a repeat is told apart by its commit id', async () => {
    const { store } = given()
    const alice = new Writer('user/alice')
    const append = { ...alice.next(), bytes: Uint8Array.from({ length: 3000 }, (_, i) => i & 255) }
    expect((await store.commit(group([append]))).verdicts).toEqual(['committed'])
    expect((await store.commit(group([append]))).verdicts).toEqual(['taken'])
    const stored = await store.read('user/alice', 1)
    expect(Buffer.from(stored?.commitId ?? []).equals(append.commitId)).toBe(true)
    expect(Buffer.from(stored?.bytes ?? []).equals(append.bytes)).toBe(true)
    expect(await store.read('user/alice', 2)).toBeNull()
    expect(await store.read('user/nobody', 1)).toBeNull()
  })

  test('J4 after settling by reading, an owner goes on without a ref of the settled batch', async () => {
    const { store } = given()
    const alice = new Writer('user/alice')
    await alice.append(store, 'one')
    await store.commit(group([new Writer('user/between').next()]))
    const second = alice.next('two')
    await store.commit(group([second]))
    alice.done(second, alice.ref)
    expect(await alice.append(store, 'three')).toBe('committed')
    expect(await verifyJournal(store, 'user/alice')).toBe(3)
  })

  test('an empty batch, a large batch and an empty group are kept', async () => {
    const { store } = given()
    const large = { ...new Writer('user/large').next(), bytes: new Uint8Array(3_000_000).fill(7) }
    const empty = { ...new Writer('user/empty').next(), bytes: new Uint8Array(0) }
    expect((await store.commit(group([large, empty]))).verdicts).toEqual(['committed', 'committed'])
    expect((await store.read('user/large', 1))?.bytes.length).toBe(3_000_000)
    expect((await store.read('user/empty', 1))?.bytes.length).toBe(0)
    expect((await store.commit(group([]))).verdicts).toEqual([])
  })

  test('S8 hostile names are names', async () => {
    const { store } = given()
    const writers = HOSTILE.map((actor) => new Writer(actor))
    for (let round = 0; round < 2; round++) {
      const appends = writers.map((writer) => writer.next(writer.actor))
      const { verdicts, ref } = await store.commit(group(appends))
      expect(verdicts.every((verdict) => verdict === 'committed')).toBe(true)
      writers.forEach((writer, i) => writer.done(appends[i] as (typeof appends)[number], ref))
    }
    for (const writer of writers) await writer.save(store, writer.actor)
    for (const writer of writers) {
      expect(await writer.append(store)).toBe('committed')
      const loaded = await store.load(writer.actor)
      expect(Buffer.from(loaded?.snapshot?.bytes ?? []).toString()).toBe(writer.actor)
      expect(loaded?.batches.map(({ n }) => n)).toEqual([3])
      expect((await store.claim(writer.actor, claimOf())).n).toBe(4)
    }
    const bytewise = [...HOSTILE].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect(await store.actors(null, 100)).toEqual(bytewise)
    expect(await store.actors(bytewise[3] as string, 2)).toEqual(bytewise.slice(4, 6))
    for (const key of ['__proto__', 'constructor']) {
      expect(await store.meta(key)).toBeNull()
      expect(await store.nextGeneration(key)).toBe(1)
    }
  })
}

function snapshotDuties(given: () => Store): void {
  test('J5 S6 load gives the newest snapshot and the batches after it; an older snapshot is dropped', async () => {
    const store = given()
    const alice = new Writer('user/alice')
    await alice.append(store, '1')
    await alice.append(store, '2')
    const old = alice.snapshot('state at 2')
    await alice.append(store, '3')
    await alice.save(store, 'state at 3')
    await alice.append(store, '4')
    await alice.append(store, '5')
    await store.commit(group([], { snapshots: [old] }))
    const loaded = await store.load('user/alice')
    expect(loaded?.n).toBe(5)
    expect(loaded?.snapshot?.n).toBe(3)
    expect(Buffer.from(loaded?.snapshot?.bytes ?? []).toString()).toBe('state at 3')
    expect(loaded?.batches.map(({ n, bytes }) => [n, ...textsOf(bytes)])).toEqual([
      [4, '4'],
      [5, '5'],
    ])
    await store.commit(group([], { snapshots: [{ ...alice.snapshot(), n: 6 }] }))
    expect((await store.load('user/alice'))?.snapshot?.n).toBe(3)
  })

  test('D3 pages not named stay as they are, and pages of a dropped snapshot are dropped', async () => {
    const store = given()
    const alice = new Writer('user/alice')
    await alice.append(store)
    const old = alice.snapshot('old', new Map([[1, Buffer.from('wrong')]]))
    await alice.append(store)
    await alice.save(
      store,
      'a',
      [],
      new Map([
        [1, Buffer.from('one')],
        [2, Buffer.from('two')],
      ]),
    )
    await alice.append(store)
    await alice.save(store, 'b', [], new Map([[2, Buffer.from('TWO')]]))
    await store.commit(group([], { snapshots: [old] }))
    const pages = (await store.load('user/alice'))?.snapshot?.pages ?? new Map<number, Uint8Array>()
    expect(Array.from(pages, ([page, bytes]) => `${page} ${Buffer.from(bytes).toString()}`).sort()).toEqual(['1 one', '2 TWO'])
  })
}
