import { describe, expect, it } from 'vitest'
import { connect } from '../../src/client/index.ts'
import { setup, watch } from './setup.ts'

describe('connecting', () => {
  it('goes connecting → open → resuming → open → closed, and tells', async () => {
    const { server, client, open } = setup()
    const states: string[] = []
    const off = client.on('state', (state, { code }) => states.push(code === undefined ? state : `${state} ${code}`))
    expect(client.state).toBe('connecting')
    await open()
    server.socket.cut(1006)
    expect(client.state).toBe('resuming')
    await open()
    client.close()
    off()
    expect(states).toEqual(['open', 'resuming 1006', 'open', 'closed 1000'])
  })

  it('waits at random below 0.5 s first, the bound doubling to 20 s', async () => {
    const clockOf = async (float: number): Promise<number[]> => {
      const { clock, server } = setup({ random: { float: () => float } })
      server.unreachable = true
      server.delayMs = () => 0
      const at: number[] = []
      const transport = server.transport
      const client = connect('ws://model', {
        clock,
        random: { float: () => float },
        wakeups: () => () => undefined,
        transport: (...args) => {
          at.push(clock.mono())
          return transport(...args)
        },
      })
      await clock.until(() => at.length === 10)
      client.close()
      return at.slice(1).map((ms, n) => ms - (at[n] as number))
    }
    expect(await clockOf(0.5)).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000])
    expect(await clockOf(0)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0])
  })

  it('begins with short waits again only after a connection that lived 10 s', async () => {
    const { clock, server, open } = setup({ random: { float: () => 1 } })
    await open()
    const waits: number[] = []
    for (const livedMs of [0, 0, 0, 10_000]) {
      await clock.run(livedMs)
      const cutAt = clock.mono()
      server.socket.cut()
      await open()
      waits.push(Math.round((clock.mono() - cutAt) / 500) * 500)
    }
    expect(waits).toEqual([500, 1000, 2000, 500])
  })

  it('is suspended after two minutes without a connection, and still tries', async () => {
    const { clock, server, client, open } = setup()
    await open()
    server.unreachable = true
    server.socket.cut()
    await clock.run(119_999)
    expect(client.state).toBe('resuming')
    await clock.run(1)
    expect(client.state).toBe('suspended')
    server.unreachable = false
    await open()
  })

  it('tries at once when the network comes back', async () => {
    let wake = (): void => undefined
    const { clock, server, client, open } = setup({
      wakeups: (run) => {
        wake = run
        return () => undefined
      },
    })
    await open()
    server.unreachable = true
    server.socket.cut()
    await clock.run(100_000)
    server.unreachable = false
    wake()
    await clock.run(10)
    expect(client.state).toBe('open')
  })

  it('gives a connection up that gets no welcome in 10 s, and one that fell silent', async () => {
    const { clock, server, client, open } = setup()
    server.intercept = (_socket, frame) => frame.t === 'connect'
    await clock.until(() => server.of('connect').length === 1)
    await clock.run(9_900)
    expect(server.opened.length).toBe(1)
    server.intercept = () => false
    await open()
    expect(server.opened.length).toBe(2)
    // 25 s + 8 s after the last message, not after the first.
    const opened = clock.mono()
    await clock.run(20_000)
    server.socket.toClient({ t: 'ping' })
    await clock.run(32_000)
    expect(server.of('pong').length).toBe(1)
    expect(client.state).toBe('open')
    await clock.until(() => client.state === 'resuming')
    expect(clock.mono() - opened).toBeGreaterThan(52_000)
    expect(clock.mono() - opened).toBeLessThan(53_100)
    await open()
  })
})

