/** Node's own EventSource (WHATWG HTML §9.2) follows a topic while nodes go, fill up and come back: it never stops by itself. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { fail } from '../../src/errors.ts'
import { startRig, until, type Rig, type RigConfig } from './rig.ts'

/** Of a test: they run beside each other, because an EventSource waits for seconds in real time. */
type OnEnd = (end: () => void | Promise<void>) => void

async function start(onEnd: OnEnd, config: RigConfig = {}): Promise<Rig> {
  const rig = await startRig(config)
  onEnd(() => rig.stop())
  return rig
}

interface Told {
  readonly event: string
  readonly data?: { readonly data?: unknown; readonly code?: number; readonly reconnect?: boolean }
  readonly id?: string
  readonly readyState?: number
}

const FOLLOW = `
  const source = new EventSource(process.argv[1])
  // Its wait for the next attempt keeps no process alive.
  setInterval(() => undefined, 60_000)
  const tell = (told) => console.log(JSON.stringify(told))
  source.onopen = () => tell({ event: 'open' })
  source.onerror = () => tell({ event: 'error', readyState: source.readyState })
  source.onmessage = ({ data }) => tell({ event: 'message', data })
  for (const event of ['note', 'gap', 'bye', 'hint'])
    source.addEventListener(event, ({ data, lastEventId }) => tell({ event, data: JSON.parse(data), id: lastEventId }))
`

/** An EventSource in a process of its own: Node has it behind a flag. */
class Follower {
  readonly told: Told[] = []
  readonly process: ChildProcess

  constructor(onEnd: OnEnd, url: string) {
    this.process = spawn(process.execPath, ['--no-warnings', '--experimental-eventsource', '-e', FOLLOW, url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    createInterface({ input: this.process.stdout as NodeJS.ReadableStream }).on('line', (line) => this.told.push(JSON.parse(line) as Told))
    onEnd(() => void this.process.kill('SIGKILL'))
  }

  async hears(event: string): Promise<Told> {
    let at = -1
    await until(() => (at = this.told.findIndex((told) => told.event === event)) >= 0, `${event} among ${JSON.stringify(this.told)}`)
    return this.told.splice(0, at + 1)[at] as Told
  }
}

const FEED = '/v1/actors/user/alice/topics/feed?as=alice'

describe.concurrent('a refusal that passes is a stream that ends with `retry`, and the EventSource comes back where it stood', () => {
  test('a node that drains and another behind its address', async ({ onTestFinished }) => {
    const going = await start(onTestFinished, { virtual: true, options: { drainSpreadMs: 0 } })
    going.calls.append('user/alice', 'note.added', 'one')
    const follower = new Follower(onTestFinished, going.url + FEED)
    await follower.hears('open')
    going.calls.append('user/alice', 'note.added', 'two')
    expect(await follower.hears('note')).toMatchObject({ id: 'j-user/alice:2', data: { data: 'two' } })
    const drained = going.gateway.drain()
    await until(() => {
      going.clock.advance(50)
      return going.gateway.stats().sockets === 0
    }, 'its stream was ended')
    await drained
    expect(await follower.hears('bye')).toMatchObject({ data: { code: 3015, reconnect: true } })
    // Asked again while it drains: not refused for good.
    going.calls.append('user/alice', 'note.added', 'three')
    expect(await follower.hears('error')).toMatchObject({ readyState: 0 })
    expect(await follower.hears('bye')).toMatchObject({ data: { code: 3001, reconnect: true }, id: 'j-user/alice:2' })
    expect(await follower.hears('error')).toMatchObject({ readyState: 0 })
    // What stands before the nodes sends it to another one now.
    const next = await start(onTestFinished)
    for (const data of ['one', 'two', 'three']) next.calls.append('user/alice', 'note.added', data)
    going.server.removeAllListeners('request')
    for (const listener of next.server.listeners('request')) going.server.on('request', listener as never)
    expect(await follower.hears('note')).toMatchObject({ id: 'j-user/alice:3', data: { data: 'three' } })
    expect(follower.told).toEqual([])
  })

  test('a node that is full, a store that is away: it waits, and gets in', async ({ onTestFinished }) => {
    // The kernel keeps out what is beyond twice as many.
    const rig = await start(onTestFinished, { options: { connections: 2 } })
    await rig.join('eve')
    const taken = await rig.join('bob')
    const follower = new Follower(onTestFinished, rig.url + FEED)
    expect(await follower.hears('bye')).toMatchObject({ data: { code: 3013, reconnect: true } })
    rig.calls.failNext(fail('store_unavailable', 'away'))
    taken.socket.terminate()
    expect(await follower.hears('bye')).toMatchObject({ data: { code: 3011 } })
    await until(() => rig.gateway.stats().subscriptions === 1, 'it follows')
    rig.calls.append('user/alice', 'note.added', 'in')
    expect(await follower.hears('note')).toMatchObject({ data: { data: 'in' } })
  })

  test('a refusal that would be the same again ends it: no token, no such topic', async ({ onTestFinished }) => {
    const rig = await start(onTestFinished)
    for (const path of ['/v1/actors/user/alice/topics/feed', '/v1/actors/user/alice/topics/none?as=alice']) {
      const follower = new Follower(onTestFinished, rig.url + path)
      expect(await follower.hears('error')).toMatchObject({ readyState: 2 })
    }
  })
})

test.concurrent(
  'the `id` alone at the start is no event, but the place to come back to: also after comments',
  async ({ onTestFinished }) => {
    const rig = await start(onTestFinished)
    rig.calls.append('user/alice', 'note.added', 'before')
    const follower = new Follower(onTestFinished, rig.url + FEED)
    await follower.hears('open')
    await until(() => rig.gateway.stats().subscriptions === 1, 'it follows')
    for (const socket of rig.sockets) socket.write('4\r\n: \n\n\r\n')
    rig.calls.appendSilently('user/alice', 'note.added', 'meanwhile')
    for (const socket of rig.sockets) socket.end()
    expect(await follower.hears('note')).toMatchObject({ id: 'j-user/alice:2', data: { data: 'meanwhile' } })
    expect(follower.told.filter(({ event }) => event === 'message' || event === 'gap')).toEqual([])
  },
)

test.concurrent('a program that is no EventSource gets the status', async ({ onTestFinished }) => {
  const rig = await start(onTestFinished, { options: { connections: 2 } })
  await rig.join('bob')
  await rig.join('eve')
  const answer = await fetch(rig.url + FEED, { headers: { accept: '*/*' } })
  expect([answer.status, await answer.json()]).toMatchObject([503, { error: { code: 'overloaded', retryable: true } }])
  const stream = await fetch(rig.url + FEED, { headers: { accept: 'text/event-stream', 'last-event-id': 'j:7' } })
  expect([stream.status, stream.headers.get('content-type'), await stream.text()]).toEqual([
    200,
    'text/event-stream; charset=utf-8',
    expect.stringMatching(/^retry: [12]\d{3}\nid: j:7\nevent: bye\ndata: \{.*"reconnect":true.*\}\n\n$/),
  ])
})
