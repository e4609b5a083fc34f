/** The SDK as Node users have it: its own defaults, the global WebSocket, real time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { connect } from '../../src/client/index.ts'
import { freePort } from '../support/ports.ts'
import { wireServer, type WireServer } from './wire-server.ts'

let server: WireServer
beforeEach(async () => {
  server = await wireServer()
})
afterEach(() => server.close())

it('sends, queries, subscribes, resumes after a cut, and stops at a code that says so', async () => {
  const client = connect(`http://127.0.0.1:${server.port}`, { token: 'token', device: 'node' })
  const me = client.actor()
  const heard: unknown[] = []
  let hear = (): void => undefined
  const heardSome = (count: number): Promise<void> =>
    new Promise((resolve) => {
      hear = () => void (heard.length >= count && resolve())
      hear()
    })
  me.subscribe(
    'feed',
    ({ data }) => {
      heard.push(data)
      hear()
    },
    { from: 'start' },
  )
  expect(await me.send('a', 'one')).toEqual({ offset: 1, durable: true, duplicate: false })
  expect(await me.query('count')).toBe(1)
  await heardSome(1)
  for (const socket of [...server.model.sockets]) socket.cut()
  server.model.append('user/alice', 'a', 'meanwhile')
  expect(await me.send('a', 'two')).toMatchObject({ offset: 3 })
  await heardSome(3)
  expect(heard).toEqual(['one', 'meanwhile', 'two'])
  expect((await me.history({ from: 2 })).entries.map(({ data }) => data as unknown)).toEqual(['meanwhile', 'two'])
  expect(server.model.of('connect')[1]).toMatchObject({ ticket: 'ticket:s1' })

  const closed = new Promise<number | undefined>((resolve) => {
    client.on('state', (state, { code }) => void (state === 'closed' && resolve(code)))
  })
  server.model.socket.bye(3503, false)
  expect(await closed).toBe(3503)
  await expect(me.send('a')).rejects.toMatchObject({ code: 'denied' })
})

it('waits for a server that is not there yet', async () => {
  await server.close()
  const port = await freePort()
  const client = connect(`ws://127.0.0.1:${port}`, { random: { float: () => 0.2 } })
  const sent = client.actor().send('a', 'early')
  await expect(client.actor().query('count', undefined, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' })
  expect(client.state).toBe('connecting')
  server = await wireServer({}, port)
  expect(await sent).toMatchObject({ offset: 1 })
  client.close()
})
