/** A ticket that makes a `connect` larger than the server takes never keeps a client out, nor coming again and again with it. */
import { expect, it } from 'vitest'
import { setup, watch, type Setup } from './setup.ts'

/** The server closes with 1009 what is larger, as a WebSocket server does that never gets to look at it. */
function refuseLargerThan(server: Setup['server'], bytesMax: number, code = 1009): void {
  server.intercept = (socket, frame) => {
    if (JSON.stringify(frame).length <= bytesMax) return false
    socket.cut(code)
    return true
  }
}

it('an empty ticket of a welcome is none: the client comes back with its token, as another session', async () => {
  const { clock, server, client, open } = setup()
  await open()
  server.intercept = (socket, frame) => {
    if (frame.t !== 'connect') return false
    server.intercept = () => false
    socket.session = 's9'
    socket.actor = 'user/alice'
    socket.connect = frame
    socket.toClient({
      t: 'welcome',
      session: 's9',
      ticket: '',
      actor: 'user/alice',
      node: 'model',
      resumed: false,
      pingEveryMs: 25_000,
      limits: server.limits,
    })
    return true
  }
  server.socket.cut()
  await open()
  server.socket.cut()
  await open()
  expect(server.of('connect').map(({ ticket, token }) => [ticket, token])).toEqual([
    [undefined, 'token'],
    ['ticket:s1', undefined],
    [undefined, 'token'],
  ])
  const sent = watch(client.actor().send('a'))
  await clock.until(() => sent.state === 'resolved')
})

it.each([false, true])('1009 in answer to a ticket (beside a stale token: %s) is followed by a token alone, at once', async (stale) => {
  const { clock, server, client, open } = setup({ token: () => 't'.repeat(50), random: { float: () => 1 } })
  await open()
  if (stale) {
    server.socket.bye(3005, true)
    refuseLargerThan(server, 110)
  } else {
    refuseLargerThan(server, 40)
    server.socket.cut()
    server.intercept = (
      (before) => (socket, frame) =>
        frame.ticket !== undefined && before(socket, frame)
    )(server.intercept)
  }
  await clock.run(1_100)
  expect([client.state, server.of('connect').length]).toEqual(['open', 3])
  expect(server.of('connect').map(({ ticket, token }) => [ticket !== undefined, token !== undefined])).toEqual([
    [false, true],
    [true, stale],
    [false, true],
  ])
})

it('a token that is too large itself closes the client, and it says so', async () => {
  const { clock, server, client } = setup({ token: 't'.repeat(500) })
  refuseLargerThan(server, 110)
  const sent = watch(client.actor().send('a'))
  await clock.until(() => client.state === 'closed')
  await clock.run(0)
  expect([sent.code, sent.message]).toEqual(['too_large', expect.stringContaining('1009')])
  expect(server.opened.length).toBe(1)
})
