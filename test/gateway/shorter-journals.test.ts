/** After an unclean end of a write-behind actor its journal may end before what was told of it (J9). */
import { afterEach, expect, test } from 'vitest'
import { startRig, until, type Rig, type TestClient } from './rig.ts'

const ALICE = 'user/alice'
let rig: Rig
afterEach(() => rig.stop())

async function told(count: number): Promise<[client: TestClient, journal: string]> {
  rig = await startRig()
  for (let i = 0; i < count; i++) rig.calls.append(ALICE, 'note.added', { i })
  return [await rig.join(), rig.calls.journal(ALICE)]
}

/** The owner died; the next one reads `left` entries, under the same journal id until it writes. */
function takenBack(left: number): void {
  rig.calls.newJournal(ALICE, rig.calls.journal(ALICE))
  for (let i = 0; i < left; i++) rig.calls.appendSilently(ALICE, 'note.added', { i })
  rig.calls.end(ALICE)
}

test.each(['feed', 'changes', 'summary'])(
  'who comes back with a position beyond the end is told that it is not recovered, and follows from there: %s',
  async (topic) => {
    const [client, journal] = await told(3)
    const answer = await client.ask({ t: 'subscribe', id: 1, topic, from: { journal, offset: 9 } })
    expect(answer).toMatchObject({ ok: true, recovered: false, journal, offset: 3 })
    rig.calls.append(ALICE, 'note.added', 'next')
    expect(await client.frame('note')).toMatchObject({ sub: answer['sub'], offset: 4, from: 4 })
  },
)

test('over HTTP it is told a gap, and its event id goes back', async () => {
  const [, journal] = await told(3)
  const abort = new AbortController()
  const response = await fetch(`${rig.url}/v1/actors/user/alice/topics/feed`, {
    headers: { authorization: 'Bearer dev:alice', 'last-event-id': `${journal}:9` },
    signal: abort.signal,
  })
  let text = ''
  const decoder = new TextDecoder()
  const read = (async () => {
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk as Uint8Array)
  })().catch(() => undefined)
  await until(() => text.includes('event: gap'), 'the gap')
  expect(text).toContain(`id: ${journal}:3\n`)
  rig.calls.append(ALICE, 'note.added', 'next')
  await until(() => text.includes(`id: ${journal}:4\n`), 'the next entry')
  abort.abort()
  await read
})

test('who stays on a log is told a gap and gets what follows, though under offsets it has seen', async () => {
  const [client, journal] = await told(5)
  const { sub } = await client.ask({ t: 'subscribe', id: 1, topic: 'feed' })
  rig.calls.append(ALICE, 'note.added', 'lost')
  expect(await client.frame('note')).toMatchObject({ sub, offset: 6 })
  takenBack(2)
  expect(await client.frame('gap')).toMatchObject({ sub, to: 2, journal })
  rig.calls.append(ALICE, 'note.added', 'next')
  expect(await client.frame('note')).toMatchObject({ sub, offset: 3, from: 3, data: 'next' })
})

test('who stays on a view gets the value that is left', async () => {
  const [client, journal] = await told(5)
  const { sub } = await client.ask({ t: 'subscribe', id: 1, topic: 'summary' })
  rig.calls.append(ALICE, 'note.added', 'lost')
  expect(await client.frame('note')).toMatchObject({ sub, offset: 6, data: { count: 6 } })
  takenBack(2)
  expect(await client.frame('gap')).toMatchObject({ sub, journal })
  expect(await client.frame('note')).toMatchObject({ sub, offset: 2, data: { count: 2 } })
})

test('an upstream says what it has seen when it subscribes again, so that no owner answers from an older memory (D11)', async () => {
  const [client] = await told(5)
  await client.ask({ t: 'subscribe', id: 1, topic: 'feed' })
  rig.calls.append(ALICE, 'note.added', 'seen')
  await client.frame('note')
  const { subscribe } = rig.calls
  const asked: (number | undefined)[] = []
  rig.calls.subscribe = (call, sink, done) => {
    asked.push(call.atLeast)
    return subscribe.call(rig.calls, call, sink, done)
  }
  rig.calls.end(ALICE)
  await until(() => asked.length > 0, 'the next subscribe')
  expect(asked).toEqual([6])
})
