/** Send and Query over a real gRPC connection: what reaches the actors, what comes back, and what bad input gets. */
import { Metadata } from '@grpc/grpc-js'
import type { MessageTypeDefinition } from '@grpc/proto-loader'
import { connect } from 'node:http2'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ERRORS, fail, type ErrorCode } from '../../src/errors.ts'
import { failedOf, PACKAGE, startRig, turns, until, type Rig, type TestClient } from './rpc-rig.ts'

let rig: Rig
let client: TestClient

beforeEach(async () => {
  rig = await startRig()
  client = rig.client()
})
afterEach(() => rig.stop())

const event = { actor: 'user/alice', type: 'note.added', data: { text: 'hi' } }

describe('Send', () => {
  it('reaches the actor and brings the offset back', async () => {
    expect(await client.send({ ...event, id: 7 })).toMatchObject({ offset: '1', durable: true, duplicate: false, id: '7', error: null })
    expect(rig.calls.sends).toEqual([{ actor: 'user/alice', type: 'note.added', data: { text: 'hi' }, sender: 'service:local' }])
  })

  it('gives back any id', async () => {
    for (const id of ['0', '9007199254740993', '18446744073709551615']) expect((await client.send({ ...event, id })).id).toBe(id)
  })

  it('qualifies source and key by the caller (D1)', async () => {
    await client.send({ ...event, source: 'orders', sequence: 1, base: 1 })
    await client.send({ ...event, key: 'order-7' })
    expect(rig.calls.sends).toMatchObject([{ source: 'service:local:orders', seq: 1, base: 1 }, { key: 'service:local\u0000order-7' }])
  })

  it('a repeat under a key or a number gets the first answer', async () => {
    for (const name of [{ key: 'k' }, { source: 's', sequence: 1 }]) {
      const first = await client.send({ ...event, ...name })
      expect(await client.send({ ...event, ...name })).toEqual({ ...first, duplicate: true })
    }
    expect(rig.calls.sends).toHaveLength(4)
  })

  it('a hole says which number is due', async () => {
    await expect(client.send({ ...event, source: 's', sequence: 3 })).rejects.toMatchObject({
      status: 10,
      error: { code: 'out_of_order', retryable: true, next: '1' },
    })
  })

  it('the refusal of a reducer comes with its reason', async () => {
    await expect(client.send({ ...event, type: 'refuse' })).rejects.toMatchObject({
      status: 9,
      details: 'no',
      error: { code: 'refused', message: 'no', reason: 'because', retryable: false },
    })
  })

  it('bytes are sent as every JSON client sends them', async () => {
    await client.send({ ...event, type: 'raw', data: { $bytes: 'AQI=' } })
    expect(rig.calls.sends[0]?.data).toEqual(new Uint8Array([1, 2]))
  })

  it('no data is no data', async () => {
    await client.send({ actor: 'user/alice', type: 'note.added' })
    expect(rig.calls.sends[0]?.data).toBeUndefined()
  })

  it('has as long as its deadline', async () => {
    await client.send(event, {}, { deadline: Date.now() + 60_000 })
    const { timeoutMs } = rig.calls.sends[0] ?? {}
    expect(timeoutMs).toBeGreaterThan(1000)
    expect(timeoutMs).toBeLessThanOrEqual(60_000)
    await client.send(event)
    expect(rig.calls.sends[1]).not.toHaveProperty('timeoutMs')
  })

  it('is over when its caller cancels', async () => {
    rig.calls.hold()
    const call = client.actors.Send({ ...event, data: Buffer.from('1') }, new Metadata(), {}, () => undefined)
    await until(() => rig.calls.waiting === 1, 'the send')
    call.cancel()
    await until(() => rig.rpc.stats().calls === 0, 'its end')
    rig.calls.release()
    expect(await client.send(event)).toMatchObject({ offset: '2' })
  })
})

describe('Query', () => {
  it('brings the answer and the offset it shows', async () => {
    await client.send(event)
    expect(await client.query({ actor: 'user/alice', name: 'count' })).toMatchObject({ data: 1, offset: '1' })
    expect(await client.query({ actor: 'user/alice', name: 'echo', args: { a: ['ü'] } })).toMatchObject({ data: { a: ['ü'] } })
  })

  it('hands on how new the answer must be (D11)', async () => {
    await client.query({ actor: 'user/alice', name: 'count', strict: true, at_least: 0, atLeast: 3 })
    expect(rig.calls.queries).toEqual([{ actor: 'user/alice', name: 'count', args: undefined, strict: true, atLeast: 3 }])
  })

  it('of an unknown name is unknown_query', async () => {
    await expect(client.query({ actor: 'user/alice', name: 'nothing' })).rejects.toMatchObject({
      status: 5,
      error: { code: 'unknown_query' },
    })
  })
})

