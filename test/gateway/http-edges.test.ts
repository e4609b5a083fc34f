/** HTTP where others meet it: the app's own guards, offers to upgrade, and a browser's EventSource that comes back. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { basicAuth } from 'hono/basic-auth'
import { HTTPException } from 'hono/http-exception'
import { afterEach, expect, test } from 'vitest'
import { startRig, until, type Rig } from './rig.ts'

let rig: Rig
let folder: string | null = null
afterEach(async () => {
  await rig.stop()
  if (folder !== null) await rm(folder, { recursive: true })
  folder = null
})

/** All that comes for these bytes, as long as the connection stays open; the status lines of it. */
class Raw {
  received = ''
  readonly socket = connect(rig.port, '127.0.0.1')
  constructor(text: string) {
    this.socket.on('data', (data) => (this.received += data.toString('latin1')))
    this.socket.on('error', () => undefined)
    this.socket.write(text)
  }
  get statuses(): string[] {
    return [...this.received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((found) => found[1] as string)
  }
}

const guard = basicAuth({ username: 'u', password: 'p' })

test('a guard that says no by throwing is heard: status, headers and body are its own', async () => {
  rig = await startRig({
    app: {
      routes: (http) => {
        http.use('/closed/*', guard)
        http.get('/teapot', () => {
          throw new HTTPException(418, { message: 'short and stout' })
        })
        http.get('/broken', () => {
          throw new Error('a bug')
        })
      },
    },
  })
  const closed = await fetch(`${rig.url}/closed/x`)
  expect([closed.status, closed.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="Secure Area"'])
  const teapot = await fetch(`${rig.url}/teapot`)
  expect([teapot.status, await teapot.text()]).toEqual([418, 'short and stout'])
  expect(rig.lines.filter(({ level }) => level === 'error')).toEqual([])
  expect((await fetch(`${rig.url}/broken`)).status).toBe(500)
})

test('a file has one path: empty parts do not lead round the app’s guards', async () => {
  folder = await mkdtemp(join(tmpdir(), 'troupe-files-'))
  await mkdir(join(folder, 'private'))
  await writeFile(join(folder, 'private', 'secret.html'), 'SECRET')
  await writeFile(join(folder, 'index.html'), 'HOME')
  rig = await startRig({ filesDir: folder, app: { routes: (http) => void http.use('/private/*', guard) } })
  for (const path of ['/private/secret.html', '//private/secret.html', '/private//secret.html', '///private/secret.html', '//private/']) {
    const raw = new Raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    await new Promise((resolve) => raw.socket.once('close', resolve))
    expect([path, raw.statuses.length, ['401', '404'].includes(raw.statuses[0] as string)]).toEqual([path, 1, true])
    expect(raw.received).not.toContain('SECRET')
  }
  expect(await (await fetch(`${rig.url}/`)).text()).toBe('HOME')
})

test('an offer of h2c is ignored: the request is answered, with its body, and the connection stays', async () => {
  rig = await startRig()
  const offer = 'Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'
  const body = '{"type":"note.added","data":"é"}'
  const raw = new Raw(
    `POST /v1/actors/user/alice/events HTTP/1.1\r\n${offer}Authorization: Bearer dev:alice\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n` +
      body.slice(0, 10),
  )
  raw.socket.write(body.slice(10))
  await until(() => raw.statuses.length === 1, 'the first answer')
  raw.socket.write(`GET /v1/actors/user/alice/queries/count?as=alice HTTP/1.1\r\n${offer}\r\n`)
  await until(() => raw.statuses.length === 2, 'the second answer')
  raw.socket.write(`GET /v1/ws HTTP/1.1\r\n${offer}\r\nGET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await until(() => raw.statuses.length === 4, 'the others')
  expect(raw.statuses).toEqual(['200', '200', '404', '404'])
  expect(rig.calls.sends).toMatchObject([{ data: 'é' }])
  raw.socket.destroy()
})

/** The last id that a browser would send when it comes back (WHATWG HTML §9.2.6). */
function lastId(text: string): string | undefined {
  return [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1]
}

async function follow(
  topic: string,
  from?: string,
): Promise<{ until(holds: (text: string) => boolean): Promise<string>; leave(): Promise<void> }> {
  const response = await fetch(`${rig.url}/v1/actors/user/alice/topics/${topic}?as=alice`, {
    headers: from === undefined ? {} : { 'last-event-id': from },
  })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  let text = ''
  return {
    until: async (holds) => {
      while (!holds(text)) text += new TextDecoder().decode((await reader.read()).value)
      return text
    },
    leave: async () => {
      await reader.cancel()
      await until(() => rig.gateway.stats().sockets === 0, 'the stream is forgotten')
    },
  }
}

test('an EventSource that comes back before its first event loses nothing', async () => {
  rig = await startRig()
  rig.calls.append('user/alice', 'note.added', 'before')
  const first = await follow('feed')
  const id = lastId(await first.until((text) => text.includes('\n\n')))
  expect(id).toBe('j-user/alice:1')
  await first.leave()
  rig.calls.append('user/alice', 'note.added', 'between')
  const second = await follow('feed', id)
  const text = await second.until((got) => got.includes('between'))
  expect(text).not.toContain('event: gap')
  expect(lastId(text)).toBe('j-user/alice:2')
})

test('and one that comes back after a gap is not told of it again', async () => {
  rig = await startRig()
  for (let i = 0; i < 5; i++) rig.calls.append('user/alice', 'note.added', i)
  rig.calls.trim('user/alice', 6)
  const first = await follow('feed', 'j-user/alice:2')
  const id = lastId(await first.until((text) => text.includes('event: gap') && text.endsWith('\n\n')))
  expect(id).toBe('j-user/alice:5')
  await first.leave()
  const other = await follow('feed', 'another:9')
  expect(lastId(await other.until((text) => text.includes('event: gap') && text.endsWith('\n\n')))).toBe('j-user/alice:5')
  await other.leave()
  rig.calls.append('user/alice', 'note.added', 'next')
  const second = await follow('feed', id)
  expect(await second.until((text) => text.includes('next'))).not.toContain('event: gap')
})
