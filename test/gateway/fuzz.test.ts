/**
 * Malformed input of every kind over real sockets: a typed answer or a close code each, the node goes on, nothing is left behind.
 * Sockets here are bare TCP, so that what `ws` would refuse to send can be sent.
 */
import { createConnection, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeValue } from '../../src/protocol/msgpack.ts'
import { startRig, until, type Rig } from './rig.ts'

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig.stop())

interface Bare {
  readonly socket: Socket
  readonly closed: Promise<void>
  received: Buffer
}

async function bare(first: string): Promise<Bare> {
  const socket = createConnection(rig.port, '127.0.0.1')
  const opened: Bare = {
    socket,
    closed: new Promise((resolve) => socket.on('close', () => resolve())),
    received: Buffer.alloc(0),
  }
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    opened.received = Buffer.concat([opened.received, chunk])
  })
  await new Promise<void>((resolve) => socket.on('connect', resolve))
  socket.write(first)
  return opened
}

async function upgraded(subprotocol: string): Promise<Bare> {
  const opened = await bare(
    `GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
  )
  await until(() => opened.received.includes('\r\n\r\n'), 'the upgrade')
  return opened
}

/** A client's frame, masked with zeroes. */
function clientFrame(opcode: number, payload: Uint8Array, fin = true): Buffer {
  const head = [(fin ? 0x80 : 0) | opcode]
  if (payload.length < 126) head.push(0x80 | payload.length)
  else head.push(0x80 | 126, payload.length >> 8, payload.length & 255)
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload])
}

const valid = fc.constantFrom<object>(
  { t: 'send', id: 1, type: 'note.added', data: { a: 1 }, seq: 1, base: 1 },
  { t: 'send', id: 1, to: 'user/fuzz', type: 'other', key: 'k' },
  { t: 'query', id: 2, name: 'echo', args: [1, 2] },
  { t: 'subscribe', id: 3, topic: 'feed', from: { journal: '', offset: 0 } },
  { t: 'unsubscribe', id: 4, sub: 1 },
  { t: 'history', id: 5, from: 1, limit: 10 },
  { t: 'refresh', id: 6, token: 'dev:fuzz' },
  { t: 'pong' },
)
const strange = fc.constantFrom<unknown>(
  null,
  -1,
  1e308,
  '',
  '\ud800',
  '__proto__',
  'constructor',
  'k'.repeat(5_000),
  [],
  [[[[]]]],
  { toString: 1 },
  true,
)
const bentFrame = fc.tuple(
  valid,
  fc.constantFrom('t', 'id', 'to', 'type', 'data', 'seq', 'from', 'sub', 'topic', 'name', 'args', 'limit', 'token'),
  strange,
)
const bent = bentFrame.map(([frame, field, value]) => ({ ...frame, [field]: value }))

const textPayload = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }).map((text) => Buffer.from(text)),
  bent.map((frame) => Buffer.from(JSON.stringify(frame))),
  fc.integer({ min: 1, max: 8_000 }).map((depth) => Buffer.from(`{"t":"send","id":1,"type":"x","data":${'['.repeat(depth)}`)),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
)
const binaryPayload = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  bent.map((frame) => Buffer.from(encodeValue(frame))),
  fc.tuple(bent, fc.nat({ max: 100 })).map(([frame, cut]) => Buffer.from(encodeValue(frame)).subarray(0, cut)),
)

/** What a hostile peer puts on the wire: whole and torn messages, fragments, control frames, reserved bits, plain bytes. */
const wire = fc.oneof(
  { weight: 6, arbitrary: textPayload.map((payload) => clientFrame(1, payload)) },
  { weight: 6, arbitrary: binaryPayload.map((payload) => clientFrame(2, payload)) },
  {
    weight: 2,
    arbitrary: fc.tuple(textPayload, fc.integer({ min: 1, max: 30 })).map(([payload, size]) => {
      const parts: Buffer[] = []
      for (let at = 0; at < payload.length || at === 0; at += size)
        parts.push(clientFrame(at === 0 ? 1 : 0, payload.subarray(at, at + size), at + size >= payload.length))
      return Buffer.concat(parts)
    }),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 15 }), fc.uint8Array({ maxLength: 130 }))
      .map(([opcode, bytes]) => clientFrame(opcode, bytes)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
)

const connectFrame = (subprotocol: string): Buffer => {
  const connect = { t: 'connect', token: 'dev:fuzz' }
  return subprotocol.endsWith('msgpack') ? clientFrame(2, encodeValue(connect)) : clientFrame(1, Buffer.from(JSON.stringify(connect)))
}

test('hostile WebSocket traffic: the node answers everybody else, and forgets every one', { timeout: 120_000 }, async () => {
  const good = await rig.join('good')
  const before = { ...rig.gateway.stats() }
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('troupe.v1.json', 'troupe.v1.msgpack', 'troupe.v1.raw'),
      fc.boolean(),
      fc.array(wire, { minLength: 1, maxLength: 12 }),
      async (subprotocol, connects, writes) => {
        const hostile = await upgraded(subprotocol)
        if (connects) hostile.socket.write(connectFrame(subprotocol))
        for (const bytes of writes) if (!hostile.socket.destroyed) hostile.socket.write(bytes)
        expect(await good.ask({ t: 'query', id: 1, name: 'count' })).toMatchObject({ ok: true })
        hostile.socket.destroy()
        await hostile.closed
      },
    ),
    { numRuns: 400 },
  )
  await until(() => rig.gateway.stats().sockets === before.sockets, 'all hostile sockets are forgotten')
  const { sessions, subscriptions, upstreams } = rig.gateway.stats()
  expect({ sessions, subscriptions, upstreams }).toEqual({ sessions: 1, subscriptions: 0, upstreams: 0 })
  expect(rig.lines.filter(({ level }) => level === 'error')).toEqual([])
  good.socket.terminate()
})

test('every malformed frame is answered: error, or a failed reply, or bye', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(bent, fc.jsonValue()), async (frame) => {
      const client = await rig.join('fuzz')
      client.send(frame)
      client.send({ t: 'query', id: 424_242, name: 'count' })
      // In order on one connection: the answer to what came before, if it has one, is there or on its way.
      expect(await client.frame('reply', { id: 424_242 })).toMatchObject({ ok: true })
      for (const { t, ok, error } of client.frames) {
        expect(['error', 'reply', 'note', 'gap']).toContain(t)
        if (t === 'reply' && ok === false)
          expect(error).toMatchObject({ code: expect.any(String), message: expect.any(String), retryable: expect.any(Boolean) })
      }
      client.socket.terminate()
    }),
    { numRuns: 200 },
  )
  await until(() => rig.gateway.stats().sockets === 0, 'all are forgotten')
})

test('hostile HTTP: every answer has a status of ours or of Node’s parser, and the next request works', async () => {
  const path = fc.oneof(
    fc.string({ unit: 'grapheme-ascii', maxLength: 60 }).map((text) => `/${text.replaceAll(/\s/g, '')}`),
    fc
      .tuple(fc.constantFrom('events', 'queries/echo', 'history', 'topics/feed', 'topics'), fc.string({ maxLength: 20 }))
      .map(([part, key]) => `/v1/actors/user/${encodeURIComponent(key.toWellFormed())}/${part}`),
    fc.constantFrom(
      '/v1/actors/%ff/%/x',
      '/v1/actors/__proto__/constructor/events',
      '/v1/session/../../etc',
      `/${'a/'.repeat(3_000)}`,
      '/v1/actors/user/fuzz/history?from=%ff&limit=\u0001',
    ),
  )
  const body = fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary' }),
    bent.map((frame) => JSON.stringify([frame, frame])),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'NOPE'),
      path,
      body,
      fc.boolean(),
      async (method, target, text, known) => {
        const bytes = Buffer.from(text)
        const hostile = await bare(
          `${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${known ? 'Authorization: Bearer dev:fuzz\r\n' : ''}` +
            `Last-Event-ID: ${encodeURIComponent(text.slice(0, 20).toWellFormed())}\r\nContent-Length: ${bytes.length}\r\n\r\n`,
        )
        hostile.socket.write(bytes)
        await until(() => hostile.received.length > 0 || hostile.socket.destroyed, `an answer to ${method} ${target}`)
        const answer = hostile.received.toString()
        const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1])
        expect([200, 400, 401, 403, 404, 409, 410, 413, 431]).toContain(status)
        hostile.socket.destroy()
      },
    ),
    { numRuns: 300 },
  )
  const response = await fetch(`${rig.url}/v1/actors/user/fuzz/queries/count?as=fuzz`)
  expect(response.status).toBe(200)
  await until(() => rig.gateway.stats().sockets === 0, 'streams are forgotten')
  expect(rig.gateway.stats().upstreams).toBe(0)
  expect(rig.lines.filter(({ level }) => level === 'error')).toEqual([])
})

test('sockets that came, sent garbage and went leave no memory behind', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const batch = async (): Promise<void> => {
    const hostile = await Promise.all(Array.from({ length: 50 }, () => upgraded('troupe.v1.json')))
    for (const { socket } of hostile) {
      socket.write(connectFrame('troupe.v1.json'))
      socket.write(
        clientFrame(1, Buffer.from('{"t":"subscribe","id":1,"topic":"feed"}\n{"t":"send","id":2,"type":"x","data":"' + 'x'.repeat(500))),
      )
    }
    await until(() => hostile.every(({ received }) => received.includes('"t":"error"')), 'an error for each')
    for (const { socket } of hostile) socket.destroy()
    await until(() => rig.gateway.stats().sockets === 0, 'all are forgotten')
  }
  const heapBytes = async (): Promise<number> => {
    await until(() => rig.gateway.stats().sockets === 0, 'all are forgotten')
    collect()
    return process.memoryUsage().heapUsed
  }
  for (let i = 0; i < 6; i++) await batch()
  const before = await heapBytes()
  for (let i = 0; i < 20; i++) await batch()
  // A connection that stays costs 5 KB and more: a thousand would be 5 MB.
  expect((await heapBytes()) - before).toBeLessThan(2_500_000)
})

test('a handshake that is none is answered by HTTP, and a client that pings without reading costs nothing', async () => {
  for (const headers of [
    '',
    'Sec-WebSocket-Version: 13\r\n',
    'Sec-WebSocket-Version: 1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
  ]) {
    const opened = await bare(`GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${headers}\r\n`)
    await opened.closed
    expect(opened.received.toString()).toMatch(/^HTTP\/1\.1 400/)
  }
  const pinger = await upgraded('troupe.v1.json')
  pinger.socket.pause()
  const pings = Buffer.concat(Array.from({ length: 500 }, () => clientFrame(9, Buffer.alloc(125))))
  for (let i = 0; i < 200; i++) pinger.socket.write(pings)
  const good = await rig.join('good')
  expect(await good.ask({ t: 'query', id: 1, name: 'count' })).toMatchObject({ ok: true })
  pinger.socket.destroy()
  good.socket.terminate()
  await until(() => rig.gateway.stats().sockets === 0, 'both are forgotten')
})