describe('without a connection', () => {
  const why = 'ws://model/v1/ws did not open: nothing listens there, or it is no client port'

  it('tells why with each attempt that failed while it was never open, and with suspended', async () => {
    const { clock, server, client, open } = setup()
    server.unreachable = true
    const told: unknown[] = []
    client.on('state', (state, detail) => told.push([state, detail]))
    await clock.until(() => told.length === 3)
    expect(told).toEqual(Array(3).fill(['connecting', { code: 1006, reason: why }]))
    await clock.until(() => client.state === 'suspended')
    expect(told.at(-1)).toEqual(['suspended', { code: 1006, reason: why }])
    server.unreachable = false
    told.length = 0
    await open()
    expect(told).toEqual([['open', {}]])
  })

  it('a loss is told once, however many attempts fail; suspended tells of the last', async () => {
    const { clock, server, client, open } = setup()
    const told: unknown[] = []
    await open()
    client.on('state', (state, detail) => told.push([state, detail]))
    server.unreachable = true
    server.socket.cut(1012)
    await clock.until(() => client.state === 'suspended')
    expect(told).toEqual([
      ['resuming', { code: 1012, reason: '' }],
      ['suspended', { code: 1006, reason: why }],
    ])
  })

  it('a token that cannot be had is told as such', async () => {
    const { clock, client } = setup({ token: () => Promise.reject(new Error('no keys')) })
    client.on('error', () => undefined)
    const told: unknown[] = []
    client.on('state', (state, detail) => told.push([state, detail]))
    await clock.until(() => told.length === 2)
    expect(told[1]).toEqual(['connecting', { reason: 'Error: no keys' }])
  })

  it('a send and a query that were not sent in time say why', async () => {
    const { clock, server, client, open } = setup()
    server.unreachable = true
    const early = watch(client.actor().query('count', undefined, { timeoutMs: 1 }))
    const sent = watch(client.actor().send('a', 1, { timeoutMs: 5_000 }))
    const asked = watch(client.actor().query('count', undefined, { timeoutMs: 5_000 }))
    await clock.run(5_000)
    expect(early.message).toMatch("no answer to query 'count' in 1 ms: there is no connection")
    expect(sent).toMatchObject({
      code: 'timeout',
      message: `'a' was not sent in time; it was not applied: there is no connection (1006 ${why})`,
    })
    expect(asked.message).toBe(`no answer to query 'count' in 5000 ms: there is no connection (1006 ${why})`)
    server.unreachable = false
    await open()
    server.intercept = (_socket, frame) => frame.t === 'query'
    const unanswered = watch(client.actor().query('count', undefined, { timeoutMs: 5_000 }))
    await clock.run(5_000)
    expect(unanswered.message).toBe("no answer to query 'count' in 5000 ms")
  })
})

describe('the end of a connection', () => {
  it.each([3001, 3008, 3015, 3099, 1001, 1006, 1012])('%i: reconnects', async (code) => {
    const { server, open } = setup()
    await open()
    server.socket.cut(code)
    await open()
    expect(server.opened.length).toBe(2)
  })

  it.each([
    [3503, 'denied'],
    [3507, 'denied'],
    [3510, 'unavailable'],
    [3777, 'unavailable'],
  ])('%i: stops, and all that waits rejects with %s', async (code, error) => {
    const { clock, server, client, open } = setup()
    server.limits = { ...server.limits, inflight: 1 }
    await open()
    server.replyHoldMs = () => 1000
    void client
      .actor()
      .query('count')
      .catch(() => undefined)
    const waiting = watch(client.actor().send('a'))
    await clock.run(5)
    server.socket.cut(code)
    await clock.run(100_000)
    expect(client.state).toBe('closed')
    expect(waiting.code).toBe(error)
    expect(server.opened.length).toBe(1)
    expect(() => client.actor().subscribe('feed', () => undefined)).toThrow(`closed (${code}`)
  })

  it('the bye decides over the code, and its retryAfterMs is kept', async () => {
    const { clock, server, client, open } = setup()
    await open()
    server.socket.bye(3013, true, 7_000)
    await clock.run(6_900)
    expect([client.state, server.opened.length]).toEqual(['resuming', 1])
    await open()
    server.socket.bye(3001, false)
    expect(client.state).toBe('closed')
  })
})

