/** CONTRACT §4, row by row, over real HTTP. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AppTools } from '../../src/actors/define.ts'
import { ERRORS, fail, TroupeError, type ErrorCode } from '../../src/errors.ts'
import { startRig, until, type Rig, type RigConfig } from './rig.ts'

let rig: Rig
const rigOf = async (config: RigConfig): Promise<void> => {
  await rig.stop()
  rig = await startRig(config)
}
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.stop())

interface Answer {
  readonly status: number
  readonly body: never
  readonly headers: Headers
}

async function call(
  path: string,
  {
    as = 'alice',
    method = 'GET',
    body,
    headers = {},
  }: {
    readonly as?: string | null
    readonly method?: string
    readonly body?: unknown
    readonly headers?: Record<string, string>
  } = {},
): Promise<Answer> {
  const response = await fetch(rig.url + path, {
    method,
    headers: { ...(as !== null && { authorization: `Bearer dev:${as}` }), ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as never, headers: response.headers }
}
const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  call(path, { method: 'POST', body, headers })

/** The path exactly as written: fetch would normalise it. */
function rawGet(path: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: rig.port, path, headers }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

const EVENTS = '/v1/actors/user/alice/events'

describe('events', () => {
  test('one: offset, durable; with a key a repeat is duplicate', async () => {
    expect(await post(EVENTS, { type: 'note.added', data: { text: 'hi' } })).toMatchObject({
      status: 200,
      body: { offset: 1, durable: true },
    })
    expect(rig.calls.sends[0]).toEqual({ actor: 'user/alice', type: 'note.added', data: { text: 'hi' }, sender: 'user:alice' })
    expect((await post(EVENTS, { type: 'note.added', data: 1, key: 'k' })).body).toEqual({ offset: 2, durable: true })
    expect((await post(EVENTS, { type: 'note.added', data: 1, key: 'k' })).body).toEqual({ offset: 2, durable: true, duplicate: true })
    expect((await post(EVENTS, { type: 'note.added', data: 1 }, { 'idempotency-key': 'k' })).body).toMatchObject({ duplicate: true })
    expect(rig.calls.sends.at(-1)?.key).toBe('alice\u0000k')
  })

  test('an array: answers in order, each with its own outcome; Idempotency-Key counts with the position', async () => {
    const events = [{ type: 'note.added', data: 1 }, { type: 'refuse' }, { nonsense: true }, { type: 'note.added', data: 2 }]
    const first = await post(EVENTS, events, { 'idempotency-key': 'batch' })
    expect(first.status).toBe(200)
    expect(first.body).toEqual([
      { ok: true, offset: 1, durable: true },
      { ok: false, error: { code: 'refused', message: 'no', retryable: false, reason: 'because' } },
      { ok: false, error: expect.objectContaining({ code: 'invalid' }) },
      { ok: true, offset: 2, durable: true },
    ])
    const again = await post(EVENTS, events, { 'idempotency-key': 'batch' })
    expect(again.body).toMatchObject([{ offset: 1, duplicate: true }, { ok: false }, { ok: false }, { offset: 2, duplicate: true }])
    expect((await post(EVENTS, [])).body).toEqual([])
  })

  test('too many events and too large a body are 413, with or without a length', async () => {
    await rigOf({ options: { httpBatchEvents: 2, httpBodyBytes: 1024 } })
    expect(await post(EVENTS, [1, 2, 3])).toMatchObject({ status: 413, body: { error: { code: 'too_large' } } })
    expect(await post(EVENTS, { type: 'note.added', data: 'x'.repeat(2000) })).toMatchObject({ status: 413 })
    const stream = new ReadableStream({
      start: (controller) => {
        for (let i = 0; i < 3; i++) controller.enqueue(new TextEncoder().encode('x'.repeat(1000)))
        controller.close()
      },
    })
    const response = await fetch(rig.url + EVENTS, {
      method: 'POST',
      headers: { authorization: 'Bearer dev:alice' },
      body: stream,
      duplex: 'half',
    } as RequestInit)
    expect(response.status).toBe(413)
    expect(await call('/v1/actors/user/alice/queries/count')).toMatchObject({ status: 200 })
  })

  test.each([
    ['not JSON', '{'],
    ['not an event', '7'],
    ['no type', '{"data":1}'],
    ['type not a text', '{"type":7}'],
    ['empty key', '{"type":"note.added","key":""}'],
    ['too deep', `{"type":"note.added","data":${'['.repeat(70)}${']'.repeat(70)}}`],
    ['__proto__', '{"type":"note.added","data":{"__proto__":1}}'],
  ])('%s: 400 invalid', async (_, body) => {
    expect(await post(EVENTS, body)).toMatchObject({ status: 400, body: { error: { code: 'invalid', retryable: false } } })
    expect(rig.calls.sends).toHaveLength(0)
  })
})

