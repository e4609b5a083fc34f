/** The commands on a MongoDB store, against the protocol server of test/support: start, verify, doctor, store copy. */
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/system.ts'
import { clockFinding, mongodbChecks, shardCommands, topologyFinding, version } from '../../src/cli/doctor/mongodb.ts'
import { sqliteStore } from '../../src/store/sqlite.ts'
import { MongoServer } from '../support/mongo-server.ts'
import { Writer } from '../store/builder.ts'
import { ANY_PORTS, cleanUp, folder, Running, serving, troupe } from './troupe.ts'

const PASSWORD = 'very-s3cret'
let server: MongoServer
let url: string
beforeEach(async () => {
  server = await MongoServer.start({ user: 'alice', password: PASSWORD })
  url = server.url('&authSource=admin').replace('mongodb://', `mongodb://alice:${PASSWORD}@`)
})
afterEach(() => server.close())
afterAll(cleanUp)

test('a node starts on it, by a variable, and finds everything again when it is started anew; the password is told nowhere', async () => {
  const cwd = folder()
  for (const text of ['one', 'two']) {
    const running = new Running(['start', 'app.ts', '--insecure', ...ANY_PORTS], { cwd, env: { TROUPE_STORE: url } })
    const { admin } = await serving(running)
    const sent = await troupe(['send', 'user/alice', 'note.added', `{"text":"${text}"}`, '--url', admin])
    expect(sent).toMatchObject({ code: 0 })
    running.signal('SIGTERM')
    expect(await running.exit).toBe(0)
    expect([...running.out, ...running.err].join('\n')).not.toContain(PASSWORD)
  }
  const checked = await troupe(['verify', '--all', '--json'], { env: { TROUPE_STORE: url } })
  expect(JSON.parse(checked.out)).toMatchObject({ ok: true, actors: 1, entries: 2 })
})

test('a wrong password is one clear line, and exit 1', async () => {
  const { code, out, err } = await troupe(['start', 'app.ts', '--insecure', ...ANY_PORTS], {
    cwd: folder(),
    env: { TROUPE_STORE: url.replace(PASSWORD, 'wr0ng') },
  })
  expect([code, out]).toEqual([1, ''])
  expect(err).toMatch(/^troupe: cannot open the store: mongodb:\/\/alice@[^ ]+: user or password is wrong\..*$/m)
  expect(err).not.toContain('wr0ng')
})

describe('store copy', () => {
  test('copies, says that both are the same, and finds what is not', async () => {
    const dir = folder({})
    const store = await sqliteStore({ dir })
    await store.meta('store-id', Buffer.alloc(16, 1))
    const writer = new Writer('user/alice')
    for (let i = 0; i < 10; i++) await writer.append(store, `${i}`, { hintDue: i === 4 ? 77 : null })
    await new Writer('user/bob').append(store)
    await store.close()
    const first = await troupe(['store', 'copy', `sqlite:${dir}`, url])
    expect(first).toMatchObject({ code: 0, err: '' })
    expect(first.out).toBe(
      'copied 11 batches of 2 actors; 0 were there already\nchecked 2 actors, 11 batches, 1 wake-up hints: both stores are the same\n',
    )
    const again = await troupe(['store', 'copy', '--json', `sqlite:${dir}`, url])
    expect(JSON.parse(again.out)).toMatchObject({ ok: true, copied: { batches: 0, complete: 2 }, actors: 2 })
    server.data.delete('troupe.batches', { _id: { a: 'user/bob', n: 1 } }, 1)
    server.data.delete('troupe.hints', {}, 1)
    server.data.commit()
    const check = await troupe(['store', 'copy', '--check', `sqlite:${dir}`, url])
    expect(check.code).toBe(1)
    expect(check.err).toContain('user/bob: the target lacks it')
    expect(check.err).toContain('user/alice: its wake-up hint is missing')
    expect(check.err).not.toContain(PASSWORD)
  })

  test.each([
    [['store', 'copy', 'sqlite:nowhere', 'sqlite:x'], 1, /there is no store in .*nowhere; name its directory with FROM sqlite:DIR/],
    [['store', 'copy', 'memory:', 'sqlite:x'], 2, /FROM: memory: is gone with its process/],
    [['store', 'copy', 'sqlite:x', 'redis://me:secret@x'], 1, /there is no store/],
    [['store', 'copy', 'x'], 2, /missing required argument/],
  ])('%j', async (args, code, message) => {
    const ran = await troupe(args, { cwd: folder({}) })
    expect(ran.code).toBe(code)
    expect(ran.err).toMatch(message)
    expect(ran.err).not.toContain('secret')
  })
})

describe('doctor', () => {
  test('looks at a store and prints the commands that shard it', async () => {
    const { out } = await troupe(['doctor', '--json', '--listen', '127.0.0.1:0', '--admin-listen', 'none'], { env: { TROUPE_STORE: url } })
    const { findings } = JSON.parse(out) as { findings: { check: string; status: string; found: string }[] }
    const of = (check: string) => findings.find((finding) => finding.check === check)
    for (const check of ['mongodb', 'topology', 'members', 'version', 'clock difference', 'write concern', 'collections', 'sharding'])
      expect(of(check), check).toMatchObject({ status: 'ok' })
    expect(of('sharding')?.found).toContain("sh.shardCollection('troupe.batches', { a: 'hashed' })")
    expect(of('collections')?.found).toContain('the first node makes them')
    expect(out).not.toContain(PASSWORD)
    expect(server.data.namespaces).toEqual([])
  })

  test('a server that is slow to answer is not one whose clock is wrong', async () => {
    let passedMs = 0
    const clock = { ...systemClock, now: () => Date.now() + passedMs, mono: () => performance.now() + passedMs }
    // It tells the time, and its answer takes ten seconds more.
    const slow = await MongoServer.start({
      get clockMs() {
        passedMs += 10_000
        return passedMs - 10_000
      },
    })
    try {
      const findings = await mongodbChecks(slow.url(), clock)
      expect(findings.find(({ check }) => check === 'clock difference')).toMatchObject({ status: 'ok' })
      expect(findings.find(({ check }) => check === 'distance')).toMatchObject({ status: 'warn' })
    } finally {
      await slow.close()
    }
  })

  test('says what is wrong', () => {
    const topology = { kind: 'standalone', setName: null, wireVersion: 17, time: 0 } as const
    expect(topologyFinding(topology)).toMatchObject({ status: 'fail', advice: expect.stringContaining('rs.initiate()') as string })
    expect(version(topology).status).toBe('fail')
    expect([clockFinding(10_000, 12_000, 100).status, clockFinding(10_000, 10_400, 5).status, clockFinding(0, 1, 1).status]).toEqual([
      'warn',
      'ok',
      'warn',
    ])
    expect(shardCommands('db').split('; ')).toHaveLength(7)
  })
})
