/** bye 3510 and hint slower, as the client takes them. */
import { expect, it } from 'vitest'
import { setup, watch } from './setup.ts'

it('3510 for the old connection, before the welcome of the one that takes over is here, does not close the client', async () => {
  const { clock, server, client, open } = setup()
  await open()
  const old = server.socket
  const sent = watch(client.actor().send('a', 1))
  server.replyHoldMs = () => 50
  let taken = 0
  server.intercept = (_socket, frame) => {
    if (frame.t === 'connect') {
      taken++
      // The server has taken it for the session's: its word to the old connection overtakes that to the new one.
      old.bye(3510, false)
    }
    return false
  }
  old.toClient({ t: 'hint', kind: 'drain', inMs: 0, spreadMs: 0 })
  await clock.until(() => taken === 1)
  await clock.until(() => sent.state === 'resolved')
  await clock.run(30_000)
  expect([client.state, server.opened.length, server.actor('user/alice').entries.length]).toEqual(['open', 2, 1])
})

it('3510 because the server came late to a connect of this client that it had given up does not close it', async () => {
  // Always nearly the whole back-off, so that the next try is not under way yet.
  const { clock, server, client, open } = setup({ random: { float: () => 0.9 } })
  await open()
  const old = server.socket
  let unheard = 0
  server.intercept = (socket, frame) => frame.t === 'connect' && socket !== old && unheard++ < 2
  old.toClient({ t: 'hint', kind: 'drain', inMs: 0, spreadMs: 0 })
  // It waits 10 s for each welcome, and a while before the third try. Now the server reads one of those connects.
  await clock.until(() => unheard === 2, 60_000)
  await clock.run(10_050)
  server.intercept = () => false
  old.bye(3510, false)
  await clock.until(() => client.state === 'resuming')
  await open()
  // Later on it is another's word again.
  await clock.run(61_000)
  server.socket.bye(3510, false)
  await clock.run(10_000)
  expect(client.state).toBe('closed')
})

it('3502 is a server that stood still while the connect was on its way: it comes again', async () => {
  const { server, open } = setup()
  let told = 0
  server.intercept = (socket, frame) => {
    if (frame.t !== 'connect' || told++ > 0) return false
    socket.bye(3502, false)
    return true
  }
  await open()
  expect([told, server.opened.length]).toEqual([2, 2])
})

it('3510 because another has the session closes it: two would push each other out for ever', async () => {
  const { clock, server, client, open } = setup()
  await open()
  server.socket.bye(3510, false)
  await clock.run(60_000)
  expect([client.state, server.opened.length]).toEqual(['closed', 1])
})

it('hint slower: nothing is written for so long, then everything, in order', async () => {
  const { clock, server, client, open } = setup({ random: { float: () => 0.5 } })
  await open()
  server.socket.toClient({ t: 'hint', kind: 'slower', inMs: 1_000, spreadMs: 400 })
  await clock.run(5)
  const sends = [1, 2, 3].map((n) => watch(client.actor().send('a', n)))
  const query = watch(client.actor('user/bob').query('count'))
  await clock.run(1_190)
  expect([server.of('send').length, server.of('query').length]).toEqual([0, 0])
  // It lives meanwhile.
  server.socket.toClient({ t: 'ping' })
  await clock.run(3)
  expect(server.of('pong').length).toBe(1)
  await clock.run(20)
  expect(server.of('send').map(({ data }) => data)).toEqual([1, 2, 3])
  expect([...sends.map(({ state }) => state), query.state]).toEqual(Array(4).fill('resolved'))
})

it('hint slower: never for longer than 5 s, and not on the next connection', async () => {
  const { clock, server, client, open } = setup({ random: { float: () => 0 } })
  await open()
  server.socket.toClient({ t: 'hint', kind: 'slower', inMs: 3_600_000, spreadMs: 0 })
  await clock.run(5)
  const patient = watch(client.actor().send('a', 1))
  await clock.run(5_010)
  expect(patient.state).toBe('resolved')
  server.socket.toClient({ t: 'hint', kind: 'slower', inMs: 5_000, spreadMs: 0 })
  await clock.run(5)
  const sent = watch(client.actor().send('a', 2))
  server.socket.cut()
  await clock.run(20)
  expect(sent.state).toBe('resolved')
})
