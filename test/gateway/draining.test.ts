/** A node that goes: clients may move first, and whatever clients, the app or the actors do, it ends. */
import { afterEach, expect, test } from 'vitest'
import type { Identity } from '../../src/actors/define.ts'
import { startRig, until, type Rig, type TestClient } from './rig.ts'

let rig: Rig
afterEach(() => rig.stop())

const FEED = '/v1/actors/user/alice/topics/feed?as=alice'

/** Moves virtual time on, a little at a time, until it holds. */
const step = (holds: () => boolean, what: string): Promise<void> =>
  until(() => {
    rig.clock.advance(50)
    return holds()
  }, what)

/** Virtual time passes, with a round trip in each step, so that what it wakes has run. */
async function pass(ms: number, alive: TestClient): Promise<void> {
  for (let left = ms; left > 0; left -= 50) {
    rig.clock.advance(50)
    expect(await alive.ask({ t: 'query', id: 99_999, name: 'count' })).toMatchObject({ ok: true })
  }
}

test('nobody is closed before the spread is over: clients move at a time of their own', async () => {
  rig = await startRig({ virtual: true, options: { drainSpreadMs: 3_000 } })
  const clients = await Promise.all(['a', 'b', 'c', 'd'].map((name) => rig.join(name)))
  let over = false
  void rig.gateway.drain().then(() => (over = true))
  for (const client of clients) expect(await client.frame('hint')).toMatchObject({ kind: 'drain', inMs: 0, spreadMs: 3_000 })
  const first = clients[0] as TestClient
  await pass(2_900, first)
  expect(rig.gateway.stats().sessions).toBe(4)
  await step(() => rig.gateway.stats().sockets === 0, 'all are closed')
  for (const client of clients) expect(await client.frame('bye')).toMatchObject({ code: 3015, reconnect: true })
  await step(() => over, 'drained')
})

test('it ends as soon as all have gone by themselves', async () => {
  rig = await startRig({ virtual: true, options: { drainSpreadMs: 3_600_000 } })
  const client = await rig.join()
  const drained = rig.gateway.drain()
  await client.frame('hint')
  client.socket.close()
  await until(() => rig.gateway.stats().sockets === 0, 'gone')
  rig.clock.advance(50)
  await drained
})

test('a check of the token that never ends: refresh is answered `unavailable`, and the drain ends', async () => {
  const authenticate = ({ token }: { token?: string }): Identity | Promise<Identity> =>
    token === 'hangs' ? new Promise<Identity>(() => undefined) : { sub: 'alice', actor: 'user/alice' }
  rig = await startRig({ virtual: true, mode: 'start', app: { authenticate: authenticate as never }, options: { authTimeoutMs: 5_000 } })
  const client = await rig.open()
  client.send({ t: 'connect', token: 'good' })
  await client.frame('welcome')
  client.send({ t: 'refresh', id: 7, token: 'hangs' })
  await client.ask({ t: 'query', id: 8, name: 'count' })
  rig.clock.advance(5_000)
  expect(await client.frame('reply', { id: 7 })).toMatchObject({ ok: false, error: { code: 'unavailable', retryable: true } })
  let over = false
  void rig.gateway.drain().then(() => (over = true))
  await step(() => over, 'drained')
})

test('a request that is never answered holds the drain for sendTimeoutMs at most', async () => {
  rig = await startRig({ virtual: true, options: { drainSpreadMs: 0, sendTimeoutMs: 1_000 } })
  const client = await rig.join()
  rig.calls.hold()
  client.send({ t: 'send', id: 1, type: 'note.added', timeoutMs: 600_000 })
  await until(() => rig.calls.sends.length === 1, 'asked')
  let over = false
  void rig.gateway.drain().then(() => (over = true))
  await step(() => over, 'drained')
  expect(await client.frame('bye')).toMatchObject({ code: 3001, reconnect: true })
})

test('an event stream whose actor answers while the node drains is not begun', async () => {
  rig = await startRig({ virtual: true, options: { drainSpreadMs: 0 } })
  rig.calls.hold()
  const asked = fetch(rig.url + FEED)
  await until(() => rig.calls.waiting === 1, 'asked')
  const drained = rig.gateway.drain()
  rig.calls.release()
  expect((await asked).status).toBe(503)
  await drained
  expect(rig.gateway.stats()).toMatchObject({ sockets: 0, upstreams: 0 })
})

test('an event stream that stays is ended after the spread', async () => {
  rig = await startRig({ virtual: true, options: { drainSpreadMs: 1_000 } })
  const stream = await fetch(rig.url + FEED)
  let over = false
  void rig.gateway.drain().then(() => (over = true))
  await step(() => over, 'drained')
  expect(await stream.text()).toContain('event: bye\ndata: {"t":"bye","code":3015')
})

test('close: a client that does not read is cut', async () => {
  rig = await startRig({ virtual: true })
  const client = await rig.join()
  client.socket.pause()
  // More than the kernel takes for one connection.
  client.send({ t: 'query', id: 1, name: 'big', args: 30_000_000 })
  await until(() => rig.calls.queries.length === 1, 'answered')
  await rig.gateway.close()
  rig.clock.advance(100)
  await until(() => rig.gateway.stats().sockets === 0, 'it is gone')
})
