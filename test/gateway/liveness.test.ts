/** Heartbeats, slow consumers, draining and closing, over real sockets and virtual time. */
import { afterEach, expect, test } from 'vitest'
import { startRig, until, type Rig, type TestClient } from './rig.ts'

let rig: Rig
afterEach(() => rig.stop())

/** Moves virtual time in steps, with a round trip on `alive` in each, so that sockets keep up with it. */
async function pass(ms: number, alive: TestClient): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) {
    rig.clock.advance(Math.min(left, 1_000))
    await alive.ask({ t: 'query', id: 999_999, name: 'count' })
  }
}

test('a quiet connection is pinged within pingEveryMs; a pong, or anything else, keeps it', async () => {
  rig = await startRig({ virtual: true })
  const quiet = await rig.join('quiet')
  const alive = await rig.join('alive')
  quiet.pongs = true
  // The first ping comes at random within the interval, counted from what was sent last: for this one, from here.
  await alive.ask({ t: 'query', id: 999_998, name: 'count' })
  for (let round = 0; round < 3; round++) {
    await pass(26_000, alive)
    expect(await quiet.frame('ping')).toEqual({ t: 'ping' })
  }
  expect(rig.gateway.stats().counters.noPong).toBe(0)
  // Who is talked with gets no ping.
  expect(alive.frames.filter(({ t }) => t === 'ping')).toEqual([])
})

test('no byte after a ping: bye 3012, and its subscriptions go, though the disconnect was missed (D8)', async () => {
  rig = await startRig({ virtual: true })
  const dead = await rig.join('alice')
  await dead.ask({ t: 'subscribe', id: 1, topic: 'feed' })
  const alive = await rig.join('alive')
  await pass(25_500, alive)
  await dead.frame('ping')
  await pass(9_000, alive)
  expect(await dead.frame('bye')).toMatchObject({ code: 3012, reconnect: true })
  expect(rig.calls.subscribers).toBe(0)
  expect(rig.gateway.stats()).toMatchObject({ sessions: 1, upstreams: 0, subscriptions: 0 })
})

test('one that only listens is pinged too, however much is sent to it', async () => {
  rig = await startRig({ virtual: true })
  const listener = await rig.join('alice')
  await listener.ask({ t: 'subscribe', id: 1, topic: 'feed' })
  for (let second = 0; second < 27; second++) {
    rig.clock.advance(1_000)
    rig.calls.append('user/alice', 'note.added')
    await listener.frame('note')
  }
  await listener.frame('ping')
})

test('control frames count as life, and pings are answered', async () => {
  rig = await startRig({ virtual: true })
  const client = await rig.join()
  const ponged = new Promise((resolve) => client.socket.once('pong', resolve))
  client.socket.ping('x')
  expect(String(await ponged)).toBe('x')
})

test('time that this process lost counts against nobody', async () => {
  rig = await startRig({ virtual: true })
  const client = await rig.join()
  rig.clock.advance(100)
  rig.lose(3_600_000)
  rig.clock.advance(1_000)
  expect(await client.ask({ t: 'query', id: 1, name: 'count' })).toMatchObject({ ok: true })
  expect(rig.gateway.stats().counters.noPong).toBe(0)
})

const BIG = 'x'.repeat(100_000)

test('a log to a socket that does not read falls back to history and loses nothing (D9)', async () => {
  rig = await startRig()
  const slow = await rig.join('alice')
  const fast = await rig.join('alice')
  for (const client of [slow, fast]) await client.ask({ t: 'subscribe', id: 1, topic: 'feed' })
  slow.socket.pause()
  for (let i = 1; i <= 300; i++) {
    rig.calls.append('user/alice', 'note.added', BIG)
    expect(await fast.frame('note')).toMatchObject({ offset: i })
  }
  // Not one note waits for the slow one beyond the soft bound: what it missed is in the history.
  const written = rig.gateway.stats().counters.notes - 300
  expect(written).toBeLessThan(300)
  slow.socket.resume()
  for (let i = 1; i <= 300; i++) expect(await slow.frame('note')).toMatchObject({ from: i, offset: i })
  expect(rig.gateway.stats().counters.pulls).toBeGreaterThan(0)
  expect(slow.frames.filter(({ t }) => t === 'note')).toEqual([])
})

