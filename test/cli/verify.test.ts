/** The hash chain: what `verify` finds, batch by batch, and in a real file that somebody changed. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { FLAG_CLAIM, FLAG_CLEAN, sealBatch, type EntryBody } from '../../src/actors/batch.ts'
import { createEngine } from '../../src/actors/engine.ts'
import { silentLog } from '../../src/base/log.ts'
import { seeded } from '../../src/base/random.ts'
import { systemClock } from '../../src/base/system.ts'
import { walkChain } from '../../src/actors/chain.ts'
import { resolveOptions } from '../../src/options.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { sqliteStore } from '../../src/store/sqlite.ts'
import type { Store, WalkedBatch } from '../../src/store/store.ts'
import { notesApp } from '../admin/admin-app.ts'
import { cleanUp, folder, troupe } from './troupe.ts'

afterAll(cleanUp)

const entry: EntryBody = ['note.added', { text: 'x' }, 1_700_000_000_000, 'user:alice']

interface Change {
  readonly n?: number
  readonly epoch?: number
  readonly firstOffset?: number
  readonly entries?: number
  readonly previous?: Uint8Array
  readonly flags?: number
}

/** A journal of `length` batches, two entries each after a claim; `changes` bends the header of a batch before it is sealed. */
function journal(length: number, changes: Readonly<Record<number, Change>> = {}): WalkedBatch[] {
  const batches: WalkedBatch[] = []
  let previous: Uint8Array | null = null
  for (let n = 1; n <= length; n++) {
    const entries = n === 1 ? 0 : 2
    const header = {
      flags: n === 1 ? FLAG_CLAIM | FLAG_CLEAN : FLAG_CLEAN,
      n,
      epoch: 1,
      firstOffset: n === 1 ? 1 : 1 + (n - 2) * 2,
      entries,
      commitId: new Uint8Array(16).fill(n),
      previous,
      ...changes[n],
    }
    const { bytes, hash } = sealBatch(header, JSON.stringify(n === 1 ? { o: 'node-1@1', j: 'journal' } : { e: [entry, entry] }))
    batches.push({ n, bytes, hash })
    previous = hash
  }
  return batches
}

const walking = (batches: readonly WalkedBatch[]): Pick<Store, 'walk'> => ({
  walk: async (_, afterN, limit) => batches.filter(({ n }) => n > afterN).slice(0, limit),
})
const verdict = (batches: readonly WalkedBatch[]) => walkChain(walking(batches), 'user/alice')

describe('walkChain', () => {
  test('a whole journal passes, over several pages', async () => {
    expect(await verdict(journal(600))).toMatchObject({ ok: true, batches: 600, entries: 1198, emptied: 0 })
  })

  test('batches that were emptied keep their place in the chain (J10)', async () => {
    const batches = journal(5).map((batch) => (batch.n < 4 ? { ...batch, bytes: null } : batch))
    expect(await verdict(batches)).toMatchObject({ ok: true, batches: 5, entries: 4, emptied: 3 })
    const forged = batches.map((batch) => (batch.n === 3 ? { ...batch, hash: new Uint8Array(32) } : batch))
    expect(await verdict(forged)).toMatchObject({ ok: false, n: 4, why: expect.stringContaining('hash of the batch before') as string })
  })

  test('any changed byte of any batch is found, in that batch', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 6 }), fc.nat(), fc.integer({ min: 1, max: 255 }), async (n, at, flip) => {
        const batches = journal(6)
        const { bytes, hash } = batches[n - 1] as WalkedBatch & { bytes: Uint8Array }
        const changed = Uint8Array.from(bytes)
        changed[at % changed.length] = (changed[at % changed.length] as number) ^ flip
        batches[n - 1] = { n, bytes: changed, hash }
        expect(await verdict(batches)).toMatchObject({ ok: false, n, why: expect.stringContaining('have the hash') as string })
      }),
    )
  })

  test.each<[string, WalkedBatch[], number, RegExp]>([
    ['a missing batch', journal(5).filter(({ n }) => n !== 3), 4, /follows batch 2: there is a hole/],
    ['a missing beginning', journal(5).filter(({ n }) => n > 2), 3, /batches before it are missing/],
    ['only the newest left', journal(5).filter(({ n }) => n === 5), 5, /batches before it are missing/],
    ['a batch rewritten with its hash', journal(5, { 3: { previous: new Uint8Array(32).fill(7) } }), 3, /names 0707/],
    ['a batch under a number that is not its own', journal(5, { 3: { n: 9 } }), 3, /are those of batch 9/],
    ['an offset that jumps', journal(5, { 3: { firstOffset: 8 } }), 3, /first offset is 8, due is 3/],
    ['a wrong number of entries', journal(5, { 4: { entries: 3 } }), 4, /says that it holds 3 entries and holds 2/],
    ['an epoch without a claim', journal(5, { 4: { epoch: 2 } }), 4, /epoch is 2, the owner's was 1/],
    ['a claim of an epoch that is not its place', journal(5, { 4: { epoch: 2, flags: FLAG_CLAIM } }), 4, /claim with epoch 2 at place 4/],
    ['bytes that are no batch', [{ n: 1, bytes: new Uint8Array(3), hash: new Uint8Array(32) }], 1, /have the hash/],
  ])('%s', async (_, batches, n, why) => {
    expect(await verdict(batches)).toMatchObject({ ok: false, n, why: expect.stringMatching(why) as string })
  })

  test('an actor that was never written has an empty chain', async () => {
    expect(await verdict([])).toEqual({ ok: true, actor: 'user/alice', batches: 0, entries: 0, emptied: 0, head: null })
  })
})

