/** A WebSocket client without a library: it decides itself what it reads, and what it writes of a frame. */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

const MASK = Buffer.alloc(4)

/** A client's frame, whole; masked with nought (RFC 6455 §5.3). */
export function clientFrame(opcode: number, payload: Buffer | string): Buffer {
  const data = Buffer.from(payload)
  if (data.length < 126) return Buffer.concat([Buffer.of(0x80 | opcode, 0x80 | data.length), MASK, data])
  if (data.length < 65_536) return Buffer.concat([Buffer.of(0x80 | opcode, 0xfe, data.length >> 8, data.length & 255), MASK, data])
  const length = Buffer.alloc(8)
  length.writeUInt32BE(data.length, 4)
  return Buffer.concat([Buffer.of(0x80 | opcode, 0xff), length, MASK, data])
}

export class BareClient {
  readonly socket: Socket
  received = ''

  constructor(port: number, headers = '', path = '/v1/ws') {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('error', () => undefined)
    this.socket.on('data', (data) => (this.received += data.toString('latin1')))
    this.socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${headers}\r\n`,
    )
  }

  send(frame: object): void {
    this.socket.write(clientFrame(1, JSON.stringify(frame)))
  }
}
