/** Slow ways in and out: what they may cost the node, and what must not be taken for death. */
import { afterEach, expect, test } from 'vitest'
import type { HistoryOutcome, TopicOutcome } from '../../src/actors/calls.ts'
import { BareClient, clientFrame } from './bare-client.ts'
import { startRig, until, type Rig } from './rig.ts'

let rig: Rig
afterEach(() => rig.stop())

test('a frame that takes longer than a ping and its grace is no silence, as long as bytes come', async () => {
  rig = await startRig({ virtual: true })
  const alive = await rig.join('alive')
  const slow = new BareClient(rig.port)
  await until(() => slow.received.includes('\r\n\r\n'), 'upgraded')
  slow.send({ t: 'connect', token: 'dev:slow' })
  await until(() => slow.received.includes('"t":"welcome"'), 'welcome')
  const frame = clientFrame(1, JSON.stringify({ t: 'send', id: 1, type: 'note.added', data: 'x'.repeat(50_000) }))
  // Two minutes, one piece a second.
  const pieces = 120
  const size = Math.ceil(frame.length / pieces)
  for (let at = 0; at < frame.length; at += size) {
    slow.socket.write(frame.subarray(at, at + size))
    await new Promise((resolve) => setImmediate(resolve))
    rig.clock.advance(1_000)
    await alive.ask({ t: 'query', id: 1, name: 'count' })
  }
  await until(() => slow.received.includes('"t":"reply"'), 'the reply')
  expect(slow.received).not.toContain('"t":"bye"')
  expect(rig.gateway.stats().counters.noPong).toBe(0)
  slow.socket.destroy()
})

test('a connection that is not read, because its requests wait, is still pinged', async () => {
  rig = await startRig({ virtual: true, options: { inflight: 2, sendTimeoutMs: 600_000 } })
  const client = await rig.join()
  const alive = await rig.join('alive')
  rig.calls.hold()
  client.send({ t: 'send', id: 1, type: 'note.added' }, { t: 'send', id: 2, type: 'note.added' })
  await until(() => rig.calls.sends.length === 2, 'both are asked')
  for (let second = 0; second < 60; second++) {
    rig.clock.advance(1_000)
    alive.socket.ping()
    await new Promise((resolve) => alive.socket.once('pong', resolve))
  }
  await client.frame('ping')
  await client.frame('ping')
  rig.calls.release()
  expect(await client.frame('reply', { id: 1 })).toMatchObject({ ok: true })
})

/** From now on the view has so many bytes. */
function bigView(bytes: number): void {
  const { topic, subscribe } = rig.calls
  const json = JSON.stringify('v'.repeat(bytes))
  const big =
    (done: (outcome: TopicOutcome) => void) =>
    (outcome: TopicOutcome): void =>
      done(outcome.ok && outcome.kind === 'view' ? { ...outcome, json } : outcome)
  rig.calls.topic = (call, done) => topic.call(rig.calls, call, big(done))
  rig.calls.subscribe = (call, sink, done) => subscribe.call(rig.calls, call, sink, big(done))
}

test('big views to a socket that does not read are refused, not kept', async () => {
  rig = await startRig()
  bigView(3_900_000)
  const client = await rig.join()
  rig.calls.hold()
  client.send(...Array.from({ length: 32 }, (_, id) => ({ t: 'subscribe', id, topic: 'summary' })))
  await until(() => rig.calls.waiting > 0, 'asked')
  client.socket.pause()
  // All answers in one turn: nothing of them has left.
  await until(() => rig.gateway.stats().counters.frames === 32, 'all are read')
  rig.calls.release()
  client.socket.resume()
  const replies = []
  for (let id = 0; id < 32; id++) replies.push(await client.frame('reply', { id }))
  const refused = replies.filter(({ ok }) => ok === false)
  expect(replies.length - refused.length).toBeLessThan(4)
  for (const { error } of refused) expect(error).toMatchObject({ code: 'overloaded', retryable: true })
  expect(rig.gateway.stats().subscriptions).toBe(replies.length - refused.length)
})

test('a view larger than answerBytes is answered `too_large`, on WebSockets and as events', async () => {
  rig = await startRig({ options: { answerBytes: 2_000 } })
  bigView(2_000)
  const client = await rig.join()
  expect(await client.ask({ t: 'subscribe', id: 1, topic: 'summary' })).toMatchObject({ ok: false, error: { code: 'too_large' } })
  expect((await fetch(`${rig.url}/v1/actors/user/alice/topics/summary?as=alice`)).status).toBe(413)
  expect(rig.gateway.stats()).toMatchObject({ subscriptions: 0, upstreams: 0 })
  expect(await client.ask({ t: 'subscribe', id: 2, topic: 'feed' })).toMatchObject({ ok: true })
})

test('many logs of one slow reader: one page at a time, each in turn, and little is read twice', async () => {
  rig = await startRig()
  const logs = 40
  const entries = 120
  const entry = 'x'.repeat(2_000)
  for (let i = 0; i < entries; i++) rig.calls.append('user/alice', 'other', entry)
  const { history } = rig.calls
  let asked = 0
  let most = 0
  let bytes = 0
  // Answers come a turn later, as from a store.
  rig.calls.history = (call, done) => {
    most = Math.max(most, ++asked)
    history.call(rig.calls, call, (outcome: HistoryOutcome) =>
      setImmediate(() => {
        asked--
        if (outcome.ok) for (const { json } of outcome.entries) bytes += json.length
        done(outcome)
      }),
    )
  }
  const client = await rig.join()
  client.socket.pause()
  const from = { journal: rig.calls.journal('user/alice'), offset: 0 }
  for (let id = 0; id < logs; id++) client.send({ t: 'subscribe', id, topic: 'feed', from })
  await until(() => rig.gateway.stats().subscriptions === logs, 'all subscribed')
  client.socket.resume()
  for (let sub = 1; sub <= logs; sub++)
    for (let offset = 1; offset <= entries; offset++) expect(await client.frame('note', { sub })).toMatchObject({ from: offset, offset })
  expect(most).toBe(1)
  expect(bytes / (logs * entries * entry.length)).toBeLessThan(3)
  // All are live.
  rig.calls.append('user/alice', 'other')
  for (let sub = 1; sub <= logs; sub++) expect(await client.frame('note', { sub })).toMatchObject({ offset: entries + 1 })
})
