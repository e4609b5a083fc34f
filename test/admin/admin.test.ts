import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readSse, type SseEvent } from '../../src/cli/sse.ts'
import { adminUnderTest, type AdminUnderTest } from './admin-app.ts'

let t: AdminUnderTest
beforeEach(() => {
  t = adminUnderTest()
})
afterEach(() => t.close())

const note = (text: string): object => ({ type: 'note.added', data: { text } })

describe('health', () => {
  test('/livez answers in every phase, /readyz only while it serves', async () => {
    for (const phase of ['starting', 'serving', 'draining'] as const) {
      t.phase = phase
      expect((await t.get('/livez')).status).toBe(200)
      const ready = await t.get('/readyz')
      expect(ready.status).toBe(phase === 'serving' ? 200 : 503)
      expect(await ready.json()).toMatchObject({ ready: phase === 'serving', phase })
    }
  })

  test('/readyz says no while the store is not well', async () => {
    t.storeHealth = { ok: false, summary: 'disk full', counters: {} }
    const ready = await t.get('/readyz')
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({ ready: false, store: 'disk full' })
  })
})

describe('actors', () => {
  test('an event is recorded as sent by service:admin, a query shows it, inspect and history tell of it', async () => {
    const sent = await t.post('/v1/actors/user/alice/events', note('hi'))
    expect(sent.status).toBe(200)
    expect(await sent.json()).toEqual({ offset: 1, durable: true })
    expect(await (await t.get('/v1/actors/user/alice/queries/count')).json()).toEqual({ data: 1, offset: 1 })
    expect(await (await t.get('/v1/actors/user/alice/queries/count?args=%7B%22add%22:41%7D&strict=true')).json()).toEqual({
      data: 42,
      offset: 1,
    })
    expect(await (await t.get('/v1/actors/user/alice')).json()).toMatchObject({
      actor: 'user/alice',
      offset: 1,
      state: { notes: 1, last: 'hi' },
    })
    const page = await (await t.get('/v1/actors/user/alice/history')).json()
    expect(page).toMatchObject({ entries: [{ offset: 1, type: 'note.added', data: { text: 'hi' } }], more: false })
  })

  test('a key makes a repeat harmless, in the body or as a header', async () => {
    await t.post('/v1/actors/user/alice/events', { ...note('hi'), key: 'k' })
    expect(await (await t.post('/v1/actors/user/alice/events', { ...note('hi'), key: 'k' })).json()).toEqual({
      offset: 1,
      durable: true,
      duplicate: true,
    })
    const again = await t.post('/v1/actors/user/alice/events', note('hi'), { 'idempotency-key': 'k' })
    expect(await again.json()).toMatchObject({ offset: 1, duplicate: true })
  })

  test('failures have the status of the error table and say what is wrong', async () => {
    const cases: readonly (readonly [Promise<Response>, number, string])[] = [
      [t.post('/v1/actors/user/alice/events', note('bad')), 409, 'refused'],
      [t.post('/v1/actors/user/alice/events', { type: 'nope' }), 404, 'unknown_event'],
      [t.post('/v1/actors/user/alice/events', '{'), 400, 'invalid'],
      [t.post('/v1/actors/user/alice/events', []), 400, 'invalid'],
      [t.post('/v1/actors/user/alice/events', note('x'.repeat(2000))), 413, 'too_large'],
      [t.post('/v1/actors/user/a%2Fb/events', note('hi')), 400, 'invalid'],
      [t.get('/v1/actors/user/alice/queries/nope'), 404, 'unknown_query'],
      [t.get('/v1/actors/user/alice/queries/count?args={'), 400, 'invalid'],
      [t.get('/v1/actors/user/alice/topics/nope'), 404, 'unknown_topic'],
      [t.get('/v1/actors/user/alice/history?from=0'), 400, 'invalid'],
      [t.get('/v1/actors/user/nobody'), 404, 'not_found'],
      [t.get('/v1/actors/robot/alice'), 404, 'not_found'],
      [t.get('/v1/nope'), 404, 'not_found'],
    ]
    for (const [answer, status, code] of cases) {
      const response = await answer
      expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([status, code])
    }
  })
})