describe('credentials', () => {
  it('a token function is called for the first connection only, as long as tickets hold', async () => {
    let calls = 0
    const { server, open } = setup({ token: () => Promise.resolve(`t${++calls}`), device: 'phone' })
    await open()
    server.socket.cut()
    await open()
    expect(server.of('connect')).toMatchObject([
      { token: 't1', device: 'phone' },
      { ticket: 'ticket:s1', device: 'phone' },
    ])
    expect(calls).toBe(1)
  })

  it.each([
    [3005, ['token', 'ticket:s1', 'ticket:s1 token']],
    [3500, ['token', 'ticket:s1', 'token']],
  ])('a ticket that no longer holds (%i) is followed by a token at once', async (code, connects) => {
    const { clock, server, client, open } = setup({ random: { float: () => 1 } })
    await open()
    server.ticketsVoid = true
    server.ticketCode = code
    server.socket.cut()
    await clock.run(510)
    expect(client.state).toBe('open')
    expect(server.of('connect').map(({ token, ticket }) => [ticket, token].join(' ').trim())).toEqual(connects)
  })

  it('a session that is not the last one is never gone on with: its numbers are not known', async () => {
    const { server, client, open } = setup()
    await open()
    server.intercept = (socket, frame) => {
      if (frame.t !== 'connect' || frame.ticket === undefined) return false
      server.intercept = () => false
      server.receive(socket, { t: 'connect', ticket: 'ticket:another' })
      return true
    }
    server.socket.cut()
    await open()
    expect([server.socket.session, client.state]).toEqual(['s2', 'open'])
    expect(server.of('connect').at(-1)).toMatchObject({ token: 'token' })
  })

  it('a bad token closes the client', async () => {
    const { clock, server, client } = setup()
    server.intercept = (socket, frame) => {
      if (frame.t === 'connect') socket.bye(3500, false)
      return frame.t === 'connect'
    }
    const sent = watch(client.actor().send('a'))
    await clock.until(() => client.state === 'closed')
    await clock.run(0)
    expect(sent.code).toBe('unauthenticated')
  })

  it('a token function that throws or hangs is tried again, and told', async () => {
    const answers = [() => Promise.reject(new Error('no network')), () => new Promise<string>(() => undefined), () => 'token']
    let call = 0
    const { clock, client } = setup({ token: () => (answers[call++] as () => string | Promise<string>)() })
    const errors: string[] = []
    client.on('error', (error) => errors.push(error.message))
    await clock.until(() => client.state === 'open')
    expect(errors).toEqual(['no network', 'the token function gave no token in 10 s'])
  })

  it('is refreshed before it expires, on a hint, and after 3005', async () => {
    let calls = 0
    const { clock, server, open } = setup({ token: () => `t${++calls}` })
    const born = clock.now()
    server.expiresAt = () => clock.now() + 600_000
    await open()
    const pings = (): void => {
      for (const socket of server.sockets) socket.toClient({ t: 'ping' })
      clock.after(20_000, pings)
    }
    pings()
    await clock.until(() => server.of('refresh').length === 1)
    expect(clock.now() - born).toBeGreaterThan(530_000)
    expect(clock.now() - born).toBeLessThan(545_000)
    server.socket.toClient({ t: 'hint', kind: 'refresh', inMs: 10, spreadMs: 0 })
    await clock.run(100)
    expect(server.of('refresh').map(({ token }) => token)).toEqual(['t2', 't3'])
    server.socket.bye(3005, true)
    await open()
    // The ticket is that of the last refresh: the one of the welcome ends with the token it was given for.
    expect(server.of('connect').at(-1)).toMatchObject({ ticket: 'ticket:s1:2', token: 't4' })
  })

  it('an `expired` answer refreshes the token, and the send is repeated', async () => {
    let calls = 0
    const { clock, server, client, open } = setup({ token: () => `t${++calls}` })
    await open()
    server.intercept = (socket, frame) => {
      if (frame.t !== 'send' || server.of('refresh').length > 0) return false
      server.refuse(socket, frame.id, 'expired', { next: 1 })
      return true
    }
    const sent = watch(client.actor().send('a'))
    await clock.until(() => sent.state === 'resolved')
    expect(server.of('refresh').map(({ token }) => token)).toEqual(['t2'])
  })
})

