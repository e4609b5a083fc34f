/** A cluster has several gateways: a client given their addresses goes from one to the next, in one session. */
import { expect, it } from 'vitest'
import { type Client, connect, type ConnectOptions } from '../../src/client/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { ModelServer } from './model-server.ts'
import { watch } from './setup.ts'

const URLS = ['ws://a', 'ws://b', 'ws://c'] as const

interface Cluster {
  readonly clock: VirtualClock
  readonly server: ModelServer
  readonly client: Client
  readonly dead: Set<string>
  /** Hosts, in the order in which they were tried. */
  readonly tried: string[]
  open(): Promise<void>
}

function cluster(options: ConnectOptions = {}, urls: readonly string[] = URLS, start: readonly string[] = []): Cluster {
  const clock = new VirtualClock()
  const server = new ModelServer(clock)
  const dead = new Set<string>(start)
  const tried: string[] = []
  const client = connect(urls, {
    token: 'token',
    clock,
    random: { float: () => 0 },
    wakeups: () => () => undefined,
    transport: (url, subprotocol, events) => {
      const { hostname } = new URL(url)
      tried.push(hostname)
      if (!dead.has(hostname)) return server.transport(url, subprotocol, events)
      clock.after(1, () => events.closed(1006, ''))
      return { send: () => undefined, close: () => undefined }
    },
    ...options,
  })
  return { clock, server, client, dead, tried, open: () => clock.until(() => client.state === 'open', 60_000, 'state open') }
}

it('clients begin at random, with any of them', async () => {
  const firsts = await Promise.all(
    [0, 0.32, 0.34, 0.65, 0.67, 0.999].map(async (float) => {
      const { clock, tried } = cluster({ random: { float: () => float } })
      await clock.until(() => tried.length > 0)
      return tried[0]
    }),
  )
  expect(firsts).toEqual(['a', 'a', 'b', 'b', 'c', 'c'])
  // A source of randomness that gives one leads nowhere else.
  const { open } = cluster({ random: { float: () => 1 } })
  await open()
})

it('tries them in turn until one answers, and again from the first', async () => {
  const { clock, client, tried, dead, open } = cluster({}, URLS, ['a', 'b', 'c'])
  await clock.until(() => tried.length === 7)
  expect(tried).toEqual(['a', 'b', 'c', 'a', 'b', 'c', 'a'])
  dead.delete('c')
  await open()
  expect(tried.slice(7)).toEqual(['b', 'c'])
  client.close()
})