describe('errors', () => {
  test.each(Object.keys(ERRORS) as ErrorCode[])('%s has its status of the table', async (code) => {
    rig.calls.failNext(fail(code, 'so it is', { retryAfterMs: 1500 }))
    const answer = await post(EVENTS, { type: 'note.added' })
    expect(answer.status).toBe(ERRORS[code].http)
    expect(answer.body).toEqual({ error: { code, message: 'so it is', retryable: ERRORS[code].retryable, retryAfterMs: 1500 } })
    expect(answer.headers.get('retry-after')).toBe('2')
  })

  test('who is not known gets 401, who may not 403', async () => {
    expect(await call('/v1/actors/user/alice/queries/count', { as: null })).toMatchObject({
      status: 401,
      body: { error: { code: 'unauthenticated' } },
    })
    expect(await call('/v1/actors/user/bob/queries/count')).toMatchObject({ status: 403, body: { error: { code: 'denied' } } })
    expect((await fetch(`${rig.url}/v1/actors/user/alice/queries/count?as=alice`)).status).toBe(200)
  })

  test('authenticate sees the request, with transport http, and has authTimeoutMs', async () => {
    const seen: unknown[] = []
    await rigOf({
      virtual: true,
      mode: 'start',
      app: {
        authenticate: (given) => {
          seen.push(given)
          return given.token === 'slow' ? new Promise(() => undefined) : { sub: 'alice', actor: 'user/alice' }
        },
      },
    })
    await call('/v1/actors/user/alice/queries/count?x=1', { as: null, headers: { authorization: 'bearer  T', cookie: 'c=1' } })
    expect(seen[0]).toMatchObject({ token: 'T', query: { x: '1' }, headers: { cookie: 'c=1' }, transport: 'http', address: '127.0.0.1' })
    const slow = call('/v1/actors/user/alice/queries/count', { as: null, headers: { authorization: 'Bearer slow' } })
    await until(() => seen.length === 2, 'asked')
    rig.clock.advance(5_000)
    expect(await slow).toMatchObject({ status: 503, body: { error: { code: 'unavailable' } } })
  })

  test('there is no such route', async () => {
    for (const path of [
      '/nope',
      '/v1/nope',
      '/v1/actors/user',
      '/v1/actors/user/alice',
      '/v1/actors/user/alice/queries',
      '/v1/actors/user/alice/events/x',
      '/v1/actors/user/alice/history/',
    ])
      expect(await call(path)).toMatchObject({ status: 404, body: { error: { code: 'not_found', retryable: false } } })
    expect(await call(EVENTS)).toMatchObject({ status: 404 })
    expect(await post('/v1/actors/user/alice/queries/count', {})).toMatchObject({ status: 404 })
  })

  test('keys are percent-encoded UTF-8 without control characters or /', async () => {
    await rigOf({ app: { authorize: () => true } })
    expect(await rawGet('/v1/actors/user/%C3%A9%20%F0%9F%98%80/queries/count?as=a')).toMatchObject({ status: 200 })
    expect(rig.calls.queries[0]?.actor).toBe('user/é 😀')
    for (const key of ['a%2Fb', '%00', '%0a', '%ff', '%', '%zz', `${'k'.repeat(257)}`, '%ED%A0%80', ''])
      expect((await rawGet(`/v1/actors/user/${key}/queries/count?as=a`)).status).toBe(400)
    expect((await rawGet(`/v1/actors/user/${'k'.repeat(256)}/queries/count?as=a`)).status).toBe(200)
    expect((await rawGet('/v1/actors/__proto__/x/queries/count?as=a')).status).toBe(400)
    expect((await rawGet('/v1/actors/constructor/x/queries/count?as=a')).status).toBe(404)
  })
})

