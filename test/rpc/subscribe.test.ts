/** Subscribe and History over a real gRPC connection: positions, resuming, gaps, slow and dead readers. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fail } from '../../src/errors.ts'
import { settled, startRig, turns, until, type TestClient, type Rig, type RigConfig } from './rpc-rig.ts'

let rig: Rig
let client: TestClient
const restart = async (config: RigConfig): Promise<void> => {
  await rig.stop()
  rig = await startRig(config)
  client = rig.client()
}

beforeEach(async () => {
  rig = await startRig()
  client = rig.client()
})
afterEach(() => rig.stop())

const ALICE = 'user/alice'
const JOURNAL = 'j-user/alice'
const add = (count: number): void => {
  for (let n = 0; n < count; n++) rig.calls.append(ALICE, 'note.added', { n: rig.calls.sends.length })
}

describe('Subscribe', () => {
  it('begins with the journal, the newest offset and a view’s value', async () => {
    add(2)
    const stream = client.subscribe({ actor: ALICE, topic: 'summary' })
    expect(await stream.next()).toEqual({
      journal: JOURNAL,
      offset: '2',
      from: '3',
      recovered: false,
      data: { count: 2 },
      type: '',
      at: '0',
      gap: false,
    })
    add(1)
    expect(await stream.next()).toMatchObject({ offset: '3', from: '3', data: { count: 3 }, journal: '' })
  })

  it('a log brings every entry, and each message says after which it comes', async () => {
    const stream = client.subscribe({ actor: ALICE, topic: 'notes' })
    await stream.next()
    rig.calls.append(ALICE, 'note.added', { text: 'ü' })
    rig.calls.append(ALICE, 'other', {})
    rig.calls.append(ALICE, 'note.added', null)
    expect(await stream.next()).toMatchObject({ from: '1', offset: '1', type: 'note.added', data: { text: 'ü' }, at: '1700000000001' })
    expect(await stream.next()).toMatchObject({ from: '2', offset: '3', data: null })
  })

  it('a signal has no data', async () => {
    const stream = client.subscribe({ actor: ALICE, topic: 'changes' })
    expect(await stream.next()).toMatchObject({ offset: '0', recovered: false, data: undefined })
    add(1)
    expect(await stream.next()).toMatchObject({ offset: '1', data: undefined, type: '' })
  })

  it('resumes after a position of the same journal', async () => {
    add(5)
    const stream = client.subscribe({ actor: ALICE, topic: 'feed', resume: true, journal: JOURNAL, offset: 3 })
    expect(await stream.next()).toMatchObject({ recovered: true, offset: '5', from: '4' })
    expect(await stream.next()).toMatchObject({ from: '4', offset: '4' })
    expect(await stream.next()).toMatchObject({ from: '5', offset: '5' })
  })

  it('an empty journal with offset 0 is from the beginning; a position without `resume` does not count', async () => {
    add(2)
    const all = client.subscribe({ actor: ALICE, topic: 'feed', resume: true })
    expect(await all.next()).toMatchObject({ recovered: true, offset: '2', from: '1' })
    expect([await all.next(), await all.next()]).toMatchObject([{ offset: '1' }, { offset: '2' }])
    const now = client.subscribe({ actor: ALICE, topic: 'feed', journal: JOURNAL, offset: 1 })
    expect(await now.next()).toMatchObject({ recovered: false, offset: '2', from: '3' })
    add(1)
    expect(await now.next()).toMatchObject({ offset: '3' })
  })

  it('a position of another journal is not recovered', async () => {
    add(4)
    const stream = client.subscribe({ actor: ALICE, topic: 'feed', resume: true, journal: 'another', offset: 2 })
    expect(await stream.next()).toMatchObject({ recovered: false, journal: JOURNAL, offset: '4', from: '5' })
  })

  it('what is no longer kept is a gap, and the rest follows', async () => {
    add(6)
    rig.calls.trim(ALICE, 5)
    const stream = client.subscribe({ actor: ALICE, topic: 'feed', resume: true, journal: JOURNAL, offset: 1 })
    expect(await stream.next()).toMatchObject({ recovered: false, offset: '6', from: '2' })
    expect(await stream.next()).toMatchObject({ gap: true, from: '2', offset: '4' })
    expect([await stream.next(), await stream.next()]).toMatchObject([
      { from: '5', offset: '5', gap: false },
      { from: '6', offset: '6' },
    ])
  })

  it('a new journal is a gap that names it', async () => {
    add(3)
    const stream = client.subscribe({ actor: ALICE, topic: 'feed' })
    await stream.next()
    rig.calls.newJournal(ALICE, 'second')
    rig.calls.end(ALICE)
    expect(await stream.next()).toMatchObject({ gap: true, journal: 'second', from: '4', offset: '0' })
    add(1)
    expect(await stream.next()).toMatchObject({ offset: '1', from: '1', gap: false })
  })

  it('goes on when the owner changes (D8)', async () => {
    const stream = client.subscribe({ actor: ALICE, topic: 'feed' })
    await stream.next()
    rig.calls.end(ALICE)
    add(2)
    expect([await stream.next(), await stream.next()]).toMatchObject([{ offset: '1' }, { offset: '2' }])
  })

  it('failures come as the status of the table', async () => {
    for (const [request, status, code] of [
      [{ actor: ALICE, topic: 'nothing' }, 5, 'unknown_topic'],
      [{ actor: 'nothing/a', topic: 'feed' }, 5, 'not_found'],
      [{ topic: 'feed' }, 3, 'invalid'],
      [{ actor: ALICE }, 3, 'invalid'],
      [{ actor: ALICE, topic: 'feed', resume: true, offset: '9007199254740993' }, 3, 'invalid'],
    ] as const)
      expect(await client.subscribe(request).read().ended).toMatchObject({ status, error: { code } })
    rig.calls.failNext(fail('store_unavailable', 'not now', { retryAfterMs: 500 }))
    expect(await client.subscribe({ actor: ALICE, topic: 'feed' }).read().ended).toMatchObject({
      status: 14,
      error: { code: 'store_unavailable', retryable: true, retryAfterMs: 500 },
    })
    expect(rig.rpc.stats()).toMatchObject({ streams: 0, upstreams: 0 })
  })

  it('a subscription goes with its stream: cancelled, or with its connection', async () => {
    const streams = [1, 2].map(() => client.subscribe({ actor: ALICE, topic: 'feed' }))
    for (const stream of streams) await stream.next()
    expect(rig.calls.subscribers).toBe(1)
    streams[0]?.call.cancel()
    await until(() => rig.rpc.stats().streams === 1, 'the first end')
    expect(rig.calls.subscribers).toBe(1)
    streams[1]?.call.cancel()
    await until(() => rig.calls.subscribers === 0, 'the last end')
    expect(rig.rpc.stats()).toMatchObject({ streams: 0, upstreams: 0, calls: 0 })
    const dying = rig.client()
    const last = dying.subscribe({ actor: ALICE, topic: 'feed' })
    await last.next()
    dying.actors.getChannel().close()
    last.call.cancel()
    await until(() => rig.calls.subscribers === 0, 'the end of a connection')
  })

  it('one that is cancelled while the actor is asked leaves nothing', async () => {
    rig.calls.hold()
    const stream = client.subscribe({ actor: ALICE, topic: 'feed' }).read()
    await until(() => rig.calls.waiting === 1, 'the question')
    stream.call.cancel()
    await until(() => rig.rpc.stats().streams === 0, 'its end')
    rig.calls.release()
    await until(() => rig.rpc.stats().upstreams === 0, 'the upstream’s end')
    expect(rig.calls.subscribers).toBe(0)
  })

  it('a slow reader of a view gets the newest value only (D9)', async () => {
    const stream = client.subscribe({ actor: ALICE, topic: 'summary' })
    await stream.stall()
    for (let round = 0; round < 400; round++) {
      add(50)
      await turns(1)
    }
    stream.call.resume()
    let last
    let got = 0
    do {
      last = await stream.next()
      got++
    } while ((last['data'] as { count: number }).count < 20_000)
    expect(got).toBeLessThan(20_000)
  })

  it('a slow reader of a log gets all of it, from history (D9)', async () => {
    const stream = client.subscribe({ actor: ALICE, topic: 'feed' })
    await stream.stall()
    for (let n = 1; n <= 3000; n++) rig.calls.append(ALICE, 'note.added', 'x'.repeat(300))
    await settled(() => rig.rpc.stats().counters.notes)
    expect(rig.rpc.stats().counters.notes).toBeLessThan(2900)
    stream.call.resume()
    for (let n = 1; n <= 3000; n++) expect(await stream.next()).toMatchObject({ from: String(n), offset: String(n), gap: false })
    expect(rig.calls.histories.length).toBeGreaterThan(0)
  })

  it('one that takes nothing for slowConsumerMs is cut off', async () => {
    await restart({ virtual: true, options: { slowConsumerMs: 1000 } })
    const stream = client.subscribe({ actor: ALICE, topic: 'feed' })
    await stream.stall()
    for (let n = 1; n <= 3000; n++) rig.calls.append(ALICE, 'note.added', 'x'.repeat(300))
    await settled(() => rig.rpc.stats().counters.notes)
    rig.clock.advance(1500)
    await until(() => rig.rpc.stats().streams === 0, 'the cut')
    expect(rig.rpc.stats().counters.slow).toBe(1)
    expect(rig.calls.subscribers).toBe(0)
  })

  it('one to which nothing happens is not', async () => {
    await restart({ virtual: true, options: { slowConsumerMs: 1000 } })
    const stream = client.subscribe({ actor: ALICE, topic: 'feed' })
    await stream.next()
    await turns(20)
    rig.clock.advance(60_000)
    add(1)
    expect(await stream.next()).toMatchObject({ offset: '1' })
  })
})

describe('History', () => {
  it('brings the entries, oldest first, page after page', async () => {
    for (let n = 1; n <= 1000; n++) rig.calls.append(ALICE, 'note.added', n)
    const stream = client.history({ actor: ALICE }).read()
    expect(await stream.ended).toBeNull()
    expect(stream.messages.map(({ data }) => data)).toEqual(Array.from({ length: 1000 }, (_, at) => at + 1))
    expect(stream.messages[0]).toEqual({ offset: '1', type: 'note.added', data: 1, at: '1700000000001' })
    expect(rig.calls.histories.map(({ from }) => from)).toEqual([1, 301, 601, 901])
  })

  it('of a range', async () => {
    for (let n = 1; n <= 1000; n++) rig.calls.append(ALICE, 'note.added', n)
    const stream = client.history({ actor: ALICE, from: 350, limit: 400 }).read()
    expect(await stream.ended).toBeNull()
    expect([stream.messages.length, stream.messages[0]?.['offset'], stream.messages.at(-1)?.['offset']]).toEqual([400, '350', '749'])
  })

  it('of an actor without any, and from beyond the newest, is empty', async () => {
    for (const from of [0, 1, 500]) {
      const stream = client.history({ actor: ALICE, from }).read()
      expect(await stream.ended).toBeNull()
      expect(stream.messages).toEqual([])
    }
  })

  it('from what is no longer kept is a gap; from the beginning it is the oldest', async () => {
    add(10)
    rig.calls.trim(ALICE, 6)
    expect(await client.history({ actor: ALICE, from: 3 }).read().ended).toMatchObject({ status: 11, error: { code: 'gap' } })
    const all = client.history({ actor: ALICE, from: 0 }).read()
    expect(await all.ended).toBeNull()
    expect(all.messages.map(({ offset }) => offset)).toEqual(['6', '7', '8', '9', '10'])
  })

  it('what is forgotten, or replaced by another journal, while it is read is told', async () => {
    for (const change of [() => rig.calls.trim(ALICE, 900), () => rig.calls.newJournal(ALICE, 'second')]) {
      await restart({})
      for (let n = 1; n <= 1000; n++) rig.calls.append(ALICE, 'note.added', n)
      rig.calls.hold()
      const stream = client.history({ actor: ALICE }).read()
      await until(() => rig.calls.waiting === 1, 'the first page')
      rig.calls.release(1)
      await until(() => rig.calls.waiting === 1, 'the second page')
      change()
      rig.calls.release()
      expect(await stream.ended).toMatchObject({ status: 11, error: { code: 'gap' } })
      expect(stream.messages).toHaveLength(300)
    }
  })

  it('reads no page before the last is taken, and ends with its reader', async () => {
    for (let n = 1; n <= 3000; n++) rig.calls.append(ALICE, 'note.added', 'x'.repeat(1000))
    const stream = client.history({ actor: ALICE })
    await stream.stall()
    const pages = await settled(() => rig.calls.histories.length)
    expect(pages).toBeLessThan(6)
    stream.call.cancel()
    await until(() => rig.rpc.stats().streams === 0, 'its end')
    await turns(50)
    expect(rig.calls.histories.length).toBe(pages)
  })

  it('a failure of the store is told', async () => {
    rig.calls.failNext(fail('store_unavailable', 'not now'))
    expect(await client.history({ actor: ALICE }).read().ended).toMatchObject({ status: 14, error: { code: 'store_unavailable' } })
  })
})
