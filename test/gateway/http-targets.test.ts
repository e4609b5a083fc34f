/** A request target in absolute form, as clients of a proxy write it, is the same request (RFC 9112 §3.2.2). */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { startRig, until, type Rig } from './rig.ts'

let rig: Rig
afterEach(() => rig.stop())

/** Status and body of one request, written exactly so. */
async function ask(line: string, headers = 'Host: localhost\r\n', body = ''): Promise<readonly [status: number, body: string]> {
  const socket = connect(rig.port, '127.0.0.1')
  let received = ''
  socket.on('data', (data) => (received += data.toString()))
  socket.on('error', () => undefined)
  socket.write(`${line}\r\n${headers}Connection: close\r\n\r\n${body}`)
  await new Promise((resolve) => socket.once('close', resolve))
  return [Number(/^HTTP\/1\.1 (\d+)/.exec(received)?.[1]), received.slice(received.indexOf('\r\n\r\n') + 4)]
}

const QUERY = '/v1/actors/user/alice/queries/echo?as=alice&args=%22a%3Fb%22'

test('queries, events, the app’s routes and files are served as their path', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-files-'))
  try {
    await writeFile(join(folder, 'index.html'), 'HOME')
    rig = await startRig({ filesDir: folder, app: { routes: (http) => void http.get('/hello', (c) => c.text(`hi ${c.req.query('n')}`)) } })
    const at = `http://localhost:${rig.port}`
    expect(await ask(`GET ${at}${QUERY} HTTP/1.1`)).toEqual([200, '{"data":"a?b","offset":0}'])
    expect((await ask(`GET HTTP://user@LOCALHOST${QUERY} HTTP/1.1`))[0]).toBe(200)
    const event = '{"type":"note.added"}'
    const sent = await ask(
      `POST ${at}/v1/actors/user/alice/events?as=alice HTTP/1.1`,
      `Host: localhost\r\nContent-Length: ${event.length}\r\n`,
      event,
    )
    expect([sent[0], rig.calls.sends.length]).toEqual([200, 1])
    expect(await ask(`GET ${at}/hello?n=1 HTTP/1.1`)).toEqual([200, 'hi 1'])
    for (const root of [at, `${at}/`, `${at}?x=1`]) expect(await ask(`GET ${root} HTTP/1.1`)).toEqual([200, 'HOME'])
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('the path stays as sent: what is encoded or walks up is not made another path', async () => {
  rig = await startRig()
  const at = `http://localhost:${rig.port}`
  for (const path of [
    '/v1/actors/user/a%2Fb/queries/count',
    '/x/../v1/actors/user/alice/queries/count',
    '//v1/actors/user/alice/queries/count',
  ])
    expect([path, (await ask(`GET ${at}${path}?as=alice HTTP/1.1`))[0]]).toEqual([path, (await ask(`GET ${path}?as=alice HTTP/1.1`))[0]])
})

test('a WebSocket and an offer of h2c, too', async () => {
  rig = await startRig()
  const at = `http://localhost:${rig.port}`
  const socket = connect(rig.port, '127.0.0.1')
  let received = ''
  socket.on('data', (data) => (received += data.toString('latin1')))
  const upgrade =
    'Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
  socket.write(`GET ${at}/v1/ws?as=alice HTTP/1.1\r\n${upgrade}\r\n`)
  await until(() => received.includes('\r\n\r\n'), 'an answer')
  expect(received).toMatch(/^HTTP\/1\.1 101 /)
  socket.destroy()
  expect((await ask(`GET ${at}${QUERY} HTTP/1.1`, 'Host: localhost\r\nUpgrade: h2c\r\n'))[0]).toBe(200)
})

test('the host of the target counts, not the Host header: dev names stay refused under a foreign name', async () => {
  rig = await startRig()
  expect((await ask(`GET http://evil.example:${rig.port}${QUERY} HTTP/1.1`))[0]).toBe(403)
  expect((await ask(`GET http://evil.example:${rig.port}${QUERY} HTTP/1.1`, 'Host: localhost\r\nUpgrade: h2c\r\n'))[0]).toBe(403)
})

test('a target that is none is refused, and the node lives', async () => {
  rig = await startRig()
  for (const target of ['http://', 'http:///x', 'http://a b/', 'ftp://localhost/x', 'localhost:7000', '*', 'http://[::1/'])
    expect([target, [400, 404].includes((await ask(`GET ${target} HTTP/1.1`))[0])]).toEqual([target, true])
  expect((await ask(`GET ${QUERY} HTTP/1.1`))[0]).toBe(200)
})
