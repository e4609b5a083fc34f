/** CONTRACT §3, row by row, over real sockets. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fail } from '../../src/errors.ts'
import { startRig, until, type Frame, type Rig, type RigConfig, type TestClient } from './rig.ts'

let rig: Rig
const rigOf = async (config: RigConfig): Promise<Rig> => {
  await rig.stop()
  rig = await startRig(config)
  return rig
}
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.stop())

describe('connect', () => {
  test('welcome says session, ticket, actor, node, limits', async () => {
    const client = await rig.open()
    client.send({ t: 'connect', token: 'dev:alice', device: 'phone', client: 'test/1' })
    const welcome = await client.frame('welcome')
    expect(welcome).toMatchObject({
      actor: 'user/alice',
      node: 'node-1',
      resumed: false,
      pingEveryMs: 25_000,
      limits: { frameBytes: 65_536, inflight: 64, subscriptions: 128 },
    })
    expect(welcome['session']).toMatch(/^[\w-]{22}$/)
    expect(typeof welcome['ticket']).toBe('string')
    expect('expiresAt' in welcome).toBe(false)
  })

  test('dev: `?as=NAME` needs no token', async () => {
    const client = await rig.open('/v1/ws?as=bob')
    client.send({ t: 'connect' })
    expect(await client.frame('welcome')).toMatchObject({ actor: 'user/bob' })
  })

  test('a ticket resumes: the session goes on', async () => {
    const first = await rig.open()
    first.send({ t: 'connect', token: 'dev:alice', device: 'phone' })
    const { session, ticket } = await first.frame('welcome')
    const second = await rig.open()
    second.send({ t: 'connect', ticket, device: 'phone' })
    expect(await second.frame('welcome')).toMatchObject({ session, resumed: true, actor: 'user/alice' })
  })

  test('a ticket with a fresh token keeps the session; of another user or device it does not', async () => {
    const first = await rig.open()
    first.send({ t: 'connect', token: 'dev:alice', device: 'phone' })
    const { session, ticket } = await first.frame('welcome')
    for (const [connect, same] of [
      [{ token: 'dev:alice', ticket, device: 'phone' }, true],
      [{ token: 'dev:bob', ticket, device: 'phone' }, false],
      [{ token: 'dev:alice', ticket, device: 'tablet' }, false],
      [{ token: 'dev:alice', ticket: 'nonsense' }, false],
    ] as const) {
      const client = await rig.open()
      client.send({ t: 'connect', ...connect })
      const welcome = await client.frame('welcome')
      expect([welcome['resumed'], welcome['session'] === session]).toEqual([same, same])
    }
  })

  test('a ticket alone ends when its first did, however often it resumes; only authenticate begins a new time', async () => {
    let asked = 0
    const authenticate = (): { sub: string; actor: string } | null => (asked++ < 2 ? { sub: 'a', actor: 'user/a' } : null)
    await rigOf({ virtual: true, mode: 'start', options: { ticketTtlMs: 10_000 }, app: { authenticate } })
    const come = async (connect: object): Promise<Frame> => {
      const client = await rig.open()
      client.send({ t: 'connect', ...connect })
      await until(() => client.frames.length > 0, 'the first answer')
      return client.frames[0] as Frame
    }
    const began = await come({ token: 't' })
    let ticket = began['ticket']
    for (let i = 0; i < 3; i++) {
      rig.clock.advance(3_000)
      const resumed = await come({ ticket })
      expect(resumed).toMatchObject({ t: 'welcome', session: began['session'], resumed: true })
      ticket = resumed['ticket']
    }
    const renewed = await come({ ticket, token: 't' })
    expect(renewed).toMatchObject({ t: 'welcome', session: began['session'], resumed: true })
    rig.clock.advance(1_000)
    expect(await come({ ticket })).toMatchObject({ t: 'bye', code: 3005 })
    expect(await come({ ticket: renewed['ticket'] })).toMatchObject({ t: 'welcome', session: began['session'] })
    expect(asked).toBe(2)
    rig.clock.advance(9_000)
    expect(await come({ ticket: renewed['ticket'] })).toMatchObject({ t: 'bye', code: 3005 })
  })

  test('a ticket alone that does not hold: bye 3005, which a client with a token survives', async () => {
    const client = await rig.open()
    client.send({ t: 'connect', ticket: 'nonsense' })
    expect(await client.frame('bye')).toMatchObject({ code: 3005, reconnect: true })
    expect(await client.closed).toMatchObject({ code: 3005 })
  })

  test('an unknown token: bye 3500, do not reconnect', async () => {
    await rigOf({ mode: 'start', app: { authenticate: () => null } })
    const client = await rig.open()
    client.send({ t: 'connect', token: 'dev:alice' })
    expect(await client.frame('bye')).toMatchObject({ code: 3500, reconnect: false })
    expect((await client.closed).code).toBe(3500)
  })

  test('start without authenticate lets nobody in', async () => {
    await rigOf({ mode: 'start' })
    const client = await rig.open('/v1/ws?as=alice')
    client.send({ t: 'connect', token: 'dev:alice' })
    expect(await client.frame('bye')).toMatchObject({ code: 3500 })
  })

  test('authenticate sees token, headers, query, address and transport', async () => {
    const seen: unknown[] = []
    await rigOf({
      mode: 'start',
      app: {
        authenticate: async (request) => {
          seen.push(request)
          return { sub: 'x', actor: 'user/x', claims: { admin: true } }
        },
      },
    })
    const client = await rig.open('/v1/ws?auth=T0&auth=T1&actor=user%2Fx')
    client.send({ t: 'connect', token: 'secret' })
    await client.frame('welcome')
    expect(seen).toHaveLength(1)
    expect(seen[0]).toMatchObject({ token: 'secret', query: { auth: 'T0', actor: 'user/x' }, address: '127.0.0.1', transport: 'ws' })
    expect((seen[0] as { headers: Record<string, string> }).headers['upgrade']).toBe('websocket')
  })

  test('authenticate that throws, or lies: bye 3011 and a line in the log without the token', async () => {
    for (const authenticate of [
      () => {
        throw new Error('database down')
      },
      () => Promise.reject(new Error('database down')),
      () => ({ sub: '' }),
      () => ({ sub: 'a\u0000b' }),
      () => ({ sub: 'a', actor: 'no-slash' }),
      () => ({ sub: 'a', expiresAt: Number.NaN }),
    ]) {
      await rigOf({ mode: 'start', app: { authenticate } })
      const client = await rig.open()
      client.send({ t: 'connect', token: 'secret-token' })
      expect(await client.frame('bye')).toMatchObject({ code: 3011, reconnect: true })
      expect(rig.lines.some(({ level }) => level === 'error')).toBe(true)
      expect(JSON.stringify(rig.lines)).not.toContain('secret-token')
    }
  })

  test('an expired identity: bye 3005', async () => {
    await rigOf({ mode: 'start', app: { authenticate: () => ({ sub: 'a', actor: 'user/a', expiresAt: 1 }) } })
    const client = await rig.open()
    client.send({ t: 'connect', token: 't' })
    expect(await client.frame('bye')).toMatchObject({ code: 3005 })
  })

  test('no connect in time: bye 3502; not authenticated in time: bye 3013', async () => {
    await rigOf({ virtual: true, mode: 'start', app: { authenticate: () => new Promise(() => undefined) } })
    const silent = await rig.open()
    rig.clock.advance(9_000)
    const waiting = await rig.open()
    waiting.send({ t: 'connect', token: 't' }, { t: 'send', id: 1, type: 'note.added' })
    await until(() => rig.gateway.stats().sockets === 2, 'two sockets')
    waiting.send({ t: 'nope' })
    await waiting.frame('error')
    rig.clock.advance(1_500)
    expect(await silent.frame('bye')).toMatchObject({ code: 3502, reconnect: false })
    rig.clock.advance(4_000)
    expect(await waiting.frame('bye')).toMatchObject({ code: 3013, reconnect: true })
    expect(rig.calls.sends).toHaveLength(0)
  })

  test('frames before the welcome wait and run in order', async () => {
    let admit: (() => void) | undefined
    await rigOf({
      mode: 'start',
      app: {
        authenticate: () =>
          new Promise((resolve) => {
            admit = () => resolve({ sub: 'a', actor: 'user/a' })
          }),
      },
    })
    const client = await rig.open()
    client.send(
      { t: 'send', id: 1, type: 'note.added', data: 1 },
      { t: 'connect', token: 't' },
      { t: 'send', id: 2, type: 'note.added', data: 2 },
    )
    await until(() => admit !== undefined, 'authenticate is asked')
    client.send({ t: 'send', id: 3, type: 'note.added', data: 3 }, { t: 'nope' })
    await client.frame('error')
    expect(rig.calls.sends).toHaveLength(0)
    admit?.()
    await client.frame('reply', { id: 3 })
    expect(rig.calls.sends.map(({ data }) => data)).toEqual([1, 2, 3])
  })

  test('more than earlyFrames or earlyBytes before the welcome: bye 3501', async () => {
    const many = await rig.open()
    for (let i = 0; i < 33; i++) many.send({ t: 'send', id: i, type: 'note.added' })
    expect(await many.frame('bye')).toMatchObject({ code: 3501, reconnect: false })
    const big = await rig.open()
    for (let i = 0; i < 2; i++) big.send({ t: 'send', id: i, type: 'note.added', data: 'x'.repeat(40_000) })
    expect(await big.frame('bye')).toMatchObject({ code: 3501 })
    expect(rig.calls.sends).toHaveLength(0)
  })

  test('a second connect is malformed', async () => {
    const client = await rig.join()
    client.send({ t: 'connect', token: 'dev:bob' })
    expect(await client.frame('error')).toMatchObject({ code: 'invalid' })
  })
})

describe('send', () => {
  test('to one’s own actor, qualified', async () => {
    const client = await rig.join()
    const reply = await client.ask({ t: 'send', id: 7, type: 'note.added', data: { text: 'hi' } })
    expect(reply).toEqual({ t: 'reply', id: 7, ok: true, offset: 1, durable: true })
    expect(rig.calls.sends[0]).toEqual({ actor: 'user/alice', type: 'note.added', data: { text: 'hi' }, sender: 'user:alice' })
  })

  test('seq and base go under the session; a repeat is `duplicate`, a hole out_of_order with next, other content conflict', async () => {
    const client = await rig.open()
    client.send({ t: 'connect', token: 'dev:alice' })
    const { session, ticket } = await client.frame('welcome')
    expect(await client.ask({ t: 'send', id: 1, type: 'note.added', data: 1, seq: 1, base: 1 })).toMatchObject({ ok: true, offset: 1 })
    expect(rig.calls.sends[0]).toMatchObject({ source: `session:${String(session)}`, seq: 1, base: 1 })
    // Promise 1: a repeat on another connection of the same session is taken once.
    const again = await rig.open()
    again.send({ t: 'connect', ticket })
    await again.frame('welcome')
    expect(await again.ask({ t: 'send', id: 1, type: 'note.added', data: 1, seq: 1 })).toEqual({
      t: 'reply',
      id: 1,
      ok: true,
      offset: 1,
      durable: true,
      duplicate: true,
    })
    expect(await again.ask({ t: 'send', id: 2, type: 'note.added', seq: 3 })).toMatchObject({
      ok: false,
      error: { code: 'out_of_order', retryable: true, next: 2 },
    })
    expect(await again.ask({ t: 'send', id: 3, type: 'note.added', data: 2, seq: 1 })).toMatchObject({
      ok: false,
      error: { code: 'conflict' },
    })
  })

  test('keys are of their user: the same key of two users does not meet', async () => {
    const alice = await rig.join('alice')
    await rigOf({ app: { authorize: () => true } })
    const [a, b] = [await rig.join('a'), await rig.join('b')]
    const frame = { t: 'send', id: 1, to: 'user/x', type: 'note.added', data: 1, key: 'k' }
    expect(await a.ask(frame)).not.toHaveProperty('duplicate')
    expect(await a.ask(frame)).toMatchObject({ duplicate: true })
    expect(await b.ask(frame)).not.toHaveProperty('duplicate')
    expect(rig.calls.sends[0]?.key).toBe('a\u0000k')
    alice.socket.terminate()
  })

  test('a refusal carries reason; retryAfterMs is passed on', async () => {
    const client = await rig.join()
    expect(await client.ask({ t: 'send', id: 1, type: 'refuse' })).toEqual({
      t: 'reply',
      id: 1,
      ok: false,
      error: { code: 'refused', message: 'no', retryable: false, reason: 'because' },
    })
    rig.calls.failNext(fail('overloaded', 'full', { retryAfterMs: 50 }))
    expect(await client.ask({ t: 'send', id: 2, type: 'other' })).toMatchObject({
      error: { code: 'overloaded', retryable: true, retryAfterMs: 50 },
    })
  })

  test('rights: only one’s own actor by default; a wrong name is invalid, an unknown type not_found', async () => {
    const client = await rig.join()
    const codeFor = async (to: string): Promise<unknown> =>
      ((await client.ask({ t: 'send', id: 1, to, type: 'note.added' }))['error'] as { code: string }).code
    expect(await codeFor('user/bob')).toBe('denied')
    expect(await codeFor('nobody/bob')).toBe('not_found')
    for (const to of ['user', 'user/', '/x', 'user/a/b', 'user/\u0000', 'user/\ud800', `user/${'k'.repeat(257)}`, 'constructor'])
      expect(await codeFor(to)).toBe('invalid')
    expect(rig.calls.sends).toHaveLength(0)
  })

  test('authorize decides; only `true` counts, and throwing denies', async () => {
    const asked: unknown[] = []
    await rigOf({
      app: {
        authorize: (who, action, target) => {
          asked.push([who.sub, action, target])
          if (target.name === 'other') throw new Error('oops')
          if (target.name === 'refuse') return Promise.resolve(true) as unknown as boolean
          return true
        },
      },
    })
    const client = await rig.join()
    expect(await client.ask({ t: 'send', id: 1, to: 'user/bob', type: 'note.added' })).toMatchObject({ ok: true })
    expect(await client.ask({ t: 'send', id: 2, type: 'other' })).toMatchObject({ error: { code: 'denied' } })
    expect(await client.ask({ t: 'send', id: 3, type: 'refuse' })).toMatchObject({ error: { code: 'denied' } })
    await client.ask({ t: 'query', id: 4, name: 'count' })
    await client.ask({ t: 'subscribe', id: 5, topic: 'feed' })
    await client.ask({ t: 'history', id: 6, from: 1, limit: 1 })
    expect(asked).toEqual([
      ['alice', 'send', { actor: 'user/bob', name: 'note.added' }],
      ['alice', 'send', { actor: 'user/alice', name: 'other' }],
      ['alice', 'send', { actor: 'user/alice', name: 'refuse' }],
      ['alice', 'query', { actor: 'user/alice', name: 'count' }],
      ['alice', 'subscribe', { actor: 'user/alice', name: 'feed' }],
      ['alice', 'history', { actor: 'user/alice', name: '' }],
    ])
  })

  test('bytes as {$bytes} from a JSON client are bytes; towards it they are base64 text', async () => {
    const client = await rig.join()
    await client.ask({ t: 'subscribe', id: 1, topic: 'feed' })
    await client.ask({ t: 'send', id: 2, type: 'other', data: { $bytes: 'AQID' } })
    expect(rig.calls.sends[0]?.data).toEqual(new Uint8Array([1, 2, 3]))
    expect(await client.frame('note')).toMatchObject({ data: 'AQID' })
  })

  test('replies of one turn come joined, a lone one at once; several frames come in one message', async () => {
    const client = await rig.join()
    const before = client.messages
    client.send(...[1, 2, 3, 4].map((id) => ({ t: 'send', id, type: 'note.added', data: id })))
    await client.frame('reply', { id: 4 })
    expect(client.messages - before).toBe(2)
    expect(rig.calls.sends.map(({ data }) => data)).toEqual([1, 2, 3, 4])
  })
})

describe('query, history, refresh', () => {
  test('query: args, strict, atLeast, timeoutMs reach the actor; the answer has data and offset', async () => {
    const client = await rig.join()
    const reply = await client.ask({ t: 'query', id: 1, name: 'echo', args: { a: [1] }, strict: true, atLeast: 3, timeoutMs: 50 })
    expect(reply).toEqual({ t: 'reply', id: 1, ok: true, data: { a: [1] }, offset: 0 })
    expect(rig.calls.queries[0]).toEqual({ actor: 'user/alice', name: 'echo', args: { a: [1] }, strict: true, atLeast: 3, timeoutMs: 50 })
    expect(await client.ask({ t: 'query', id: 2, name: 'nope' })).toMatchObject({ error: { code: 'unknown_query' } })
  })

  test('history: entries oldest first, at most historyEntries, more; no longer kept is a gap', async () => {
    const client = await rig.join()
    for (let i = 1; i <= 400; i++) rig.calls.append('user/alice', 'note.added', i)
    const first = await client.ask({ t: 'history', id: 1, from: 1, limit: 1000 })
    expect((first['entries'] as unknown[]).length).toBe(300)
    expect(first).toMatchObject({ ok: true, more: true })
    expect((first['entries'] as unknown[])[0]).toEqual({ offset: 1, type: 'note.added', data: 1, at: rig.calls.at + 1 })
    expect(await client.ask({ t: 'history', id: 2, from: 400, limit: 5 })).toMatchObject({ more: false, entries: [{ offset: 400 }] })
    rig.calls.trim('user/alice', 100)
    expect(await client.ask({ t: 'history', id: 3, from: 5, limit: 5 })).toMatchObject({ error: { code: 'gap', retryable: false } })
    expect(await client.ask({ t: 'history', id: 4, from: 0, limit: 1 })).toMatchObject({ entries: [{ offset: 100 }] })
  })

  test('refresh: a new expiry and ticket; another user is denied; the end is bye 3005, after a hint', async () => {
    let life = 60_000
    await rigOf({
      virtual: true,
      mode: 'start',
      app: { authenticate: ({ token }) => ({ sub: token ?? '', actor: 'user/a', expiresAt: rig.clock.now() + life }) },
    })
    let client = await rig.open()
    client.send({ t: 'connect', token: 'a' })
    const { expiresAt } = await client.frame('welcome')
    expect(expiresAt).toBe(rig.clock.now() + 60_000)
    const talk = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 5_000) {
        rig.clock.advance(Math.min(left, 5_000))
        await client.ask({ t: 'query', id: 3, name: 'count' })
      }
    }
    await talk(46_000)
    expect(await client.frame('hint')).toMatchObject({ kind: 'refresh', inMs: 0 })
    expect(await client.ask({ t: 'refresh', id: 1, token: 'b' })).toMatchObject({ error: { code: 'denied' } })
    life = 100_000
    const reply = await client.ask({ t: 'refresh', id: 2, token: 'a' })
    expect(reply).toMatchObject({ ok: true, expiresAt: rig.clock.now() + 100_000 })
    const again = await rig.open()
    again.send({ t: 'connect', ticket: reply['ticket'] })
    expect(await again.frame('welcome')).toMatchObject({ resumed: true, expiresAt: rig.clock.now() + 100_000 })
    client = again
    await talk(90_000)
    expect(await client.frame('hint')).toMatchObject({ kind: 'refresh' })
    rig.clock.advance(11_000)
    expect(await client.frame('bye')).toMatchObject({ code: 3005, reconnect: true })
  })
})

describe('malformed frames', () => {
  test.each([
    ['not JSON', 'hello'],
    ['not a map', '[1]'],
    ['null', 'null'],
    ['unknown kind', '{"t":"nope"}'],
    ['kind named like a method', '{"t":"constructor"}'],
    ['__proto__ carries no fields', '{"t":"send","__proto__":{"id":1,"type":"note.added"}}'],
    ['no id', '{"t":"send","type":"note.added"}'],
    ['id too large', '{"t":"send","id":9007199254740993,"type":"note.added"}'],
    ['id not whole', '{"t":"send","id":1.5,"type":"note.added"}'],
    ['id negative', '{"t":"send","id":-1,"type":"note.added"}'],
    ['id a text', '{"t":"send","id":"1","type":"note.added"}'],
    ['type missing', '{"t":"send","id":1}'],
    ['type too long', `{"t":"send","id":1,"type":"${'x'.repeat(129)}"}`],
    ['seq 0', '{"t":"send","id":1,"type":"note.added","seq":0}'],
    ['base above seq', '{"t":"send","id":1,"type":"note.added","seq":1,"base":2}'],
    ['base without seq', '{"t":"send","id":1,"type":"note.added","base":1}'],
    ['to not a text', '{"t":"query","id":1,"to":7,"name":"count"}'],
    ['from without journal', '{"t":"subscribe","id":1,"topic":"feed","from":{"offset":1}}'],
    ['a second kind of map', '{"t":{"t":"send"}}'],
  ])('%s: error, and the third closes with 3501', async (_, text) => {
    const client = await rig.join()
    for (let i = 0; i < 3; i++) {
      client.text(text)
      expect(await client.frame('error')).toMatchObject({ code: 'invalid' })
    }
    expect(await client.frame('bye')).toMatchObject({ code: 3501, reconnect: false })
    expect((await client.closed).code).toBe(3501)
    expect(rig.calls.sends).toHaveLength(0)
    await until(() => rig.gateway.stats().sockets === 0, 'the socket is forgotten')
  })

  test.each([
    ['too deep', `${'['.repeat(65)}1${']'.repeat(65)}`],
    ['far too deep', `${'['.repeat(30_000)}${']'.repeat(30_000)}`],
    ['__proto__', '{"a":{"__proto__":{"admin":true}}}'],
    ['a number beyond all', '[1e999]'],
  ])('data that is no data (%s) is refused by reply, and not counted', async (_, data) => {
    const client = await rig.join()
    for (let id = 1; id <= 4; id++) {
      client.text(`{"t":"send","id":${id},"type":"note.added","data":${data}}`)
      expect(await client.frame('reply', { id })).toMatchObject({ ok: false, error: { code: 'invalid' } })
    }
    expect(await client.ask({ t: 'query', id: 9, name: 'count' })).toMatchObject({ ok: true })
    expect(rig.calls.sends).toHaveLength(0)
  })

  test('`constructor` and lone surrogates in data are data; keys of 64 KiB in it too; a long idempotency key is not', async () => {
    await rigOf({ options: { frameBytes: 256 * 1024 } })
    const client = await rig.join()
    const data = { constructor: { prototype: 1 }, toString: 'x', lone: '\ud800', ['k'.repeat(65_536)]: 1 }
    expect(await client.ask({ t: 'query', id: 1, name: 'echo', args: data })).toMatchObject({ data })
    expect(await client.ask({ t: 'send', id: 2, type: 'note.added', key: 'k'.repeat(65_536) })).toMatchObject({
      error: { code: 'invalid' },
    })
    expect(await client.ask({ t: 'send', id: 3, type: 'note.added', key: '\ud800' })).toMatchObject({ error: { code: 'invalid' } })
  })

  test('unknown fields are ignored', async () => {
    const client = await rig.join()
    expect(await client.ask({ t: 'query', id: 1, name: 'count', extra: { a: 1 } })).toMatchObject({ ok: true })
  })

  test('a message beyond frameBytes closes with 1009; text that is not UTF-8 with 1007', async () => {
    const big = await rig.join()
    big.text('x'.repeat(65_537))
    expect((await big.closed).code).toBe(1009)
    const torn = await rig.join()
    torn.socket.send(Buffer.from([0x22, 0xff, 0xfe, 0x22]), { binary: false })
    expect((await torn.closed).code).toBe(1007)
    await until(() => rig.gateway.stats().sockets === 0, 'both are forgotten')
  })

  test('a binary message on a JSON connection is malformed', async () => {
    const client = await rig.join()
    client.socket.send(Buffer.from([1]))
    expect(await client.frame('error')).toMatchObject({ code: 'invalid' })
  })
})

describe('limits', () => {
  test('at `inflight` unanswered requests the rest waits, in order, and goes on', async () => {
    await rigOf({ options: { inflight: 3 } })
    const client = await rig.join()
    rig.calls.hold()
    for (let id = 1; id <= 20; id++) client.send({ t: 'send', id, type: 'note.added', data: id })
    await until(() => rig.calls.sends.length === 3, 'three are asked')
    rig.calls.release(1)
    await client.frame('reply', { id: 1 })
    await until(() => rig.calls.sends.length === 4, 'one more')
    rig.calls.release()
    await client.frame('reply', { id: 20 })
    expect(rig.calls.sends.map(({ data }) => data)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
  })

  test('beyond `subscriptions`: overloaded; an unsubscribe makes room', async () => {
    await rigOf({ options: { subscriptions: 2 } })
    const client = await rig.join()
    const [first] = [
      await client.ask({ t: 'subscribe', id: 1, topic: 'feed' }),
      await client.ask({ t: 'subscribe', id: 2, topic: 'changes' }),
    ]
    expect(await client.ask({ t: 'subscribe', id: 3, topic: 'summary' })).toMatchObject({ error: { code: 'overloaded' } })
    expect(await client.ask({ t: 'unsubscribe', id: 4, sub: first['sub'] })).toEqual({ t: 'reply', id: 4, ok: true })
    expect(await client.ask({ t: 'unsubscribe', id: 5, sub: first['sub'] })).toMatchObject({ error: { code: 'not_found' } })
    expect(await client.ask({ t: 'subscribe', id: 6, topic: 'summary' })).toMatchObject({ ok: true })
  })

  test('beyond `connections`: bye 3013 with retryAfterMs, so that nobody is logged out for good; room again is for the next', async () => {
    await rigOf({ options: { connections: 1 } })
    const first = await rig.join()
    const second = await rig.open()
    expect(await second.frame('bye')).toMatchObject({ code: 3013, reconnect: true, retryAfterMs: 1000 })
    expect((await second.closed).code).toBe(3013)
    first.socket.terminate()
    await until(() => rig.gateway.stats().sockets === 0, 'the first is forgotten')
    await rig.join()
  })
})

describe('subprotocols', () => {
  test('an unknown one: bye 3501, readable though nothing was agreed', async () => {
    const client = await rig.open('/v1/ws', ['soap'])
    expect(await client.frame('bye')).toMatchObject({ code: 3501, reconnect: false })
  })

  test('the client’s first known one is taken', async () => {
    const client = await rig.open('/v1/ws', ['troupe.v9', 'troupe.v1.json', 'troupe.v1.msgpack'])
    expect(client.socket.protocol).toBe('troupe.v1.json')
  })

  test('msgpack: everything works the same, bytes are bytes', async () => {
    const client = await rig.join('alice', 'troupe.v1.msgpack')
    expect(await client.ask({ t: 'subscribe', id: 1, topic: 'summary' })).toMatchObject({ ok: true, sub: 1, data: { count: 0 } })
    await client.ask({ t: 'subscribe', id: 2, topic: 'feed' })
    client.send({ t: 'send', id: 3, type: 'other', data: new Uint8Array([1, 2, 3]) }, { t: 'query', id: 4, name: 'echo', args: { a: 1 } })
    expect(await client.frame('reply', { id: 3 })).toEqual({ t: 'reply', id: 3, ok: true, offset: 1, durable: true })
    expect(await client.frame('reply', { id: 4 })).toMatchObject({ data: { a: 1 } })
    expect(await client.frame('note', { sub: 1 })).toEqual({ t: 'note', sub: 1, from: 1, offset: 1, data: { count: 1 } })
    const feed = await client.frame('note', { sub: 2 })
    expect({ ...feed, data: [...(feed['data'] as Uint8Array)] }).toEqual({
      t: 'note',
      sub: 2,
      from: 1,
      offset: 1,
      type: 'other',
      at: rig.calls.at + 1,
      data: [1, 2, 3],
    })
    expect(await client.ask({ t: 'history', id: 5, from: 1, limit: 1 })).toMatchObject({
      entries: [{ offset: 1, type: 'other' }],
      more: false,
    })
    expect(await client.ask({ t: 'send', id: 6, type: 'refuse' })).toMatchObject({ ok: false, error: { code: 'refused' } })
  })

  test('raw: JSON connect, then every binary message is an event of bytes, unacknowledged', async () => {
    const client = await rig.join('alice', 'troupe.v1.raw')
    client.socket.send(Buffer.from([65]))
    client.socket.send(Buffer.from([66, 67]))
    expect(await client.ask({ t: 'query', id: 1, name: 'count' })).toMatchObject({ data: 2 })
    expect(rig.calls.sends).toEqual([
      { actor: 'user/alice', type: 'raw', data: new Uint8Array([65]), sender: 'user:alice' },
      { actor: 'user/alice', type: 'raw', data: new Uint8Array([66, 67]), sender: 'user:alice' },
    ])
    // A copy: not a view of the socket's buffer.
    expect((rig.calls.sends[0] as { readonly data: Uint8Array }).data.buffer.byteLength).toBe(1)
  })

  test('raw with an actor that takes none: bye 3501', async () => {
    await rigOf({ mode: 'start', app: { authenticate: () => ({ sub: 'a', actor: 'mute/a' }) } })
    const client = await rig.open('/v1/ws', ['troupe.v1.raw'])
    client.send({ t: 'connect' })
    await client.frame('welcome')
    client.socket.send(Buffer.from([1]))
    expect(await client.frame('bye')).toMatchObject({ code: 3501 })
  })
})

describe('subscribe', () => {
  const feed = async (client: TestClient, id: number, from?: object): Promise<Record<string, unknown>> =>
    client.ask({ t: 'subscribe', id, topic: 'feed', ...(from !== undefined && { from }) })

  test('the answer says where the actor is; later entries follow, chained by `from`', async () => {
    rig.calls.append('user/alice', 'note.added', 'old')
    const client = await rig.join()
    expect(await feed(client, 1)).toEqual({
      t: 'reply',
      id: 1,
      ok: true,
      sub: 1,
      journal: 'j-user/alice',
      epoch: 1,
      offset: 1,
      recovered: false,
    })
    for (const data of ['a', 'b']) rig.calls.append('user/alice', 'note.added', data)
    expect(await client.frame('note')).toEqual({
      t: 'note',
      sub: 1,
      from: 2,
      offset: 2,
      type: 'note.added',
      at: rig.calls.at + 2,
      data: 'a',
    })
    expect(await client.frame('note')).toMatchObject({ from: 3, offset: 3, data: 'b' })
  })

  test('from the beginning, from an offset, from another journal', async () => {
    for (let i = 1; i <= 700; i++) rig.calls.append('user/alice', 'note.added', i)
    const client = await rig.join()
    const journal = rig.calls.journal('user/alice')
    expect(await feed(client, 1, { journal: '', offset: 0 })).toMatchObject({ recovered: true, offset: 700 })
    for (let i = 1; i <= 700; i++) expect(await client.frame('note', { sub: 1 })).toMatchObject({ from: i, offset: i, data: i })
    expect(await feed(client, 2, { journal, offset: 698 })).toMatchObject({ recovered: true })
    for (const offset of [699, 700]) expect(await client.frame('note', { sub: 2 })).toMatchObject({ from: offset, offset })
    expect(await feed(client, 3, { journal: 'other', offset: 5 })).toMatchObject({ recovered: false, offset: 700 })
    expect(await feed(client, 4, { journal, offset: 9999 })).toMatchObject({ recovered: false, offset: 700 })
    rig.calls.append('user/alice', 'note.added', 701)
    for (const sub of [1, 2, 3, 4]) expect(await client.frame('note', { sub })).toMatchObject({ from: 701, offset: 701 })
    expect(client.frames).toEqual([])
  })

  test('what is no longer kept is a gap, never silence (promise 4)', async () => {
    for (let i = 1; i <= 10; i++) rig.calls.append('user/alice', 'note.added', i)
    rig.calls.trim('user/alice', 6)
    const client = await rig.join()
    expect(await feed(client, 1, { journal: rig.calls.journal('user/alice'), offset: 2 })).toMatchObject({ recovered: false, offset: 10 })
    expect(await client.frame('gap')).toEqual({ t: 'gap', sub: 1, from: 3, to: 5 })
    for (let i = 6; i <= 10; i++) expect(await client.frame('note')).toMatchObject({ from: i, offset: i })
  })

  test('a log of some types skips the others, and still has no hole', async () => {
    for (const type of ['note.added', 'other', 'note.added', 'other']) rig.calls.append('user/alice', type)
    const client = await rig.join()
    await client.ask({ t: 'subscribe', id: 1, topic: 'notes', from: { journal: '', offset: 0 } })
    rig.calls.append('user/alice', 'other')
    rig.calls.append('user/alice', 'note.added')
    for (const [from, offset] of [
      [1, 1],
      [2, 3],
      [4, 6],
    ])
      expect(await client.frame('note')).toMatchObject({ from, offset })
  })

  test('signal: behind on resume hears at once; view: has its value in the reply', async () => {
    for (let i = 0; i < 5; i++) rig.calls.append('user/alice', 'other')
    const client = await rig.join()
    const journal = rig.calls.journal('user/alice')
    expect(await client.ask({ t: 'subscribe', id: 1, topic: 'changes', from: { journal, offset: 3 } })).toMatchObject({
      recovered: true,
      offset: 5,
    })
    expect(await client.frame('note')).toEqual({ t: 'note', sub: 1, from: 4, offset: 5 })
    expect(await client.ask({ t: 'subscribe', id: 2, topic: 'changes', from: { journal, offset: 5 } })).toMatchObject({ recovered: true })
    expect(await client.ask({ t: 'subscribe', id: 3, topic: 'summary' })).toMatchObject({ data: { count: 5 }, offset: 5 })
    rig.calls.append('user/alice', 'other')
    for (const sub of [1, 2]) expect(await client.frame('note', { sub })).toEqual({ t: 'note', sub, from: 6, offset: 6 })
    expect(await client.frame('note', { sub: 3 })).toEqual({ t: 'note', sub: 3, from: 6, offset: 6, data: { count: 6 } })
  })

  test('an unknown topic, and a store that fails, answer and leave nothing behind', async () => {
    const client = await rig.join()
    expect(await client.ask({ t: 'subscribe', id: 1, topic: 'nope' })).toMatchObject({ error: { code: 'unknown_topic' } })
    rig.calls.failNext(fail('store_unavailable', 'later'))
    expect(await client.ask({ t: 'subscribe', id: 2, topic: 'feed' })).toMatchObject({ error: { code: 'store_unavailable' } })
    expect(rig.gateway.stats()).toMatchObject({ subscriptions: 0, upstreams: 0 })
    expect(await feed(client, 3)).toMatchObject({ ok: true })
  })

  test('one upstream for all sockets of an actor; it goes with the last of them (D8)', async () => {
    const clients = [await rig.join(), await rig.join(), await rig.join()]
    for (const client of clients) await feed(client, 1)
    expect(rig.calls.subscribers).toBe(1)
    expect(rig.gateway.stats()).toMatchObject({ upstreams: 1, subscriptions: 3, sessions: 3 })
    rig.calls.append('user/alice', 'note.added')
    for (const client of clients) await client.frame('note')
    clients[0]?.socket.terminate()
    await clients[1]?.ask({ t: 'unsubscribe', id: 2, sub: 1 })
    await until(() => rig.gateway.stats().subscriptions === 1, 'one left')
    expect(rig.calls.subscribers).toBe(1)
    clients[2]?.socket.terminate()
    await until(() => rig.calls.subscribers === 0, 'the upstream is closed')
    await until(() => rig.gateway.stats().sessions === 1, 'two sessions ended')
    expect(rig.gateway.stats()).toMatchObject({ upstreams: 0, subscriptions: 0 })
  })

  test('a socket that goes while its subscribe is asked leaves nothing', async () => {
    const client = await rig.join()
    rig.calls.hold()
    client.send({ t: 'subscribe', id: 1, topic: 'feed' })
    await until(() => rig.calls.waiting === 1, 'asked')
    client.socket.terminate()
    await until(() => rig.gateway.stats().sockets === 0, 'gone')
    rig.calls.release()
    expect(rig.gateway.stats()).toMatchObject({ upstreams: 0, subscriptions: 0 })
    expect(rig.calls.subscribers).toBe(0)
  })
})