describe('topics as server-sent events', () => {
  const open = async (path: string, last?: string): Promise<AsyncGenerator<SseEvent>> => {
    const response = await t.get(path, last === undefined ? {} : { 'last-event-id': last })
    expect(response.status).toBe(200)
    return readSse(response.body as ReadableStream<Uint8Array>)
  }
  const next = async (stream: AsyncGenerator<SseEvent>): Promise<SseEvent & { readonly note: Record<string, unknown> }> => {
    const { value } = (await stream.next()) as { value: SseEvent }
    return { ...value, note: JSON.parse(value.data) as Record<string, unknown> }
  }

  test('a view comes at once and then as it changes', async () => {
    const stream = await open('/v1/actors/user/alice/topics/summary')
    expect((await next(stream)).note).toMatchObject({ t: 'note', offset: 0, data: { notes: 0 } })
    await t.post('/v1/actors/user/alice/events', note('one'))
    expect((await next(stream)).note).toMatchObject({ offset: 1, data: { notes: 1, last: 'one' } })
    await stream.return(undefined)
  })

  test('a log resumes after the last event id without hole or repeat', async () => {
    for (const text of ['one', 'two', 'three']) await t.post('/v1/actors/user/alice/events', note(text))
    const { journal } = (await (await t.get('/v1/actors/user/alice')).json()) as { journal: string }
    const stream = await open('/v1/actors/user/alice/topics/feed', `${journal}:1`)
    await t.post('/v1/actors/user/alice/events', note('four'))
    const seen = [await next(stream), await next(stream), await next(stream)]
    expect(seen.map(({ id, note: { offset, from, data } }) => [id, offset, from, (data as { text: string }).text])).toEqual([
      [`${journal}:2`, 2, 2, 'two'],
      [`${journal}:3`, 3, 3, 'three'],
      [`${journal}:4`, 4, 4, 'four'],
    ])
    await stream.return(undefined)
  })

  test('who begins now is told where that is: cut off before the first note, a reader comes back to it', async () => {
    await t.post('/v1/actors/user/alice/events', note('one'))
    const { journal } = (await (await t.get('/v1/actors/user/alice')).json()) as { journal: string }
    for (const topic of ['feed', 'changed']) {
      const path = `/v1/actors/user/alice/topics/${topic}`
      const placed = Promise.withResolvers<string>()
      const first = readSse((await t.get(path)).body as ReadableStream<Uint8Array>, placed.resolve)
      const live = next(first)
      const id = await placed.promise
      const { offset } = (await (await t.post('/v1/actors/user/alice/events', note('two'))).json()) as { offset: number }
      expect(id).toBe(`${journal}:${offset - 1}`)
      const again = await open(path, id)
      for (const heard of [await live, await next(again)]) expect(heard).toMatchObject({ id: `${journal}:${offset}`, note: { offset } })
      await first.return(undefined)
      await again.return(undefined)
    }
  })

  test('a signal tells a reader that comes back of a change it missed', async () => {
    await t.post('/v1/actors/user/alice/events', note('one'))
    const { journal } = (await (await t.get('/v1/actors/user/alice')).json()) as { journal: string }
    const stream = await open('/v1/actors/user/alice/topics/changed', `${journal}:0`)
    expect((await next(stream)).note).toMatchObject({ t: 'note', offset: 1 })
    await stream.return(undefined)
  })

  test('a reader that leaves is unsubscribed', async () => {
    const stream = await open('/v1/actors/user/alice/topics/summary')
    await next(stream)
    await t.post('/v1/actors/user/alice/events', note('one'))
    await next(stream)
    expect(await (await t.get('/v1/actors/user/alice')).json()).toMatchObject({ subscribers: 1 })
    await stream.return(undefined)
    const left = async (): Promise<number> => ((await (await t.get('/v1/actors/user/alice')).json()) as { subscribers: number }).subscribers
    await expect.poll(left, { timeout: 30_000 }).toBe(0)
  })
})

