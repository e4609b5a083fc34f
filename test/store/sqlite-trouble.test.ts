/** What goes wrong with disks, files and neighbours: each a StoreError that names the file and says what to do, and nothing acknowledged is lost. */
import Database from 'better-sqlite3'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sqliteStore } from '../../src/store/sqlite.ts'
import { StoreError } from '../../src/store/store.ts'
import { startProcess } from '../support/store-processes.ts'
import { group, verifyJournal, Writer } from './builder.ts'
import { sqlitePlace, type SqlitePlace } from './sqlite-place.ts'

const root = process.getuid?.() === 0

let place: SqlitePlace
let file: string
beforeEach(async () => {
  place = await sqlitePlace()
  file = join(place.dir, 'troupe.db')
})
afterEach(() => place.remove())

async function refusal(work: Promise<unknown>): Promise<StoreError> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!(error instanceof StoreError)) throw new Error(`expected a StoreError, got ${String(error)}`)
  return error
}

/** Whether the system let us. */
function tried(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test('a directory that is not there is made, for this user alone', async () => {
  await place.open()
  expect(statSync(place.dir).mode & 0o777).toBe(0o700)
})

test('a file that is not a database is refused and left as it is', async () => {
  mkdirSync(place.dir)
  writeFileSync(file, 'these are not the bytes you are looking for '.repeat(100))
  const before = readFileSync(file)
  const error = await refusal(place.open())
  expect(error).toMatchObject({ outcome: 'refused', reason: 'corrupt' })
  expect(error.message).toContain(file)
  expect(readFileSync(file).equals(before)).toBe(true)
})

test('the database of another program is refused and left as it is', async () => {
  mkdirSync(place.dir)
  const db = new Database(file)
  db.exec('CREATE TABLE orders(id)')
  db.close()
  const before = readFileSync(file)
  const error = await refusal(place.open())
  expect(error).toMatchObject({ outcome: 'refused', reason: 'foreign' })
  expect(error.message).toContain(file)
  expect(readFileSync(file).equals(before)).toBe(true)
})

test('a database of a newer version is refused', async () => {
  await (await place.open()).close()
  const db = new Database(file)
  db.pragma('user_version = 99')
  db.close()
  const error = await refusal(place.open())
  expect(error).toMatchObject({ outcome: 'refused', reason: 'foreign' })
  expect(error.message).toContain('newer version')
})

test('a damaged file is reported as such, at the start or when the damage is met', async () => {
  const store = await place.open()
  const writers = Array.from({ length: 400 }, (_, i) => new Writer(`user/${i}`))
  for (let round = 0; round < 5; round++) {
    const appends = writers.map((writer) => writer.next('y'.repeat(100)))
    const { ref } = await store.commit(group(appends))
    writers.forEach((writer, i) => writer.done(appends[i] as (typeof appends)[number], ref))
  }
  await store.close()
  truncateSync(file, Math.floor(statSync(file).size / 2048) * 1024)
  const error = await refusal(
    (async () => {
      const damaged = await place.open()
      for (const { actor } of writers) await damaged.load(actor)
    })(),
  )
  expect(error).toMatchObject({ outcome: 'refused', reason: 'corrupt' })
  expect(error.message).toContain(file)
})

test('a directory that cannot be written is refused', async (context) => {
  await (await place.open()).close()
  chmodSync(place.dir, 0o500)
  // The system's own user may write anyway, unless the directory is marked immutable.
  if (root && !tried('chattr', '+i', place.dir)) context.skip('this user may write everywhere, and chattr does not work here')
  try {
    const error = await refusal(place.open())
    expect(error).toMatchObject({ outcome: 'refused', reason: 'readonly' })
    expect(error.message).toContain(file)
  } finally {
    if (root) tried('chattr', '-i', place.dir)
    chmodSync(place.dir, 0o700)
  }
  await place.open()
})

test('a path where a file lies is refused', async () => {
  writeFileSync(place.dir, '')
  const error = await refusal(place.open())
  expect(error.outcome).toBe('refused')
  expect(error.message).toContain(place.dir)
})

test.runIf(process.platform === 'linux')('a file that another program has locked is refused at the start, naming the program', async () => {
  mkdirSync(place.dir)
  const holder = startProcess('store-holder.ts', [place.dir, 'foreign'])
  try {
    await holder.line((line) => line === 'holding')
    const error = await refusal(place.open({ patienceMs: 50 }))
    expect(error).toMatchObject({ outcome: 'refused', reason: 'busy' })
    expect(error.message).toContain(file)
    expect(error.message).toContain(`process ${holder.pid}`)
  } finally {
    holder.child.kill('SIGKILL')
    await holder.ended()
  }
  await place.open()
})

test('a store whose file can no longer be opened says so on every call, until it can', async () => {
  let lose: () => Promise<unknown> = () => Promise.resolve()
  const store = await place.open({ onThread: (thread) => (lose = () => thread.terminate()) })
  const alice = new Writer('user/alice')
  await alice.append(store)
  // A second connection, so that closing the lost one's file leaves the WAL alone.
  const keeper = await place.open()
  await lose()
  await keeper.close()
  const good = readFileSync(file)
  writeFileSync(file, 'not a database '.repeat(1000))
  for (let i = 0; i < 2; i++) expect(await refusal(store.load('user/alice'))).toMatchObject({ outcome: 'refused', reason: 'corrupt' })
  expect((await store.health()).ok).toBe(false)
  writeFileSync(file, good)
  expect((await store.load('user/alice'))?.n).toBe(1)
  expect(await alice.append(store)).toBe('committed')
})

test('on a full disk a commit is refused, and goes through once there is space; what was acknowledged is there', async (context) => {
  mkdirSync(place.dir)
  if (!root || !tried('mount', '-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', place.dir))
    context.skip('needs a small file system of its own, and this user may not mount one')
  try {
    const ballast = join(place.dir, 'ballast')
    writeFileSync(ballast, Buffer.alloc(1024 * 1024))
    const store = await place.open({ checkpointBytes: 128 * 1024 })
    const alice = new Writer('user/alice')
    let error: unknown = null
    while (error === null) await alice.append(store, 'z'.repeat(20_000)).catch((reason: unknown) => (error = reason))
    expect(error).toMatchObject({ outcome: 'refused', reason: 'full' })
    expect((error as Error).message).toContain(file)
    expect((await store.load('user/alice'))?.n).toBe(alice.n)
    rmSync(ballast)
    expect(await alice.append(store, 'there is space again')).toBe('committed')
    await store.close()
    const again = await sqliteStore({ dir: place.dir })
    expect(await verifyJournal(again, 'user/alice')).toBe(alice.n)
    await again.close()
  } finally {
    tried('umount', place.dir)
  }
})

test('more calls under way than allowed are refused, not queued', async () => {
  const store = await place.open({ pendingMax: 3 })
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => store.load('user/alice')))
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'])
  expect(await store.load('user/alice')).toBeNull()
})
