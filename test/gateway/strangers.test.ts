/** Sockets that nobody has let in yet have a bound of their own: strangers take neither all places nor all memory. */
import { afterEach, expect, test } from 'vitest'
import type { Identity } from '../../src/actors/define.ts'
import { connect } from '../../src/client/index.ts'
import { BareClient } from './bare-client.ts'
import { startRig, until, type Rig } from './rig.ts'

let rig: Rig
afterEach(() => rig.stop())

test('beyond `unauthenticated` the next is told to come again, while those who are let in stay and others may follow', async () => {
  rig = await startRig({ options: { unauthenticated: 2, connections: 100 } })
  const members = await Promise.all(['a', 'b', 'c', 'd'].map((name) => rig.join(name)))
  expect(rig.gateway.stats()).toMatchObject({ sockets: 4, sessions: 4, unauthenticated: 0 })
  const strangers = [await rig.open(), await rig.open()]
  expect(rig.gateway.stats()).toMatchObject({ sockets: 6, unauthenticated: 2 })
  const refused = await rig.open()
  // Not 3504, which is for good: strangers must log nobody out.
  expect(await refused.frame('bye')).toMatchObject({ code: 3013, reconnect: true, retryAfterMs: 1_000 })
  expect((await refused.closed).code).toBe(3013)
  expect(rig.gateway.stats().counters).toMatchObject({ overUnauthenticated: 1, overLimit: 0 })
  for (const member of members) expect(await member.ask({ t: 'query', id: 1, name: 'count' })).toMatchObject({ ok: true })
  strangers[0]?.send({ t: 'connect', token: 'dev:e' })
  await strangers[0]?.frame('welcome')
  expect(rig.gateway.stats()).toMatchObject({ sessions: 5, unauthenticated: 1 })
  await rig.join('f')
})

test('who was refused, or is being checked, counts until it is gone', async () => {
  const checks: ((who: Identity | null) => void)[] = []
  const authenticate = (): Promise<Identity | null> => new Promise((resolve) => checks.push(resolve))
  rig = await startRig({ mode: 'start', app: { authenticate }, options: { unauthenticated: 3 } })
  const clients = Array.from({ length: 3 }, () => new BareClient(rig.port))
  for (const client of clients) {
    await until(() => client.received.includes('\r\n\r\n'), 'upgraded')
    client.send({ t: 'connect', token: 'x' })
  }
  await until(() => checks.length === 3, 'all are checked')
  checks[0]?.(null)
  checks[1]?.({ sub: 'a', actor: 'user/a' })
  await until(() => clients[0]?.received.includes('"code":3500') === true && rig.gateway.stats().sessions === 1, 'one refused, one let in')
  // The refused one does not close its half.
  expect(rig.gateway.stats()).toMatchObject({ sockets: 3, unauthenticated: 2 })
  for (const client of clients) client.socket.destroy()
  await until(() => rig.gateway.stats().sockets === 0, 'gone')
  expect(rig.gateway.stats().unauthenticated).toBe(0)
})

test('beyond twice as many, with those who are still told bye, nobody is upgraded', async () => {
  rig = await startRig({ options: { unauthenticated: 2, connections: 100 } })
  // Nothing is counted for ever: each time as the first.
  for (let round = 0; round < 3; round++) {
    const clients = Array.from({ length: 6 }, () => new BareClient(rig.port))
    const ofStatus = (status: string): number => clients.filter(({ received }) => received.startsWith(`HTTP/1.1 ${status}`)).length
    await until(() => ofStatus('101') + ofStatus('503') === 6, 'all are answered')
    expect([ofStatus('101'), ofStatus('503')]).toEqual([4, 2])
    expect(clients.filter(({ received }) => received.includes('"code":3013'))).toHaveLength(2)
    for (const client of clients) client.socket.destroy()
    await until(() => rig.sockets.size === 0, 'gone')
  }
  for (let i = 0; i < 10; i++) (await rig.join('a')).socket.close()
})

test('the same holds for all sockets together', async () => {
  rig = await startRig({ options: { connections: 2 } })
  const clients = [new BareClient(rig.port), new BareClient(rig.port), new BareClient(rig.port), new BareClient(rig.port)]
  await until(() => clients.every(({ received }) => received.includes('\r\n\r\n')), 'all are answered')
  expect(clients.filter(({ received }) => received.includes('"code":3013'))).toHaveLength(2)
  expect(rig.gateway.stats().counters).toMatchObject({ overLimit: 2, overUnauthenticated: 0 })
  for (const client of clients) client.socket.destroy()
})

test('many clients of the SDK that come at once all get in', async () => {
  rig = await startRig({ options: { unauthenticated: 3 } })
  const clients = Array.from({ length: 12 }, (_, n) => connect(`ws://127.0.0.1:${rig.port}`, { token: `dev:u${n}` }))
  expect(await Promise.all(clients.map((client) => client.actor().query('count')))).toEqual(Array(12).fill(0))
  for (const client of clients) client.close()
})
