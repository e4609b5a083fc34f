/**
 * Peer of P5: the floor. A `net` server that answers the WebSocket upgrade by hand and then only holds the socket.
 */
import { createHash } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'
import { serveParent } from '../harness/child.ts'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const HELLO = Buffer.concat([Buffer.from([0x81, 14]), Buffer.from('{"hello":true}')])
let held = 0

const server = createServer((socket) => {
  socket.on('error', () => undefined)
  socket.once('data', (request) => {
    const key = /^Sec-WebSocket-Key: (.*)$/im.exec(request.toString('latin1'))?.[1]?.trim() ?? ''
    const accept = createHash('sha1')
      .update(key + GUID)
      .digest('base64')
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
    socket.write(HELLO)
    held++
  })
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  serveParent({ ports: [(server.address() as AddressInfo).port], pids: {} }, { recorded: () => held }),
)
