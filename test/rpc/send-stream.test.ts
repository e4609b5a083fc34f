/** SendStream: many events without waiting, matched by id, bounded, in order. */
import { afterEach, describe, expect, it } from 'vitest'
import { fail } from '../../src/errors.ts'
import { settled, startRig, turns, until, type Rig, type RigConfig } from './rpc-rig.ts'

let rig: Rig
const start = async (config: RigConfig = {}): Promise<void> => {
  rig = await startRig(config)
}
afterEach(() => rig.stop())

const event = (id: number, more: object = {}): Record<string, unknown> => ({
  actor: 'user/alice',
  type: 'note.added',
  data: id,
  id,
  ...more,
})

describe('SendStream', () => {
  it('answers 10,000 pipelined events, each under its id, applied in the order sent', async () => {
    await start()
    const stream = rig.client().sendStream().read()
    for (let id = 1; id <= 10_000; id++) stream.write(event(id, { source: 's', sequence: id }))
    stream.call.end()
    expect(await stream.ended).toBeNull()
    expect(stream.messages).toHaveLength(10_000)
    expect(stream.messages.every(({ id, offset, error }) => id === offset && error === null)).toBe(true)
    expect(rig.calls.sends.map(({ data }) => data)).toEqual(Array.from({ length: 10_000 }, (_, at) => at + 1))
  })

  it('a refused event is a reply with its error, and the stream goes on', async () => {
    await start()
    const stream = rig.client().sendStream()
    stream.write(event(1, { type: 'refuse' }))
    stream.write(event(2, { actor: 'nothing/a' }))
    stream.write(event(3, { data: Buffer.from('{') }))
    stream.write(event(4, { source: 's', sequence: 2 }))
    stream.write(event(5))
    expect([await stream.next(), await stream.next(), await stream.next(), await stream.next(), await stream.next()]).toMatchObject([
      { id: '1', error: { code: 'refused', reason: 'because' } },
      { id: '2', error: { code: 'not_found' } },
      { id: '3', error: { code: 'invalid' } },
      { id: '4', error: { code: 'out_of_order', retryable: true, next: '1' } },
      { id: '5', offset: '1', error: null },
    ])
  })

  it('replies come as outcomes come', async () => {
    await start()
    const answers: ((id: string) => void)[] = []
    rig.calls.send = (call, done) => void answers.push((message) => done(fail('refused', `${message}: ${String(call.data)}`)))
    const stream = rig.client().sendStream()
    stream.write(event(1))
    stream.write(event(2))
    await until(() => answers.length === 2, 'both events')
    answers[1]?.('second')
    expect(await stream.next()).toMatchObject({ id: '2', error: { message: 'second: 2' } })
    answers[0]?.('first')
    expect(await stream.next()).toMatchObject({ id: '1', error: { message: 'first: 1' } })
  })

  it('takes no more than rpcInflight events before their replies are taken', async () => {
    await start({ options: { rpcInflight: 10 } })
    rig.calls.hold()
    const stream = rig.client().sendStream().read()
    for (let id = 1; id <= 100; id++) stream.write(event(id))
    stream.call.end()
    await until(() => rig.calls.waiting === 10, 'ten events')
    await turns(50)
    expect(rig.calls.sends).toHaveLength(10)
    rig.calls.release(3)
    await until(() => rig.calls.sends.length === 13, 'three more')
    await turns(50)
    expect(rig.calls.sends).toHaveLength(13)
    rig.calls.release()
    expect(await stream.ended).toBeNull()
    expect(stream.messages).toHaveLength(100)
  })

  it('takes no more than rpcInflightBytes of events', async () => {
    await start({ options: { rpcInflightBytes: 64 * 1024 } })
    rig.calls.hold()
    const stream = rig.client().sendStream().read()
    for (let id = 1; id <= 20; id++) stream.write(event(id, { data: 'x'.repeat(20_000) }))
    stream.call.end()
    await until(() => rig.calls.waiting === 4, 'four events')
    await turns(50)
    expect(rig.calls.sends).toHaveLength(4)
    rig.calls.release()
    expect(await stream.ended).toBeNull()
    expect(stream.messages).toHaveLength(20)
  })

  it('does not read a client that does not read its replies', async () => {
    await start({ options: { rpcInflight: 100 } })
    rig.calls.send = (_, done) => done(fail('refused', 'x'.repeat(2000)))
    const stream = rig.client().sendStream()
    stream.write(event(0))
    await stream.stall()
    for (let id = 1; id < 2000; id++) stream.write(event(id))
    // Replies fill the windows of HTTP/2, then the hundred that may be open, and no event is read beyond them.
    const before = await settled(() => rig.rpc.stats().counters.sends)
    expect(before).toBeGreaterThanOrEqual(100)
    expect(before).toBeLessThan(1000)
    stream.call.resume()
    stream.call.end()
    expect(await stream.ended).toBeNull()
    expect(stream.messages).toHaveLength(1999)
  })

  it('a client that takes nothing for slowConsumerMs is cut off (D9)', async () => {
    await start({ virtual: true, options: { slowConsumerMs: 1000 } })
    rig.calls.send = (_, done) => done(fail('refused', 'x'.repeat(20_000)))
    const stream = rig.client().sendStream()
    stream.write(event(0))
    await stream.stall()
    for (let id = 1; id < 100; id++) stream.write(event(id))
    await settled(() => rig.rpc.stats().counters.sends)
    rig.clock.advance(900)
    await turns(20)
    expect(rig.rpc.stats()).toMatchObject({ streams: 1, counters: { slow: 0 } })
    rig.clock.advance(200)
    await until(() => rig.rpc.stats().streams === 0, 'the cut')
    expect(rig.rpc.stats()).toMatchObject({ calls: 0, counters: { slow: 1 } })
    stream.call.resume()
    expect(await stream.ended).toMatchObject({ status: 1 })
  })

  it('one that reads, however little at a time, is not', async () => {
    await start({ virtual: true, options: { slowConsumerMs: 1000 } })
    const stream = rig.client().sendStream()
    for (let round = 1; round <= 5; round++) {
      stream.write(event(round))
      await stream.next()
      rig.clock.advance(900)
      await turns(5)
    }
    expect(rig.rpc.stats()).toMatchObject({ streams: 1, counters: { slow: 0 } })
  })

  it('a cancelled stream is over, and its outcomes go nowhere', async () => {
    await start()
    rig.calls.hold()
    const stream = rig.client().sendStream().read()
    for (let id = 1; id <= 5; id++) stream.write(event(id))
    await until(() => rig.calls.waiting === 5, 'five events')
    stream.call.cancel()
    await until(() => rig.rpc.stats().streams === 0, 'its end')
    rig.calls.release()
    expect(await stream.ended).toMatchObject({ status: 1 })
    expect(rig.rpc.stats()).toMatchObject({ calls: 0, streams: 0 })
    expect(rig.lines.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('a client that dies leaves nothing', async () => {
    await start()
    rig.calls.hold()
    const client = rig.client()
    const stream = client.sendStream().read()
    stream.write(event(1))
    await until(() => rig.calls.waiting === 1, 'the event')
    stream.call.on('error', () => undefined)
    client.actors.close()
    stream.call.cancel()
    await until(() => rig.rpc.stats().connections === 0, 'the connection’s end')
    expect(rig.rpc.stats()).toMatchObject({ calls: 0, streams: 0 })
    rig.calls.release()
  })

  it('a message that cannot be read ends the stream, after what was taken is answered', async () => {
    await start()
    rig.calls.hold()
    const client = rig.client()
    const call = client.actors.makeBidiStreamRequest(
      '/troupe.v1.Actors/SendStream',
      (bytes: Buffer) => bytes,
      (reply) => reply,
    )
    const replies: Buffer[] = []
    call.on('data', (reply: Buffer) => replies.push(reply))
    const ended = new Promise((resolve) => call.on('error', resolve))
    const actor = Buffer.from('user/alice')
    call.write(Buffer.concat([Buffer.from([10, actor.length]), actor, Buffer.from([18, 1, 120])]))
    call.write(Buffer.from([10, 200]))
    await until(() => rig.calls.waiting === 1, 'the event')
    await turns(20)
    rig.calls.release()
    expect(await ended).toMatchObject({ code: 3 })
    expect(replies).toHaveLength(1)
  })

  it('ends when the caller’s token ends, after what was taken is answered', async () => {
    await start({ virtual: true, app: { authenticate: () => ({ sub: 'alice', actor: 'user/alice', expiresAt: rig.clock.now() + 5000 }) } })
    const stream = rig.client().sendStream({ authorization: 'Bearer x' })
    stream.write(event(1))
    expect(await stream.next()).toMatchObject({ offset: '1' })
    rig.calls.hold()
    stream.write(event(2))
    await until(() => rig.calls.waiting === 1, 'the second event')
    rig.clock.advance(5001)
    await turns(20)
    rig.calls.release()
    expect(await stream.next()).toMatchObject({ id: '2', offset: '2' })
    expect(await stream.ended).toMatchObject({ status: 16, error: { code: 'expired' } })
  })
})