test('a view to a socket that does not read conflates, and ends at the newest value (promise 4)', async () => {
  rig = await startRig()
  const slow = await rig.join('alice')
  await slow.ask({ t: 'subscribe', id: 1, topic: 'summary' })
  slow.socket.pause()
  const journal = rig.calls.journal('user/alice')
  for (let offset = 1; offset <= 400; offset++) {
    rig.calls.tell('user/alice', { journal, epoch: 1, offset, json: `{"n":${offset},"pad":"${BIG}"}` })
    await new Promise((resolve) => setImmediate(resolve))
  }
  const written = rig.gateway.stats().counters.notes
  expect(written).toBeLessThan(400)
  slow.socket.resume()
  let last = 0
  while (last < 400) {
    const note = await slow.frame('note')
    expect(note['from']).toBe(last + 1)
    last = note['offset'] as number
  }
  expect(rig.gateway.stats().counters.notes).toBeLessThanOrEqual(written + 2)
})

test('a socket that takes nothing for slowConsumerMs is closed with 3008; one that takes a little is not', async () => {
  rig = await startRig({ virtual: true, options: { slowConsumerMs: 4_000 } })
  const alive = await rig.join('alive')
  const stuck = await rig.join('alice')
  await stuck.ask({ t: 'subscribe', id: 1, topic: 'feed' })
  stuck.socket.pause()
  // More than the kernel's buffers hold.
  for (let i = 0; i < 400; i++) rig.calls.append('user/alice', 'note.added', BIG)
  await pass(3_000, alive)
  expect(rig.gateway.stats().counters.slow).toBe(0)
  await pass(4_000, alive)
  expect(rig.gateway.stats().counters.slow).toBe(1)
  expect(rig.gateway.stats()).toMatchObject({ sessions: 1, upstreams: 0 })
  stuck.socket.resume()
  expect((await stuck.closed).code).toBe(3008)
})

test('big answers to a socket that does not read are refused, not kept', async () => {
  rig = await startRig()
  const client = await rig.join()
  client.socket.pause()
  client.send(...Array.from({ length: 64 }, (_, id) => ({ t: 'query', id, name: 'big', args: 1_000_000 })))
  await until(() => rig.calls.queries.length >= 3, 'the first are asked')
  for (let id = 64; id < 80; id++) client.send({ t: 'query', id, name: 'big', args: 1_000_000 })
  client.socket.resume()
  const replies = []
  for (let id = 0; id < 80; id++) replies.push(await client.frame('reply', { id }))
  const refused = replies.filter(({ ok }) => ok === false)
  for (const { error } of refused) expect(error).toMatchObject({ code: 'overloaded', retryable: true })
  expect(replies.length).toBe(80)
})

test('D7: within the window of the last one written a note is held, also across owners; the last always goes out', async () => {
  rig = await startRig({ virtual: true })
  rig.calls.everyMs = 200
  const client = await rig.join('alice')
  await client.ask({ t: 'subscribe', id: 1, topic: 'changes' })
  const journal = rig.calls.journal('user/alice')
  rig.calls.tell('user/alice', { journal, epoch: 1, offset: 1 })
  expect(await client.frame('note')).toMatchObject({ offset: 1 })
  // A new owner, which does not know what the old one sent.
  for (const offset of [2, 3, 4]) rig.calls.tell('user/alice', { journal, epoch: 2, offset })
  rig.clock.advance(199)
  await client.ask({ t: 'query', id: 2, name: 'count' })
  expect(client.frames).toEqual([])
  rig.clock.advance(1)
  expect(await client.frame('note')).toEqual({ t: 'note', sub: 1, from: 2, offset: 4 })
  // A superseded owner's is dropped.
  rig.clock.advance(1_000)
  rig.calls.tell('user/alice', { journal, epoch: 1, offset: 9 })
  await client.ask({ t: 'query', id: 3, name: 'count' })
  expect(client.frames).toEqual([])
})

