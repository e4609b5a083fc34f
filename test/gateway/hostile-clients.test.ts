/** What one client, one page or one answer of the app must not be able to do to the node and everybody else on it. */
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { BareClient, clientFrame } from './bare-client.ts'
import { startRig, until, type Rig, type RigConfig } from './rig.ts'

let rig: Rig
afterEach(() => rig.stop())

/** The node lives, and serves somebody else. */
async function expectAlive(): Promise<void> {
  const other = await rig.join('other')
  expect(await other.ask({ t: 'query', id: 1, name: 'count' })).toMatchObject({ ok: true })
}

test('who pings without reading leaves one pong waiting, and gets the newest when it reads', async () => {
  rig = await startRig()
  const accepted = new Promise<Socket>((resolve) => rig.server.once('connection', resolve))
  const client = new BareClient(rig.port)
  const server = await accepted
  await until(() => client.received.includes('\r\n\r\n'), 'upgraded')
  client.socket.pause()
  const before = server.bytesRead
  // Far more than the kernel holds for one connection.
  const ping = clientFrame(9, Buffer.alloc(120, 'p'))
  const block = Buffer.concat(Array.from({ length: 1_000 }, () => ping))
  const last = clientFrame(9, 'the newest')
  const blocks = 120
  for (let i = 0; i < blocks; i++) client.socket.write(block)
  client.socket.write(last)
  await until(() => server.bytesRead - before === blocks * block.length + last.length, 'all pings are read')
  expect(server.writableLength).toBeLessThan(1_000)
  client.socket.resume()
  await until(() => client.received.includes('the newest'), 'the newest ping is answered')
  client.socket.destroy()
})

describe('MessagePack', () => {
  const NOT_BYTES = [{ $bytes: '*not base64*' }, { $bytes: 'QUJ' }, { $bytes: '=AAA' }, { $bytes: '\u0041AAA"' }]

  test('data that only looks like bytes comes as it is: in answers, views, notes and pages', async () => {
    rig = await startRig()
    const client = await rig.join('alice', 'troupe.v1.msgpack')
    await client.ask({ t: 'subscribe', id: 1, topic: 'feed' })
    for (const data of NOT_BYTES) {
      expect(await client.ask({ t: 'query', id: 2, name: 'echo', args: data })).toMatchObject({ ok: true, data })
      rig.calls.append('user/alice', 'note.added', data)
      expect(await client.frame('note')).toMatchObject({ data })
    }
    const page = await client.ask({ t: 'history', id: 3, from: 1, limit: 10 })
    expect((page['entries'] as { data: unknown }[]).map(({ data }) => data)).toEqual(NOT_BYTES)
    await expectAlive()
  })

  test('bytes are still bytes', async () => {
    rig = await startRig()
    const client = await rig.join('alice', 'troupe.v1.msgpack')
    await client.ask({ t: 'send', id: 1, type: 'note.added', data: Uint8Array.of(1, 2, 250) })
    const page = await client.ask({ t: 'history', id: 2, from: 1, limit: 1 })
    expect(page['entries']).toMatchObject([{ data: Buffer.of(1, 2, 250) }])
  })

  test('state nested deeper than any event may be is answered and told', async () => {
    rig = await startRig()
    const client = await rig.join('alice', 'troupe.v1.msgpack')
    await client.ask({ t: 'subscribe', id: 1, topic: 'feed' })
    for (const levels of [150, 1_001, 3_000]) {
      const json = `${'{"in":['.repeat(levels)}"é"${']}'.repeat(levels)}`
      Object.assign(rig.calls, { query: (_: unknown, done: (outcome: object) => void) => done({ ok: true, json, offset: 1 }) })
      const { data } = await client.ask({ t: 'query', id: 2, name: 'count' })
      let at: unknown = data
      for (let level = 0; level < levels; level++) at = (at as { in: [unknown] }).in[0]
      expect(at).toBe('é')
      rig.calls.tell('user/alice', { journal: rig.calls.journal('user/alice'), epoch: 1, offset: levels, type: 'other', at: 1, json })
      expect(await client.frame('note')).toMatchObject({ offset: levels })
    }
  })
})

describe('a throw while one connection is served is logged and ends that connection only', () => {
  const closed = async (run: (client: Awaited<ReturnType<Rig['join']>>) => Promise<void>): Promise<void> => {
    rig = await startRig()
    const client = await rig.join('alice', 'troupe.v1.msgpack')
    const { query } = rig.calls
    await run(client)
    expect(await client.frame('bye')).toMatchObject({ code: 3011, reconnect: true })
    expect((await client.closed).code).toBe(3011)
    const lines = rig.lines.filter(({ level }) => level === 'error')
    expect(lines).toMatchObject([{ message: 'serving a connection threw: it is closed', fields: { error: 'SyntaxError' } }])
    // Never payloads.
    expect(JSON.stringify(lines)).not.toContain('secret')
    expect(rig.gateway.stats()).toMatchObject({ sessions: 0, subscriptions: 0, upstreams: 0 })
    Object.assign(rig.calls, { query })
    await expectAlive()
  }
  const BROKEN = '{"secret'

  test('a reply', () =>
    closed(async (client) => {
      Object.assign(rig.calls, { query: (_: unknown, done: (outcome: object) => void) => done({ ok: true, json: BROKEN, offset: 1 }) })
      client.send({ t: 'query', id: 1, name: 'count' })
    }))

  test('a reply that comes later', () =>
    closed(async (client) => {
      let answer: ((outcome: object) => void) | null = null
      Object.assign(rig.calls, { query: (_: unknown, done: (outcome: object) => void) => void (answer = done) })
      client.send({ t: 'query', id: 1, name: 'count' })
      await until(() => answer !== null, 'asked')
      ;(answer as unknown as (outcome: object) => void)({ ok: true, json: BROKEN, offset: 1 })
    }))

  test('a note', () =>
    closed(async (client) => {
      await client.ask({ t: 'subscribe', id: 1, topic: 'feed' })
      rig.calls.tell('user/alice', { journal: rig.calls.journal('user/alice'), epoch: 1, offset: 1, type: 'other', at: 1, json: BROKEN })
    }))
})