describe('queries, history, session', () => {
  test('query: args as JSON, strict, atLeast', async () => {
    const path = `/v1/actors/user/alice/queries/echo?args=${encodeURIComponent('{"a":[1]}')}&strict=true&atLeast=3`
    expect(await call(path)).toMatchObject({ status: 200, body: { data: { a: [1] }, offset: 0 } })
    expect(rig.calls.queries[0]).toEqual({ actor: 'user/alice', name: 'echo', args: { a: [1] }, strict: true, atLeast: 3 })
    for (const query of ['args={', 'args=[1e999]', 'atLeast=-1', 'atLeast=x'])
      expect(await call(`/v1/actors/user/alice/queries/echo?${query}`)).toMatchObject({ status: 400 })
  })

  test('history: oldest first, from, limit, more; gone is 410', async () => {
    for (let i = 1; i <= 5; i++) rig.calls.append('user/alice', 'note.added', i)
    expect((await call('/v1/actors/user/alice/history?from=2&limit=2')).body).toEqual({
      entries: [2, 3].map((i) => ({ offset: i, type: 'note.added', data: i, at: rig.calls.at + i })),
      more: true,
    })
    expect((await call('/v1/actors/user/alice/history')).body).toMatchObject({ entries: { length: 5 }, more: false })
    rig.calls.trim('user/alice', 4)
    expect(await call('/v1/actors/user/alice/history?from=2')).toMatchObject({ status: 410, body: { error: { code: 'gap' } } })
    for (const query of ['from=x', 'limit=0', 'from=1.5', 'limit=99999999999999999999'])
      expect(await call(`/v1/actors/user/alice/history?${query}`)).toMatchObject({ status: 400 })
  })

  test('session: a ticket that stands for the token, on any node with the key', async () => {
    const { status, body } = await call('/v1/session', { method: 'POST' })
    expect(status).toBe(200)
    expect(body).toMatchObject({ actor: 'user/alice', node: 'node-1', expiresAt: null })
    const ticket = (body as { ticket: string }).ticket
    expect(await call(`/v1/actors/user/alice/queries/count?ticket=${ticket}`, { as: null })).toMatchObject({ status: 200 })
    expect(await call(`/v1/actors/user/alice/queries/count?ticket=${ticket}x`, { as: null })).toMatchObject({
      status: 401,
      body: { error: { code: 'expired' } },
    })
    expect(await call(`/v1/session?ticket=${ticket}`, { as: null, method: 'POST' })).toMatchObject({
      status: 401,
      body: { error: { code: 'unauthenticated' } },
    })
    expect(await call(`/v1/session?ticket=${ticket}`, { method: 'POST' })).toMatchObject({ status: 200 })
    await rigOf({ ticketKey: new Uint8Array(32).fill(8) })
    expect(await call(`/v1/actors/user/alice/queries/count?ticket=${ticket}`, { as: null })).toMatchObject({ status: 401 })
  })
})

interface ServerSentEvent {
  readonly event: string
  readonly id?: string
  readonly data: Record<string, unknown>
}

/** Server-sent events of one request, one at a time. */
async function events(
  path: string,
  headers: Record<string, string> = {},
): Promise<{ next(): Promise<ServerSentEvent | null>; cancel(): Promise<void> }> {
  const response = await fetch(rig.url + path, { headers: { authorization: 'Bearer dev:alice', ...headers } })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  let text = ''
  return {
    next: async () => {
      for (;;) {
        const end = text.indexOf('\n\n')
        if (end >= 0) {
          const lines = text.slice(0, end).split('\n')
          text = text.slice(end + 2)
          const fields = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]))
          if (fields['event'] !== undefined) return { ...fields, data: JSON.parse(fields['data'] as string) } as unknown as ServerSentEvent
          continue
        }
        const chunk = await reader.read()
        if (chunk.done) return null
        text += new TextDecoder().decode(chunk.value)
      }
    },
    cancel: () => reader.cancel(),
  }
}