test('the owner is gone: the upstream subscribes again and every kind makes up what it missed', async () => {
  rig = await startRig({ virtual: true })
  const client = await rig.join('alice')
  for (const [id, topic] of ['feed', 'summary', 'changes'].entries()) await client.ask({ t: 'subscribe', id, topic })
  rig.calls.append('user/alice', 'note.added')
  for (const sub of [1, 2, 3]) await client.frame('note', { sub })
  rig.calls.end('user/alice')
  for (let i = 2; i <= 5; i++) rig.calls.appendSilently('user/alice', 'note.added', i)
  expect(rig.calls.subscribers).toBe(0)
  rig.clock.advance(6_000)
  await until(() => rig.calls.subscribers === 3, 'subscribed again')
  for (let offset = 2; offset <= 5; offset++) expect(await client.frame('note', { sub: 1 })).toMatchObject({ from: offset, offset })
  expect(await client.frame('note', { sub: 2 })).toEqual({ t: 'note', sub: 2, from: 2, offset: 5, data: { count: 5 } })
  expect(await client.frame('note', { sub: 3 })).toEqual({ t: 'note', sub: 3, from: 2, offset: 5 })
  expect(client.frames).toEqual([])
})

test('another journal is taken only after a new subscribe, and said as a gap', async () => {
  rig = await startRig({ virtual: true })
  const client = await rig.join('alice')
  for (let i = 0; i < 5; i++) rig.calls.append('user/alice', 'note.added')
  for (const [id, topic] of ['feed', 'summary'].entries()) await client.ask({ t: 'subscribe', id, topic })
  rig.calls.newJournal('user/alice', 'j2')
  rig.calls.appendSilently('user/alice', 'other')
  rig.calls.append('user/alice', 'other')
  expect(await client.frame('gap', { sub: 1 })).toEqual({ t: 'gap', sub: 1, from: 6, to: 2, journal: 'j2' })
  expect(await client.frame('gap', { sub: 2 })).toEqual({ t: 'gap', sub: 2, from: 6, to: 1, journal: 'j2' })
  expect(await client.frame('note', { sub: 2 })).toEqual({ t: 'note', sub: 2, from: 2, offset: 2, data: { count: 2 } })
  rig.calls.append('user/alice', 'other')
  expect(await client.frame('note', { sub: 1 })).toMatchObject({ from: 3, offset: 3 })
})

test('drain: hint, then bye 3015 at a pace, requests answered first; who comes meanwhile is sent on', async () => {
  rig = await startRig({ virtual: true, options: { drainSpreadMs: 1_000 } })
  const clients = [await rig.join('a'), await rig.join('b'), await rig.join('c')]
  rig.calls.hold()
  clients[2]?.send({ t: 'send', id: 1, type: 'note.added' })
  await until(() => rig.calls.sends.length === 1, 'asked')
  const drained = rig.gateway.drain()
  for (const client of clients) expect(await client.frame('hint')).toEqual({ t: 'hint', kind: 'drain', inMs: 0, spreadMs: 1_000 })
  const late = await rig.open()
  expect(await late.frame('bye')).toMatchObject({ code: 3015, reconnect: true })
  expect(rig.gateway.stats().sessions).toBe(3)
  let over = false
  void drained.then(() => (over = true))
  const step = async (holds: () => boolean, what: string): Promise<void> =>
    until(() => {
      rig.clock.advance(50)
      return holds()
    }, what)
  await step(() => rig.gateway.stats().sessions === 1, 'two have gone')
  for (const client of clients.slice(0, 2)) expect(await client.frame('bye')).toMatchObject({ code: 3015, reconnect: true })
  expect(over).toBe(false)
  rig.calls.release()
  expect(await clients[2]?.frame('reply')).toMatchObject({ id: 1, ok: true })
  expect(await clients[2]?.frame('bye')).toMatchObject({ code: 3015 })
  await step(() => over, 'drained')
})

test('close: bye 3001 to all, sockets gone, nothing left', async () => {
  rig = await startRig()
  const clients = [await rig.join('a'), await rig.join('b')]
  await clients[0]?.ask({ t: 'subscribe', id: 1, topic: 'feed' })
  await rig.gateway.close()
  for (const client of clients) expect(await client.frame('bye')).toMatchObject({ code: 3001, reconnect: true })
  for (const client of clients) await client.closed
  await until(() => rig.gateway.stats().sockets === 0, 'all are forgotten')
  expect(rig.calls.subscribers).toBe(0)
})
