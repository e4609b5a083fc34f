/** The contract's part on what is read later: history, trims (J10), hints (D5), meta, generations, and the end of a store. */
import { expect, test } from 'vitest'
import { openBatch } from '../../src/actors/batch.ts'
import { StoreError, type Hint, type Store } from '../../src/store/store.ts'
import { claimOf, group, hint, textsOf, verifyJournal, Writer } from './builder.ts'
import type { Given } from './contract.ts'

export function historyDuties(given: () => Store): void {
  test('history gives the batches that hold entries from an offset on, oldest first, and keeps to its bytes', async () => {
    const store = given()
    let writer = new Writer('user/alice')
    for (let i = 0; i < 300; i++) {
      await writer.append(store, String(i), { entries: 1 + (i % 3) })
      if (i % 50 === 49) await writer.save(store)
      if (i % 70 === 69) writer = Writer.of('user/alice', await store.claim('user/alice', claimOf()))
    }
    const all = await store.history('user/alice', 1, 10_000_000)
    expect(all.flatMap(({ bytes }) => textsOf(bytes).slice(0, 1))).toEqual(Array.from({ length: 300 }, (_, i) => String(i)))
    for (const from of [1, 2, 3, 4, 99, 100, 101, 333, 599, 600]) {
      const expected = all.filter(({ bytes }) => {
        const header = openBatch(bytes)?.header
        return header !== undefined && header.firstOffset + header.entries > from
      })
      expect((await store.history('user/alice', from, 10_000_000)).map(({ n }) => n)).toEqual(expected.map(({ n }) => n))
      const size = expected[0]?.bytes.length ?? 0
      expect((await store.history('user/alice', from, 1)).map(({ n }) => n)).toEqual(expected.slice(0, 1).map(({ n }) => n))
      expect((await store.history('user/alice', from, size * 3)).length).toBeLessThanOrEqual(4)
    }
    expect(await store.history('user/alice', 601, 1000)).toEqual([])
    expect(await store.history('user/nobody', 1, 1000)).toEqual([])
    let n = 0
    for (let page = await store.walk('user/alice', 0, 7); page.length > 0; page = await store.walk('user/alice', n, 7))
      for (const batch of page) expect(batch.n).toBe(++n)
    expect(n).toBe(writer.n)
    expect(textsOf((await store.read('user/alice', 1))?.bytes ?? new Uint8Array())).toEqual(['0'])
  })

  test('J10 trimmed batches lose their bytes and keep place and hash; the fence and the load stay', async () => {
    const store = given()
    const alice = new Writer('user/alice')
    const bob = new Writer('user/bob')
    for (let i = 1; i <= 20; i++) {
      const [a, b] = [alice.next(`a${i}`), bob.next(`b${i}`)]
      const { ref } = await store.commit(group([a, b]))
      alice.done(a, ref)
      bob.done(b, ref)
      if (i === 10 || i === 15) await alice.save(store, `state ${i}`)
    }
    const before = await store.walk('user/alice', 0, 100)
    await store.commit(group([], { trims: [{ actor: 'user/alice', belowOffset: 9 }] }))
    const emptied = await until(
      () => store.walk('user/alice', 0, 100),
      (walked) => walked[7]?.bytes === null,
    )
    expect(emptied.map(({ n, bytes }) => (bytes === null ? n : 0)).filter(Boolean)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(emptied.map(({ hash }) => Buffer.from(hash).toString('hex'))).toEqual(
      before.map(({ hash }) => Buffer.from(hash).toString('hex')),
    )
    expect((await store.history('user/alice', 1, 1e6)).map(({ n }) => n)).toEqual([9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
    expect(await store.read('user/alice', 8)).toBeNull()
    expect((await store.commit(group([{ ...alice.next(), n: 5 }]))).verdicts).toEqual(['taken'])
    expect(await verifyJournal(store, 'user/bob')).toBe(20)
    // Asked for more than a snapshot covers, the rest stays: a load needs it.
    await store.commit(
      group([], {
        trims: [
          { actor: 'user/alice', belowOffset: 1000 },
          { actor: 'user/bob', belowOffset: 1000 },
        ],
      }),
    )
    await until(
      () => store.walk('user/alice', 0, 100),
      (walked) => walked[14]?.bytes === null,
    )
    expect((await store.load('user/alice'))?.batches.map(({ n }) => n)).toEqual([16, 17, 18, 19, 20])
    expect((await store.load('user/bob'))?.batches).toHaveLength(20)
    await alice.save(store, 'state 20', [{ actor: 'user/alice', belowOffset: 1000 }])
    await until(
      () => store.walk('user/alice', 0, 100),
      (walked) => walked[18]?.bytes === null,
    )
    const owner = Writer.of('user/alice', await store.claim('user/alice', claimOf()))
    expect(await owner.append(store, 'on')).toBe('committed')
    expect(await verifyJournal(store, 'user/alice')).toBe(22)
  })
}

export function sideDuties(given: Given): void {
  test('D5 S4 hints come with their batch, in order, and go by exact key', async () => {
    const { store } = given()
    const due = [50, 10, 30, 30, 20]
    const writers = due.map((_, i) => new Writer(`user/${i}`))
    const appends = writers.map((writer, i) => writer.next('x', { hintDue: due[i] ?? null }))
    await store.commit(group(appends))
    await store.commit(group([{ ...appends[0]!, hintDue: 1 }]))
    const all: Hint[] = [hint('user/1', 1, 10), hint('user/4', 1, 20), hint('user/2', 1, 30), hint('user/3', 1, 30), hint('user/0', 1, 50)]
    expect(await store.hints(100, 10)).toEqual(all)
    expect(await store.hints(30, 10)).toEqual(all.slice(0, 4))
    expect(await store.hints(100, 2)).toEqual(all.slice(0, 2))
    expect(await store.hints(100, 2, all[1])).toEqual(all.slice(2, 4))
    await store.commit(group([], { dropHints: [hint('user/1', 2, 10), hint('user/1', 1, 11), hint('user/2', 1, 30), hint('none', 1, 1)] }))
    expect(await store.hints(100, 10)).toEqual([all[0], all[1], all[3], all[4]])
  })

  test('meta: one writer wins and all get its value', async () => {
    const { store, place } = given()
    expect(await store.meta('secret')).toBeNull()
    const other = await place.connect()
    const values = await Promise.all([store, other, store, other].map((each, i) => each.meta('secret', Buffer.from(`value ${i}`))))
    expect(new Set(values.map((value) => Buffer.from(value ?? []).toString())).size).toBe(1)
    expect(Buffer.from((await store.meta('secret')) ?? []).toString()).toBe(Buffer.from(values[0] ?? []).toString())
  })

  test('generations rise, by name, whoever asks', async () => {
    const { store, place } = given()
    const other = await place.connect()
    const numbers = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? store : other).nextGeneration('node-1')))
    expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    expect(await store.nextGeneration('node-2')).toBe(1)
  })

  test('health says how it is; close is idempotent, finishes what was given, and then refuses', async () => {
    const { store, place } = given()
    expect((await store.health()).ok).toBe(true)
    const alice = new Writer('user/alice')
    const underWay = alice.append(store, 'last')
    await Promise.all([store.close(), store.close()])
    expect(await underWay).toBe('committed')
    await store.close()
    for (const call of [() => store.load('user/alice'), () => store.commit(group([])), () => store.claim('a', claimOf())]) {
      const error: unknown = await call().catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(StoreError)
      expect(error).toMatchObject({ outcome: 'refused', reason: 'closed' })
    }
    expect((await store.health()).ok).toBe(false)
    expect((await (await place.connect()).load('user/alice'))?.n).toBe(1)
  })
}

/** Asks again until the answer is as wanted; the test's own time limit is the bound. */
async function until<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (wanted(answer)) return answer
    await new Promise((resolve) => setImmediate(resolve))
  }
}