describe('a failure', () => {
  it('of any code has the status of the table, and the error in its trailer', async () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      rig.calls.failNext(fail(code, `because of ${code}`, { retryAfterMs: 1500.5, reason: 'r', next: 2 ** 53 - 1 }))
      await expect(client.send(event)).rejects.toEqual({
        status: ERRORS[code].grpc,
        details: `because of ${code}`,
        error: {
          code,
          message: `because of ${code}`,
          retryable: ERRORS[code].retryable,
          retryAfterMs: 1501,
          reason: 'r',
          next: '9007199254740991',
        },
      })
    }
  })

  it('with a text of any length and any characters is one that clients take', async () => {
    for (const message of ['x'.repeat(100_000), '語'.repeat(100_000), 'half a pair: \ud800', 'line\r\nfeed \u0000 100 %']) {
      rig.calls.failNext(fail('refused', message, { reason: message }))
      const failed = (await client.send(event).catch((error: unknown) => error)) as { details: string; error: { code: string } }
      expect(failed).toMatchObject({ status: 9, error: { code: 'refused' } })
      expect(failed.details.slice(0, 10)).toBe(message.toWellFormed().slice(0, 10))
      expect(failed.details.length).toBeLessThanOrEqual(512)
    }
  })

  it('in serving it ends that call alone', async () => {
    rig.calls.query = () => {
      throw new Error('broken')
    }
    await expect(client.query({ actor: 'user/alice', name: 'count' })).rejects.toMatchObject({ status: 13, error: { code: 'internal' } })
    expect(rig.lines.filter(({ level }) => level === 'error')).toHaveLength(1)
    expect(await client.send(event)).toMatchObject({ offset: '1' })
  })
})