/** Records `events` events of one actor through a real engine. */
async function record(store: Store, events: number): Promise<void> {
  const engine = createEngine({
    app: notesApp,
    store,
    clock: systemClock,
    random: seeded('verify'),
    log: silentLog,
    options: resolveOptions(),
    node: 'node-1',
    generation: 1,
    storeId: 'store-1',
    check: false,
  })
  for (let i = 0; i < events; i++)
    await new Promise((resolve) =>
      engine.send({ actor: 'user/alice', type: 'note.added', data: { text: `n${i}` }, sender: 'test' }, resolve),
    )
  await engine.drain()
}

test('what the engine writes passes', async () => {
  const store = memoryStore()
  await record(store, 20)
  expect(await walkChain(store, 'user/alice')).toMatchObject({ ok: true, entries: 20 })
  await store.close()
})

describe('the command', () => {
  test('finds the batch that somebody changed in the file', async () => {
    const dir = folder({})
    const store = await sqliteStore({ dir })
    await record(store, 3)
    await store.close()
    expect(await troupe(['verify', 'user/alice', '--store', `sqlite:${dir}`])).toMatchObject({ code: 0 })

    const db = new Database(join(dir, 'troupe.db'))
    const row = (db.prepare('SELECT row, frames FROM log').all() as { row: number; frames: Buffer }[]).find(({ frames }) =>
      frames.includes('"n1"'),
    )
    if (row === undefined) throw new Error('no log row holds the second note')
    row.frames.write('"n9"', row.frames.indexOf('"n1"'))
    db.prepare('UPDATE log SET frames = ? WHERE row = ?').run(row.frames, row.row)
    db.close()

    const one = await troupe(['verify', 'user/alice', '--store', `sqlite:${dir}`])
    expect(one).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/^troupe: user\/alice: batch 2 is wrong: /) as string })
    const all = await troupe(['verify', '--all', '--json', '--store', `sqlite:${dir}`])
    expect(all.code).toBe(1)
    expect(JSON.parse(all.out)).toMatchObject({ ok: false, actors: 1, wrong: [{ actor: 'user/alice', n: 2 }] })
  })

  test('a directory without a store, and an actor without a journal, are told; nothing is made', async () => {
    const dir = folder({})
    expect(await troupe(['verify', '--all', '--store', `sqlite:${dir}`])).toMatchObject({
      code: 1,
      err: expect.stringContaining(`there is no store in ${dir}`) as string,
    })
    expect(() => rmSync(join(dir, 'troupe.db'))).toThrow(/ENOENT/)
    await (await sqliteStore({ dir })).close()
    expect(await troupe(['verify', 'user/alice', '--store', `sqlite:${dir}`])).toMatchObject({
      code: 1,
      err: 'troupe: user/alice has no journal in this store\n',
    })
    expect(await troupe(['verify', '--all', '--store', `sqlite:${dir}`])).toMatchObject({
      code: 0,
      out: '0 actors, 0 batches, 0 entries: every chain is whole\n',
    })
  })
})
