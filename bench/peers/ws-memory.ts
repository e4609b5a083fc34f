/**
 * Peer: bare `ws`, one process, memory only. What a server does at the very least: parse the event, count it for its user, answer.
 * Nothing survives the process. With `--check-token` each upgrade verifies an HS256 token first.
 * It can also broadcast: whoever sent `subscribe` gets every event.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { serveParent } from '../harness/child.ts'
import { BENCH_SECRET } from '../load/dialects.ts'

const checkToken = process.argv.includes('--check-token')
const users = new Map<string, { events: number; last: unknown }>()
const subscribers = new Set<WebSocket>()
let events = 0

const http = createServer()
const sockets = new WebSocketServer({ noServer: true, clientTracking: false })
http.on('upgrade', (request, socket, head) => {
  const query = new URLSearchParams((request.url as string).slice(2))
  const name = checkToken ? verified(query.get('token') ?? '') : query.get('user')
  if (name === null) {
    socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n')
    return
  }
  sockets.handleUpgrade(request, socket, head, (ws) => accept(ws, name))
})

function accept(ws: WebSocket, name: string): void {
  ws.on('error', () => undefined)
  ws.on('close', () => subscribers.delete(ws))
  ws.on('message', (bytes: Buffer) => {
    const { id, data, subscribe } = JSON.parse(bytes.toString()) as { id: number; data: unknown; subscribe?: boolean }
    if (subscribe === true) subscribers.add(ws)
    else {
      let user = users.get(name)
      if (user === undefined) users.set(name, (user = { events: 0, last: null }))
      user.events++
      user.last = data
      events++
      if (subscribers.size > 0) {
        const note = Buffer.from(JSON.stringify({ user: name, n: user.events, data }))
        for (const subscriber of subscribers) subscriber.send(note, { binary: false })
      }
    }
    ws.send(JSON.stringify({ id, ok: true }))
  })
  ws.send('{"hello":true}')
}

/** The user of a valid HS256 token (RFC 7519), else null. */
function verified(token: string): string | null {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const expected = createHmac('sha256', BENCH_SECRET).update(`${header}.${payload}`).digest()
  const given = Buffer.from(signature, 'base64url')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string; exp: number }
  return claims.exp * 1000 > Date.now() ? claims.sub : null
}

http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  serveParent({ ports: [(http.address() as AddressInfo).port], pids: {} }, { recorded: () => events }),
)