describe('topics', () => {
  const FEED = '/v1/actors/user/alice/topics/feed'

  test('notes with ids; Last-Event-ID goes on after the last, without hole or overlap', async () => {
    const stream = await events(FEED)
    await until(() => rig.calls.subscribers === 1, 'subscribed')
    rig.calls.append('user/alice', 'note.added', 'a')
    expect(await stream.next()).toEqual({
      event: 'note',
      id: 'j-user/alice:1',
      data: { t: 'note', sub: 1, from: 1, offset: 1, type: 'note.added', at: rig.calls.at + 1, data: 'a' },
    })
    await stream.cancel()
    await until(() => rig.calls.subscribers === 0, 'the upstream went with the stream')
    for (const data of ['b', 'c']) rig.calls.append('user/alice', 'note.added', data)
    const resumed = await events(FEED, { 'last-event-id': 'j-user/alice:1' })
    for (const offset of [2, 3])
      expect(await resumed.next()).toMatchObject({ event: 'note', id: `j-user/alice:${offset}`, data: { from: offset, offset } })
    rig.calls.append('user/alice', 'note.added', 'd')
    expect(await resumed.next()).toMatchObject({ data: { from: 4, offset: 4, data: 'd' } })
    expect(rig.gateway.stats()).toMatchObject({ sockets: 1, subscriptions: 1, upstreams: 1 })
  })

  test('`event: gap` for what is gone, and for another journal', async () => {
    for (let i = 1; i <= 6; i++) rig.calls.append('user/alice', 'note.added', i)
    rig.calls.trim('user/alice', 5)
    const stream = await events(FEED, { 'last-event-id': 'j-user/alice:2' })
    expect(await stream.next()).toEqual({ event: 'gap', id: 'j-user/alice:4', data: { t: 'gap', sub: 1, from: 3, to: 4 } })
    expect(await stream.next()).toMatchObject({ event: 'note', data: { from: 5, offset: 5 } })
    const other = await events(FEED, { 'last-event-id': 'other:2' })
    expect(await other.next()).toMatchObject({ event: 'gap', data: { from: 3, to: 6, journal: 'j-user/alice' } })
    await stream.cancel()
    await other.cancel()
  })

  test('a view begins with its value; a ticket is enough', async () => {
    rig.calls.append('user/alice', 'other')
    const { body } = await call('/v1/session', { method: 'POST' })
    const stream = await events(`/v1/actors/user/alice/topics/summary?ticket=${(body as { ticket: string }).ticket}`, { authorization: '' })
    expect(await stream.next()).toMatchObject({ event: 'note', id: 'j-user/alice:1', data: { data: { count: 1 } } })
    rig.calls.append('user/alice', 'other')
    expect(await stream.next()).toMatchObject({ data: { from: 2, offset: 2, data: { count: 2 } } })
    await stream.cancel()
  })

  test('refusals are ordinary answers', async () => {
    expect(await call('/v1/actors/user/alice/topics/nope')).toMatchObject({ status: 404, body: { error: { code: 'unknown_topic' } } })
    expect(await call('/v1/actors/user/bob/topics/feed')).toMatchObject({ status: 403 })
    expect(await call(FEED, { as: null })).toMatchObject({ status: 401 })
    expect(await call(FEED, { headers: { 'last-event-id': 'nonsense' } })).toMatchObject({ status: 400 })
    await rigOf({ options: { connections: 1 } })
    await rig.join()
    expect(await call(FEED)).toMatchObject({ status: 503, body: { error: { code: 'overloaded' } } })
  })

  test('drain says bye and ends; a quiet stream gets comments', async () => {
    await rigOf({ virtual: true, options: { drainSpreadMs: 0 } })
    const stream = await events(FEED)
    rig.clock.advance(60_000)
    const drained = rig.gateway.drain()
    expect(await stream.next()).toMatchObject({ event: 'hint', data: { kind: 'drain' } })
    await until(() => {
      rig.clock.advance(50)
      return rig.gateway.stats().sockets === 0
    }, 'drained')
    rig.clock.advance(50)
    await drained
    expect(await stream.next()).toMatchObject({ event: 'bye', data: { code: 3015, reconnect: true } })
    expect(await stream.next()).toBeNull()
  })
})