it('the clients of a gateway that dies spread over all others', async () => {
  const urls = ['ws://a', 'ws://b', 'ws://c', 'ws://d', 'ws://e']
  const seconds = new Map<string, number>()
  let seed = 1
  for (let i = 0; i < 400; i++) {
    let first = true
    const { clock, client, tried } = cluster(
      {
        random: {
          float: () => {
            if (first) return ((first = false), 0)
            return (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
          },
        },
      },
      urls,
      ['a'],
    )
    await clock.until(() => client.state === 'open', 60_000, 'state open')
    expect(tried[0]).toBe('a')
    seconds.set(tried[1] as string, (seconds.get(tried[1] as string) ?? 0) + 1)
    client.close()
  }
  for (const url of ['b', 'c', 'd', 'e']) expect(seconds.get(url)).toBeGreaterThan(60)
})

it('waits longer with each round of all of them, not with each one that is away', async () => {
  const [clock, opened] = [new VirtualClock(), [] as number[]]
  const client = connect(URLS, {
    token: 'token',
    clock,
    random: { float: () => 0.999 },
    wakeups: () => () => undefined,
    transport: (_, __, events) => {
      opened.push(clock.mono())
      clock.after(1, () => events.closed(1006, ''))
      return { send: () => undefined, close: () => undefined }
    },
  })
  await clock.until(() => opened.length === 10, 60_000)
  const waits = opened.slice(1).map((at, i) => Math.round((at - (opened[i] as number)) / 500))
  expect(waits).toEqual([1, 1, 1, 2, 2, 2, 4, 4, 4])
  client.close()
})

it('a gateway dies: the next goes on with the session, what was unanswered is repeated in order under its numbers, once', async () => {
  const { clock, server, client, tried, dead, open } = cluster()
  await open()
  const heard: unknown[] = []
  client.actor().subscribe('feed', ({ data }) => heard.push(data), { from: 'start' })
  await clock.run(10)
  server.replyHoldMs = () => 3_600_000
  const sends = Array.from({ length: 30 }, (_, n) => watch(client.actor().send('a', n)))
  await clock.run(5)
  expect(server.of('send').map(({ seq }) => seq)).toEqual(sends.map((_, n) => n + 1))
  dead.add('a')
  server.replyHoldMs = () => 0
  server.socket.cut()
  await open()
  await clock.until(() => sends.every(({ state }) => state === 'resolved'))
  expect(tried).toEqual(['a', 'b'])
  expect(server.of('connect').at(-1)).toMatchObject({ ticket: 'ticket:s1' })
  expect(
    server
      .of('send')
      .slice(30)
      .map(({ seq, data }) => [seq, data]),
  ).toEqual(sends.map((_, n) => [n + 1, n]))
  expect(sends.map(({ value }) => value)).toEqual(sends.map((_, n) => ({ offset: n + 1, durable: true, duplicate: true })))
  await clock.until(() => heard.length === 30)
  expect(heard).toEqual(sends.map((_, n) => n))
})

it('refused as busy by one, it does not wait for that one before it asks the next', async () => {
  const { clock, server, tried, client } = cluster()
  server.intercept = (socket, frame) => {
    if (frame.t !== 'connect' || new URL(socket.url).hostname !== 'a') return false
    socket.bye(3013, true, 60_000)
    return true
  }
  await clock.run(1_000)
  expect([client.state, tried]).toEqual(['open', ['a', 'b']])
})

it('when all of them said later, it waits for the soonest', async () => {
  const { clock, server, tried } = cluster()
  server.intercept = (socket, frame) => {
    if (frame.t !== 'connect') return false
    socket.bye(3013, true, { a: 60_000, b: 30_000, c: 90_000 }[new URL(socket.url).hostname])
    return true
  }
  await clock.run(29_000)
  const first = tried.length
  expect(first).toBe(new Set(tried).size)
  await clock.run(5_000)
  expect(tried.length).toBeGreaterThan(first)
})

it('a ticket that is refused is followed by a token at the same address', async () => {
  const { server, tried, open } = cluster()
  await open()
  server.ticketsVoid = true
  server.socket.cut()
  await open()
  expect(tried).toEqual(['a', 'b', 'b'])
})

it('hint drain without an address leads to the next; with one, there; it is never without a connection', async () => {
  const { clock, server, client, tried, open } = cluster()
  const states: string[] = []
  client.on('state', (state) => states.push(state))
  await open()
  server.socket.toClient({ t: 'hint', kind: 'drain', inMs: 0, spreadMs: 0 })
  await clock.until(() => server.opened.length === 2)
  await clock.run(20)
  expect([tried, server.sockets.size, states]).toEqual([['a', 'b'], 1, ['open']])
  server.socket.toClient({ t: 'hint', kind: 'drain', inMs: 0, spreadMs: 0, url: 'ws://elsewhere/v1/ws' })
  await clock.until(() => server.opened.length === 3)
  await clock.run(20)
  expect([tried.at(-1), server.sockets.size, states]).toEqual(['elsewhere', 1, ['open']])
  // What was hinted is not kept: the list is.
  server.socket.cut()
  await open()
  expect(URLS.map((url) => new URL(url).hostname)).toContain(tried.at(-1))
})

it.each([undefined, 3013, 3015])('a move that fails (%s) is tried at the next address while the old connection serves', async (code) => {
  const { clock, server, client, tried, dead, open } = cluster({}, URLS)
  await open()
  if (code === undefined) dead.add('b')
  server.intercept = (socket, frame) => {
    if (frame.t !== 'connect' || code === undefined || !socket.url.includes('//b')) return false
    socket.bye(code, true)
    return true
  }
  const states: string[] = []
  client.on('state', (state) => states.push(state))
  server.socket.toClient({ t: 'hint', kind: 'drain', inMs: 0, spreadMs: 0 })
  await clock.until(() => tried.length === 3)
  await clock.run(20)
  expect([tried, server.sockets.size, states]).toEqual([['a', 'b', 'c'], 1, []])
  expect(server.socket.url).toContain('//c')
})

it('needs at least one address, and all must be addresses', () => {
  expect(() => connect([])).toThrow('there is no address')
  expect(() => connect(['ws://a', 'ftp://b'])).toThrow('ftp://b')
})
