/** Promise 1 of PRODUCT ("acknowledged means kept") with real processes: killed, frozen, and their threads lost. */
import Database from 'better-sqlite3'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readHeader } from '../../src/actors/batch.ts'
import type { Log } from '../../src/base/log.ts'
import { seeded } from '../../src/base/random.ts'
import { systemClock } from '../../src/base/system.ts'
import { StoreError, type Store } from '../../src/store/store.ts'
import { startProcess, type Process } from '../support/store-processes.ts'
import { group, same, verifyJournal, Writer } from './builder.ts'
import { sqlitePlace, type SqlitePlace } from './sqlite-place.ts'

/** As many kills; on a machine so busy that they would take longer than this, fewer. */
const KILLS = 200
const KILLING_MS_MAX = 40_000
const linux = process.platform === 'linux'

let place: SqlitePlace
const started: Process[] = []
beforeEach(async () => {
  place = await sqlitePlace()
})
afterEach(async () => {
  for (const each of started.splice(0)) {
    each.child.kill('SIGKILL')
    await each.ended()
  }
  await place.remove()
})

function start(script: string, args: readonly string[]): Process {
  const one = startProcess(script, args)
  started.push(one)
  return one
}

function listLog(): Log & { readonly lines: string[] } {
  const lines: string[] = []
  const write: Log['info'] = (fields, message) => lines.push(`${message} ${JSON.stringify(fields)}`)
  return { lines, info: write, warn: write, error: write }
}

/** Commit ids in the journals of all actors; each journal is verified on the way. */
async function allCommitIds(store: Store): Promise<string[]> {
  const ids: string[] = []
  for (const actor of await store.actors(null, 10_000)) {
    await verifyJournal(store, actor)
    for (let n = 0, page = await store.walk(actor, 0, 1000); page.length > 0; page = await store.walk(actor, n, 1000)) {
      n = page.at(-1)?.n ?? n
      for (const { bytes } of page) ids.push(Buffer.from(readHeader(bytes ?? new Uint8Array())?.commitId ?? []).toString('hex'))
    }
  }
  return ids
}

const killed = `killed up to ${KILLS} times by kill -9, three processes lose nothing that was acknowledged and repeat nothing`
test(killed, { timeout: 180_000 }, async () => {
  const { dir, open } = place
  const random = seeded(process.env['TROUPE_SEED'] ?? 'kill')
  const end = systemClock.mono() + KILLING_MS_MAX
  const acknowledged: string[] = []
  let kills = 0
  const slot = async (name: string): Promise<void> => {
    while (kills < KILLS && systemClock.mono() < end) {
      kills++
      const writer = start('store-writer.ts', [dir, name])
      // At once after opening, while it claims; or after some acknowledgements, each of which finds it at another point.
      const wanted = random.float() < 0.15 ? 0 : 1 + Math.floor(random.float() * 40)
      await writer.line(() => writer.lines.length > wanted)
      writer.child.kill('SIGKILL')
      expect(await writer.ended(), writer.errors.join('\n')).toBe('SIGKILL')
      for (const line of writer.lines) if (/^\+ [0-9a-f]{32}$/.test(line)) acknowledged.push(line.slice(2))
    }
  }
  await Promise.all(['a', 'b', 'c'].map(slot))
  console.info(`${kills} kills, ${acknowledged.length} acknowledged appends`)
  const store = await open()
  const ids = await allCommitIds(store)
  const stored = new Set(ids)
  expect(stored.size).toBe(ids.length)
  expect(acknowledged.filter((id) => !stored.has(id))).toEqual([])
  expect(acknowledged.length).toBeGreaterThan(kills)
  await store.close()
  const db = new Database(join(dir, 'troupe.db'), { readonly: true })
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  db.close()
})

test.runIf(linux)('a process frozen inside a transaction is ended, and the others go on', async () => {
  const log = listLog()
  const store = await place.open({ patienceMs: 200, log })
  const alice = new Writer('user/alice')
  await alice.append(store)
  const holder = start('store-holder.ts', [place.dir, 'write'])
  await holder.line((line) => line === 'holding')
  holder.child.kill('SIGSTOP')
  const appending = alice.append(store)
  // Reads are answered meanwhile.
  expect((await store.load('user/alice'))?.n).toBe(1)
  expect(await appending).toBe('committed')
  expect(await holder.ended()).toBe('SIGKILL')
  expect(log.lines.filter((line) => line.includes('ended a stopped process') && line.includes(String(holder.pid)))).toHaveLength(1)
  expect((await store.health()).counters['frozenEnded']).toBe(1)
})

