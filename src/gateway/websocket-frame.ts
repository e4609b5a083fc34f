/**
 * Messages as WebSocket frames (RFC 6455 §5.2), ready for the socket: unmasked, unfragmented, uncompressed. Made here and written straight
 * to the socket, because one frame may then go to thousands of sockets, and because it is one buffer and one write.
 */
const TEXT = 0x81
const BINARY = 0x82

export function frameText(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const frame = headed(TEXT, length)
  frame.write(text, frame.length - length, 'utf8')
  return frame
}

export function frameBytes(bytes: Uint8Array): Buffer {
  const frame = headed(BINARY, bytes.length)
  frame.set(bytes, frame.length - bytes.length)
  return frame
}

/** Of a frame as long as this. */
export function payloadLength(frameLength: number): number {
  return frameLength - (frameLength < 128 ? 2 : frameLength < 65_540 ? 4 : 10)
}

function headed(opcode: number, length: number): Buffer {
  if (length < 126) {
    const frame = Buffer.allocUnsafe(2 + length)
    frame[0] = opcode
    frame[1] = length
    return frame
  }
  if (length < 65_536) {
    const frame = Buffer.allocUnsafe(4 + length)
    frame[0] = opcode
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
    return frame
  }
  const frame = Buffer.allocUnsafe(10 + length)
  frame[0] = opcode
  frame[1] = 127
  frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2)
  frame.writeUInt32BE(length >>> 0, 6)
  return frame
}
