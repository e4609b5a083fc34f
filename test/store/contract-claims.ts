/** The contract's part on owners: claims (J2) and the one record of a 'replace' actor (J10 'none'). */
import { expect, test } from 'vitest'
import { hashOf, openBatch } from '../../src/actors/batch.ts'
import { claimOf, group, textsOf, verifyJournal, Writer } from './builder.ts'
import type { Given } from './contract.ts'

export function claimDuties(given: Given): void {
  test('J2 a claim takes the next place, fences the old owner, and returns the journal with it', async () => {
    const { store } = given()
    const old = new Writer('user/alice')
    await old.append(store, 'one')
    const claim = claimOf('node-2')
    const loaded = await store.claim('user/alice', claim)
    expect(loaded.n).toBe(2)
    expect(await old.append(store, 'too late')).toBe('taken')
    const newest = loaded.batches.at(-1)
    expect(Buffer.from(newest?.commitId ?? []).equals(claim.commitId)).toBe(true)
    const opened = openBatch(newest?.bytes ?? new Uint8Array())
    expect(opened?.body.o).toBe('node-2')
    expect(opened?.header.epoch).toBe(2)
    const owner = Writer.of('user/alice', loaded)
    expect(await owner.append(store, 'mine')).toBe('committed')
    expect(await verifyJournal(store, 'user/alice')).toBe(3)
  })

  test('J2 a claim wins against owners that never pause', async () => {
    const { store, place } = given()
    const other = await place.connect()
    let owner = Writer.of('user/busy', await store.claim('user/busy', claimOf('node-0')))
    let busy = true
    const appending = (async () => {
      while (busy)
        if ((await owner.append(store, 'busy')) === 'taken')
          owner = Writer.of('user/busy', await store.claim('user/busy', claimOf('node-1')))
    })()
    for (let i = 0; i < 10; i++) {
      const loaded = await other.claim('user/busy', claimOf('node-2'))
      expect(openBatch(loaded.batches.at(-1)?.bytes ?? new Uint8Array())?.body.o).toBe('node-2')
    }
    busy = false
    await appending
    await verifyJournal(store, 'user/busy')
  })

  test('J2 claims made together each get their own place', async () => {
    const { store, place } = given()
    const other = await place.connect()
    const actors = Array.from({ length: 40 }, (_, i) => `user/${i}`)
    const loads = await Promise.all([store, other].flatMap((each) => actors.map((actor) => each.claim(actor, claimOf()))))
    expect(loads.map(({ n }) => n).sort((a, b) => a - b)).toEqual([...actors.map(() => 1), ...actors.map(() => 2)])
    for (const actor of actors) expect(await verifyJournal(store, actor)).toBe(2)
  })

  test('a claim of a journal that is not of this format fails alone and writes nothing', async () => {
    const { store } = given()
    await store.commit(group([{ ...new Writer('user/odd').next(), bytes: Buffer.from('not a batch') }]))
    const [odd, fine] = await Promise.allSettled([store.claim('user/odd', claimOf()), store.claim('user/fine', claimOf())])
    expect(odd?.status).toBe('rejected')
    expect(fine?.status).toBe('fulfilled')
    expect(await store.newest(['user/odd', 'user/fine'])).toEqual([1, 1])
  })

  test("J10 'none': one record, compared and set, claimed by writing it again", async () => {
    const { store } = given()
    const device = new Writer('device/1', 'replace')
    for (const text of ['a', 'b', 'c']) expect(await device.append(store, text)).toBe('committed')
    const stale = { ...device.next('stale'), n: 3 }
    expect((await store.commit(group([stale]))).verdicts).toEqual(['taken'])
    const loaded = await store.load('device/1')
    expect([loaded?.n, loaded?.snapshot?.n, loaded?.batches]).toEqual([3, 3, []])
    expect(Buffer.from(loaded?.snapshot?.hash ?? []).equals(hashOf(loaded?.snapshot?.bytes ?? new Uint8Array()))).toBe(true)
    expect(textsOf(loaded?.snapshot?.bytes ?? new Uint8Array())).toEqual(['c'])
    const claimed = await store.claim('device/1', claimOf('node-2', 'replace'))
    expect([claimed.n, claimed.snapshot?.n]).toEqual([4, 4])
    expect(textsOf(claimed.snapshot?.bytes ?? new Uint8Array())).toEqual(['c'])
    expect(await device.append(store, 'too late')).toBe('taken')
    expect(await Writer.of('device/1', claimed, 'replace').append(store, 'd')).toBe('committed')
    expect(await store.newest(['device/1'])).toEqual([5])
    expect(textsOf((await store.read('device/1', 5))?.bytes ?? new Uint8Array())).toEqual(['d'])
    expect(await store.read('device/1', 4)).toBeNull()
    expect((await store.walk('device/1', 0, 10)).map(({ n }) => n)).toEqual([5])
    expect(await store.walk('device/1', 5, 10)).toEqual([])
    expect((await store.claim('device/2', claimOf('node-1', 'replace'))).n).toBe(1)
    expect(await store.actors(null, 10)).toEqual(['device/1', 'device/2'])
    expect(await store.history('device/1', 1, 1000)).toEqual([])
  })
}
