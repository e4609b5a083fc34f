/** Bytes in and out: payloads of WebSocket messages and bodies over HTTP, each counted once, whoever reads or writes it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { encodeValue } from '../../src/protocol/msgpack.ts'
import { frameBytes, payloadLength } from '../../src/gateway/websocket-frame.ts'
import { startRig, until, type Rig } from './rig.ts'

let rig: Rig
afterEach(() => rig?.stop())

let before = { bytesIn: 0, bytesOut: 0 }
const mark = (): void => {
  before = rig.gateway.stats().counters
}
const moved = (): readonly [bytesIn: number, bytesOut: number] => {
  const { bytesIn, bytesOut } = rig.gateway.stats().counters
  return [bytesIn - before.bytesIn, bytesOut - before.bytesOut]
}

test('payload length of a frame of each form', () => {
  for (const length of [0, 1, 125, 126, 127, 128, 65_535, 65_536, 200_000])
    expect(payloadLength(frameBytes(new Uint8Array(length)).length)).toBe(length)
})

test.each(['troupe.v1.json', 'troupe.v1.msgpack'])('WebSocket, %s', async (subprotocol) => {
  rig = await startRig()
  const client = await rig.join('alice', subprotocol)
  let heard = 0
  client.socket.on('message', (data: Buffer) => (heard += data.length))
  mark()
  for (const size of [10, 200, 40_000]) {
    const frame = { t: 'query', id: size, name: 'big', args: size }
    const bytes = subprotocol.endsWith('json') ? JSON.stringify(frame).length : encodeValue(frame).length
    const [inBefore] = moved()
    expect(await client.ask(frame)).toMatchObject({ ok: true })
    expect(moved()[0] - inBefore).toBe(bytes)
  }
  await client.ask({ t: 'subscribe', id: 1, topic: 'feed' })
  rig.calls.append('user/alice', 'note.added', 'é')
  await client.frame('note')
  expect(moved()[1]).toBe(heard)
})

test('HTTP: bodies of requests, with or without a length, and of answers', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-files-'))
  try {
    await writeFile(join(folder, 'page.txt'), 'é'.repeat(1_000))
    rig = await startRig({
      filesDir: folder,
      app: {
        routes: (http) => {
          http.post('/length', async (c) => c.text(String((await c.req.arrayBuffer()).byteLength)))
          http.post('/deaf', (c) => c.body(null, 204))
        },
      },
    })
    const ask = async (path: string, init: RequestInit = {}): Promise<number> => {
      mark()
      return (await (await fetch(rig.url + path, init)).arrayBuffer()).byteLength
    }
    const body = JSON.stringify({ type: 'note.added', data: 'é' })
    const out = await ask('/v1/actors/user/alice/events?as=alice', { method: 'POST', body })
    expect(moved()).toEqual([Buffer.byteLength(body), out])
    const streamed = new ReadableStream({
      start: (controller) => {
        for (let i = 0; i < 3; i++) controller.enqueue(new Uint8Array(1_000))
        controller.close()
      },
    })
    expect(await ask('/length', { method: 'POST', body: streamed, duplex: 'half' } as RequestInit)).toBe(4)
    expect(moved()).toEqual([3_000, 4])
    expect(await ask('/page.txt')).toBe(2_000)
    expect(moved()).toEqual([0, 2_000])
    await ask('/page.txt', { method: 'HEAD' })
    expect(moved()).toEqual([0, 0])
    const lost = await ask('/nowhere')
    expect(moved()).toEqual([0, lost])
    await ask('/deaf', { method: 'POST', body: 'x'.repeat(500) })
    await until(() => moved()[0] === 500, 'the body that nobody read has come')
    // What a header claims does not count: only what came.
    mark()
    const cut = new AbortController()
    const endless = fetch(`${rig.url}/length`, {
      method: 'POST',
      body: new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(100)) }),
      duplex: 'half',
      signal: cut.signal,
    } as RequestInit)
    await until(() => moved()[0] === 100, 'a part has come')
    cut.abort()
    await expect(endless).rejects.toThrow()
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('event streams', async () => {
  rig = await startRig()
  mark()
  const stream = await fetch(`${rig.url}/v1/actors/user/alice/topics/feed?as=alice`)
  const reader = (stream.body as ReadableStream<Uint8Array>).getReader()
  let heard = 0
  let text = ''
  rig.calls.append('user/alice', 'note.added', 'a'.repeat(20_000))
  while (!text.includes('aaa"}\n\n')) {
    const { value } = await reader.read()
    heard += value?.length ?? 0
    text += new TextDecoder().decode(value)
  }
  expect(moved()).toEqual([0, heard])
  await reader.cancel()
})