describe('hint drain', () => {
  it('opens a second connection, switches at its welcome, and closes the old: never without one', async () => {
    const { clock, server, client, open } = setup()
    const states: string[] = []
    client.on('state', (state) => states.push(state))
    await open()
    const old = server.socket
    let heard = 0
    client.actor().subscribe('feed', () => heard++)
    await clock.run(50)
    server.replyHoldMs = () => 100_000
    const under = watch(client.actor().send('a', 'under way'))
    await clock.run(5)
    server.replyHoldMs = () => 0
    old.toClient({ t: 'hint', kind: 'drain', inMs: 100, spreadMs: 400, url: 'ws://other/v1/ws' })
    await clock.run(99)
    expect(server.opened.length).toBe(1)
    await clock.until(() => server.opened.length === 2)
    expect([...server.sockets].includes(old)).toBe(true)
    expect(server.opened[1]?.url).toBe('ws://other/v1/ws')
    await clock.until(() => under.state !== 'pending')
    expect(under).toMatchObject({ state: 'resolved', value: { duplicate: true } })
    expect(old.gone).toBe(true)
    await clock.run(50)
    server.append('user/alice', 'b', 1)
    await clock.run(50)
    expect(heard).toBe(2)
    expect(states).toEqual(['open'])
    expect(server.of('connect').at(-1)).toMatchObject({ ticket: 'ticket:s1' })
  })

  it('whose second connection fails goes on with the first until that ends', async () => {
    const { clock, server, client, open } = setup()
    await open()
    const old = server.socket
    old.toClient({ t: 'hint', kind: 'drain', inMs: 0, spreadMs: 0 })
    server.unreachable = true
    await clock.run(5_000)
    expect([client.state, old.gone]).toEqual(['open', false])
    server.unreachable = false
    old.bye(3015, true)
    await open()
  })

  it.each([3005, 3500])('whose second connection is refused for its ticket (%i) comes again with a token, once', async (code) => {
    for (const refusals of [1, 2]) {
      const { clock, server, client, open } = setup()
      await open()
      const old = server.socket
      let left = refusals
      server.intercept = (socket, frame) => {
        if (frame.t !== 'connect' || left === 0) return false
        left--
        socket.bye(code, code < 3500)
        return true
      }
      old.toClient({ t: 'hint', kind: 'drain', inMs: 0, spreadMs: 0, url: 'ws://other/v1/ws' })
      await clock.run(5_000)
      expect(server.opened.map(({ url }) => url)).toEqual(['ws://model/v1/ws', 'ws://other/v1/ws', 'ws://other/v1/ws'])
      expect(server.of('connect').at(-1)).toMatchObject({ token: 'token' })
      expect([client.state, old.gone]).toEqual(['open', refusals === 1])
    }
  })

  it('never leads from an encrypted address to a plain one', async () => {
    const { clock, server } = setup()
    const client = connect('https://model', { clock, transport: server.transport, wakeups: () => () => undefined })
    await clock.until(() => client.state === 'open')
    for (const socket of server.sockets) socket.toClient({ t: 'hint', kind: 'drain', inMs: 0, spreadMs: 0, url: 'ws://evil/v1/ws' })
    await clock.until(() => server.opened.length === 4)
    expect(server.opened.map(({ url }) => url).sort()).toEqual([
      'ws://evil/v1/ws',
      'ws://model/v1/ws',
      'wss://model/v1/ws',
      'wss://model/v1/ws',
    ])
  })
})

describe('connect()', () => {
  it('refuses another scheme and an unknown option', () => {
    expect(() => connect('ftp://x')).toThrow(TypeError)
    for (const given of ['ftp://x', '127.0.0.1:7700', 'localhost:7700', ''])
      expect(() => connect(given)).toThrow(`connect: '${given}' is not a ws, wss, http or https address: write it as ws://host:7000`)
    expect(() => connect('ws://x', { tokn: 'x' } as never)).toThrow("no option 'tokn'")
    expect(() => connect('ws://x', { queueMax: 0 })).toThrow('queueMax')
  })

  it('survives malformed messages and unknown frames', async () => {
    const { clock, server, client, open } = setup()
    await open()
    server.socket.events.message('{"t":"later"}\n{"t":"reply","id":99,"ok":true}')
    const errors: string[] = []
    client.on('error', (error) => errors.push(error.message))
    server.socket.toClient({ t: 'error', code: 'invalid', message: 'what?' })
    await clock.run(10)
    expect([client.state, errors]).toEqual(['open', ['what?']])
    server.socket.events.message('{')
    expect(client.state).toBe('resuming')
    await open()
  })
})