describe('the app’s own', () => {
  test('routes come first, with tools that reach actors', async () => {
    let tools: AppTools | undefined
    await rigOf({
      app: {
        routes: (http, given) => {
          tools = given
          http.get('/hello', (c) => c.text('hi'))
          http.post('/hook', async (c) => c.json(await given.send('user/bob', 'note.added', await c.req.json(), { key: 'k1' })))
          http.get('/boom', () => {
            throw new Error('secret detail')
          })
        },
      },
    })
    expect(await (await fetch(`${rig.url}/hello`)).text()).toBe('hi')
    const hook = await fetch(`${rig.url}/hook`, { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } })
    expect(await hook.json()).toEqual({ offset: 1, duplicate: false })
    expect(rig.calls.sends[0]).toEqual({
      actor: 'user/bob',
      type: 'note.added',
      data: { a: 1 },
      sender: 'service:app',
      key: 'service:app\u0000k1',
    })
    expect(await tools?.query('user/bob', 'count', undefined, { strict: true })).toBe(1)
    await expect(tools?.query('user/bob', 'nope')).rejects.toBeInstanceOf(TroupeError)
    await expect(tools?.send('user/bob', 'refuse')).rejects.toMatchObject({ code: 'refused', reason: 'because', retryable: false })
    const who = { headers: {}, query: {}, address: '', transport: 'http' } as const
    expect(await tools?.authenticate({ ...who, token: 'dev:eve' })).toEqual({ sub: 'eve', actor: 'user/eve' })
    expect(await tools?.authenticate({ ...who })).toBeNull()
    const boom = await call('/boom')
    expect(boom).toMatchObject({ status: 500, body: { error: { code: 'internal' } } })
    expect(JSON.stringify(boom.body)).not.toContain('secret')
  })

  test('what a route sends is what a fold will see: JSON or bytes, its own; what is neither rejects with invalid', async () => {
    const given = Promise.withResolvers<AppTools>()
    await rigOf({ app: { routes: (_, tools) => given.resolve(tools) } })
    const tools = await given.promise
    const send = (data: unknown): ReturnType<AppTools['send']> => tools.send('user/bob', 'note.added', data)
    const bytes = Buffer.from([1, 2, 3])
    const object = { at: new Date(0), gone: undefined, list: [1] }
    rig.calls.hold()
    const sent = [object, bytes, { $bytes: 'AQID' }, null, undefined].map((data) => send(data))
    object.list.push(2)
    bytes.fill(9)
    rig.calls.release()
    await Promise.all(sent)
    expect(rig.calls.sends.map(({ data }) => data)).toStrictEqual([
      { at: '1970-01-01T00:00:00.000Z', list: [1] },
      new Uint8Array([1, 2, 3]),
      new Uint8Array([1, 2, 3]),
      null,
      undefined,
    ])
    const cycle: unknown[] = []
    cycle.push(cycle)
    for (const data of [1n, { deep: [1n] }, cycle, () => 1, Symbol('s')])
      await expect(send(data)).rejects.toMatchObject({ name: 'TroupeError', code: 'invalid', retryable: false })
    expect(rig.calls.sends).toHaveLength(5)
  })

  test('static files: types, index.html, validators; nothing outside the folder', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'troupe-files-'))
    try {
      const folder = join(outside, 'public')
      await mkdir(join(folder, 'sub'), { recursive: true })
      await writeFile(join(outside, 'secret.txt'), 'CONFIDENTIAL')
      await writeFile(join(folder, 'index.html'), '<h1>hi</h1>')
      await writeFile(join(folder, 'sub', 'index.html'), 'sub')
      await writeFile(join(folder, 'a b.js'), 'let a')
      await writeFile(join(folder, 'empty.css'), '')
      await writeFile(join(folder, '.env'), 'CONFIDENTIAL')
      await writeFile(join(folder, 'data.unknown'), 'x')
      await symlink(join(outside, 'secret.txt'), join(folder, 'link.txt'))
      await symlink(outside, join(folder, 'up'))
      await rigOf({ filesDir: folder })
      const index = await fetch(`${rig.url}/`)
      expect([await index.text(), index.headers.get('content-type')]).toEqual(['<h1>hi</h1>', 'text/html; charset=utf-8'])
      expect(await (await fetch(`${rig.url}/sub/`)).text()).toBe('sub')
      const script = await fetch(`${rig.url}/a%20b.js?v=1`)
      expect([await script.text(), script.headers.get('content-type')]).toEqual(['let a', 'text/javascript; charset=utf-8'])
      const etag = script.headers.get('etag') as string
      expect((await fetch(`${rig.url}/a%20b.js`, { headers: { 'if-none-match': etag } })).status).toBe(304)
      const head = await fetch(`${rig.url}/a%20b.js`, { method: 'HEAD' })
      expect([head.headers.get('content-length'), await head.text()]).toEqual(['5', ''])
      expect((await fetch(`${rig.url}/empty.css`)).status).toBe(200)
      expect((await fetch(`${rig.url}/data.unknown`)).headers.get('content-type')).toBe('application/octet-stream')
      for (const path of [
        '/../secret.txt',
        '/%2e%2e/secret.txt',
        '/sub/../../secret.txt',
        '/..%2fsecret.txt',
        '/%5c..%5csecret.txt',
        '/link.txt',
        '/up/secret.txt',
        '/.env',
        '/%00',
        '/%ff',
        '//etc/passwd',
        '/nope.html',
        '/sub/%2e/index.html',
      ]) {
        const { status, body } = await rawGet(path)
        expect([path, status, body.includes('CONFIDENTIAL')]).toEqual([path, 404, false])
      }
      expect((await fetch(`${rig.url}/index.html`, { method: 'POST' })).status).toBe(404)
    } finally {
      await rm(outside, { recursive: true })
    }
  })
})

test('upgrades elsewhere are refused; the gateway leaves the server when closed', async () => {
  await expect(rig.open('/v2/ws')).rejects.toThrow('404')
  await rig.gateway.close()
  expect(rig.server.listenerCount('request')).toBe(0)
  expect(rig.server.listenerCount('upgrade')).toBe(0)
})
