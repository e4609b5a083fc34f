/** Copying between stores of all kinds: whole, byte for byte, resumed after an interruption, and refused where it would mix two histories. */
import { afterEach, expect, test } from 'vitest'
import { copyStore, CopyError } from '../../src/store/copy.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { StoreError, type CommitGroup, type Store, type StoredSnapshot } from '../../src/store/store.ts'
import { claimOf, group, hint, verifyJournal, Writer } from './builder.ts'
import { mongodbPlace } from './mongodb-place.ts'
import { sqlitePlace } from './sqlite-place.ts'

type Kind = 'memory' | 'sqlite' | 'mongodb'

const undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const run of undo.splice(0)) await run()
})

async function open(kind: Kind): Promise<Store> {
  if (kind === 'memory') return memoryStore()
  const place = kind === 'sqlite' ? await sqlitePlace() : await mongodbPlace()
  undo.push(() => place.remove())
  return place.connect()
}

const ACTORS = 70

/** Journals of all sorts: long ones, with snapshots, pages, emptied batches, hints, records, hostile names. */
async function fill(store: Store): Promise<void> {
  await store.meta('store-id', Buffer.from('the name of it'))
  await store.meta('ticket-key', Buffer.from('a secret'))
  for (let i = 0; i < ACTORS; i++) await new Writer(`user/${i}`).append(store, `of ${i}`)
  const long = Writer.of('user/__proto__', await store.claim('user/__proto__', claimOf('node-1@2')))
  for (let i = 0; i < 150; i++) await long.append(store, `${i}`, { entries: 1 + (i % 2), hintDue: i === 100 ? 1234 : null })
  await long.save(store, 'state', [{ actor: 'user/__proto__', belowOffset: 60 }], new Map([[3, Buffer.from('page')]]))
  while ((await store.walk('user/__proto__', 29, 1))[0]?.bytes !== null);
  await Writer.of('user/__proto__', await store.claim('user/__proto__', claimOf('node-1@7'))).append(store, 'after')
  const device = new Writer('device/1', 'replace')
  for (let i = 0; i < 9; i++) await device.append(store, `${i}`, { hintDue: i === 3 || i === 5 ? 100 - i : null })
  await store.claim('device/1', claimOf('node-2@3', 'replace'))
  await new Writer('device/2', 'replace').append(store, 'only one')
}

/** All that a store holds, as far as its port shows it. */
async function contents(store: Store): Promise<unknown[]> {
  const all: unknown[] = []
  const hex = (bytes: Uint8Array | null | undefined): string | null => (bytes == null ? null : Buffer.from(bytes).toString('hex'))
  const shown = (snapshot: StoredSnapshot | null | undefined): unknown =>
    snapshot == null
      ? null
      : [snapshot.n, hex(snapshot.hash), hex(snapshot.bytes), [...snapshot.pages].map(([page, bytes]) => `${page} ${hex(bytes)}`).sort()]
  for (const actor of await store.actors(null, 1000)) {
    const loaded = await store.load(actor)
    const walked = await store.walk(actor, 0, 1000)
    const commits = loaded?.batches.map(({ n, commitId }) => [n, hex(commitId)])
    all.push([actor, loaded?.n, commits, shown(loaded?.snapshot), walked.map(({ n, hash, bytes }) => [n, hex(hash), hex(bytes)])])
  }
  for (const key of ['store-id', 'ticket-key']) all.push([key, hex(await store.meta(key))])
  return all
}

async function settled(store: Store): Promise<void> {
  while ((await store.walk('user/__proto__', 29, 1))[0]?.bytes !== null);
}

/** A store that is gone after so many commits. */
function interrupted(store: Store, after: number): Store {
  let left = after
  const commit = (given: CommitGroup): ReturnType<Store['commit']> =>
    left-- <= 0 ? Promise.reject(new StoreError('unknown', 'lost', 'interrupted as the test asked')) : store.commit(given)
  return new Proxy(store, {
    get: (_, name) => {
      const value: unknown = name === 'commit' ? commit : Reflect.get(store, name)
      return typeof value === 'function' ? (value as (...given: unknown[]) => unknown).bind(store) : value
    },
  })
}

test.each<[Kind, Kind]>([
  ['sqlite', 'memory'],
  ['memory', 'sqlite'],
  ['sqlite', 'mongodb'],
  ['mongodb', 'sqlite'],
])(
  '%s to %s: interrupted, resumed, and then the same in all that can be asked; a second time there is nothing to do',
  async (source, target) => {
    const [from, to] = [await open(source), await open(target)]
    await fill(from)
    let tries = 0
    for (const after of [3, 40])
      await copyStore(from, interrupted(to, after)).then(
        () => undefined,
        () => tries++,
      )
    expect(tries).toBe(2)
    const progress = await copyStore(from, to)
    expect(progress).toMatchObject({ actors: ACTORS + 3 })
    expect(progress.complete).toBeGreaterThan(0)
    await settled(to)
    expect(await contents(to)).toEqual(await contents(from))
    expect(await to.hints(1e9, 10)).toEqual([hint('device/1', 10, 95), hint('user/__proto__', 102, 1234)])
    expect(await verifyJournal(to, 'user/__proto__')).toBe(153)
    expect(await to.nextGeneration('node-1')).toBe(8)
    expect(await copyStore(from, to)).toMatchObject({ batches: 0, complete: ACTORS + 3 })
    // Life goes on in the copy.
    const owner = Writer.of('device/1', await to.claim('device/1', claimOf('node-3', 'replace')), 'replace')
    expect(await owner.append(to, 'on')).toBe('committed')
  },
)

test('a target that is no copy is refused, and nothing of that actor is written', async () => {
  const [from, to] = [memoryStore(), memoryStore()]
  await fill(from)
  await new Writer('user/1').append(to, 'something else')
  await expect(copyStore(from, to)).rejects.toThrow(/user\/1: the target holds another batch at place 1/)
  const ahead = memoryStore()
  const writer = new Writer('user/1')
  await writer.append(ahead)
  await writer.append(ahead)
  await expect(copyStore(from, ahead)).rejects.toThrow(/user\/1: the target holds place 2, the source ends at 1/)
  const used = memoryStore()
  await used.meta('store-id', Buffer.from('another'))
  await expect(copyStore(from, used)).rejects.toThrow(CopyError)
  expect(await used.actors(null, 10)).toEqual([])
})

test('a batch that is damaged in the source stops the copy and is named', async () => {
  const from = memoryStore()
  const append = new Writer('user/1').next()
  await from.commit(group([{ ...append, hash: new Uint8Array(32) }]))
  await expect(copyStore(from, memoryStore())).rejects.toThrow(/batch 1 is damaged in the source: run 'troupe verify user\/1'/)
})