describe('figures', () => {
  test('/metrics is Prometheus text with our names, the gateway’s counters and the process', async () => {
    await t.post('/v1/actors/user/alice/events', note('hi'))
    const response = await t.get('/metrics')
    expect(response.headers.get('content-type')).toContain('text/plain')
    const text = await response.text()
    expect(text).toContain('troupe_up{node="node-1"} 1')
    expect(text).toContain('troupe_events_total{node="node-1"} 1')
    expect(text).toContain('troupe_fenced_appends_total{node="node-1"} 0')
    expect(text).toContain('troupe_claims_total{node="node-1",cause="first"} 1')
    expect(text).toContain('troupe_claims_total{node="node-1",cause="taken_over"} 0')
    expect(text).toContain('troupe_gateway_no_pong_total{node="node-1"} 1')
    expect(text).toContain('troupe_sockets{node="node-1"} 2')
    expect(text).toContain('troupe_send_seconds_count{node="node-1"} 1')
    expect(text).toContain('troupe_send_seconds_bucket{node="node-1",le="+Inf"} 1')
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m)
    // Each series once: a scraper refuses repeats.
    const series = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.slice(0, line.lastIndexOf(' ')))
    expect(new Set(series).size).toBe(series.length)
  })

  test('a second scrape shows counters as they are, not added up', async () => {
    await t.post('/v1/actors/user/alice/events', note('hi'))
    await t.get('/metrics')
    expect(await (await t.get('/metrics')).text()).toContain('troupe_events_total{node="node-1"} 1\n')
  })

  test('/v1/stats has totals, latency and the three series', async () => {
    await t.post('/v1/actors/user/alice/events', note('hi'))
    const stats = (await (await t.get('/v1/stats')).json()) as Record<string, unknown>
    expect(stats).toMatchObject({ node: 'node-1', phase: 'serving', totals: { events: 1 }, latency: { count: 1 } })
    for (const series of ['second', 'hour', 'day']) expect(stats[series]).toBeInstanceOf(Array)
    await expect
      .poll(
        async () =>
          ((await (await t.get('/v1/stats')).json()) as { second: { counts: Record<string, number> }[] }).second.map(
            ({ counts }) => counts['events'] ?? 0,
          ),
        { timeout: 10_000 },
      )
      .toContain(1)
  })

  test('/v1/nodes and /v1/locate name this node', async () => {
    expect(await (await t.get('/v1/nodes')).json()).toEqual({
      node: 'node-1',
      nodes: [
        {
          id: 'node-1',
          generation: 3,
          state: 'alive',
          phase: 'serving',
          address: 'ws://127.0.0.1:7000',
          client: 'ws://127.0.0.1:7000',
          admin: null,
          roles: ['gateway', 'actors'],
          types: ['user'],
          version: '0.0.0',
          labels: {},
          weight: 1,
          actors: 0,
          sockets: 2,
          eventsPerSecond: 0,
        },
      ],
    })
    expect(await (await t.get('/v1/locate?actor=user/alice')).json()).toMatchObject({
      actor: 'user/alice',
      owner: 'node-1',
      viewHash: expect.stringMatching(/^[0-9a-f]{8}$/),
    })
    expect((await t.get('/v1/locate?actor=alice')).status).toBe(400)
    expect((await t.get('/v1/locate?actor=robot/alice')).status).toBe(404)
  })

  test('the page shows the node without scripts, and nothing of it is markup from outside', async () => {
    t.storeHealth = { ok: true, summary: '<script>alert(1)</script>', counters: {} }
    const html = await (await t.get('/')).text()
    expect(html).toContain('node-1')
    expect(html).toContain('href="/metrics"')
    expect(html).not.toContain('<script')
  })
})

describe('steering', () => {
  test('drain is for this node by name', async () => {
    expect((await t.post('/v1/nodes/other/drain', {})).status).toBe(404)
    expect(t.drained).toBe(0)
    expect((await t.post('/v1/nodes/node-1/drain', {})).status).toBe(202)
    expect(t.drained).toBe(1)
  })

  test('a plan for the only node says that nobody else could have its actors', async () => {
    await t.post('/v1/actors/user/alice/events', note('hi'))
    expect(await (await t.get('/v1/nodes/node-1/plan')).json()).toEqual({ node: 'node-1', moves: {}, unplaced: 1, sockets: 2 })
    expect((await t.get('/v1/nodes/other/plan')).status).toBe(404)
    expect(t.drained).toBe(0)
  })

  test('the node that answers is not removed but drained', async () => {
    const refused = await t.post('/v1/nodes/node-1/remove', {})
    expect(refused.status).toBe(409)
    expect(await refused.json()).toMatchObject({ error: { code: 'refused', reason: 'alive', message: expect.stringContaining('drain') } })
    expect((await t.post('/v1/nodes/other/remove', {})).status).toBe(404)
  })

  test('a foreign page cannot drain', async () => {
    expect((await t.post('/v1/nodes/node-1/drain', {}, { origin: 'https://evil.example' })).status).toBe(403)
    expect(t.drained).toBe(0)
  })

  test('with a token: everything but /livez and /readyz asks for it', async () => {
    const locked = adminUnderTest('secret-token')
    try {
      expect((await locked.get('/livez')).status).toBe(200)
      expect((await locked.get('/readyz')).status).toBe(200)
      for (const path of ['/', '/metrics', '/v1/nodes', '/v1/stats', '/v1/actors/user/alice'])
        expect((await locked.get(path)).status).toBe(401)
      expect((await locked.get('/v1/nodes', { authorization: 'Bearer secret-token' })).status).toBe(200)
    } finally {
      await locked.close()
    }
  })
})