test.runIf(linux)('a process frozen in a read, which keeps the WAL from being emptied, is ended', async () => {
  const store = await place.open({ patienceMs: 50, checkpointBytes: 64 * 1024, pinnedBytes: 512 * 1024 })
  const alice = new Writer('user/alice')
  await alice.append(store)
  const holder = start('store-holder.ts', [place.dir, 'read'])
  await holder.line((line) => line === 'holding')
  holder.child.kill('SIGSTOP')
  let ended = false
  const end = holder.ended().then((how) => {
    ended = true
    return how
  })
  while (!ended) await alice.append(store, 'x'.repeat(10_000))
  expect(await end).toBe('SIGKILL')
  await verifyJournal(store, 'user/alice')
})

test.runIf(linux)('a running process of ours that holds the lock is not ended, but named', async () => {
  const store = await place.open({ patienceMs: 20 })
  const holder = start('store-holder.ts', [place.dir, 'write'])
  await holder.line((line) => line === 'holding')
  const alice = new Writer('user/alice')
  const error: unknown = await alice.append(store).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ outcome: 'refused', reason: 'busy' })
  expect((error as Error).message).toContain(`process ${holder.pid}`)
  expect((error as Error).message).toContain('troupe.db')
  expect(holder.child.exitCode ?? holder.child.signalCode).toBeNull()
  holder.child.kill('SIGTERM')
  await holder.ended()
  expect(await alice.append(store)).toBe('committed')
})

test.runIf(linux)('another program that holds the lock is never ended, even when it is stopped', async () => {
  const store = await place.open({ patienceMs: 100 })
  const holder = start('store-holder.ts', [place.dir, 'foreign'])
  await holder.line((line) => line === 'holding')
  holder.child.kill('SIGSTOP')
  const error: unknown = await new Writer('user/alice').append(store).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ outcome: 'refused', reason: 'busy' })
  expect((error as Error).message).toContain(`process ${holder.pid}`)
  expect((error as Error).message).toContain('not part of this store')
  expect(holder.child.signalCode).toBeNull()
})

test('when its thread is lost, what was under way is unknown, may be repeated, and the store goes on', async () => {
  let lose: () => Promise<unknown> = () => Promise.resolve()
  const log = listLog()
  const store = await place.open({ log, onThread: (thread) => (lose = () => thread.terminate()) })
  const writer = new Writer('user/alice')
  let [rounds, losses] = [0, 0]
  for (; losses < 5; rounds++) {
    const append = writer.next(`round ${rounds}`)
    const committing = store.commit(group([append])).then(
      ({ verdicts, ref }) => ({ verdict: verdicts[0], ref }),
      (error: unknown) => error,
    )
    const loading = store.load('user/alice').catch((error: unknown) => error)
    await lose()
    const [first, loaded] = await Promise.all([committing, loading])
    if (!(first instanceof StoreError)) {
      // It had answered before it was lost: this process was held up between the two.
      expect(first).toMatchObject({ verdict: 'committed' })
      writer.done(append, (first as { ref: number }).ref)
      continue
    }
    losses++
    expect(first).toMatchObject({ outcome: 'unknown', reason: 'lost' })
    expect(loaded).toMatchObject({ outcome: 'unknown', reason: 'lost' })
    // J4: the same bytes under the same commit id, until the store answers for certain.
    const again = await store.commit(group([append]))
    if (again.verdicts[0] === 'taken')
      expect(same((await store.read('user/alice', append.n))?.commitId ?? new Uint8Array(), append.commitId)).toBe(true)
    writer.done(append, again.verdicts[0] === 'taken' ? 0 : again.ref)
  }
  expect(await verifyJournal(store, 'user/alice')).toBe(rounds)
  expect(log.lines.filter((line) => line.includes('thread of the store was lost'))).toHaveLength(rounds)
  expect((await store.health()).counters['restarts']).toBe(rounds)
})