const raw = (text: string): Uint8Array => new TextEncoder().encode(text)
const BAD: readonly (readonly [string, Readonly<Record<string, unknown>>, ErrorCode, RegExp])[] = [
  ['no actor', { actor: '' }, 'invalid', /`actor` is missing/],
  ['an actor without a key', { actor: 'user' }, 'invalid', /type\/key/],
  ['an actor with a slash in its key', { actor: 'user/a/b' }, 'invalid', /no \//],
  ['an actor with a long key', { actor: `user/${'x'.repeat(257)}` }, 'invalid', /256 bytes/],
  ['an unknown type', { actor: 'nothing/a' }, 'not_found', /no actor type/],
  ['no event type', { type: '' }, 'invalid', /`type`/],
  ['a long event type', { type: 'x'.repeat(129) }, 'invalid', /`type`/],
  ['data that is not JSON', { data: raw('{') }, 'invalid', /not JSON/],
  ['data that is not UTF-8', { data: new Uint8Array([34, 0xff, 34]) }, 'invalid', /not UTF-8/],
  ['a number beyond any', { data: raw('[1e999]') }, 'invalid', /too large/],
  ['a __proto__', { data: raw('{"__proto__":{}}') }, 'invalid', /__proto__/],
  ['data that is too deep', { data: raw('['.repeat(100) + ']'.repeat(100)) }, 'invalid', /too deeply/],
  ['a sequence over 2^53', { source: 's', sequence: '9007199254740992' }, 'invalid', /`sequence` must be below 2\^53/],
  ['the largest sequence there is', { source: 's', sequence: '18446744073709551615' }, 'invalid', /`sequence`/],
  ['a base over 2^53', { source: 's', sequence: 1, base: '9223372036854775808' }, 'invalid', /`base` must/],
  ['a base above the sequence', { source: 's', sequence: 1, base: 2 }, 'invalid', /`base` is at most/],
  ['a sequence of nobody', { sequence: 1 }, 'invalid', /`source`/],
  ['a source without a sequence', { source: 's' }, 'invalid', /`sequence` is 1/],
  ['a long source', { source: 'x'.repeat(129), sequence: 1 }, 'invalid', /`source`/],
  ['a long key', { key: 'x'.repeat(257) }, 'invalid', /idempotency key/],
]

describe('bad input', () => {
  it.each(BAD)('%s', async (_, wrong, code, message) => {
    await expect(client.send({ ...event, ...wrong })).rejects.toMatchObject({
      status: ERRORS[code].grpc,
      details: expect.stringMatching(message) as string,
      error: { code },
    })
    expect(rig.calls.sends).toEqual([])
  })

  it('of a query', async () => {
    const query = { actor: 'user/alice', name: 'echo' }
    await expect(client.query({ ...query, args: raw('nonsense') })).rejects.toMatchObject({ status: 3, details: '`args` is not JSON' })
    await expect(client.query({ ...query, atLeast: '18446744073709551615' })).rejects.toMatchObject({ error: { code: 'invalid' } })
    await expect(client.query({ ...query, name: '' })).rejects.toMatchObject({ error: { code: 'invalid' } })
    expect(rig.calls.queries).toEqual([])
  })

  /** A request of these bytes. */
  const sendBytes = (bytes: Uint8Array): Promise<unknown> =>
    new Promise((resolve) =>
      client.actors.makeUnaryRequest(
        '/troupe.v1.Actors/Send',
        () => Buffer.from(bytes),
        (reply) => reply,
        null,
        (error) => {
          resolve(error === null ? null : failedOf(error))
        },
      ),
    )

  it('a text that is not UTF-8 is not taken for another', async () => {
    const name = Buffer.from('user/al\xffice', 'latin1')
    const type = Buffer.from('note.added')
    const message = (actor: Buffer): Buffer => Buffer.concat([Buffer.from([10, actor.length]), actor, Buffer.from([18, type.length]), type])
    expect(await sendBytes(message(name))).toMatchObject({
      status: 3,
      details: 'a text of the message is not UTF-8',
      error: { code: 'invalid' },
    })
    expect(rig.calls.sends).toEqual([])
    // The character that stands for unreadable ones is a character.
    expect(await sendBytes(message(Buffer.from('user/al\ufffdice')))).toBeNull()
    expect(rig.calls.sends[0]?.actor).toBe('user/al\ufffdice')
  })

  it('bytes that are no message', async () => {
    for (const bytes of [[10, 200], [255, 255, 255], [15]])
      expect(await sendBytes(new Uint8Array(bytes))).toMatchObject({ status: 3, error: { code: 'invalid' } })
  })
})

describe('sizes', () => {
  it('a message over the limit is too_large, one far over it is refused by gRPC', async () => {
    await rig.stop()
    rig = await startRig({ options: { rpcMessageBytes: 64 * 1024, wireFrameBytes: 64 * 1024 } })
    client = rig.client()
    expect(await client.send({ ...event, data: 'x'.repeat(60_000) })).toMatchObject({ offset: '1' })
    await expect(client.send({ ...event, data: 'x'.repeat(70_000) })).rejects.toMatchObject({
      status: 3,
      error: { code: 'too_large', message: expect.stringContaining('65536') as string },
    })
    await expect(client.send({ ...event, data: 'x'.repeat(140_000) })).rejects.toMatchObject({ status: 8, error: null })
    expect(rig.calls.sends).toHaveLength(1)
  })

  it('answers that nobody takes do not pile up', async () => {
    await rig.stop()
    rig = await startRig({ options: { rpcAnswerBytes: 1024 * 1024 } })
    rig.calls.hold()
    const big = { actor: 'user/alice', name: 'big', args: 700_000 }
    const answers = Promise.allSettled([rig.client().query(big), rig.client().query(big)])
    await until(() => rig.calls.waiting === 2, 'both queries')
    // Both are answered in one turn, before either can be taken.
    rig.calls.release()
    expect((await answers).map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect((await answers).find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { status: 8, error: { code: 'overloaded', retryAfterMs: 1000 } },
    })
    expect(await rig.client().query(big)).toMatchObject({ offset: '0' })
  })

  it('an answer that is not taken within slowConsumerMs is taken back (D9)', async () => {
    await rig.stop()
    rig = await startRig({ virtual: true, options: { slowConsumerMs: 1000 } })
    const session = connect(`http://${rig.address}`, { settings: { initialWindowSize: 1000 } })
    const stream = session.request({
      ':method': 'POST',
      ':path': '/troupe.v1.Actors/Query',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    const { serialize } = PACKAGE['troupe.v1.QueryRequest'] as MessageTypeDefinition<object, object>
    const message = serialize({ actor: 'user/alice', name: 'big', args: Buffer.from('5000') })
    const closed = new Promise<number>((resolve) => stream.on('error', () => undefined).once('close', () => resolve(stream.rstCode)))
    const length = Buffer.alloc(5)
    length.writeUInt32BE(message.length, 1)
    stream.end(Buffer.concat([length, message]))
    await new Promise((resolve) => stream.once('response', resolve))
    await turns(20)
    rig.clock.advance(900)
    await turns(20)
    expect(rig.rpc.stats()).toMatchObject({ calls: 1, counters: { slow: 0 } })
    rig.clock.advance(200)
    expect(await closed).toBe(8)
    await until(() => rig.rpc.stats().calls === 0, 'its end')
    expect(rig.rpc.stats().counters.slow).toBe(1)
    session.destroy()
  })
})