describe('an app whose authenticate gives nonsense', () => {
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  const NONSENSE: readonly unknown[] = [
    { ok: true, sub: 'alice' },
    { ok: false },
    { ok: false, sub: 'alice' },
    { sub: 'alice', claims: { big: 1n } },
    { sub: 'alice', claims: cyclic },
    { sub: 'alice', claims: () => 1 },
    { sub: 'alice', claims: { long: 'x'.repeat(20_000) } },
    { sub: 'x'.repeat(20_000) },
    'alice',
    7,
  ]
  const with_ = (authenticate: () => unknown): RigConfig => ({ mode: 'start', app: { authenticate: authenticate as never } })

  for (const later of [false, true])
    test(`is reported, and that login fails (${later ? 'later' : 'at once'})`, async () => {
      let given: unknown = null
      rig = await startRig(with_(() => (later ? Promise.resolve(given) : given)))
      for (given of NONSENSE) {
        const client = await rig.open()
        client.send({ t: 'connect', token: 'x' })
        expect(await client.frame('bye')).toMatchObject({ code: 3011 })
        expect((await fetch(`${rig.url}/v1/session`, { method: 'POST', headers: { authorization: 'Bearer x' } })).status).toBe(500)
      }
      expect(rig.lines.filter(({ level }) => level === 'error').length).toBe(2 * NONSENSE.length)
      given = { sub: 'alice', claims: { role: 'admin' } }
      const client = await rig.open()
      client.send({ t: 'connect', token: 'x' })
      expect(await client.frame('welcome')).toMatchObject({ t: 'welcome' })
    })
})

describe('dev: names without proof', () => {
  const connect = async (path: string, headers: string): Promise<string> => {
    const client = new BareClient(rig.port, headers, path)
    await until(() => client.received.includes('\r\n\r\n'), 'upgraded')
    client.send({ t: 'connect', token: 'dev:alice' })
    await until(() => /"t":"(welcome|bye)"/.test(client.received), 'an answer')
    client.socket.destroy()
    return /"t":"welcome"/.test(client.received) ? 'welcome' : (/"code":(\d+)/.exec(client.received)?.[1] ?? '')
  }
  const post = async (headers: Record<string, string>): Promise<number> => {
    const body = '{"type":"note.added"}'
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port: rig.port, method: 'POST', path: '/v1/actors/user/alice/events?as=alice', headers })
      sent.on('response', (answer) => resolve(answer.resume().statusCode ?? 0))
      sent.on('error', reject)
      sent.end(body)
    })
  }

  test('are not taken from a page of another site, nor under a name that may have been made to point here', async () => {
    rig = await startRig()
    expect(await connect('/v1/ws', 'Origin: https://evil.example\r\n')).toBe('3507')
    expect(await connect('/v1/ws', 'Origin: null\r\n')).toBe('3507')
    expect(await post({ origin: 'https://evil.example', 'content-type': 'text/plain' })).toBe(403)
    expect(await post({ host: 'rebound.example:80' })).toBe(403)
    expect(await post({ host: 'rebound.example:80', origin: 'http://rebound.example:80' })).toBe(403)
    expect(await post({ origin: 'http://localhost.evil.example' })).toBe(403)
    expect(rig.calls.sends).toEqual([])
  })

  test('are taken from this machine, from the same address, and from programs', async () => {
    rig = await startRig()
    expect(await connect('/v1/ws', '')).toBe('welcome')
    expect(await connect('/v1/ws', 'Origin: http://localhost:5173\r\n')).toBe('welcome')
    for (const headers of [
      {},
      { host: 'troupe:8080' },
      { host: '192.168.1.5:8080', origin: 'http://192.168.1.5:5173' },
      { host: '[::1]:80', origin: 'http://[::1]:80' },
      { origin: 'http://app.localhost:3000' },
    ])
      expect(await post(headers), JSON.stringify(headers)).toBe(200)
  })

  test('do not matter where a token is checked', async () => {
    rig = await startRig({ mode: 'start', app: { authenticate: () => ({ sub: 'alice' }) } })
    expect(await connect('/v1/ws', 'Origin: https://site.example\r\n')).toBe('welcome')
  })
})
